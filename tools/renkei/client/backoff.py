"""How long to wait before another try: longer each time, up to a ceiling, and never in step with others.

    backoff = Backoff(first=2, longest=60)
    time.sleep(backoff.pause())     # 1 to 2 s, then 2 to 4, 4 to 8 … 30 to 60
    backoff.reset()                 # it worked

After a hub was away for a while 1,892 endpoints come back; without the random half they would come at one moment.
"""

from dataclasses import dataclass
from secrets import SystemRandom

_RANDOM = SystemRandom()
_DOUBLINGS = 32


@dataclass(slots=True)
class Backoff:
    """Pauses in seconds: the n-th lies between half of `first` · 2ⁿ and all of it, and below `longest`."""

    first: float
    longest: float
    failures: int = 0

    def pause(self, at_least: float = 0.0) -> float:
        """Count a failure and return how long to wait.

        Args:
            at_least: what the other side asked for (`Retry-After`); it may exceed `longest`.
        """
        whole = min(self.longest, self.first * 2 ** min(self.failures, _DOUBLINGS))
        self.failures += 1
        return max(at_least, 0.0) + _RANDOM.uniform(whole / 2, whole)

    def reset(self) -> None:
        """Begin anew: it worked."""
        self.failures = 0
