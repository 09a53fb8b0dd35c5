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
from renkei.exchange.clock import format_time, parse_time
from renkei.exchange.errors import ExchangeError
from renkei.exchange.parties import MINISTRY
from renkei.exchange.payloads import Horizon

_SKEW = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Followed:
    """The ministry's newest horizon as this endpoint has verified it."""

    next_sequence: int
    published_up_to: datetime


def fetch(home: Home, contact: Contact) -> Followed | None:
    """Ask the hub for the ministry's horizon; call this before the inbox is read. None when there is none to believe.

    Raises:
        HubError: the hub can't be reached.
    """
    try:
        answer = contact.client.horizon(MINISTRY, STREAM)
    except NotFound:
        return known(home)
    except NotAllowed:
        raise
    except HubRefused as error:
        log.warning("no horizon: %s", error)
        return known(home)
    try:
        signer = home.anchor.verify_entry(answer.entry, now(), MINISTRY)
        horizon = Horizon.open(answer.envelope, signer.signing_public_key)
        _check(home, horizon)
    except ExchangeError as error:
        home.alarm("horizon", "document", f"the hub's horizon of the ministry can't be believed: {error}")
        return known(home)
    home.spool.settle("horizon", "document")
    return _accept(home, contact, Followed(horizon.next_sequence, horizon.published_up_to), answer.envelope)


def known(home: Home) -> Followed | None:
    """The newest horizon that was verified here."""
    number, moment = home.spool.fact("horizon_next"), home.spool.fact("horizon_up_to")
    if number is None or moment is None:
        return None
    return Followed(int(number), parse_time(moment))


def missing(home: Home, horizon: Followed | None) -> list[int]:
    """Hold the inbox, just read, against the horizon; the numbers that were promised and didn't come, alarmed."""
    subject = f"{MINISTRY}/{STREAM}"
    if horizon is None:
        return []
    if home.keyring.took_over:
        # The machine before this one receipted what came then: what isn't in the inbox any more was its business.
        home.spool.incoming.begin_at(MINISTRY, STREAM, horizon.next_sequence)
    numbers = home.spool.incoming.missing(MINISTRY, STREAM, horizon.next_sequence)
    if numbers:
        others = " and others" if len(numbers) > 1 else ""
        text = (
            f"the ministry has handed {horizon.next_sequence - 1} parcels to the hub up to "
            f"{format_time(horizon.published_up_to)}, but number {numbers[0]}{others} isn't in the inbox: "
            "the hub withholds it; tell the ministry's support"
        )
        home.alarm("withheld", subject, text)
    else:
        home.spool.settle("withheld", subject)
    _check_age(home, horizon)
    return numbers


def _accept(home: Home, contact: Contact, horizon: Followed, envelope: bytes) -> Followed:
    """Note a newer horizon; an older one in the same epoch is the hub's contradiction of what it showed before."""
    before = known(home)
    if before is not None and (horizon.next_sequence, horizon.published_up_to) < (
        before.next_sequence,
        before.published_up_to,
    ):
        if home.spool.fact("horizon_epoch") == str(contact.epoch):
            text = (
                f"the hub showed the ministry's horizon of {format_time(before.published_up_to)} and now an older one, "
                f"of {format_time(horizon.published_up_to)}: it withholds the newer; tell the ministry's support"
            )
            home.alarm("withheld", "horizon", text)
        return before
    home.spool.settle("withheld", "horizon")
    home.spool.note(
        horizon_next=str(horizon.next_sequence),
        horizon_up_to=format_time(horizon.published_up_to),
        horizon_epoch=str(contact.epoch),
        horizon_envelope=envelope.decode(),
    )
    return horizon


def _check_age(home: Home, horizon: Followed) -> None:
    limit = timedelta(hours=home.settings.exchange.horizon_hours)
    if now() - horizon.published_up_to > limit:
        moment = format_time(horizon.published_up_to)
        text = f"the ministry's newest horizon is of {moment}: it has stopped publishing, or the hub withholds it"
        home.alarm("horizon", "age", text)
    else:
        home.spool.settle("horizon", "age")


def _check(home: Home, horizon: Horizon) -> None:
    if (horizon.sender, horizon.recipient, horizon.stream) != (MINISTRY, home.party, STREAM):
        raise ExchangeError(f"it is of {horizon.sender}'s {horizon.stream} for {horizon.recipient}")
    if horizon.published_up_to > now() + _SKEW:
        raise ExchangeError(f"it is of {format_time(horizon.published_up_to)}, which hasn't come yet: check the clocks")
