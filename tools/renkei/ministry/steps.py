"""What a notice of a municipality means for where a person lives: a step of a life.

An `entry` is one into a municipality's register, or a first or new address there; an `exit` a 転出 or another end of
the record (死亡, 国籍取得, 失踪宣告, 職権消除); any `other` step leaves the person where he is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from renkei.domain.notices import CardIssueNotice, Notice, RegisterNotice, ResidenceNotice
from renkei.domain.notices.register import AMENDMENT, DELETION, DEPARTURE
from renkei.ministry.places import Places

_WITHIN = frozenset({"住基法23条"})  # 転居: within the municipality
_FROM_ANOTHER = frozenset({"住基法22条", "入管法19条の9"})  # 転入; 19条の9 is also a move within


class Act(StrEnum):
    """What kind of step a notice is."""

    ENTRY = "entry"
    EXIT = "exit"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Step:
    """A notice as far as its place in the order goes; nothing in it says who it is about.

    Attributes:
        id: grows in the order in which notices were taken, and so, within one municipality, in its stream's order.
        place: the municipality's code.
        number: the notice's.
        act: what kind of step.
        day: the legal date: of the move, the event, the issue, or else of the filing or the processing.
        previous: of an entry, the code of the municipality that the person came from, where the notice says it.
        corrects: the number of the notice of the same municipality that this one takes the place of.
        received: when it was taken.
    """

    id: int
    place: str
    number: str
    act: Act
    day: date
    previous: str | None
    corrects: str | None
    received: datetime

    @property
    def key(self) -> tuple[str, str]:
        """What names the notice: a number is unique for its municipality."""
        return self.place, self.number


def step_of(notice: Notice, id_: int, received: datetime, places: Places) -> Step:
    """Tell what step a notice of a municipality is."""
    act, day, previous = _read(notice, places)
    if previous == notice.municipality:
        previous = None  # a move within
    corrects = getattr(notice, "corrects", None)
    return Step(id_, notice.municipality, notice.number, act, day, previous, corrects, received)


def _read(notice: Notice, places: Places) -> tuple[Act, date, str | None]:
    if isinstance(notice, ResidenceNotice):
        day = notice.moved_on or notice.settled_on or notice.filed_on
        if notice.basis in _WITHIN:
            return Act.OTHER, day, None
        previous = places.find(notice.previous_address) if notice.basis in _FROM_ANOTHER else None
        return Act.ENTRY, day, previous
    if isinstance(notice, RegisterNotice):
        day = notice.event_on or notice.filed_on or notice.processed_on
        if notice.action == DELETION:
            return Act.EXIT, (notice.departs_on if notice.cause == DEPARTURE else None) or day, None
        return (Act.OTHER if notice.action == AMENDMENT else Act.ENTRY), day, None
    if isinstance(notice, CardIssueNotice):
        return Act.OTHER, notice.issued_on, None
    raise TypeError(f"{notice.TYPE} has no place in a life")


def in_stream_order(steps: list[Step]) -> list[Step]:
    """Put the steps of one person in the order in which each municipality means them.

    That is the order of its stream, but for a notice that came once more after the one that corrects it: this stands
    before its correction.
    """
    ordered = sorted(steps, key=lambda step: step.id)
    targets: Mapping[tuple[str, str], Step] = {step.key: step for step in ordered}
    for step in list(ordered):
        moved, target = step, targets.get((step.place, step.corrects or ""))
        while target is not None and ordered.index(target) > ordered.index(moved):
            ordered.remove(target)
            ordered.insert(ordered.index(moved), target)
            moved, target = target, targets.get((target.place, target.corrects or ""))
    return ordered
