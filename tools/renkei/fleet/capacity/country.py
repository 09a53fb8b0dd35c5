"""A fleet's month as a load: which bytes wait for which endpoint from which hour on, and what its line carries."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from renkei.fleet.capacity.calendar import Clock, Habits, habits_of
from renkei.fleet.capacity.fluid import Array, Load
from renkei.fleet.capacity.updates import Month
from renkei.fleet.endpoints import Endpoint, Link
from renkei.fleet.model import ASP, Fleet

SECONDS_AN_HOUR = 3600
BYTES_A_KBIT = 125
_LEAST_DAYS = 31


@dataclass(frozen=True, slots=True)
class Country:
    """What is simulated.

    Attributes:
        clock: its hours.
        kinds: names of what flows: notices, patterns, then the updates.
        by_line: the endpoints that have a line, in the order of the load's columns.
        by_medium: those that have none.
        habits: of every endpoint, by code.
        begins: by ring, the day on which its updates begin, from the release on.
        deadline: in hours since the beginning.
        load: what is to flow.
    """

    clock: Clock
    kinds: tuple[str, ...]
    by_line: tuple[Endpoint, ...]
    by_medium: tuple[Endpoint, ...]
    habits: dict[str, Habits]
    begins: dict[str, int]
    deadline: float
    load: Load


def usable(kbps: float, round_trip_ms: int, month: Month) -> float:
    """Give the payload in bytes an hour that updates get over a line: pieces one after another, a round trip each."""
    raw = kbps * BYTES_A_KBIT * month.lines.payload
    return SECONDS_AN_HOUR / (1 / raw + round_trip_ms / 1000 / month.lines.piece_bytes)


def line_for(needed: float, round_trip_ms: int, month: Month) -> float | None:
    """Give the kbit/s of the line that carries so many bytes an hour of updates; None if its round trip forbids it."""
    left = SECONDS_AN_HOUR / needed - round_trip_ms / 1000 / month.lines.piece_bytes
    return None if left <= 0 else 1 / left / BYTES_A_KBIT / month.lines.payload


def round_trip(endpoint: Endpoint, month: Month) -> int:
    """Give a line's round trip in milliseconds: measured, or assumed."""
    return endpoint.round_trip_ms or month.lines.round_trip_ms


def country_of(fleet: Fleet, month: Month, *, urgent: bool = False) -> Country:
    """Make the load of a fleet's month.

    Args:
        fleet: its endpoints, lines and windows.
        month: what is delivered.
        urgent: to all rings at once, by the urgent deadline.

    Raises:
        FleetError: a calendar's events recur too often.
    """
    maintenance = fleet.settings.maintenance
    days = maintenance.urgent_deadline_days if urgent else maintenance.deadline_days
    clock = Clock(month.released_on, max(_LEAST_DAYS, days + 1))
    begins = dict.fromkeys(fleet.settings.rings, 0) if urgent else dict(maintenance.ring_days)
    endpoints = [site.endpoint for site in fleet.sites.values() if site.endpoint]
    kept: dict[tuple[str, str], Habits] = {}
    habits = {}
    for endpoint in endpoints:
        key = fleet.profile(endpoint).name, endpoint.calendar or maintenance.calendar
        habits[endpoint.code.value] = kept.setdefault(key, kept.get(key) or habits_of(fleet, endpoint, clock))
    by_line = tuple(each for each in endpoints if each.link is not Link.MEDIA)
    kinds = ("notices", "patterns", *(update.name for update in month.updates))
    asp = fleet.sites[ASP].line_kbps * BYTES_A_KBIT * SECONDS_AN_HOUR * month.lines.payload * month.lines.asp
    raw = np.array([each.line_kbps * BYTES_A_KBIT * SECONDS_AN_HOUR * month.lines.payload for each in by_line])
    rates = np.array([usable(each.line_kbps, round_trip(each, month), month) for each in by_line])
    share = np.zeros((clock.hours, len(by_line)))
    for column, endpoint in enumerate(by_line):
        share[:, column] = habits[endpoint.code.value].share
    arrivals = np.zeros((len(kinds), clock.hours, len(by_line)))
    arrivals[0] = _notices(fleet, month, by_line, habits, clock.hours)
    arrivals[1, month.patterns.hour :: 24] = month.patterns.line_bytes
    first = np.array([24 * begins[each.ring] for each in by_line], dtype=np.int64)
    for kind, update in enumerate(month.updates, start=2):
        arrivals[kind, np.minimum(first + update.hour, clock.hours - 1), np.arange(len(by_line))] = update.line_bytes
    return Country(
        clock=clock,
        kinds=kinds,
        by_line=by_line,
        by_medium=tuple(each for each in endpoints if each.link is Link.MEDIA),
        habits=habits,
        begins=begins,
        deadline=clock.since(clock.start + timedelta(days=days + 1)),
        load=Load(raw, share * rates, asp, arrivals),
    )


def exchange_bytes(month: Month, exchanges: int) -> float:
    """Give the bytes of an exchange, both ways: everybody has as many notices as the largest endpoint, day by day."""
    return 2 * month.notices.exchange_bytes(month.notices.largest_endpoint_a_day / exchanges)


def _notices(fleet: Fleet, month: Month, by_line: Sequence[Endpoint], habits: dict[str, Habits], hours: int) -> Array:
    """Spread a working day's notices over its exchange times."""
    times = fleet.settings.exchange_times
    each = exchange_bytes(month, len(times))
    found = np.zeros((hours, len(by_line)))
    for column, endpoint in enumerate(by_line):
        for time in times:
            found[[24 * day + int(time[:2]) for day in habits[endpoint.code.value].working_days], column] += each
    return found
