"""A country under waves: what must hold whatever happens, for every seed."""

from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from renkei.fleet.model import Fleet
from renkei.fleet.waves.plan import Plan
from renkei.fleet.waves.state import Phase, WaveState
from renkei.store.waves.ledger import open_ledger
from unit.fleet.waves.country import NEW, Country, Troubles, contradictions, harmed, part_of, planned

STATED_OF_ALL, STATED_OF_MODEL = 20, 4
"""How many a bad update harms at most until the wave halts (ADR 32): 8 % of all, or every machine of a model."""
RARE = "RK-T300"
PART = 12
SECOND = UUID("6a1d9d0e-9d3b-4f0a-8f43-5d8f3d6f3d12")
BAD = [
    pytest.param(Troubles(poison=0.08), STATED_OF_ALL, id="8 % not back"),
    pytest.param(Troubles(poison=0.08, poison_is_silent=False), STATED_OF_ALL, id="8 % no exchange"),
    pytest.param(Troubles(poison=1, poisoned_model=RARE), STATED_OF_MODEL, id="a model not back"),
    pytest.param(Troubles(poison=1, poisoned_model=RARE, poison_is_silent=False), STATED_OF_MODEL, id="no exchange"),
]


def come_to_an_end(country: Country) -> WaveState:
    """Let the wave end. It may halt for nothing (5 of 100 may), or for what began before it was mended: resume it."""
    state = country.pass_time(days=16)
    for _ in range(4):
        if state.phase is Phase.HALTED:
            country.add("resume", "suzuki: it is mended")
            state = country.pass_time(days=16)
    assert state.phase is Phase.FINISHED, state.halted
    assert contradictions(country) == []
    return state


def converge(country: Country, fleet: Fleet, one_in: int) -> None:
    """The faults end, a wave follows for all, and everybody is as it should be: nobody is left."""
    for terminal in country.terminals.values():
        terminal.mend()
    country.begin(part_of(planned(fleet, SECOND, country.now + timedelta(hours=1)), one_in))
    state = come_to_an_end(country)
    assert {each.end for each in state.hosts.values()} == {"well"}
    assert {each.build for each in country.terminals.values()} == {NEW}


def test_a_few_machines_come_to_an_end_and_the_controller_dies_on_the_way(sample: Fleet, tmp_path: Path) -> None:
    with open_ledger(str(tmp_path / "waves.db")) as ledger:
        plan = part_of(planned(sample, urgency="urgent"), 160)
        country = Country(plan, ledger, 1, killed=0.01, tick=timedelta(minutes=10))
        come_to_an_end(country)
        assert country.kills > 2


@pytest.mark.thorough
@pytest.mark.parametrize("seed", [2, 3])
def test_a_healthy_country_comes_to_an_end_by_itself(sample: Fleet, plan: Plan, tmp_path: Path, seed: int) -> None:
    with open_ledger(str(tmp_path / "waves.db")) as ledger:
        country = Country(part_of(plan, PART), ledger, seed, killed=0.0003)
        state = country.pass_time(days=16)
        assert state.phase is Phase.FINISHED, state.halted
        come_to_an_end(country)
        assert country.kills > 0
        troubled = [name for name, each in country.terminals.items() if each.dead or each.full or each.clock]
        well = [name for name, each in state.hosts.items() if each.end == "well"]
        assert not set(troubled) & {name for name in well if state.hosts[name].order.permit}
        assert len(well) > 0.95 * len(state.hosts)
        converge(country, sample, PART)


@pytest.mark.thorough
@pytest.mark.parametrize("seed", [5, 6])
@pytest.mark.parametrize(("poison", "stated"), BAD)
def test_a_bad_update_halts_within_the_stated_number_and_the_country_converges_without_it(
    sample: Fleet, plan: Plan, tmp_path: Path, seed: int, poison: Troubles, stated: int
) -> None:
    with open_ledger(str(tmp_path / "waves.db")) as ledger:
        country = Country(part_of(plan, PART), ledger, seed, poison, killed=0.0003)
        state = country.pass_time(days=16)
        assert state.phase is Phase.HALTED
        begun = sum(map(len, (terminal.began for terminal in country.terminals.values())))
        country.pass_time(days=1, until=frozenset())  # whoever had begun comes to his end
        assert sum(each.is_away for each in country.state().hosts.values()) == 0
        assert sum(map(len, (terminal.began for terminal in country.terminals.values()))) == begun
        assert 0 < harmed(country) <= stated
        assert contradictions(country) == []
        country.add("abort", "suzuki: it is the update")
        converge(country, sample, PART)


def test_the_statements_can_fail(sample: Fleet, tmp_path: Path) -> None:
    """A terminal that begins twice, or outside of its window, and a ledger that says what isn't so, are found."""
    with open_ledger(str(tmp_path / "waves.db")) as ledger:
        plan = part_of(planned(sample, urgency="urgent"), 160)
        country = Country(plan, ledger, 7, Troubles(dead=0), tick=timedelta(minutes=10))
        country.pass_time(days=5)
        assert contradictions(country) == []
        liar, twice, late = [each for each in country.terminals.values() if each.build == NEW][:3]
        liar.build = "26100.4000"
        next(iter(twice.began.values())).append(country.now)
        next(iter(late.began.values()))[0] = late.host.windows[0].closes
        found = " ".join(contradictions(country))
        for name, what in (
            (liar, "is well in the ledger only"),
            (twice, "was done twice"),
            (late, "began outside its windows"),
        ):
            assert f"{name.host.terminal} {what}" in found
