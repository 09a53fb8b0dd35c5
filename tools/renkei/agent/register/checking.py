"""Which is newer, the register or the card? What is known at this moment of the person who shows a card.

    current         all that was published up to a moment is here, and what concerns the card is in the register
    waiting         a notice about this person isn't in the register yet, or a parcel is here that can't be opened yet
    as_of           the same as `current`, but for a moment that lies too far back: the hub can't be reached
    contradiction   the hub doesn't show what the ministry has signed for, or can't prove to be the hub

Nothing is looked up by the card's number itself: the spool has only marks of it, made with a key of this machine.
"""

from datetime import timedelta
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from renkei.agent import horizons
from renkei.agent.home import Home, now
from renkei.agent.intake import STREAM
from renkei.agent.register.pending import STANDINGS
from renkei.domain.cards import ResidenceCardNumber
from renkei.domain.identity import card_feature
from renkei.exchange.clock import format_time
from renkei.exchange.parties import MINISTRY
from renkei.store.marks import Marks
from renkei.store.standings import IN_REGISTER, Import, Standing

_CONTRADICTIONS = frozenset({"withheld", "hub"})
"""Kinds of alarms that an exchange raises when the hub contradicts what it or the ministry has signed."""
_DONE = {Standing.IMPORTED: "取込済", Standing.REFUSED: "取り込まない", Standing.PASSED: "対象外"}


class Verdict(StrEnum):
    """What a check comes to."""

    CURRENT = "current"
    WAITING = "waiting"
    AS_OF = "as_of"
    CONTRADICTION = "contradiction"


class KnownNotice(BaseModel):
    """A notice about the person."""

    model_config = ConfigDict(frozen=True)

    number: str
    noticed_on: str
    received_at: str
    standing: Standing
    standing_ja: str


class Check(BaseModel):
    """What is known; times are RFC 3339.

    Attributes:
        verdict: see the module.
        reached: whether the exchange just now came through.
        published_up_to: the moment up to which everything that the ministry published is accounted for; None when no
            horizon ever came.
        notices: about the person, of the last year, in the order in which they came.
        unopened: parcels that are here or announced and can't be opened yet; they may concern the person.
        missing: numbers of parcels that the ministry signed for and that aren't here.
    """

    model_config = ConfigDict(frozen=True)

    verdict: Verdict
    reached: bool
    published_up_to: str | None
    notices: tuple[KnownNotice, ...]
    unopened: int
    missing: tuple[int, ...]


def check(home: Home, card: ResidenceCardNumber, *, reached: bool, max_age: timedelta) -> Check:
    """Say what is known of a card; call it after an exchange, within `alone`.

    Args:
        home: of an endpoint's agent.
        card: the number on the card that is shown.
        reached: whether the exchange came through.
        max_age: how old the ministry's horizon may be to count as now.
    """
    horizon = horizons.known(home)
    withheld = horizons.withheld(home)
    missing = home.spool.incoming.missing(MINISTRY, STREAM, horizon.next_sequence) if horizon else []
    found = home.spool.imports.about(frozenset({Marks(home.settings.marks_key).of(card_feature(card.value))}))
    unopened = home.spool.incoming.undelivered(MINISTRY, STREAM)
    if withheld or any(alarm.kind in _CONTRADICTIONS for alarm in home.spool.alarms()):
        verdict = Verdict.CONTRADICTION
    elif unopened or missing or any(each.standing not in IN_REGISTER for each in found):
        verdict = Verdict.WAITING
    elif not reached or horizon is None or now() - horizon.published_up_to > max_age:
        verdict = Verdict.AS_OF
    else:
        verdict = Verdict.CURRENT
    return Check(
        verdict=verdict,
        reached=reached,
        published_up_to=format_time(horizon.published_up_to) if horizon else None,
        notices=tuple(_known(each) for each in found),
        unopened=unopened,
        missing=tuple(missing),
    )


def _known(found: Import) -> KnownNotice:
    return KnownNotice(
        number=found.number,
        noticed_on=found.noticed_on,
        received_at=found.received_at,
        standing=found.standing,
        standing_ja=(STANDINGS | _DONE)[found.standing],
    )
