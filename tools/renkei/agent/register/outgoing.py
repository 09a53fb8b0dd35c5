"""What an endpoint sends, and when: at once, at the next exchange time, on its day, or not at all.

| notice | goes |
|---|---|
| 市町村通知 修正 that a notice of the ministry (住基法30条の50) had caused | never (施行令24条1項); noted, and why |
| 市町村通知 転出, planned for a later day | on that day (転出予定日), by the calendar of Japan |
| one that corrects a notice which waits | right after that one |
| of a file in mode `daily` | at the endpoint's next exchange time |
| of a file in mode `immediate` | at once, and with it what was gathered before of the same person |

The mode is that of the settings, or of the file: `NAME.daily.csv`, `NAME.immediate.csv`.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field

import apsw

from renkei.agent import schedule
from renkei.agent.home import Home, now, stamp
from renkei.agent.register.arriving import effects
from renkei.agent.register.rows import notice_of, row_of
from renkei.agent.settings import JST
from renkei.domain import file_names
from renkei.domain.identity import identify, same_person
from renkei.domain.notices import ImportResult, Notice, RegisterNotice
from renkei.domain.notices.register import AMENDMENT
from renkei.domain.notices_items import LIST_SEPARATOR
from renkei.exchange.clock import format_time
from renkei.exchange.parties import MINISTRY
from renkei.exchange.payloads import Mode
from renkei.store.dispatches import Dispatches, Suppressed, Waiting
from renkei.store.imports import Imports
from renkei.store.marks import Marks

_OWN_AMENDMENT = "職権修正"


@dataclass(slots=True)
class Sorted:
    """The notices of a file, by when they go.

    Attributes:
        at_once: these go into parcels now.
        later: these wait in the spool.
        suppressed: these aren't sent.
        promoted: of what waited before, the notices that go before `at_once`: the same people's.
        outcomes: the register's word on notices of the ministry; they are among the others, too.
    """

    at_once: list[Notice] = field(default_factory=list)
    later: list[Waiting] = field(default_factory=list)
    suppressed: list[Suppressed] = field(default_factory=list)
    promoted: list[Waiting] = field(default_factory=list)
    outcomes: list[ImportResult] = field(default_factory=list)

    def note(self, connection: apsw.Connection) -> None:
        """Note what isn't sent now within the transaction that takes the file."""
        at = stamp()
        Dispatches.keep(connection, self.later, at)
        Dispatches.suppress(connection, self.suppressed, at)
        Imports.note_outcomes(connection, self.outcomes, at)


def mode_of(home: Home, name: str) -> Mode:
    """The mode of a file: what stands before its ending, or the settings'."""
    return file_names.mode_of(name) or home.settings.exchange.mode


def sort(home: Home, notices: Sequence[Notice], mode: Mode) -> Sorted:
    """Decide when the notices of a file go."""
    found = Sorted(outcomes=[each for each in notices if isinstance(each, ImportResult)])
    moments = {each.number: each.release_at for each in home.spool.dispatches.waiting() if each.why == "due"}
    for notice in notices:
        echoed = _echoed(home, notice)
        if echoed is not None:
            found.suppressed.append(echoed)
            continue
        why, moment = _moment(home, notice, mode, moments)
        if moment is None:
            found.at_once.append(notice)
            continue
        if why == "due":
            moments[notice.number] = moment
        found.later.append(
            Waiting(notice.number, MINISTRY, notice.STREAM, notice.TYPE, mode, why, moment, row_of(notice))
        )
    found.promoted = _promoted(home, found.at_once)
    return found


def _moment(home: Home, notice: Notice, mode: Mode, moments: dict[str, str]) -> tuple[str, str | None]:
    """Why a notice waits and until when; None when it doesn't."""
    day = notice.departs_on if isinstance(notice, RegisterNotice) else None
    due = _on_day(home, day, mode) if day is not None and day > now().astimezone(JST).date() else ""
    corrected = moments.get(getattr(notice, "corrects", None) or "", "")
    if due or corrected:
        return "due", max(due, corrected)
    if mode == "daily":
        return "daily", format_time(_next_exchange(home, now()))
    return "", None


def _on_day(home: Home, day: dt.date, mode: Mode) -> str:
    begin = dt.datetime.combine(day, dt.time(), JST)
    if mode == "immediate":
        return format_time(begin)
    return format_time(_next_exchange(home, begin - dt.timedelta(seconds=1)))


def _next_exchange(home: Home, moment: dt.datetime) -> dt.datetime:
    settings = home.settings.exchange
    return schedule.next_due(home.party, settings.times, settings.jitter_seconds, moment)


def _echoed(home: Home, notice: Notice) -> Suppressed | None:
    """The ministry's notice that a 修正 only repeats, each of its items with the value that the ministry gave it.

    Only what the municipality did by itself (職権修正) can be such an echo: a change that somebody filed is news.
    """
    if not isinstance(notice, RegisterNotice) or notice.action != AMENDMENT or notice.cause != _OWN_AMENDMENT:
        return None
    marks = Marks(home.settings.marks_key)
    values = effects(notice, marks)
    if notice.corrects is not None or len(values) != len(str(notice.changed_items).split(LIST_SEPARATOR)):
        return None
    because_of = home.spool.dispatches.echoed(marks.all(identify(notice).certain), values)
    return None if because_of is None else Suppressed(notice.number, because_of, LIST_SEPARATOR.join(values))


def _promoted(home: Home, at_once: Sequence[Notice]) -> list[Waiting]:
    """What was gathered for the next exchange of people of whom something goes at once, in its order."""
    gathered = [each for each in home.spool.dispatches.waiting() if each.why == "daily"] if at_once else []
    known = [identify(notice) for notice in at_once]
    promoted: list[Waiting] = []
    for each in reversed(gathered):
        earlier = identify(notice_of(each.type, each.row))
        if any(same_person(earlier, later) for later in known):
            known.append(earlier)
            promoted.insert(0, each)
    return promoted
