"""The halting rule against its promises: at every look, in every order, for every count."""

from math import exp, lgamma, log
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from renkei.domain.halting import ACCEPTED, Counts, Fault, HaltingRule, Reason, Tally, evidence, lower_bound

MODELS = ("A", "B", "C")
RULE = HaltingRule(MODELS)


def tally(model: str, started: int, fallen: int, fault: Fault = Fault.NOT_BACK, away: int = 0) -> Tally:
    return Tally({model: Counts(started, started - fallen - away, {fault: fallen})})


@given(st.integers(1, 400), st.data(), st.sampled_from(list(Fault)))
def test_the_evidence_is_fair_to_accepted_rates_whoever_is_still_away(
    machines: int, data: st.DataObject, fault: Fault
) -> None:
    """Its expectation over what may yet come is at most 1: summed exactly over the binomial distribution."""
    rate = ACCEPTED[fault] * data.draw(st.floats(0.01, 1))
    heard = data.draw(st.integers(0, machines))
    total = 0.0
    for fallen in range(heard + 1):
        ways = lgamma(heard + 1) - lgamma(fallen + 1) - lgamma(heard - fallen + 1)
        probability = ways + fallen * log(rate) + (heard - fallen) * log(1 - rate)
        total += exp(probability + evidence(machines, fallen, ACCEPTED[fault]))
    assert total <= 1 + 1e-9


def test_a_wave_at_the_accepted_rates_is_rarely_halted_by_quick_failures() -> None:
    """All failures come before any success, the worst order there is for a rule that counts only what has ended."""
    random, halted, waves = Random(5), 0, 300  # noqa: S311 - a simulation
    for _ in range(waves):
        falling = sum(random.random() < ACCEPTED[Fault.NOT_BACK] for _ in range(600))
        halted += bool(RULE.judge(tally("A", 600, falling, away=600 - falling)))
    assert halted / waves <= RULE.false_halt + 0.01


@given(st.integers(1, 500), st.data())
def test_one_more_that_falls_out_never_speaks_for_going_on(started: int, data: st.DataObject) -> None:
    fallen = data.draw(st.integers(0, started - 1))
    rate = data.draw(st.floats(0.001, 0.4))
    assert evidence(started, fallen + 1, rate) > evidence(started, fallen, rate)
    assert evidence(started + 1, fallen, rate) < evidence(started, fallen, rate)


@given(st.integers(1, 500), st.data(), st.sampled_from(list(Fault)), st.sampled_from([None, *MODELS]))
def test_it_halts_exactly_when_the_bound_is_above_the_accepted_rate(
    started: int, data: st.DataObject, fault: Fault, model: str | None
) -> None:
    fallen = data.draw(st.integers(0, started))
    needed = log((len(Fault) + 1) * 2 * (len(MODELS) if model else 1) / RULE.false_halt)
    reasons = RULE.judge(tally(model or "A", started, fallen, fault))
    halts = (fault, model) in [(each.fault, each.model) for each in reasons if isinstance(each, Reason)]
    assert halts == (lower_bound(started, fallen, needed) > ACCEPTED[fault] * (1 - 1e-9))


def test_a_model_that_falls_out_whole_is_halted_after_a_handful() -> None:
    state, harmed = Tally(), 0
    while not RULE.judge(state):
        for _ in range(RULE.room(state, "B")):
            state = state.start("B")
        while state.of("B").away:
            state, harmed = state.end("B", Fault.NOT_BACK), harmed + 1
    assert harmed <= 4


def test_a_poisoned_model_is_found_among_many_others_that_are_well() -> None:
    state = Tally({"A": Counts(1000, 1000), "B": Counts(4, 0, {Fault.NO_EXCHANGE: 4})})
    [reason, *_] = RULE.judge(state)
    assert (reason.fault, reason.model, reason.started, reason.fallen) == (Fault.NO_EXCHANGE, "B", 4, 4)
    assert reason.at_least > reason.accepted
    assert "no exchange: 4 of 4 machines of model B that started; the rate is at least" in str(reason)


def test_what_is_common_to_all_models_is_found_where_none_shows_it() -> None:
    needed = next(fallen for fallen in range(61) if None in [each.model for each in RULE.judge(tally("A", 60, fallen))])
    each = Counts(20, 20 - needed // 3, {Fault.NOT_BACK: needed // 3})
    assert not [reason for reason in RULE.judge(Tally(dict.fromkeys(MODELS, each))) if reason.model]
    rest = Counts(20, 20 - (needed - 2 * (needed // 3)), {Fault.NOT_BACK: needed - 2 * (needed // 3)})
    assert [reason.model for reason in RULE.judge(Tally({"A": each, "B": each, "C": rest}))][-1] is None


@given(st.integers(0, 3000), st.integers(0, 3000), st.sampled_from(MODELS))
def test_never_more_are_away_than_may_be(well: int, away: int, model: str) -> None:
    state = Tally(
        {model: Counts(well + away, well), "A": Counts(5, 5)} if model != "A" else {"A": Counts(well + away, well)}
    )
    room = RULE.room(state, model)
    assert room >= 0
    if room:
        assert state.of(model).away + room <= min(RULE.most, RULE.first + well // 4)
        assert state.whole.away + room <= RULE.most


def test_machines_that_are_well_make_room_and_those_that_fall_out_do_not() -> None:
    assert RULE.room(Tally(), "A") == 2
    assert RULE.room(Tally().start("A").start("B").without({"A": 1, "B": 1}), "A") == 2
    assert RULE.room(Tally({"A": Counts(20, 20)}), "A") == 7
    assert RULE.room(tally("A", 20, 20), "A") == 2
    assert RULE.room(Tally({"A": Counts(2, 0)}), "A") == 0
    assert RULE.room(Tally({"A": Counts(2, 0), "B": Counts(2, 0)}), "C") == 0, "four of all together are away"


@pytest.mark.parametrize(
    "wrong",
    [{"models": ()}, {"accepted": {}}, {"accepted": dict.fromkeys(Fault, 0.5)}, {"false_halt": 0.0}, {"first": 0}],
)
def test_what_can_not_be_a_rule_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"halting rule|false_halt"):
        HaltingRule(**{"models": MODELS, **wrong})


def test_a_machine_ends_once_and_is_of_a_known_model() -> None:
    with pytest.raises(ValueError, match="more machines ended than started"):
        Tally().start("A").end("A", None).end("A", None)
    with pytest.raises(ValueError, match="wasn't made for Z"):
        RULE.judge(Tally().start("Z"))
