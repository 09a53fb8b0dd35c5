"""The list of revoked certificates at an agent: by line or medium, never an older one, alarmed when out of date.

It lies in the home (`crl.pem`); every certificate that this agent verifies is held against it. The hub's allow-list
shuts a revoked machine out at once; the list is for finding out a hub that doesn't, and for media, which pass no hub.

Each list says when the next one is due. After that it is late, and counts on: whoever keeps lists back can't stop an
exchange by it. When the grace period is over, too, it is alarmed.
"""

from dataclasses import dataclass
from enum import StrEnum

from renkei.agent.files import put
from renkei.agent.home import Home, log, now, read_own_crl, stamp
from renkei.client.answers import HubState
from renkei.client.errors import NotFound
from renkei.client.hub import HubClient
from renkei.exchange.certificates import CertificateError
from renkei.exchange.clock import format_time, parse_time
from renkei.exchange.crl import Crl, read_crl

_KIND = "crl"
_SHOWN, _EPOCH, _SINCE = "crl_shown", "crl_epoch", "crl_missing_since"


class Standing(StrEnum):
    """How fresh the list is."""

    CURRENT = "current"
    LATE = "late"
    OUT_OF_DATE = "out of date"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Freshness:
    """How fresh the list is, and since when the next one has been due; `alarm` is what to tell a person, or nothing."""

    standing: Standing
    crl: Crl | None
    alarm: str = ""


def follow(home: Home, client: HubClient, state: HubState) -> None:
    """Take the hub's list if it is newer; a hub that goes back or hands on what isn't a list is alarmed.

    Args:
        home: of the agent.
        client: of the hub.
        state: what the hub said of itself just now; only the list's own signature is believed.

    Raises:
        HubError: the hub can't be reached.
    """
    refresh(home)
    known = home.anchor.crl
    if state.crl is not None and (known is None or state.crl > known.number):
        _fetch(home, client, state.crl)
    _watch(home, state)
    check_age(home)


def take(home: Home, pem: str) -> bool:
    """Take a list that somebody handed on; false when one as new is known.

    Raises:
        CertificateError: it can't be believed.
    """
    if not home.anchor.take_crl(pem, now()):
        return False
    put(home.settings.crl, pem.encode(), home.settings.staging)
    crl = read_crl(pem)
    log.info("the list of revoked certificates of %s has %d", format_time(crl.signed_at), len(crl.revoked))
    return True


def refresh(home: Home) -> None:
    """Take the list that another process of this agent has taken meanwhile."""
    read_own_crl(home.settings, home.anchor)


def check_age(home: Home) -> None:
    """Alarm a list that is out of date, or that never came; settle that of one that is not."""
    found = freshness(home)
    if found.alarm:
        home.alarm(_KIND, "age", found.alarm)
    else:
        home.spool.settle(_KIND, "age")
    if found.standing is Standing.MISSING and home.spool.fact(_SINCE) is None:
        home.spool.note(**{_SINCE: stamp()})


def freshness(home: Home) -> Freshness:
    """How fresh the list is; nothing is written for this."""
    crl, grace, moment = home.anchor.crl, home.settings.crl_grace, now()
    if crl is None:
        since = home.spool.fact(_SINCE)
        overdue = since is not None and moment > parse_time(since) + grace
        text = f"no list of revoked certificates has come since {since}: {_what_to_do(home)}"
        return Freshness(Standing.MISSING, None, text if overdue else "")
    if moment <= crl.due_at:
        return Freshness(Standing.CURRENT, crl)
    if moment <= crl.due_at + grace:
        return Freshness(Standing.LATE, crl)
    text = (
        f"the newest list of revoked certificates is of {format_time(crl.signed_at)}, the next was due by "
        f"{format_time(crl.due_at)}; {_what_to_do(home)}"
    )
    return Freshness(Standing.OUT_OF_DATE, crl, text)


def _fetch(home: Home, client: HubClient, promised: int) -> None:
    try:
        pem = client.crl()
        take(home, pem)
    except NotFound:
        home.alarm(_KIND, "hub", f"the hub says that it has list {promised} of revoked certificates, and has none")
        return
    except CertificateError as error:
        home.alarm(_KIND, "hub", f"the hub hands on a list of revoked certificates that can't be believed: {error}")
        return
    known = home.anchor.crl
    if known is None or known.number < promised:
        home.alarm(
            _KIND, "hub", f"the hub says that it has list {promised} of revoked certificates, and hands on another"
        )
        return
    home.spool.settle(_KIND, "hub")


def _watch(home: Home, state: HubState) -> None:
    """Hold what the hub shows against what it showed before in this epoch; a restored hub may have forgotten."""
    shown, epoch = home.spool.fact(_SHOWN), str(state.epoch)
    known, told = int(shown or 0), state.crl or 0
    if told < known and home.spool.fact(_EPOCH) == epoch:
        now_shown = f"the older {told}" if told else "none"
        text = (
            f"the hub showed the list {known} of revoked certificates and now {now_shown}: it withholds the newer; "
            "tell the ministry's support"
        )
        home.alarm("withheld", _KIND, text)
        return
    home.spool.settle("withheld", _KIND)
    if (told, epoch) != (known, home.spool.fact(_EPOCH)):
        home.spool.note(**{_SHOWN: str(told), _EPOCH: epoch})


def _what_to_do(home: Home) -> str:
    way = "Bring a new medium from the ministry" if home.settings.is_offline else "Exchange by line"
    return (
        f"who was revoked since isn't known here. {way}; if that doesn't help, the authority signs "
        "none or the hub withholds it: tell the ministry's support"
    )
