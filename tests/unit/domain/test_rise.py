"""The comparison of updated machines with the others: fair to an accepted rise, at every look, for whatever order."""

from math import exp, log
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from renkei.domain.halting import HaltingRule, Rise, Tally
from renkei.domain.rise import ACCEPTED_RISE, Failure, evidence, lower_bound

RULE = HaltingRule(("A", "B", "C"))
NEEDED = log(5 * 2 / RULE.false_halt)


def updated_one(updated: int, others: int) -> Failure:
    return Failure(is_updated=True, updated=updated, others=others)


def other_one(updated: int, others: int) -> Failure:
    return Failure(is_updated=False, updated=updated, others=others)


def wave(random: Random, ratio: float, machines: int = 400, failing: float = 0.05) -> list[Failure]:
    """Updates and failures of a country, one after another, where updated machines fail `ratio` times as often."""
    updated, others, seen = 0, machines, []
    for _ in range(machines):
        updated, others = updated + 1, others - 1
        while random.random() < failing and updated + others:
            is_updated = random.random() < ratio * updated / (ratio * updated + others)
            seen.append(Failure(is_updated, updated, others))
            updated, others = updated - is_updated, others - (not is_updated)
        if not others:
            break
    return seen


@given(st.integers(0, 2000), st.integers(0, 2000), st.floats(0.01, ACCEPTED_RISE))
def test_one_failure_more_is_fair_to_every_accepted_rise(updated: int, others: int, ratio: float) -> None:
    """Its expectation, over who it is that fails, is at most 1: then so is that of a whole wave, however it goes on."""
    if not updated + others:
        return
    chance = ratio * updated / (ratio * updated + others)
    total = 0.0
    if updated:
        total += chance * exp(evidence([updated_one(updated, others)], ACCEPTED_RISE))
    if others:
        total += (1 - chance) * exp(evidence([other_one(updated, others)], ACCEPTED_RISE))
    assert total <= 1 + 1e-9


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 50), st.integers(1, 50)), max_size=4), st.floats(0.1, 2))
def test_after_any_beginning_the_next_failure_is_fair(beginning: list[tuple[bool, int, int]], ratio: float) -> None:
    seen = [Failure(*each) for each in beginning]
    before = exp(evidence(seen, ACCEPTED_RISE)) if seen else 1.0
    chance = ratio * 7 / (ratio * 7 + 30)
    after = [exp(evidence([*seen, Failure(is_updated, 7, 30)], ACCEPTED_RISE)) for is_updated in (True, False)]
    assert chance * after[0] + (1 - chance) * after[1] <= before + 1e-9


def false_halts(waves: int, ratio: float) -> int:
    halted = 0
    for seed in range(waves):
        seen = wave(Random(seed), ratio)  # noqa: S311 - a simulation
        looks = range(1, len(seen) + 1)
        halted += any(evidence(seen[:look], ACCEPTED_RISE) >= NEEDED for look in looks)
    return halted


def test_a_country_whose_updated_machines_fail_as_often_as_the_others_is_not_halted() -> None:
    assert false_halts(100, 1.0) == 0


@pytest.mark.thorough
def test_at_the_accepted_rise_it_halts_for_nothing_within_its_budget() -> None:
    """Its part of the budget is 0.5 % of waves: 10 of 2,000 at the worst, and by chance a few more."""
    assert false_halts(2000, ACCEPTED_RISE) <= 16


def test_a_bad_hour_of_everybody_is_evidence_for_nothing() -> None:
    random = Random(3)  # noqa: S311 - a simulation
    updated, others, seen = 900, 900, []
    for _ in range(1000):
        is_updated = random.random() < updated / (updated + others)
        seen.append(Failure(is_updated, updated, others))
        updated, others = updated - is_updated, others - (not is_updated)
    assert all(evidence(seen[:look], ACCEPTED_RISE) < NEEDED for look in range(1, len(seen) + 1, 20))


def test_the_first_updated_machines_whose_exchange_fails_halt_a_wave_and_the_reason_says_so() -> None:
    failures = {
        None: [updated_one(4, 1888), updated_one(3, 1888)],
        "B": [updated_one(4, 600), updated_one(3, 600)],
    }
    reasons = RULE.judge(Tally(), failures)
    assert all(isinstance(each, Rise) for each in reasons)
    text = [str(each) for each in reasons]
    assert any("2 of 4 machines that the wave has changed, 0 of 1888 that it hasn't" in each for each in text)
    for each in reasons:
        assert isinstance(each, Rise)
        assert each.at_least > each.accepted == ACCEPTED_RISE
    assert RULE.judge(Tally(), {None: failures[None][:1]}) == []
    of_model = RULE.judge(Tally(), {"B": [updated_one(2, 600), updated_one(1, 600)]})
    assert "2 of 2 machines of model B that the wave has changed" in str(of_model[0])


def test_where_nobody_is_left_to_compare_with_nothing_is_said() -> None:
    assert evidence([updated_one(100, 0)] * 50, ACCEPTED_RISE) == pytest.approx(0)


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 300), st.integers(1, 300)), min_size=1, max_size=12))
def test_it_halts_exactly_when_the_bound_is_above_the_accepted_rise(each: list[tuple[bool, int, int]]) -> None:
    seen = [Failure(*one) for one in each]
    halts = evidence(seen, ACCEPTED_RISE) >= NEEDED
    bound = lower_bound(seen, NEEDED)
    assert halts == (bound >= ACCEPTED_RISE * (1 - 1e-6))


@pytest.mark.parametrize("wrong", [(True, 0, 5), (False, 5, 0), (True, 5, -1)])
def test_who_fails_is_among_those_that_might(wrong: tuple[bool, int, int]) -> None:
    with pytest.raises(ValueError, match="among"):
        Failure(*wrong)
