"""The ministry says up to which moment everything for an endpoint is with the hub: its horizon, signed.

    the connector notes a moment → the outbox is taken → all of it is accepted → the moment is signed and published

A file that waits, or a message that the hub hasn't accepted, keeps its recipient's horizon where it was.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from renkei.agent import settling
from renkei.agent.contact import Contact
from renkei.agent.files import read_bounded
from renkei.agent.home import Home, log, now, stamp
from renkei.agent.intake import STREAM, candidates
from renkei.client.hub import HORIZONS_AT_ONCE
from renkei.exchange.clock import format_time, parse_time, whole_seconds
from renkei.exchange.documents import Signer
from renkei.exchange.errors import ExchangeError
from renkei.exchange.parties import InvalidParty, Party
from renkei.exchange.payloads import Horizon

MARK = ".published.json"
"""Below the ministry's outbox, written by the connector: `{"published_up_to": time, "endpoints": [code …]}`."""

_STALE = timedelta(hours=1)
_MARK_LIMIT = 256 * 1024


@dataclass(frozen=True, slots=True)
class Handed:
    """What the immigration system had handed over, and when: everything up to `up_to` lies in the outbox or went on."""

    up_to: datetime
    endpoints: frozenset[Party]


def handed(home: Home) -> Handed | None:
    """Read, before the outbox is taken, up to which moment it is complete; None when that isn't known.

    Without a connector the outbox itself is where notices are handed over, so it is complete at any moment. With one,
    a mark that can't be read or that has stood still is alarmed; there is none before the connector's first round.
    """
    if not home.settings.publish.connector:
        return Handed(now(), frozenset(_folders(home)))
    path = home.settings.outbox / MARK
    try:
        mark = _read_mark(path)
    except FileNotFoundError:
        log.info("no horizons yet: the connector has left no mark")
        return None
    except (OSError, ValueError, ExchangeError) as error:
        home.alarm("horizon", "mark", f"{path}: the connector's mark can't be read ({error})")
        return None
    if now() - mark.up_to > _STALE:
        moment = format_time(mark.up_to)
        text = f"{path}: the connector's mark is of {moment}; does it run, does a file wait in its drop?"
        home.alarm("horizon", "mark", text)
    else:
        home.spool.settle("horizon", "mark")
    return mark


def publish(home: Home, contact: Contact, found: Handed) -> int:
    """Sign and publish the horizons of all endpoints whose part of the outbox went on; how many the hub kept."""
    late = set(_behind(home, found.up_to))
    signer = home.keys().signer
    places = home.spool.outgoing.accepted_up_to(STREAM, contact.epoch)
    known = {Party(peer.party) for peer in home.spool.peers()} | found.endpoints
    numbers = {party: 1 for party in known if party.is_endpoint} | {Party(name): at for name, at in places.items()}
    begun = home.spool.outgoing.streams()
    ready = [
        (party, number)
        for party, number in sorted(numbers.items())
        if party not in late and (party in places or (party, STREAM) not in begun)
    ]
    kept = 0
    for start in range(0, len(ready), HORIZONS_AT_ONCE):
        batch = ready[start : start + HORIZONS_AT_ONCE]
        envelopes = [_sign(home, signer, party, number, found.up_to) for party, number in batch]
        ahead = contact.client.put_horizons(envelopes)
        again = []
        for each in ahead:
            recipient = batch[each.index][0]
            if settling.settle(home, contact, recipient, STREAM, each.expected):
                again.append(envelopes[each.index])
            else:
                log.warning("the hub has less of the stream to %s than it accepted", recipient)
        kept += len(batch) - len(ahead)
        if again:
            kept += len(again) - len(contact.client.put_horizons(again))
    return kept


def for_medium(home: Home, recipient: Party) -> bytes | None:
    """Sign the horizon that goes onto a medium, together with all of the stream that has no receipt.

    Call it after the outbox was taken. None when something for the recipient still lies there.
    """
    found = handed(home)
    if found is None or recipient in _behind(home, found.up_to):
        return None
    number = home.spool.outgoing.next_number(recipient, STREAM)
    return _sign(home, home.keys().signer, recipient, number, found.up_to)


def begin(home: Home) -> Handed | None:
    """Begin a round if one is due, whatever comes of it; None when there is nothing to publish."""
    if not is_due(home):
        return None
    home.spool.note(horizons_at=stamp())
    return handed(home)


def is_due(home: Home) -> bool:
    """Whether horizons are to be published again."""
    if not home.settings.is_ministry:
        return False
    done = home.spool.fact("horizons_at")
    return done is None or parse_time(done) + timedelta(seconds=home.settings.publish.seconds) <= now()


def _sign(home: Home, signer: Signer, recipient: Party, number: int, moment: datetime) -> bytes:
    return Horizon(
        sender=home.party, recipient=recipient, stream=STREAM, next_sequence=number, published_up_to=moment
    ).sign(signer)


def _behind(home: Home, moment: datetime) -> Iterator[Party]:
    """Recipients for whom a file lies in the outbox that was handed over by the moment."""
    for candidate in candidates(home):
        try:
            arrived = candidate.path.stat().st_ctime
        except FileNotFoundError:
            continue
        if arrived <= moment.timestamp() + 1:  # horizons have whole seconds
            yield candidate.recipient


def _folders(home: Home) -> Iterator[Party]:
    """Endpoints that have a folder in the outbox, whatever lies in it."""
    for place in home.settings.outbox.iterdir():
        try:
            party = Party(place.name)
        except InvalidParty:
            continue
        if party.is_endpoint and place.is_dir():
            yield party


def _read_mark(path: Path) -> Handed:
    content = read_bounded(path, _MARK_LIMIT)
    match json.loads(content or b""):
        case {"published_up_to": str(moment), "endpoints": list(endpoints)}:
            return Handed(whole_seconds(parse_time(moment)), frozenset(Party(str(code)) for code in endpoints))
        case _:
            raise ValueError("it isn't in its form")
