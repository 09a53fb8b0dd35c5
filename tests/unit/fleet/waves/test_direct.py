"""Machines that Ansible reaches, in a wave: each is done once, none is forgotten, and nobody begins after a halt."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from renkei.cli import wave_carriers, wave_run
from renkei.client.errors import HubUnreachable
from renkei.domain.halting import Fault
from renkei.exchange.direct import DirectOrder, Observation
from renkei.exchange.documents import Signer, peek
from renkei.fleet.waves.direct import ASKED_AGAIN, Player, PlayError, Told
from renkei.fleet.waves.engine import act_of_person, order_id
from renkei.fleet.waves.plan import Plan
from renkei.fleet.waves.post import FolderPost, Heard, SplitPost
from renkei.fleet.waves.state import Phase, WaveState
from renkei.store.waves.ledger import Act, Ledger, open_ledger
from unit.fleet.waves.plans import AUTHORITY, BEGIN, KB, NEW, WAVE
from unit.fleet.waves.staging_bench import NAME, STRANGER, Playing, Scene, at_the_bench

KEY = AUTHORITY.public_key()


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with open_ledger(str(tmp_path / "waves.db")) as opened:
        yield opened


def scene_of(
    ledger: Ledger, plan: Plan, folder: Path, models: Mapping[str, int], *fates: str, player: Player | None = None
) -> Scene:
    """A scene whose first machines have these fates."""
    few = at_the_bench(plan, models)
    of_first = {host.terminal: fate for host, fate in zip(few.hosts, fates, strict=False)}
    return Scene(ledger, few, folder, player=player, **of_first)


def problems(ledger: Ledger) -> set[str]:
    """What stood in machines' way, by the ledger."""
    return {peek(act.document).payload["problem"] for act in ledger.acts(NAME) if act.detail == "blocked"}


def test_each_machine_is_done_once_and_the_controller_signs_what_it_saw(
    ledger: Ledger, plan: Plan, tmp_path: Path
) -> None:
    scene = scene_of(ledger, plan, tmp_path, {"A": 6, "B": 6})
    assert scene.go().phase is Phase.FINISHED
    assert scene.ends() == {"well": 12}
    assert set(scene.installs().values()) == {1}
    acts = ledger.acts(NAME)
    for host in scene.engine.state.plan.hosts:
        mine = [act for act in acts if act.terminal == host.terminal]
        assert [act.detail for act in mine if act.what in {"state", "end"}] == [
            "begun",
            "restarting",
            "checking",
            "well",
        ]
        order = DirectOrder.open(mine[0].document, KEY)
        assert (order.terminal, [update.kb for update in order.updates]) == (host.terminal, ["KB5058411"])
        seen = Observation.open(mine[-1].document, KEY)
        assert (seen.observed_by, seen.build, seen.answers) == ("controller-1", NEW, order_id(WAVE, host.terminal))
    # the ledger had it that a machine begins before a play had it
    begun = [act.number for act in acts if act.detail == "begun"]
    assert len(begun) == 12
    assert len(scene.bench.batches[0]) == 4  # two of a model


@pytest.mark.parametrize(
    ("fate", "fault"),
    [
        ("dead", Fault.NOT_BACK),
        ("no exchange", Fault.NO_EXCHANGE),
        ("same build", Fault.FAILED),
        ("fails", Fault.FAILED),
        ("silent", Fault.UNREACHABLE),
    ],
)
def test_what_a_play_saw_is_judged_by_the_halting_rule(
    ledger: Ledger, plan: Plan, tmp_path: Path, fate: str, fault: Fault
) -> None:
    scene = scene_of(ledger, plan, tmp_path, {"A": 30}, *[fate] * 30)
    state = scene.go()
    assert state.phase is Phase.HALTED
    assert str(fault) in (state.halted or "")
    harmed = [each for each in state.hosts.values() if each.end == fault]
    assert 2 <= len(harmed) <= 4
    assert len([each for each in state.hosts.values() if each.started_at is not None]) == len(harmed)
    assert sum(map(len, scene.bench.batches)) == len(harmed)  # nobody else was handed to a play
    halt = next(act.number for act in ledger.acts(NAME) if act.what == "halt")
    assert not [act for act in ledger.acts(NAME) if act.what == "permit" and act.number > halt]


@pytest.mark.parametrize("fate", ["off", "full"])
def test_a_machine_that_was_not_touched_counts_for_nothing_and_is_asked_again(
    ledger: Ledger, plan: Plan, tmp_path: Path, fate: str
) -> None:
    scene = scene_of(ledger, plan, tmp_path, {"A": 4}, fate, fate)
    state = scene.go(minutes=3)
    blocked = list(state.hosts.values())[:2]
    assert [(each.standing, each.started_at) for each in blocked] == [("blocked", None)] * 2
    assert scene.ends() == {None: 2, "well": 2}
    assert state.tally.of("A").started == 2
    scene.bench.fates.clear()
    scene.now += ASKED_AGAIN
    assert scene.go().phase is Phase.FINISHED
    assert scene.ends() == {"well": 4}
    assert set(scene.installs().values()) == {1}


def test_a_run_that_broke_off_is_looked_at_once_more_and_what_is_installed_is_not_installed_again(
    ledger: Ledger, plan: Plan, tmp_path: Path
) -> None:
    scene = scene_of(ledger, plan, tmp_path, {"A": 2}, "breaks off")
    state = scene.go()
    assert [each.end for each in state.hosts.values()] == [Fault.UNREACHABLE, "well"]
    assert len(scene.bench.batches) == 2
    assert set(scene.installs().values()) == {1}
    assert [order["resumed"] for order in scene.bench.orders] == [False, False, True]


def test_ansible_that_can_not_be_run_touches_nobody(ledger: Ledger, plan: Plan, tmp_path: Path) -> None:
    tried: list[int] = []

    def play(_orders: Mapping[str, Any], _tell: Any) -> None:
        tried.append(1)
        raise PlayError("no hosts matched")

    scene = scene_of(ledger, plan, tmp_path, {"A": 1}, player=Playing(play))
    [state] = scene.go(minutes=5).hosts.values()
    assert (state.standing, state.started_at, len(tried)) == ("blocked", None, 2)
    blocked = Observation.open(ledger.acts(NAME)[-1].document, KEY)
    assert blocked.problem == "Ansible broke off: no hosts matched"


@pytest.mark.parametrize("breaks_off", [False, True])
def test_a_run_that_ends_says_nothing_of_a_machine_that_is_in_another_by_then(
    ledger: Ledger, plan: Plan, tmp_path: Path, *, breaks_off: bool
) -> None:
    """The first is blocked in a run that goes on for the second; it begins in the next, and the former ends."""
    quick, slow = (str(host.direct) for host in at_the_bench(plan, {"A": 2}).hosts)
    ends = [Event(), Event(), Event()]
    runs: list[list[str]] = []

    def play(orders: Mapping[str, Any], tell: Callable[[Told], None]) -> None:
        number = len(runs)
        runs.append(list(orders))
        for host in orders:
            blocked = host == quick and number == 0
            tell(Told(host, {"stage": "blocked", "problem": "on battery"} if blocked else {"stage": "begun"}))
        assert ends[number].wait(10)
        if number == 0 and breaks_off:
            raise PlayError("killed")
        for host in orders:
            if host == quick and number == 1:
                tell(Told(host, {"stage": "done", "build": NEW, "installed": [KB], "served": True}))

    scene = scene_of(ledger, plan, tmp_path, {"A": 2}, player=Playing(play))

    def turn_until(holds: Callable[[], bool]) -> None:
        for _ in range(500):
            if holds():
                return
            scene.engine.turn(scene.now)
            scene.post.rest(0.01, standstill=None)
            scene.now += timedelta(seconds=1)
        raise AssertionError("it never came to that")

    turn_until(lambda: scene.engine.state.hosts[scene.engine.state.plan.hosts[0].terminal].stage == "blocked")
    scene.now += ASKED_AGAIN
    turn_until(lambda: runs[1:] == [[quick]])
    ends[0].set()
    of_slow = scene.engine.state.plan.hosts[1].terminal
    turn_until(lambda: bool(scene.engine.state.hosts[of_slow].end) or runs[2:] != [])
    first, _ = scene.engine.state.hosts.values()
    assert (first.end, first.is_away) == (None, True)
    assert runs == [[quick, slow], [quick], [slow]][: 3 if breaks_off else 2]
    ends[1].set()
    turn_until(lambda: scene.engine.state.hosts[first.host.terminal].end is not None)
    assert scene.engine.state.hosts[first.host.terminal].end == "well"
    ends[2].set()


def test_a_clock_that_is_set_back_loses_no_word(ledger: Ledger, plan: Plan, tmp_path: Path) -> None:
    scene = scene_of(ledger, plan, tmp_path, {"A": 2})
    for _ in range(3):
        scene.engine.turn(scene.now)
    scene.now -= timedelta(seconds=2)
    assert scene.go().phase is Phase.FINISHED


def test_a_controller_that_begins_anew_looks_at_who_had_begun(ledger: Ledger, plan: Plan, tmp_path: Path) -> None:
    scene = scene_of(ledger, plan, tmp_path, {"A": 2})
    for _ in range(2):  # ordered, permitted
        scene.engine.turn(scene.now)
    state = scene.engine.turn(scene.now)
    assert [each.stage for each in state.hosts.values()] == ["begun", "begun"]
    first, second = (str(host.direct) for host in state.plan.hosts)
    scene.bench.machines.put(first, installs=1, pending=True)  # by a play that died with its controller
    scene.now += timedelta(hours=1)  # the permit is over
    scene.start()
    assert scene.go().phase is Phase.FINISHED
    assert scene.installs() == {first: 1, second: 1}
    assert [order["resumed"] for order in scene.bench.orders] == [True, True]


def test_who_had_not_begun_when_the_wave_was_halted_does_not(ledger: Ledger, plan: Plan, tmp_path: Path) -> None:
    scene = scene_of(ledger, plan, tmp_path, {"A": 4})
    for _ in range(3):
        state = scene.engine.turn(scene.now)
    first = str(state.plan.hosts[0].direct)
    scene.bench.machines.put(first, installs=1, pending=True)
    act_of_person(ledger, state, Act("halt", detail="suzuki: look first"), frozenset({Phase.RUNNING}))
    scene.start()
    state = scene.go()
    assert state.phase is Phase.HALTED
    assert {order["standstill"] for order in scene.bench.orders} == {"the wave is halted"}
    assert [each.standing for each in state.hosts.values()] == ["well", "blocked", "ordered", "ordered"]
    assert scene.installs() == {first: 1}
    assert state.tally.of("A").started == 1


def test_a_permit_that_was_given_before_a_halt_is_given_back(ledger: Ledger, plan: Plan, tmp_path: Path) -> None:
    scene = scene_of(ledger, plan, tmp_path, {"A": 2})
    for _ in range(3):
        state = scene.engine.turn(scene.now)
    act_of_person(ledger, state, Act("halt", detail="suzuki: look first"), frozenset({Phase.RUNNING}))
    assert scene.go().phase is Phase.HALTED
    assert scene.bench.batches == []
    assert [each.standing for each in scene.engine.state.hosts.values()] == ["blocked", "blocked"]
    assert problems(ledger) == {"the wave is halted before a play had begun"}


def test_who_could_not_begin_because_the_hub_was_away_is_not_said_to_be_halted(
    ledger: Ledger, plan: Plan, tmp_path: Path
) -> None:
    scene = scene_of(ledger, plan, tmp_path, {"A": 1})
    for _ in range(3):
        scene.engine.turn(scene.now)

    def turn(now: datetime) -> WaveState:
        del now
        raise HubUnreachable("no line")

    class Rested(Exception): ...

    class Carrier(wave_carriers.Carrier):
        def rest(self, seconds: float, *, standstill: str | None) -> None:
            super().rest(0 * seconds, standstill=standstill)
            raise Rested

    with pytest.raises(Rested):
        wave_run._turns(turn, Carrier(scene.post, scene.post), every=15, once=False)
    assert scene.bench.batches == []
    assert scene.go().phase is Phase.FINISHED
    assert problems(ledger) == {"the hub could not be asked before a play had begun"}


def test_who_waits_for_a_play_until_his_permit_is_over_asks_again(ledger: Ledger, plan: Plan, tmp_path: Path) -> None:
    scene = scene_of(ledger, plan, tmp_path, {"A": 1})
    for _ in range(3):
        scene.engine.turn(scene.now)
    scene.now += timedelta(minutes=16)
    scene.post.rest(0, standstill=None)
    assert scene.bench.batches == []
    assert scene.go().phase is Phase.FINISHED
    assert [act.what for act in ledger.acts(NAME)].count("permit") == 2
    assert set(scene.installs().values()) == {1}


def test_a_permit_that_is_over_lets_nobody_begin(ledger: Ledger, plan: Plan, tmp_path: Path) -> None:
    scene = scene_of(ledger, plan, tmp_path, {"A": 1})
    for _ in range(2):
        scene.engine.turn(scene.now)
    scene.now += timedelta(minutes=16)
    scene.turn()
    assert scene.bench.batches == []
    assert scene.go().phase is Phase.FINISHED
    assert len([act for act in ledger.acts(NAME) if act.what == "permit"]) == 2
    assert set(scene.installs().values()) == {1}


def test_an_aborted_wave_takes_what_plays_still_see(ledger: Ledger, plan: Plan, tmp_path: Path) -> None:
    scene = scene_of(ledger, plan, tmp_path, {"A": 3})
    for _ in range(3):
        scene.turn()
    act_of_person(ledger, scene.engine.state, Act("abort", detail="suzuki: no"), frozenset({Phase.RUNNING}))
    state = scene.go()
    assert state.phase is Phase.ABORTED
    assert [each.end for each in state.hosts.values()] == ["well", "well", None]


@pytest.mark.parametrize("turns", [2, 3])
def test_a_permit_that_no_play_has_used_when_the_wave_is_aborted_is_given_back(
    ledger: Ledger, plan: Plan, tmp_path: Path, turns: int
) -> None:
    """Its machines are another wave's at once, whether `begun` was in the ledger or not yet."""
    scene = scene_of(ledger, plan, tmp_path, {"A": 2})
    for _ in range(turns):
        state = scene.engine.turn(scene.now)
    act_of_person(ledger, state, Act("abort", detail="suzuki: no"), frozenset({Phase.RUNNING}))
    assert ledger.held("another", state.hosts) == {NAME: sorted(state.hosts)}
    assert scene.go().phase is Phase.ABORTED
    assert scene.bench.batches == []
    assert ledger.held("another", state.hosts) == {}


@pytest.mark.parametrize(
    ("seen", "fault", "problem"),
    [
        (
            {"stage": "done", "build": "a build", "installed": "all of them"},
            Fault.FAILED,
            "isn't of the form: build, installed",
        ),
        ({"stage": "done", "build": NEW, "installed": [KB], "served": "yes"}, Fault.NO_EXCHANGE, None),
        ({"stage": "nonsense"}, Fault.FAILED, "a stage that there isn't"),
    ],
)
def test_what_a_play_says_out_of_form_is_no_success(
    ledger: Ledger, plan: Plan, tmp_path: Path, seen: dict[str, Any], fault: Fault, problem: str | None
) -> None:

    def play(orders: Mapping[str, Any], tell: Any) -> None:
        for host in orders:
            tell(Told(host, {"stage": "begun"}))
            tell(Told(host, seen))

    scene = scene_of(ledger, plan, tmp_path, {"A": 1}, player=Playing(play))
    scene.go()
    assert scene.ends() == {fault: 1}
    end = Observation.open(ledger.acts(NAME)[-1].document, KEY)
    assert (problem or "") in (end.problem or "")


def test_nobody_else_can_say_what_a_play_saw(
    ledger: Ledger, plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = scene_of(ledger, plan, tmp_path, {"A": 1})
    for _ in range(3):
        scene.engine.turn(scene.now)
    host = scene.engine.state.plan.hosts[0]
    words = {
        "endpoint": host.endpoint,
        "terminal": host.terminal,
        "answers": order_id(WAVE, host.terminal),
        "stage": "lost",
        "build": None,
        "installed": [],
        "packages": [],
        "exchanged_at": None,
        "problem": "gone",
        "checked_at": BEGIN,
        "observed_by": "controller-1",
    }
    forged = Observation(**words).sign(Signer(STRANGER))
    settled: list[bool] = []
    monkeypatch.setattr(scene.post, "heard", lambda: iter([Heard("1", None, forged)]))
    monkeypatch.setattr(scene.post, "settle", lambda _name, refused: settled.append(refused))
    assert scene.engine.turn(scene.now).hosts[host.terminal].end is None
    assert settled == [True]


def test_a_wave_has_machines_of_both_kinds(tmp_path: Path) -> None:
    folder, other = FolderPost(tmp_path / "a"), FolderPost(tmp_path / "b")
    post = SplitPost(folder, other, ["T1"])
    post.send("131041", "T1", "order", b"1")
    post.send("131041", "T2", "order", b"2")
    assert (tmp_path / "a/out/131041/T1/order.json").read_bytes() == b"1"
    assert (tmp_path / "b/out/131041/T2/order.json").read_bytes() == b"2"
    post.withdraw("131041", "T1", "x")
    assert not (tmp_path / "a/out/131041/T1/order.json").exists()


def test_a_plan_that_was_signed_before_there_were_such_machines_keeps_its_digest(plan: Plan) -> None:
    text = plan.to_bytes()
    assert b"direct" not in text
    assert b"packages" not in text
    assert Plan.read(text).to_bytes() == text
    bench = at_the_bench(plan, {"A": 2})
    assert Plan.read(bench.to_bytes()) == bench
    assert bench.sha256 != plan.sha256
