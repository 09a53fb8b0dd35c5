"""Merges what several municipalities say of one person into one order: pure rules, no clock, no storage.

The order of one municipality is that of its stream. Between municipalities there is no common number, and streams
cross: one is online, another carries media. What ties them together is the law: who moves has first left (住基法24条),
then entered (22条). So most notices go on at once, and only what says that something before it is missing waits:

| reason | what waits | for what | at most |
|---|---|---|---|
| crossing | an entry into B of somebody who lived in A | his exit from A | `crossing` |
| correction | a notice that corrects one which never came | that one, asked for by an inquiry | `held` |
| unknown | a notice that came back as 未取込: nobody like that | what makes the person known | no end, alarmed |
| behind | whatever a municipality said after one that waits, of the same person | that one | `held` |

Nothing is dropped, and nothing but `unknown` waits without an end. What comes after something that it should have come
before is handed on all the same and called `overtaken`: the system of record then has to look at the legal dates.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from enum import StrEnum

from renkei.ministry.steps import Act, Step, in_stream_order


class Reason(StrEnum):
    """Why a notice waits."""

    CROSSING = "crossing"
    CORRECTION = "correction"
    UNKNOWN = "unknown"
    BEHIND = "behind"


@dataclass(frozen=True, slots=True)
class Terms:
    """How long a notice waits for another at most, counted from when it was taken."""

    crossing: timedelta = timedelta(hours=24)
    held: timedelta = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Where a person is by what was handed on.

    Attributes:
        at: the municipality whose register the person stands in, None after an exit or before the first notice.
        left: the municipality of the last exit.
        day: the legal date of the last entry or exit, and `place` where it was.
    """

    at: str | None = None
    left: str | None = None
    day: date | None = None
    place: str | None = None

    def after(self, step: Step) -> "Whereabouts":
        """Return where the person is after a step; one that was overtaken moves nobody."""
        if step.act is Act.OTHER or self.overtook(step):
            return self
        if step.act is Act.ENTRY:
            return replace(self, at=step.place, day=step.day, place=step.place)
        return Whereabouts(None, step.place, step.day, step.place)

    def overtook(self, step: Step) -> bool:
        """Whether something that comes after this step, by the legal dates, was handed on before it."""
        if step.act is Act.OTHER or self.day is None or self.place == step.place:
            return False
        if step.act is Act.EXIT:
            return self.at not in {None, step.place} or step.day < self.day
        if self.at is None and step.previous in {None, self.left}:
            return False  # he left as planned, or earlier than planned: a 転出予定日 may lie after the move
        return step.day < self.day


@dataclass(frozen=True, slots=True)
class Case:
    """All that is to be known of one person.

    Attributes:
        whereabouts: from what was handed on.
        waiting: steps that were taken and not handed on.
        unknown: steps that were handed on and came back as 未取込: the person isn't known.
        known: keys of notices that were handed on, as far as a waiting one corrects them.
    """

    whereabouts: Whereabouts = Whereabouts()
    waiting: Sequence[Step] = ()
    unknown: Sequence[Step] = ()
    known: Collection[tuple[str, str]] = ()


@dataclass(frozen=True, slots=True)
class Release:
    """A step that is to be handed on now.

    Attributes:
        step: which.
        overtaken: something later was handed on before it.
        gave_up: what it had waited for in vain.
    """

    step: Step
    overtaken: bool = False
    gave_up: Reason | None = None


@dataclass(frozen=True, slots=True)
class Hold:
    """A step that waits: why, for what (the code of a municipality or the number of a notice), and until when."""

    step: Step
    reason: Reason
    waits_for: str
    until: datetime


@dataclass(slots=True)
class Verdict:
    """What is to be done with a person's notices: some go on, in this order; the others wait."""

    releases: list[Release] = field(default_factory=list)
    holds: list[Hold] = field(default_factory=list)
    whereabouts: Whereabouts = Whereabouts()


def judge(case: Case, senders: Collection[str], now: datetime, terms: Terms) -> Verdict:
    """Say which of a person's notices go on now, in which order.

    Args:
        case: the person.
        senders: codes of municipalities that send 市町村通知: others never say that somebody left.
        now: the time.
        terms: the bounds.
    """
    waiting, known = in_stream_order(list(case.waiting)), set(case.known)
    verdict = Verdict(whereabouts=case.whereabouts)
    free: list[Release]
    while True:
        verdict.holds, free = [], []
        for index, step in enumerate(waiting):
            before = _before(step, waiting[:index], case.unknown)
            if before is not None:  # whenever that goes on, at the end of its time at the latest
                verdict.holds.append(Hold(step, Reason.BEHIND, before.number, step.received + terms.held))
                continue
            hold = _hold(step, case.unknown, known, terms) or _crossing(step, verdict.whereabouts, senders, terms)
            if hold is not None and now < hold.until:
                verdict.holds.append(hold)
            else:
                overtaken = verdict.whereabouts.overtook(step)
                free.append(Release(step, overtaken, hold.reason if hold else None))
        if not free:
            return verdict
        # One at a time: what goes on may set others free, and of several the legally first goes first.
        chosen = min(free, key=_legal_order)
        verdict.releases.append(chosen)
        verdict.whereabouts = verdict.whereabouts.after(chosen.step)
        known.add(chosen.step.key)
        waiting.remove(chosen.step)


def _legal_order(release: Release) -> tuple[date, int, str, int]:
    """By the legal date; on one day an exit goes before an entry, an entry before what happens there."""
    step = release.step
    return step.day, (Act.EXIT, Act.ENTRY, Act.OTHER).index(step.act), step.place, step.id


def _before(step: Step, earlier: Sequence[Step], unknown: Sequence[Step]) -> Step | None:
    """Return what stands before a step in its own stream; an entry passes what can't be placed without it."""
    for other in earlier:
        passable = step.act is Act.ENTRY and other.act is Act.OTHER and _pending(other, unknown) is not None
        if other.place == step.place and not passable:
            return other
    return None


def _pending(step: Step, unknown: Sequence[Step]) -> Step | None:
    """Return the notice about somebody unknown that a step stands behind."""
    if step.act is Act.ENTRY:
        return None
    before = (other for other in unknown if other.place == step.place and other.id < step.id)
    return next((other for other in before if step.corrects != other.number), None)


def _hold(step: Step, unknown: Sequence[Step], known: Collection[tuple[str, str]], terms: Terms) -> Hold | None:
    """Hold a step that something before it in its own municipality's stream holds."""
    until = step.received + terms.held
    if (pending := _pending(step, unknown)) is not None:
        return Hold(step, Reason.BEHIND, pending.number, until)
    if step.corrects is not None and (step.place, step.corrects) not in known:
        return Hold(step, Reason.CORRECTION, step.corrects, until)
    return None


def _crossing(step: Step, where: Whereabouts, senders: Collection[str], terms: Terms) -> Hold | None:
    """Hold an entry until the exit that it follows, where one is to be expected."""
    if step.act is not Act.ENTRY or where.at == step.place:
        return None
    if where.overtook(step):
        return None  # what the person did later has gone on already: nothing is gained by letting this wait
    left_from = step.previous or where.at
    if left_from is None or left_from not in senders:
        return None
    if where.at is None and where.left == left_from:
        return None
    return Hold(step, Reason.CROSSING, left_from, step.received + terms.crossing)
