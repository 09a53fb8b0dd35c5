"""The ministry's horizon at an endpoint: whatever it promises must be here, or the hub withholds it.

It is fetched before the inbox is read, so that all below its number must then be in the inbox. A horizon that goes
back, or stands still for long, is one of which the hub may withhold a newer.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from renkei.agent.contact import Contact
from renkei.agent.home import Home, log, now
from renkei.agent.intake import STREAM
from renkei.client.errors import HubRefused, NotAllowed, NotFound
from renkei.exchange.bindings import VerifiedParty
from renkei.exchange.clock import format_time, parse_time
from renkei.exchange.errors import ExchangeError
from renkei.exchange.parties import MINISTRY
from renkei.exchange.payloads import Horizon

_HUB, _MEDIUM = "hub", "medium"
_SKEW = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, order=True)
class Followed:
    """The ministry's newest horizon as this endpoint has verified it."""

    next_sequence: int
    published_up_to: datetime


def fetch(home: Home, contact: Contact) -> Followed | None:
    """Ask the hub for the ministry's horizon; call this before the inbox is read. None when there is none.

    Raises:
        HubError: the hub can't be reached.
    """
    try:
        answer = contact.client.horizon(MINISTRY, STREAM)
    except NotFound:
        return _noted(home, _HUB)
    except NotAllowed:
        raise
    except HubRefused as error:
        log.warning("no horizon: %s", error)
        return _noted(home, _HUB)
    try:
        horizon = _verified(home, answer.envelope, home.anchor.verify_entry(answer.entry, now(), MINISTRY))
    except ExchangeError as error:
        home.alarm("horizon", "document", f"the hub's horizon of the ministry can't be believed: {error}")
        return _noted(home, _HUB)
    home.spool.settle("horizon", "document")
    if _is_contradiction(home, contact, horizon):
        return _noted(home, _HUB)
    home.spool.note(horizon_epoch=str(contact.epoch))
    _note(home, _HUB, horizon, answer.envelope)
    return _noted(home, _HUB)


def take_from_medium(home: Home, envelope: bytes, signer: VerifiedParty) -> None:
    """Note the horizon that a medium brought; an older one than is known, as of an old medium, changes nothing.

    Raises:
        ExchangeError: it can't be believed.
    """
    horizon, before = _verified(home, envelope, signer), _noted(home, _MEDIUM)
    if before is None or before < horizon:
        _note(home, _MEDIUM, horizon, envelope)


def known(home: Home) -> Followed | None:
    """The newest horizon that was verified here, by line or by medium."""
    return max((each for way in (_HUB, _MEDIUM) if (each := _noted(home, way)) is not None), default=None)


def missing(home: Home, horizon: Followed | None) -> list[int]:
    """Hold the inbox, just read, against the hub's horizon: numbers that were promised and didn't come, alarmed."""
    numbers = _missing(home, horizon)
    subject = f"{MINISTRY}/{STREAM}"
    if numbers and horizon is not None:
        text = f"{_promise(horizon, numbers)} isn't in the inbox: the hub withholds it; tell the ministry's support"
        home.alarm("withheld", subject, text)
    else:
        home.spool.settle("withheld", subject)
    _check_age(home)
    return numbers


def missing_by_medium(home: Home) -> list[int]:
    """Hold what is here against the horizon of the newest medium: numbers that were promised and didn't come, alarmed.

    That is no fault of the hub: they may have been on a medium that was lost, or be under way by line.
    """
    horizon = _noted(home, _MEDIUM)
    numbers = _missing(home, horizon)
    if numbers and horizon is not None:
        text = f"{_promise(horizon, numbers)} isn't here: exchange by line, or ask the ministry for another medium"
        home.alarm("horizon", "medium", text)
    else:
        home.spool.settle("horizon", "medium")
    _check_age(home)
    return numbers


def withheld(home: Home) -> list[int]:
    """The numbers that the hub's horizon promised and that aren't here, without an alarm."""
    return _missing(home, _noted(home, _HUB))


def _missing(home: Home, horizon: Followed | None) -> list[int]:
    if horizon is None:
        return []
    if home.keyring.took_over:
        # The machine before this one receipted what came then: what isn't in the inbox any more was its business.
        home.spool.incoming.begin_at(MINISTRY, STREAM, horizon.next_sequence)
    return home.spool.incoming.missing(MINISTRY, STREAM, horizon.next_sequence)


def _promise(horizon: Followed, numbers: list[int]) -> str:
    others = " and others" if len(numbers) > 1 else ""
    moment, promised = format_time(horizon.published_up_to), horizon.next_sequence - 1
    return f"the ministry has handed on {promised} parcels up to {moment}, but number {numbers[0]}{others}"


def _is_contradiction(home: Home, contact: Contact, horizon: Followed) -> bool:
    """Whether the hub shows an older horizon than it did before in this epoch; alarmed."""
    before = _noted(home, _HUB)
    if before is None or horizon >= before:
        home.spool.settle("withheld", "horizon")
        return False
    if home.spool.fact("horizon_epoch") == str(contact.epoch):
        text = (
            f"the hub showed the ministry's horizon of {format_time(before.published_up_to)} and now an older one, "
            f"of {format_time(horizon.published_up_to)}: it withholds the newer; tell the ministry's support"
        )
        home.alarm("withheld", "horizon", text)
    return True


def _noted(home: Home, way: str) -> Followed | None:
    number, moment = home.spool.fact(f"horizon_{way}_next"), home.spool.fact(f"horizon_{way}_up_to")
    return None if number is None or moment is None else Followed(int(number), parse_time(moment))


def _note(home: Home, way: str, horizon: Followed, envelope: bytes) -> None:
    home.spool.note(
        **{
            f"horizon_{way}_next": str(horizon.next_sequence),
            f"horizon_{way}_up_to": format_time(horizon.published_up_to),
            f"horizon_{way}_envelope": envelope.decode(),
        }
    )


def _verified(home: Home, envelope: bytes, signer: VerifiedParty) -> Followed:
    horizon = Horizon.open(envelope, signer.signing_public_key)
    _check(home, horizon, signer)
    return Followed(horizon.next_sequence, horizon.published_up_to)


def _check_age(home: Home) -> None:
    limit, horizon = timedelta(hours=home.settings.exchange.horizon_hours), known(home)
    if horizon is not None and now() - horizon.published_up_to > limit:
        moment = format_time(horizon.published_up_to)
        text = (
            f"the ministry's newest horizon is of {moment}: no newer one was published or came by medium, "
            "or the hub withholds it"
        )
        home.alarm("horizon", "age", text)
    else:
        home.spool.settle("horizon", "age")


def _check(home: Home, horizon: Horizon, signer: VerifiedParty) -> None:
    said = (signer.party, horizon.sender, horizon.recipient, horizon.stream)
    if said != (MINISTRY, MINISTRY, home.party, STREAM):
        raise ExchangeError(f"{signer.party} signed one of {horizon.sender}'s {horizon.stream} for {horizon.recipient}")
    if horizon.published_up_to > now() + _SKEW:
        raise ExchangeError(f"it is of {format_time(horizon.published_up_to)}, which hasn't come yet: check the clocks")
