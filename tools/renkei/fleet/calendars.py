"""A municipality's own calendar, an iCalendar file (RFC 5545) beside `endpoints.csv`: what it changes in its windows.

Every event has one of four categories: `CLOSED` (a closing day) and `OPEN` (休日開庁), of whole days; `MAINTENANCE` (a
window besides those of the profile) and `BLOCKED` (no maintenance then), of whole days or hours. Events may recur.
Cancelled ones count for nothing. What else is written in the file is nobody's business here and is never shown.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

import recurring_ical_events  # type: ignore[import-untyped]  # it has no types
from icalendar import Calendar as Component
from icalendar import Event

from renkei.domain.windows import JST, Changes, Span
from renkei.fleet.problems import FleetError, Problem

MAX_BYTES = 512 * 1024
MAX_EVENTS = 500
MAX_OCCURRENCES = 5_000
_FREQUENCIES = {"YEARLY", "MONTHLY", "WEEKLY", "DAILY"}
_ONCE = ("DTSTART", "DTEND", "DURATION", "RECURRENCE-ID", "RRULE", "SEQUENCE", "STATUS")
"""Properties that an event has, or should have, at most once (RFC 5545, 3.6.1)."""
_YEARS = range(2000, 2100)
_MONTH = timedelta(days=31)
_DAY = timedelta(days=1)


class Category(StrEnum):
    """What an event says of its time."""

    CLOSED = "CLOSED"
    OPEN = "OPEN"
    MAINTENANCE = "MAINTENANCE"
    BLOCKED = "BLOCKED"


@dataclass(frozen=True, slots=True)
class MunicipalCalendar:
    """A calendar that has no problems."""

    file: Path
    component: Component = field(repr=False, compare=False)

    def changes(self, first: date, last: date) -> Changes:
        """Give what it says for the days from `first` to `last`, both included.

        Raises:
            FleetError: the events recur more than 5,000 times in that time.
        """
        closed: set[date] = set()
        opened: set[date] = set()
        allowed: set[Span] = set()
        blocked: set[Span] = set()
        for event in self._occurrences(first, last):
            start, end = _moments(event)
            category = Category(_categories(event)[0])
            if category in {Category.CLOSED, Category.OPEN}:
                days = closed if category is Category.CLOSED else opened
                days |= {start.date() + number * _DAY for number in range((end - start).days)}
            else:
                (allowed if category is Category.MAINTENANCE else blocked).add(Span(start, end))
        return Changes(
            first, last, frozenset(closed), frozenset(opened), tuple(sorted(allowed)), tuple(sorted(blocked))
        )

    def _occurrences(self, first: date, last: date) -> Iterator[Event]:
        """Expand month by month, so that what recurs without bounds is stopped."""
        query, found = recurring_ical_events.of(self.component), 0
        begin = datetime(first.year, first.month, first.day, tzinfo=JST)
        stop = datetime(last.year, last.month, last.day, tzinfo=JST) + _DAY
        while begin < stop:
            for event in query.between(begin, min(begin + _MONTH, stop)):
                found += 1
                if found > MAX_OCCURRENCES:
                    what = f"its events recur more than {MAX_OCCURRENCES} times from {first} to {last}"
                    raise FleetError([Problem(self.file, 1, what, "let the windows of a profile say what recurs")])
                if str(event.get("STATUS", "")).upper() != "CANCELLED":
                    yield event
            begin += _MONTH


def read_calendar(file: Path, problems: list[Problem]) -> MunicipalCalendar | None:
    """Read a calendar, or add to `problems` all that is wrong with it."""
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except OSError as error:
        problems.append(Problem(file, 1, f"can't be read ({error.strerror})", "put the calendar there, readable"))
        return None
    if len(content) > MAX_BYTES:
        what = f"is larger than {MAX_BYTES} bytes"
        problems.append(Problem(file, 1, what, "export the events of this and next year only"))
        return None
    try:
        text = content.decode("utf-8-sig")
        component = Component.from_ical(text)
    except (ValueError, IndexError, KeyError):  # its messages quote the file, which may hold more than is ours
        problems.append(Problem(file, 1, "is no iCalendar file", "export the calendar as .ics, in UTF-8"))
        return None
    if component.name != "VCALENDAR":
        problems.append(Problem(file, 1, "is no iCalendar file", "export the calendar as .ics, in UTF-8"))
        return None
    events = component.events
    lines = [number for number, line in enumerate(text.splitlines(), 1) if line.strip().upper() == "BEGIN:VEVENT"]
    if len(events) > MAX_EVENTS:
        what = f"has {len(events)} events, more than {MAX_EVENTS}"
        problems.append(Problem(file, 1, what, "leave to it what isn't said by the windows of a profile"))
        return None
    before = len(problems)
    seen: dict[str, int] = {}
    for event, line in zip(events, lines, strict=False):
        problems += [Problem(file, line, what, remedy) for what, remedy in _wrong(event)]
        uid = event.get("UID")
        if not isinstance(uid, str) or not uid:
            problems.append(Problem(file, line, "the event has not one UID", "give it one that no other has"))
        elif "RECURRENCE-ID" not in event and seen.setdefault(uid, line) != line:
            what = f"the event has the UID of that in line {seen[uid]}"
            problems.append(Problem(file, line, what, "give it another, or remove one of them"))
    return MunicipalCalendar(file, component) if len(problems) == before else None


def _wrong(event: Event) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with an event, and the remedy; without a word of the event's own texts."""
    categories = _categories(event)
    if len(categories) != 1 or categories[0] not in set(Category):
        what = "the event has no category" if not categories else "the event's category isn't one that is known"
        yield what, f"write CATEGORIES as one of {', '.join(Category)}"
    elif event.errors:
        yield f"the event's {', '.join(sorted({str(name) for name, _ in event.errors}))} can't be read", "correct it"
        return
    if twice := [name for name in _ONCE if isinstance(event.get(name), list)]:
        yield f"the event has more than one {', '.join(twice)}", "leave one of each"
        return
    try:
        begin, finish = event.start, event.end
    except (ValueError, AttributeError, TypeError):
        yield "the event has no beginning, or no end that fits it", "write DTSTART and DTEND"
        return
    whole = not isinstance(begin, datetime)
    if any(isinstance(each, datetime) and each.tzinfo is None for each in (begin, finish)):
        yield "the event's times have no time zone", "write them in UTC (…Z) or with TZID=Asia/Tokyo"
        return
    if not begin < finish:
        yield "the event ends when it begins, or before", "write a DTEND that is later"
    if begin.year not in _YEARS or finish.year not in _YEARS:
        yield "the event lies outside of the years 2000 to 2099", "correct DTSTART and DTEND"
    if not whole and categories[:1] in (["CLOSED"], ["OPEN"]):
        yield "a closing or opening day has hours", "write whole days (VALUE=DATE)"
    if (rule := event.get("RRULE")) is not None:
        yield from _wrong_rule(rule)


def _wrong_rule(rule: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - icalendar's vRecur is a dict of anything
    frequency = [str(each).upper() for each in rule.get("FREQ", [])]
    if not frequency:
        yield "the event's RRULE doesn't say how often it recurs", "write FREQ=DAILY, WEEKLY, MONTHLY or YEARLY"
    elif not set(frequency) <= _FREQUENCIES or {"BYHOUR", "BYMINUTE", "BYSECOND"} & {str(key).upper() for key in rule}:
        yield "the event recurs more often than daily", "let it recur DAILY, WEEKLY, MONTHLY or YEARLY"


def _categories(event: Event) -> list[str]:
    return [str(each).strip().upper() for each in event.categories if str(each).strip()]


def _moments(event: Event) -> tuple[datetime, datetime]:
    """Give beginning and end; whole days are Japan's."""
    moments = [
        each.astimezone(JST) if isinstance(each, datetime) else datetime(each.year, each.month, each.day, tzinfo=JST)
        for each in (event.start, event.end)
    ]
    return moments[0], moments[1]
