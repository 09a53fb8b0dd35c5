"""The halting rule: go on with a wave, or stop it now, from what became of the machines so far; pure, of counts alone.

    rule = HaltingRule(models=("RK-T100", "RK-T200"))
    tally = Tally()
    if rule.room(tally, "RK-T200") > 0:
        tally = tally.start("RK-T200")
    tally = tally.end("RK-T200", Fault.NOT_BACK)
    for reason in rule.judge(tally): ...    # empty: go on

It is looked at after every outcome, so an ordinary confidence interval would cry wolf sooner or later. The evidence
against "at most `accepted` of these machines fall out" is a likelihood ratio averaged over worse rates (a mixture
SPRT: Robbins 1970). It has an expectation of at most 1 whenever the rate is an accepted one, so by Ville's inequality
the probability that it *ever* reaches 1/a is at most a, however often somebody looks. A machine pays when it starts, as
if it were well already, and is paid back when it falls out: quick failures can't outrun slow successes, machines that
are still away count as evidence, and the bound holds in whatever order outcomes come.

There is one such test for each fault, over all machines and over those of each model, and one beside them of what the
hub saw: whether updated machines' exchanges fail more often than others' (`rise`). They share `false_halt`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from math import exp, log
from typing import Final

from renkei.domain import rise
from renkei.domain.rise import ACCEPTED_RISE, Failure

#: The worse rates that are weighed, as the share of the machines beyond the accepted ones: 1/50 is a slow poison.
_SHARES: Final = (0.02, 0.08, 0.25, 0.5)
_WELL: Final = tuple(log(1 - share) for share in _SHARES)
_BISECTIONS: Final = 40
_WELL_FOR_ONE_MORE: Final = 4

Failures = Mapping[str | None, Sequence[Failure]]
"""The failed exchanges that the hub saw, of each model's machines, and under None of all."""


class Fault(StrEnum):
    """How a machine that started falls out."""

    FAILED = "failed"
    """The installation ended without the build that it should have; the machine works on."""
    UNREACHABLE = "unreachable"
    """Nothing was heard of it after it had its permit, not even that it restarts."""
    NOT_BACK = "not back"
    """It went into a restart and is overdue."""
    NO_EXCHANGE = "no exchange"
    """It has the build, but the exchange doesn't work as it did before."""


ACCEPTED: Final[Mapping[Fault, float]] = {
    Fault.FAILED: 0.02,
    Fault.UNREACHABLE: 0.03,
    Fault.NOT_BACK: 0.005,
    Fault.NO_EXCHANGE: 0.005,
}
"""The rates, by fault, at which a wave goes on: full disks, machines switched off, and hardware that dies anyway."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of some machines: how many started, how many of these are well, and how many fell out by fault."""

    started: int = 0
    well: int = 0
    faults: Mapping[Fault, int] = field(default_factory=dict)

    @property
    def away(self) -> int:
        """How many started and haven't been heard of since."""
        return self.started - self.well - sum(self.faults.values())

    def start(self) -> "Counts":
        """Return the counts with one more machine that started."""
        return replace(self, started=self.started + 1)

    def end(self, fault: Fault | None) -> "Counts":
        """Return the counts with one machine less away: well, or fallen out.

        Raises:
            ValueError: none is away.
        """
        if not self.away:
            raise ValueError("more machines ended than started")
        if fault is None:
            return replace(self, well=self.well + 1)
        return replace(self, faults={**self.faults, fault: self.faults.get(fault, 0) + 1})


@dataclass(frozen=True, slots=True)
class Tally:
    """The counts of a wave, by model."""

    by_model: Mapping[str, Counts] = field(default_factory=dict)

    @property
    def whole(self) -> Counts:
        """The counts of all models together."""
        each = self.by_model.values()
        faults = {fault: sum(counts.faults.get(fault, 0) for counts in each) for fault in Fault}
        return Counts(sum(counts.started for counts in each), sum(counts.well for counts in each), faults)

    def of(self, model: str) -> Counts:
        """Return the counts of one model."""
        return self.by_model.get(model, Counts())

    def start(self, model: str) -> "Tally":
        """Return the tally with one more machine that started."""
        return Tally({**self.by_model, model: self.of(model).start()})

    def without(self, away: Mapping[str, int]) -> "Tally":
        """Return the tally without some machines that are away, by model, as if they hadn't started."""
        return Tally(
            {
                model: replace(counts, started=counts.started - away.get(model, 0))
                for model, counts in self.by_model.items()
            }
        )

    def end(self, model: str, fault: Fault | None) -> "Tally":
        """Return the tally with one machine less away; see `Counts.end`."""
        return Tally({**self.by_model, model: self.of(model).end(fault)})


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a wave halts: among `started` machines (of a model, or of all) `fallen` fell out in the same way.

    `at_least` is the lower confidence bound of the rate, which holds at every look; it is above `accepted`.
    """

    fault: Fault
    model: str | None
    started: int
    fallen: int
    at_least: float
    accepted: float

    def __str__(self) -> str:
        """Say it in a sentence."""
        whom = f"of model {self.model} " if self.model else ""
        return (
            f"{self.fault}: {self.fallen} of {self.started} machines {whom}that started; the rate is at least "
            f"{self.at_least:.1%}, accepted is {self.accepted:.1%}"
        )


@dataclass(frozen=True, slots=True)
class Rise:
    """Why a wave halts: the hub sees updated machines' exchanges fail (of a model, or of all) more than others'.

    `failed` of `updated` ones failed since they were, `others_failed` of `others` in the same time. `at_least` is the
    lower confidence bound of how many times as often, which holds at every look; it is above `accepted`.
    """

    model: str | None
    failed: int
    updated: int
    others_failed: int
    others: int
    at_least: float
    accepted: float

    def __str__(self) -> str:
        """Say it in a sentence."""
        whom = f"of model {self.model} " if self.model else ""
        return (
            f"exchange failures at the hub: {self.failed} of {self.updated} machines {whom}that the wave has "
            f"changed, {self.others_failed} of {self.others} that it hasn't; they fail at least "
            f"{self.at_least:.1f} times as often, accepted is {self.accepted:g} times"
        )


@dataclass(frozen=True, slots=True)
class HaltingRule:
    """When a wave halts, and how many machines may be away at once.

    Attributes:
        models: of the machines in the wave; each has tests of its own.
        accepted: the rates by fault at which the wave goes on.
        false_halt: the most that the probability may be to halt a wave, however long, whose rates are accepted ones.
        first: how many machines of one model may be away before any of it is well; twice as many of all together.
        most: how many may be away at once at most. For every four that are well one more may.
    """

    models: tuple[str, ...]
    accepted: Mapping[Fault, float] = field(default_factory=lambda: ACCEPTED)
    false_halt: float = 0.05
    first: int = 2
    most: int = 200

    def __post_init__(self) -> None:
        """Refuse what can't be a rule.

        Raises:
            ValueError: no model, a rate outside 0 to 1/2, a probability outside 0 to 1, or nobody may start.
        """
        rates = [self.accepted.get(fault, 0.0) for fault in Fault]
        if not self.models or not all(0 < rate < 0.5 for rate in rates):  # noqa: PLR2004 - half of all is no accepted rate
            raise ValueError("a halting rule needs a model, and for each fault a rate between 0 and 1/2")
        if not 0 < self.false_halt < 1 or not 0 < self.first <= self.most:
            raise ValueError("false_halt lies between 0 and 1, first between 1 and most")

    def room(self, tally: Tally, model: str) -> int:
        """Return how many machines of a model may start now."""
        return max(0, min(self._more(tally.of(model), self.first), self._more(tally.whole, 2 * self.first)))

    def judge(self, tally: Tally, failures: Failures | None = None) -> list[Reason | Rise]:
        """Return every reason to halt, the most certain first; none means to go on.

        Args:
            tally: what became of machines.
            failures: what the hub saw of their exchanges, if it says so.

        Raises:
            ValueError: a model that the rule doesn't know has started.
        """
        if unknown := set(tally.by_model) - set(self.models):
            raise ValueError(f"the halting rule wasn't made for {', '.join(sorted(unknown))}")
        strata: list[tuple[str | None, Counts]] = [(None, tally.whole), *tally.by_model.items()]
        found: list[Reason] = []
        for model, counts in strata:
            needed = self._needed(model)
            for fault, fallen in counts.faults.items():
                if fallen and evidence(counts.started, fallen, self.accepted[fault]) >= needed:
                    bound = lower_bound(counts.started, fallen, needed)
                    found.append(Reason(fault, model, counts.started, fallen, bound, self.accepted[fault]))
        rises = [self._rise(model, seen) for model, seen in (failures or {}).items() if seen]
        return [
            *sorted(found, key=lambda reason: reason.accepted - reason.at_least),
            *sorted((each for each in rises if each), key=lambda each: -each.at_least),
        ]

    def _rise(self, model: str | None, seen: Sequence[Failure]) -> Rise | None:
        needed = self._needed(model)
        if rise.evidence(seen, ACCEPTED_RISE) < needed:
            return None
        failed, last = sum(each.is_updated for each in seen), seen[-1]
        others_failed = len(seen) - failed
        updated, others = last.updated + failed - last.is_updated, last.others + others_failed - (not last.is_updated)
        bound = rise.lower_bound(seen, needed)
        return Rise(model, failed, updated, others_failed, others, bound, ACCEPTED_RISE)

    def _needed(self, model: str | None) -> float:
        """Return what the evidence must reach: half of `false_halt` is for all machines, half for the models."""
        tests = (len(Fault) + 1) * 2 * (1 if model is None else len(self.models))
        return log(tests / self.false_halt)

    def _more(self, counts: Counts, first: int) -> int:
        return min(self.most, first + counts.well // _WELL_FOR_ONE_MORE) - counts.away


def evidence(started: int, fallen: int, accepted: float) -> float:
    """Return the natural logarithm of the evidence that more than an accepted share of machines falls out.

    Args:
        started: how many machines started, those that are still away too.
        fallen: how many of them fell out.
        accepted: the share that may.
    """
    odds = (1 - accepted) / accepted
    each = [
        fallen * log(1 + share * odds) + (started - fallen) * well for share, well in zip(_SHARES, _WELL, strict=True)
    ]
    highest = max(each)
    return highest + log(sum(exp(value - highest) for value in each) / len(each))


def lower_bound(started: int, fallen: int, needed: float) -> float:
    """Return the rate below which the evidence reaches `needed` (a logarithm): a bound that holds at every look."""
    low, high = 0.0, fallen / started
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        if middle > 0 and evidence(started, fallen, middle) >= needed:
            low = middle
        else:
            high = middle
    return low
