"""When an office is open, and when its terminal may be maintained: a calendar without a clock or a file.

Closing days of a municipality (地方自治法4条の2): the days of the week that its rule names (Saturday and Sunday), the
holidays of 国民の祝日に関する法律, and the year's end (12/29 to 1/3). What a municipality's own calendar says besides
comes as `Changes`. All moments are aware; days and times of day are Japan's, which has had no summer time since 1951,
so that an hour is an hour.

    windows = Windows(Rule(office_hours=Hours.parse("08:30-17:15"), working_days=(Hours.parse("17:30-22:00"),)))
    windows.is_open(moment), windows.next_opening(moment), windows.minutes_left(moment)
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from functools import lru_cache
from typing import Final, Self

import jpholiday

JST: Final = timezone(timedelta(hours=9), "JST")
MINUTES_A_DAY: Final = 24 * 60
LOOK_AHEAD_DAYS: Final = 400
"""How far `next_opening` looks: a year and a month."""
LONGEST_DAYS: Final = 31
"""How far one window is followed: what is open for longer is open for a month."""

_HOURS: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]|24):([0-5]\d)")
_YEAR_END: Final = frozenset({(12, 29), (12, 30), (12, 31), (1, 1), (1, 2), (1, 3)})
_DAY: Final = timedelta(days=1)


class BeyondCalendar(ValueError):
    """A moment outside of the days for which a municipality's calendar was read."""


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """From `start` until before `end`, both aware; never empty."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        """Refuse what is empty, runs backwards, or has no time zone."""
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise ValueError("a moment needs a time zone")
        if self.start >= self.end:
            raise ValueError(f"{self.start.isoformat()} is not before {self.end.isoformat()}")

    @property
    def minutes(self) -> int:
        """Its length in whole minutes."""
        return int((self.end - self.start).total_seconds() // 60)


@dataclass(frozen=True, slots=True)
class Hours:
    """Hours of a day, in minutes from its midnight; `end` lies on the next day where it is above 1,440."""

    start: int
    end: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `17:30-22:00`; an end that isn't after the start is on the next day, 24:00 is midnight.

        Raises:
            ValueError: it isn't written so.
        """
        found = _HOURS.fullmatch(text)
        if found is None:
            raise ValueError(f"{text!r} is not written as 17:30-22:00")
        start, end = (60 * int(found[at]) + int(found[at + 1]) for at in (1, 3))
        if end > MINUTES_A_DAY:
            raise ValueError(f"{text!r} ends after 24:00")
        return cls(start, end if end > start else end + MINUTES_A_DAY)

    def __str__(self) -> str:
        """Write it as it is read."""
        end = self.end if self.end <= MINUTES_A_DAY else self.end - MINUTES_A_DAY
        return f"{self.start // 60:02}:{self.start % 60:02}-{end // 60:02}:{end % 60:02}"

    def overlaps(self, other: "Hours") -> bool:
        """Tell whether they meet when both are every day's."""
        return any(
            self.start < other.end + shift and other.start + shift < self.end
            for shift in (-MINUTES_A_DAY, 0, MINUTES_A_DAY)
        )

    def on(self, day: date) -> Span:
        """Give them on a day."""
        midnight = datetime(day.year, day.month, day.day, tzinfo=JST)
        return Span(midnight + timedelta(minutes=self.start), midnight + timedelta(minutes=self.end))


@dataclass(frozen=True, slots=True)
class Rule:
    """What holds week after week. Windows of a day begin on it and may end on the next.

    Attributes:
        office_hours: of a working day; never maintained in, unless a calendar allows it by name.
        working_days: windows of a working day.
        closing_days: windows of a closing day.
        closed_on: days of the week that are closing days, Monday is 0.
    """

    office_hours: Hours
    working_days: tuple[Hours, ...] = ()
    closing_days: tuple[Hours, ...] = ()
    closed_on: frozenset[int] = frozenset({5, 6})


@dataclass(frozen=True, slots=True)
class Changes:
    """What a municipality's own calendar says, for the days from `first` to `last`, both included.

    Attributes:
        closed: closing days that the rule doesn't know.
        opened: days on which the office is open though the rule says it isn't (休日開庁).
        allowed: maintenance besides the rule's, office hours or not.
        blocked: no maintenance, whatever else is said.
    """

    first: date = date.min
    last: date = date.max
    closed: frozenset[date] = frozenset()
    opened: frozenset[date] = frozenset()
    allowed: tuple[Span, ...] = ()
    blocked: tuple[Span, ...] = ()


class Windows:
    """The maintenance windows of an endpoint: the rule's, outside of office hours, as its calendar changes them."""

    def __init__(self, rule: Rule, changes: Changes | None = None) -> None:
        self.rule = rule
        self.changes = changes or Changes()

    def is_working_day(self, day: date) -> bool:
        """Tell whether the office is open on a day.

        Raises:
            BeyondCalendar: the calendar wasn't read for that day.
        """
        self._need(day)
        if day in self.changes.opened:
            return True
        return not (day in self.changes.closed or day.weekday() in self.rule.closed_on or is_holiday(day))

    def is_office_hours(self, moment: datetime) -> bool:
        """Tell whether clerks work at a moment."""
        today = _japan(moment).date()
        self._need(today)
        return any(
            self.is_working_day(day) and _holds(self.rule.office_hours.on(day), moment)
            for day in (today, today - _DAY)
            if self.changes.first <= day
        )

    def is_open(self, moment: datetime) -> bool:
        """Tell whether the terminal may be maintained at a moment."""
        return self.window_at(moment) is not None

    def window_at(self, moment: datetime) -> Span | None:
        """Give the window that a moment lies in, from that moment on; what lasts a month and more is cut at a month."""
        ahead = next(self.spans(moment, moment + timedelta(days=LONGEST_DAYS)), None)
        return ahead if ahead is not None and ahead.start <= moment else None

    def minutes_left(self, moment: datetime) -> int:
        """Give the whole minutes until the window closes: 0 outside of one, at most a month's."""
        window = self.window_at(moment)
        return window.minutes if window else 0

    def next_opening(self, after: datetime) -> datetime | None:
        """Give the first moment later than `after` at which a window opens, or None if none does in 400 days."""
        begin = _japan(after)
        self._need(begin.date())
        for number in range(0, LOOK_AHEAD_DAYS, LONGEST_DAYS):
            start = begin + timedelta(days=number)
            # a day earlier, and what begins where the look does has gone on: it would have been found before
            cut = start - _DAY
            for span in self._spans(cut, start + timedelta(days=LONGEST_DAYS)):
                if span.start > max(after, cut):
                    return span.start
        return None

    def spans(self, start: datetime, end: datetime) -> Iterator[Span]:
        """Give the windows between two moments in order, cut at these, none touching another.

        Raises:
            BeyondCalendar: `start` lies outside of the days that the calendar was read for; beyond its last day there
                are no windows.
        """
        self._need(_japan(start).date())
        yield from self._spans(start, end)

    def _spans(self, start: datetime, end: datetime) -> Iterator[Span]:
        first, last = _japan(start).date(), _japan(end).date()
        days = [first + number * _DAY for number in range(-1, (last - first).days + 1)]
        days = [day for day in days if self.changes.first <= day <= self.changes.last]
        open_days = {day: self.is_working_day(day) for day in days}
        rule = self.rule
        wanted = [
            hours.on(day) for day in days for hours in (rule.working_days if open_days[day] else rule.closing_days)
        ]
        office = [rule.office_hours.on(day) for day in days if open_days[day]]
        allowed = _without(_merged(wanted), _merged(office))
        yield from _cut(_without(_merged([*allowed, *self.changes.allowed]), _merged(self.changes.blocked)), start, end)

    def _need(self, day: date) -> None:
        if not self.changes.first <= day <= self.changes.last:
            known = f"{self.changes.first} to {self.changes.last}"
            raise BeyondCalendar(f"{day} lies outside of the days for which the calendar was read, {known}")


def is_holiday(day: date) -> bool:
    """Tell whether a day is a holiday of the law or of the year's end (12/29 to 1/3)."""
    return (day.month, day.day) in _YEAR_END or day in _holidays(day.year)


@lru_cache(maxsize=64)
def _holidays(year: int) -> frozenset[date]:
    return frozenset(day for day, _ in jpholiday.year_holidays(year))


def _japan(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError(f"{moment.isoformat()} needs a time zone")
    return moment.astimezone(JST)


def _holds(span: Span, moment: datetime) -> bool:
    return span.start <= moment < span.end


def _merged(spans: Iterable[Span]) -> list[Span]:
    """Sort, and join what meets or touches."""
    joined: list[Span] = []
    for span in sorted(spans):
        if joined and span.start <= joined[-1].end:
            joined[-1] = Span(joined[-1].start, max(joined[-1].end, span.end))
        else:
            joined.append(span)
    return joined


def _without(spans: list[Span], holes: list[Span]) -> list[Span]:
    """Give what of the spans no hole covers; both are merged."""
    left = []
    for span in spans:
        start = span.start
        for hole in holes:
            if hole.end <= start or hole.start >= span.end:
                continue
            if hole.start > start:
                left.append(Span(start, hole.start))
            start = hole.end
        if start < span.end:
            left.append(Span(start, span.end))
    return left


def _cut(spans: list[Span], start: datetime, end: datetime) -> Iterator[Span]:
    for span in spans:
        if span.end > start and span.start < end:
            yield Span(max(span.start, start), min(span.end, end))
