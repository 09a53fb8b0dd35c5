"""The hours of a month as a simulation needs them: how much of each belongs to clerks, and when one may install."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np

from renkei.domain.windows import JST, Windows, is_holiday
from renkei.fleet.capacity.fluid import Array
from renkei.fleet.endpoints import Endpoint
from renkei.fleet.model import Fleet

_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)
_MARGIN = timedelta(days=31)
_SATURDAY = 5


@dataclass(frozen=True, slots=True)
class Clock:
    """The hours of a simulation: from midnight of the first day in Japan, for whole days."""

    first: date
    days: int

    @property
    def hours(self) -> int:
        """How many there are."""
        return 24 * self.days

    @property
    def start(self) -> datetime:
        """The beginning."""
        return datetime(self.first.year, self.first.month, self.first.day, tzinfo=JST)

    def at(self, hours: float) -> datetime | None:
        """Give the moment so many hours after the beginning, to the minute; None of infinity."""
        return None if np.isinf(hours) else self.start + timedelta(minutes=round(float(hours) * 60))

    def since(self, moment: datetime) -> float:
        """Give the hours from the beginning to a moment."""
        return (moment - self.start) / _HOUR


@dataclass(frozen=True, slots=True)
class Habits:
    """What endpoints with one profile and one calendar have in common.

    Attributes:
        share: (H), the part of the line that updates may take, from 0 to 1.
        windows: (start, end) in hours since the beginning, in order.
        working_days: of the simulation, counted from 0.
    """

    share: Array
    windows: tuple[tuple[float, float], ...]
    working_days: tuple[int, ...]

    def install(self, ready: float, minutes: int, need: int) -> float:
        """Give when an installation is over that may begin at `ready`, in hours; infinity where no window is left."""
        begin = self.begin(ready, need)
        return begin + minutes / 60

    def begin(self, ready: float, need: int) -> float:
        """Give the first moment from `ready` on at which a window is open for `need` more minutes."""
        return next((max(ready, start) for start, end in self.windows if max(ready, start) + need / 60 <= end), np.inf)

    def latest(self, deadline: float, minutes: int, need: int) -> float:
        """Give the last beginning of an installation that is over at the deadline; minus infinity if there is none."""
        moments = [min(end - need / 60, deadline - minutes / 60) for _, end in self.windows]
        fitting = [at for at, (start, _) in zip(moments, self.windows, strict=True) if at >= start]
        return max(fitting, default=-np.inf)

    @property
    def longest_minutes(self) -> int:
        """The length of the longest window."""
        return max((int(60 * (end - start)) for start, end in self.windows), default=0)


def habits_of(fleet: Fleet, endpoint: Endpoint, clock: Clock) -> Habits:
    """Work out an endpoint's month.

    Raises:
        FleetError: its calendar's events recur too often.
    """
    last = clock.first + clock.days * _DAY
    windows = fleet.windows(endpoint, clock.first - _MARGIN, last + _MARGIN)
    days = tuple(day for day in range(clock.days) if windows.is_working_day(clock.first + day * _DAY))
    delivery = fleet.profile(endpoint).delivery
    office = _office(windows, days, clock)
    share = (delivery.office_hours_percent * office + delivery.otherwise_percent * (1 - office)) / 100
    spans = windows.spans(clock.start, clock.start + clock.days * _DAY)
    return Habits(share, tuple((clock.since(each.start), clock.since(each.end)) for each in spans), days)


def working_day(first: date, after: int) -> date:
    """Give the ministry's working day so many working days later; none later is the day itself, or the next."""
    day = first
    while True:
        while day.weekday() >= _SATURDAY or is_holiday(day):
            day += _DAY
        if not after:
            return day
        day, after = day + _DAY, after - 1


def _office(windows: Windows, days: tuple[int, ...], clock: Clock) -> Array:
    """Give (H) the part of each hour in which clerks work."""
    edges = np.arange(clock.hours, dtype=np.float64)
    part = np.zeros(clock.hours)
    for day in days:
        span = windows.rule.office_hours.on(clock.first + day * _DAY)
        start, end = clock.since(span.start), clock.since(span.end)
        part += np.clip(np.minimum(edges + 1, end) - np.maximum(edges, start), 0, 1)
    return np.minimum(part, 1.0)
