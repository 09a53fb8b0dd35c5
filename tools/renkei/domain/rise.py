"""Whether machines fail more often once they have an update than those that haven't got it yet: who fails next; pure.

    failures = (Failure(is_updated=True, updated=4, others=1800), …)
    if evidence(failures, ACCEPTED_RISE) >= log(1 / 0.05): ...

When one more machine fails, of those that might have failed at that moment, it is an updated one with a probability of
r·u / (r·u + n): u are updated, n are not, and r is how many times as often the updated ones fail. Nothing else plays a
part, so a bad hour of the hub or of the network, which everybody has, is evidence for nothing. Each machine counts by
its first failure only: one that fails again and again is one machine.

The evidence against "at most `accepted` times as often" is the likelihood ratio of this over all failures, averaged
over worse ratios: the safe log-rank test (ter Schure, Pérez-Ortiz, Ly, Grünwald 2020). Each factor has an expectation
of at most 1 while the ratio is an accepted one, whoever becomes an updated one when, so that by Ville's inequality the
probability that it ever reaches 1/a is at most a, however often somebody looks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log
from typing import Final

ACCEPTED_RISE: Final = 2.0
"""How many times as often an updated machine may fail: it has just restarted, and speaks more often than others."""

_WORSE: Final = (2.0, 8.0, 32.0, 128.0)
"""The ratios that are weighed, as multiples of the accepted one."""
_BISECTIONS: Final = 40
_HIGHEST: Final = 1e6


@dataclass(frozen=True, slots=True)
class Failure:
    """The first failure of a machine: which kind it was of, and how many of each might have failed, itself among them.

    Raises:
        ValueError: it isn't among them.
    """

    is_updated: bool
    updated: int
    others: int

    def __post_init__(self) -> None:
        """Refuse one that nobody had."""
        if (self.updated if self.is_updated else self.others) < 1 or min(self.updated, self.others) < 0:
            raise ValueError("a machine that fails is among those that might")


def evidence(failures: Sequence[Failure], accepted: float) -> float:
    """Return the natural logarithm of the evidence that updated machines fail more than `accepted` times as often."""
    each = [sum(_gain(failure, accepted, worse * accepted) for failure in failures) for worse in _WORSE]
    highest = max(each)
    return highest + log(sum(exp(value - highest) for value in each) / len(each))


def lower_bound(failures: Sequence[Failure], needed: float) -> float:
    """Return the ratio below which the evidence reaches `needed` (a logarithm): a bound that holds at every look."""
    low, high = 0.0, _HIGHEST
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2 if low else high / 2
        if evidence(failures, middle) >= needed:
            low = middle
        else:
            high = middle
    return low


def _gain(failure: Failure, accepted: float, ratio: float) -> float:
    """Return the logarithm of how much likelier a failure is by a ratio than by the accepted one."""
    whole = log((accepted * failure.updated + failure.others) / (ratio * failure.updated + failure.others))
    return whole + (log(ratio / accepted) if failure.is_updated else 0.0)
