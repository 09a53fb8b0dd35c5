"""The country of `tests/country` under waves: a share of it here, the whole by `./kit bench country`."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from country import month
from country.building import SECOND, THIRD, country, mend, planned_for
from country.cost import Cost
from country.machine import UNTROUBLED, Harm, Troubles
from country.statements import checked, contradictions
from country.terminal import Terminal
from country.world import BEGIN, World
from renkei.fleet.capacity.outcome import simulate
from renkei.fleet.capacity.updates import read_month
from renkei.fleet.loader import load_fleet
from renkei.fleet.model import Fleet
from renkei.fleet.waves.state import Phase, WaveState
from renkei.store.waves.ledger import Ledger
from unit.agent.update_host import AFTER, BEFORE
from unit.fleet.conftest import INVENTORY

STATED_OF_ALL, STATED_OF_MODEL = 20, 4
"""How many a bad update harms at most until the wave halts (ADR 32): 8 % of all, or every machine of a model."""
RARE = "RK-T300"
SHARE, LARGER = 48, 18
Lie = Callable[[pytest.MonkeyPatch, World, Terminal], None]


@pytest.fixture(scope="module")
def sample() -> Fleet:
    return load_fleet(INVENTORY / "sample")


@pytest.fixture(scope="module")
def lab() -> Fleet:
    return load_fleet(INVENTORY / "lab")


@contextmanager
def in_memory() -> Iterator[Path]:
    """A folder in memory, where there is one."""
    place = Path("/dev/shm")  # noqa: S108 - a folder of its own is made there
    with tempfile.TemporaryDirectory(dir=place if place.is_dir() else None) as folder:
        yield Path(folder)


@pytest.fixture
def memory() -> Iterator[Path]:
    with in_memory() as folder:
        yield folder


def come_to_an_end(world: World) -> WaveState:
    """Let the wave end; one that halts for what began before the faults ended is resumed, as a person would."""
    state = world.run(16)
    for _ in range(4):
        if state.phase is Phase.HALTED:
            world.say("resume", "it is mended")
            state = world.run(16, until=frozenset({Phase.FINISHED, Phase.HALTED}))
    assert state.phase is Phase.FINISHED, state.halted
    assert contradictions(world) == []
    return state


def converge(world: World, wave: UUID) -> None:
    """The faults end, a wave follows for all, and everybody is as it should be: nobody is left."""
    mend(world)
    world.begin(planned_for(world, wave))
    state = come_to_an_end(world)
    assert {each.end for each in state.hosts.values()} == {"well"}
    assert {each.machine.build for each in world.terminals.values()} == {AFTER}


@pytest.mark.parametrize("cut", [0.0, pytest.param(1.0, marks=pytest.mark.thorough)])
def test_agents_of_our_own_come_to_an_end_by_a_hub_of_our_own(lab: Fleet, memory: Path, cut: float) -> None:
    """The controller dies on the way."""
    with country(lab, memory, 1, replace(UNTROUBLED, cut=cut), killed=0.05) as world:
        state = come_to_an_end(world)
        assert world.counts.kills > 2
        assert world.cost.passed > world.cost.taken.turns
        if not cut:
            assert {each.end for each in state.hosts.values()} == {"well"}
        assert {each.machine.build for each in world.terminals.values()} == {AFTER}
        assert not [
            text for each in world.terminals.values() for text in each.home.spool.alarmed if "permit" in text[1]
        ]


def test_every_turn_that_was_due_is_counted() -> None:
    """At a minute's pace, and from the third hour on at one of ten."""
    cost, hour = Cost(), timedelta(hours=1)

    def rest(at: datetime) -> float:
        return 60 if at < BEGIN + 2 * hour else 600

    for passed in (0 * hour, hour, 2 * hour, 3 * hour):
        cost.come_to(BEGIN + passed, rest)
    assert cost.passed == 59 + 59 + 5


@pytest.fixture(scope="module")
def ended(lab: Fleet) -> Iterator[World]:
    """A country whose wave has ended, to be told lies about."""
    with in_memory() as folder, country(lab, folder, 2, UNTROUBLED) as world:
        come_to_an_end(world)
        yield world


def _machine(**values: Any) -> Lie:
    """The machine is another than what it should be."""

    def lie(patch: pytest.MonkeyPatch, _: World, terminal: Terminal) -> None:
        for name, value in values.items():
            patch.setattr(terminal.machine, name, value)

    return lie


def _began(change: Callable[[Terminal, UUID, datetime], list[tuple[UUID, datetime]]]) -> Lie:
    """The machine began at other times than it should have."""

    def lie(patch: pytest.MonkeyPatch, _: World, terminal: Terminal) -> None:
        patch.setattr(terminal.machine, "began", change(terminal, *terminal.machine.began[0]))

    return lie


def _told(**values: Any) -> Lie:
    """The ledger tells something else of the machine."""

    def lie(patch: pytest.MonkeyPatch, world: World, terminal: Terminal) -> None:
        state = world.state()
        state.hosts[terminal.name] = replace(state.hosts[terminal.name], **values)
        patch.setattr(world, "state", lambda: state)

    return lie


def _two_ends(patch: pytest.MonkeyPatch, world: World, terminal: Terminal) -> None:
    acts = list(world.ledger.acts(world.wave))
    again = [act for act in acts if act.what == "end" and act.terminal == terminal.name]
    patch.setattr(Ledger, "acts", lambda *_: [*acts, *again])


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("what", "lie"),
    [
        ("a machine has two ends in the ledger", _two_ends),
        ("was done twice", _began(lambda _, order, at: [(order, at), (order, at)])),
        ("began outside its windows", _began(lambda terminal, order, _: [(order, terminal.host.windows[0].closes)])),
        ("began, and the ledger doesn't know", _told(started_at=None)),
        ("began without a permit", _told(permit_ends=None)),
        ("is well in the ledger only", _machine(build=BEFORE)),
        ("is well in the ledger only", _machine(installed=[])),
        ("is well in the ledger only", _machine(harmed=True, poisoned="no exchange")),
        ("said that it is well, the ledger says failed", _told(end="failed")),
        ("began, the ledger says it didn't", _told(end="unstarted")),
    ],
)
def test_the_statements_can_fail(ended: World, monkeypatch: pytest.MonkeyPatch, what: str, lie: Lie) -> None:
    terminal = next(each for each in ended.terminals.values() if each.machine.began and not each.by_medium)
    before = checked(ended)
    assert contradictions(ended) == []
    lie(monkeypatch, ended, terminal)
    found = [text.removeprefix(f"{terminal.name} ") for text in contradictions(ended)]
    assert what in found
    assert set(found) <= {what, "said that it is well, the ledger says unstarted"}  # which it didn't say, either
    assert checked(ended) in {before, before + 1}


@pytest.mark.thorough
@pytest.mark.parametrize("seed", [3, 4])
def test_a_share_of_the_country_comes_to_an_end_by_itself_and_converges(sample: Fleet, memory: Path, seed: int) -> None:
    with country(sample, memory, seed, Troubles(), SHARE, killed=0.001) as world:
        assert world.run(16).phase is Phase.FINISHED, world.state().halted
        state = come_to_an_end(world)
        assert world.counts.kills > 0
        well = {name for name, each in state.hosts.items() if each.end == "well"}
        assert len(well) > 0.9 * len(state.hosts)
        assert not [each.name for each in world.terminals.values() if each.dead and each.name in well]
        converge(world, SECOND)


@pytest.mark.thorough
@pytest.mark.parametrize("urgent", [False, True])
def test_a_month_of_patching_keeps_the_fleets_deadlines(sample: Fleet, *, urgent: bool) -> None:
    """An urgent one takes 6.8 days by line: 12.8 with 64 machines away at most, 8.8 if media took lines' places."""
    models = {site.key: site.terminal.model for site in sample.sites.values() if site.endpoint and site.terminal}
    result = simulate(sample, read_month(INVENTORY / "updates.yml"), urgent=urgent)
    found = month.patch(result, models, 2)
    assert found.whole.machines > found.by_line.machines
    assert found.whole.left == found.halted == 0
    assert found.whole.share(1) <= result.country.deadline / 24
    assert not urgent or found.by_line.share(1) <= sample.settings.maintenance.urgent_deadline_days


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("bad", "share"), [(Troubles(poison=0.08), LARGER), (Troubles(poison=0.3, harm="no exchange"), SHARE)]
)
def test_a_bad_update_halts_and_is_taken_away_again(sample: Fleet, memory: Path, bad: Troubles, share: int) -> None:
    with country(sample, memory, 5, bad, share, killed=0.001) as world:
        _halts(world)
        world.say("abort", "it is the update")
        world.run(0.1, until=frozenset())  # its orders are taken back
        mend(world)
        world.begin(planned_for(world, THIRD, action="uninstall"))
        assert {each.end for each in come_to_an_end(world).hosts.values()} == {"well"}
        assert {each.machine.build for each in world.terminals.values()} == {BEFORE}


@pytest.mark.thorough
@pytest.mark.parametrize("harm", ["not back", "no exchange"])
def test_an_update_that_breaks_a_whole_model_halts_after_a_few(sample: Fleet, memory: Path, harm: Harm) -> None:
    with country(sample, memory, 5, Troubles(poison=1, model=RARE, harm=harm), LARGER, killed=0.001) as world:
        _halts(world, STATED_OF_MODEL)


@pytest.mark.thorough
def test_an_update_after_which_only_the_hub_sees_exchanges_fail_halts(sample: Fleet, memory: Path) -> None:
    with country(sample, memory, 6, Troubles(poison=0.5, harm="fails at the hub"), LARGER) as world:
        state = _halts(world)
        assert "exchange failures at the hub" in (state.halted or "")
        assert all(each.end != "no exchange" for each in state.hosts.values())


def _halts(world: World, stated: int = STATED_OF_ALL) -> WaveState:
    """Let a bad update spread until the wave halts: nobody begins any more, and few were harmed."""
    state = world.run(16)
    assert state.phase is Phase.HALTED, state.counts
    begun = sum(len(each.machine.began) for each in world.terminals.values())
    world.run(1, until=frozenset())  # whoever had begun comes to his end
    assert sum(len(each.machine.began) for each in world.terminals.values()) == begun
    assert not any(each.is_away for name, each in world.state().hosts.items() if not world.terminals[name].by_medium)
    assert 0 < sum(each.machine.harmed for each in world.terminals.values()) <= stated
    assert contradictions(world) == []
    return state
