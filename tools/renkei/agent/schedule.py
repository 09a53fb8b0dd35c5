"""When an agent exchanges by itself: at its endpoint's times, each day and each endpoint shifted by its own jitter.

The jitter comes from a digest of endpoint, day and time: it spreads the country over the window, differs from day to
day, and is the same after a restart.
"""

import datetime as dt
import hashlib
from collections.abc import Iterable

from renkei.agent.settings import JST

_DAY = dt.timedelta(days=1)


def jitter(party: str, day: dt.date, at: dt.time, limit_seconds: int) -> dt.timedelta:
    """The shift of one exchange, 0 to `limit_seconds` whole seconds."""
    digest = hashlib.sha256(f"{party} {day.isoformat()} {at.isoformat('minutes')}".encode()).digest()
    return dt.timedelta(seconds=int.from_bytes(digest[:8], "big") % (limit_seconds + 1))


def due_moments(party: str, times: Iterable[dt.time], limit_seconds: int, moment: dt.datetime) -> list[dt.datetime]:
    """The exchanges of the day before, the day and the day after `moment` (aware), in order, in JST."""
    today = moment.astimezone(JST).date()
    return sorted(
        dt.datetime.combine(day, at, JST) + jitter(party, day, at, limit_seconds)
        for day in (today - _DAY, today, today + _DAY)
        for at in times
    )


def last_due(party: str, times: Iterable[dt.time], limit_seconds: int, moment: dt.datetime) -> dt.datetime:
    """The newest exchange that should have begun at or before `moment` (aware)."""
    return max(due for due in due_moments(party, times, limit_seconds, moment) if due <= moment)


def next_due(party: str, times: Iterable[dt.time], limit_seconds: int, moment: dt.datetime) -> dt.datetime:
    """The next exchange after `moment` (aware)."""
    return min(due for due in due_moments(party, times, limit_seconds, moment) if due > moment)
