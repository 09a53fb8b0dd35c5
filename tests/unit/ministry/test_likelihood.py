"""The floor of the bench of bytes counts what a notice says, no more and no less."""

from datetime import date
from itertools import pairwise
from math import log2, perm
from random import Random
from typing import Any

import pytest

from bench.entropy import likelihood
from renkei.ministry import simulator
from renkei.ministry.populations import STATUSES

TODAY = date(2026, 11, 23)
PLACE = "東京都足立区"


class Counting(Random):
    """Adds up the information of every draw: of the value that came, however many ways led to it."""

    bits = 0.0

    def choices(self, population: Any, weights: Any = None, *, cum_weights: Any = None, k: int = 1) -> Any:
        drawn = super().choices(population, weights, cum_weights=cum_weights, k=k)
        shares = weights or [1] * len(population)
        for value in drawn:
            same = sum(share for each, share in zip(population, shares, strict=True) if each == value)
            self.bits -= log2(same / sum(shares))
        return drawn

    def choice(self, seq: Any) -> Any:
        value = super().choice(seq)
        self.bits -= log2(list(seq).count(value) / len(seq))
        return value

    def sample(self, population: Any, k: int, *, counts: Any = None) -> Any:
        self.bits += log2(perm(len(population), k))
        return super().sample(population, k, counts=counts)

    def randrange(self, start: int, stop: int | None = None, step: int = 1) -> int:
        self.bits += log2(start if stop is None else stop - start)
        return super().randrange(start, stop, step)

    def randint(self, a: int, b: int) -> int:
        return self.randrange(a, b + 1)

    def triangular(self, low: float = 0.0, high: float = 1.0, mode: float | None = None) -> float:
        drawn = super().triangular(low, high, mode)
        day, middle = int(drawn), mode or low

        def below(age: float) -> float:
            age = min(max(age, low), high)
            if age <= middle:
                return (age - low) ** 2 / ((high - low) * (middle - low))
            return 1 - (high - age) ** 2 / ((high - low) * (high - middle))

        self.bits -= log2(below(day + 1) - below(day))
        return drawn

    def shuffle(self, x: Any) -> None:
        """All notices are of one endpoint: their order says nothing."""


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Counting]:
    made: list[Counting] = []

    def count(seed: str) -> Counting:
        made.append(Counting(seed))
        return made[-1]

    monkeypatch.setattr(simulator, "Random", count)
    return made


def test_of_status_notices_every_draw_shows_and_both_counts_agree(drawn: list[Counting]) -> None:
    for seed in range(3):
        notices = simulator.status_notices(["131211"], 400, seed, TODAY)
        random = drawn[-1]
        counted = random.bits
        told = likelihood.bits_of(notices, TODAY)
        # by what month ends bring together (31 January and 28 February) a notice says a little less than was drawn
        assert counted * 0.999 < told <= counted + 1e-6


def test_of_residence_notices_less_shows_than_was_drawn(drawn: list[Counting]) -> None:
    notices = simulator.residence_notices("131211", 500, 1, TODAY, PLACE)
    told = likelihood.bits_of(notices, TODAY)
    assert 0.7 * drawn[-1].bits < told < drawn[-1].bits, "status, period and the unused address don't show"


@pytest.mark.thorough
def test_ages_of_a_status_add_up_to_one() -> None:
    for group in STATUSES.values():
        for status in group:
            days = range((status.ages[1] + 2) * 366)
            assert abs(sum(likelihood._born(status, day) for day in days) - 1) < 1e-9
            assert all(first >= 0 for first, _ in pairwise(likelihood._born(status, day) for day in days))
