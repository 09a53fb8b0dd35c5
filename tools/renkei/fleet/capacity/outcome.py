"""What becomes of every endpoint in a simulated month: what it has when, what is late, and what to change."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from renkei.fleet.capacity.advice import Advice, advise, advise_medium
from renkei.fleet.capacity.calendar import working_day
from renkei.fleet.capacity.country import Country, country_of, round_trip
from renkei.fleet.capacity.fluid import Array, Course, flow
from renkei.fleet.capacity.updates import CUMULATIVE, Month
from renkei.fleet.endpoints import Endpoint
from renkei.fleet.model import Fleet

_MORNING = 9


@dataclass(frozen=True, slots=True)
class Outcome:
    """An endpoint's month.

    Attributes:
        endpoint: whose.
        by_medium: it has no line.
        bytes: what it got, by kind.
        begins_at: when its ring's delivery begins.
        fetched_at: when the update is there whole, None if never.
        fetch_hours: from the beginning till then, windows or not.
        installed_at: when its restart is over, None if never.
        deadline: by which it must be.
        patterns_hours: the longest from a pattern's publication to its arrival, in hours at which the terminal gets
            updates at all; on media the greatest age of patterns.
        notices_seconds: a day's notices of the largest endpoint take in one exchange over its line.
        busiest_percent: of its line, in its busiest hour.
        late: what misses its deadline: `update`, `patterns`.
        advice: what to change; none where nothing is late.
    """

    endpoint: Endpoint
    by_medium: bool
    bytes: dict[str, int]
    begins_at: datetime
    fetched_at: datetime | None
    fetch_hours: float | None
    installed_at: datetime | None
    deadline: datetime
    patterns_hours: float
    notices_seconds: float | None
    busiest_percent: float
    late: tuple[str, ...]
    advice: tuple[Advice, ...]


@dataclass(frozen=True, slots=True)
class Result:
    """The month of a fleet."""

    fleet: Fleet
    month: Month
    urgent: bool
    country: Country
    course: Course
    outcomes: tuple[Outcome, ...]

    @property
    def late(self) -> list[Outcome]:
        """The endpoints at which a deadline doesn't hold."""
        return [each for each in self.outcomes if each.late]


def simulate(fleet: Fleet, month: Month, *, urgent: bool = False) -> Result:
    """Simulate a month of a fleet.

    Args:
        fleet: its endpoints, lines and windows.
        month: what is delivered.
        urgent: the update is urgent: all rings at once, by the urgent deadline.

    Raises:
        FleetError: a calendar's events recur too often.
    """
    country = country_of(fleet, month, urgent=urgent)
    course = flow(country.load)
    outcomes = [*_by_line(country, course, month), *(_by_medium(country, each, month) for each in country.by_medium)]
    outcomes.sort(key=lambda each: each.endpoint.code)
    return Result(fleet, month, urgent, country, course, tuple(outcomes))


def _by_line(country: Country, course: Course, month: Month) -> Iterator[Outcome]:
    clock, load = country.clock, country.load
    fetched = course.finished(country.kinds.index(CUMULATIVE))
    patterns = _pattern_hours(country, course)
    busiest = (course.served.sum(axis=0) / load.line).max(axis=0, initial=0)
    sums = course.served.sum(axis=1)
    for column, endpoint in enumerate(country.by_line):
        habits = country.habits[endpoint.code.value]
        begins = 24 * country.begins[endpoint.ring] + month.cumulative.hour
        ready = float(fetched[column])
        installed = habits.install(ready, month.install_minutes, month.need_minutes)
        late: tuple[str, ...] = ("update",) if installed > country.deadline else ()
        if patterns[column] > month.patterns_line_hours:
            late += ("patterns",)
        day = month.notices.largest_endpoint_a_day
        trip = round_trip(endpoint, month) / 1000
        exchange = 2 * month.notices.exchange_bytes(day) / (load.line[column] / 3600)
        yield Outcome(
            endpoint=endpoint,
            by_medium=False,
            bytes={kind: round(float(sums[place, column])) for place, kind in enumerate(country.kinds)},
            begins_at=clock.start + timedelta(hours=begins),
            fetched_at=clock.at(ready),
            fetch_hours=None if np.isinf(ready) else ready - begins,
            installed_at=clock.at(installed),
            deadline=clock.start + timedelta(hours=country.deadline),
            patterns_hours=float(patterns[column]),
            notices_seconds=month.notices.round_trips * trip + exchange,
            busiest_percent=100 * float(busiest[column]),
            late=late,
            advice=advise(country, course, month, column, late) if late else (),
        )


def _pattern_hours(country: Country, course: Course) -> Array:
    """Give (N) how long the slowest day's patterns were on their way, in whole hours of those that deliver anything."""
    kind = country.kinds.index("patterns")
    arrived = np.cumsum(country.load.arrivals[kind], axis=0)
    carried = np.cumsum(course.served[kind], axis=0)
    # by endpoint and hour, how many hours have gone by in which its terminal gets updates at all
    on = np.concatenate((np.zeros((1, carried.shape[1])), np.cumsum(country.load.limit > 0, axis=0)))
    columns = np.arange(carried.shape[1])
    worst: Array = np.zeros(carried.shape[1])
    for hour in np.flatnonzero(country.load.arrivals[kind].any(axis=1)):
        done = (carried < arrived[hour] - 0.5).sum(axis=0)  # the hour in which that day's are there
        reached = np.minimum(done + 1, len(carried))
        took = on[reached, columns] - on[hour, columns]
        seen = took > 0
        unfinished = (done >= len(carried)) & (took <= 0)
        worst = np.maximum(worst, np.where(seen & ~unfinished, took, 0))
    return worst


def _by_medium(country: Country, endpoint: Endpoint, month: Month) -> Outcome:
    """Carry media: one when the ring begins, then one every few days; each brings update, patterns and notices."""
    clock, habits = country.clock, country.habits[endpoint.code.value]
    begins = clock.first + timedelta(days=country.begins[endpoint.ring])
    sent = [working_day(begins, 0)]
    while sent[-1] <= clock.first + timedelta(days=clock.days):
        sent.append(working_day(sent[-1] + timedelta(days=month.media.every_days), 0))
    arrivals = [working_day(day, month.media.carrying_days) for day in sent]
    # patterns are as old as their medium when the next one comes
    ages = [24 * (there - day).days + _MORNING for day, there in zip(sent, arrivals[1:], strict=False)]
    size = sum(update.media_bytes for update in month.updates)
    reading = (size + month.patterns.media_bytes) / month.media.bytes_a_second / 3600
    ready = 24 * (arrivals[0] - clock.first).days + _MORNING + reading
    installed = habits.install(ready, month.install_minutes, month.need_minutes)
    late: tuple[str, ...] = ("update",) if installed > country.deadline else ()
    age = float(max(ages))
    if age > 24 * month.patterns_media_days:
        late += ("patterns",)
    begun = clock.start + timedelta(hours=24 * country.begins[endpoint.ring])
    bytes_ = {update.name: update.media_bytes for update in month.updates}
    return Outcome(
        endpoint=endpoint,
        by_medium=True,
        bytes={"notices": 0, "patterns": month.patterns.media_bytes * len(ages), **bytes_},
        begins_at=begun,
        fetched_at=clock.at(ready),
        fetch_hours=ready - clock.since(begun),
        installed_at=clock.at(installed),
        deadline=clock.start + timedelta(hours=country.deadline),
        patterns_hours=age,
        notices_seconds=None,
        busiest_percent=0.0,
        late=late,
        advice=advise_medium(country, endpoint, month, ready, late) if late else (),
    )
