"""How long a controller rests between two turns: little while a machine may ask for something, longer otherwise.

pace = Pace(plan, every=15)
time.sleep(pace.rest(state, now))
"""

from datetime import datetime
from typing import Final

from renkei.fleet.waves.plan import MEDIA_GROUP, Plan
from renkei.fleet.waves.state import WaveState

IDLE: Final = 300.0
"""Seconds between turns outside of all windows, while nobody with a line is at work: nothing can be asked for then."""


class Pace:
    """The pace of one wave."""

    def __init__(self, plan: Plan, every: float) -> None:
        """Rest `every` seconds while a machine may ask."""
        self._every = every
        self._windows = {(window.opens, window.closes) for host in plan.hosts for window in host.windows}

    def rest(self, state: WaveState, now: datetime) -> float:
        """Return the seconds until the next turn, which comes at most `every` after the opening of a window."""
        opens = min((opens for opens, closes in self._windows if now < closes), default=None)
        if opens is None or any(each.is_away and each.host.group != MEDIA_GROUP for each in state.hosts.values()):
            return self._every
        return max(self._every, min(IDLE, (opens - now).total_seconds()))
