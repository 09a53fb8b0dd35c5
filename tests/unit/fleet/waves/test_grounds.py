"""What a halt stands on: written down with it, read back the same, and the machines are those that were counted."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from renkei.domain.halting import Fault, Reason, Rise
from renkei.fleet.waves.engine import load
from renkei.fleet.waves.grounds import Ground, halt, read_grounds
from renkei.fleet.waves.plan import Plan
from renkei.fleet.waves.state import Phase, WaveState
from renkei.store.waves.ledger import Act, Ledger, open_ledger
from unit.fleet.waves.controller import MINUTE, NAME, OPEN, Controller


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with open_ledger(str(tmp_path / "waves.db")) as opened:
        yield opened


@pytest.fixture
def controller(ledger: Ledger, plan: Plan) -> Controller:
    """A canary ring of eight machines, half of each of two models."""
    windows = plan.hosts[0].windows
    hosts = [
        host.model_copy(update={"model": f"RK-T{number % 2}", "group": "canary", "windows": windows})
        for number, host in enumerate(plan.hosts[:8])
    ]
    return Controller(ledger, plan.model_copy(update={"hosts": hosts}))


def fall(controller: Controller, at: int, *terminals: str) -> WaveState:
    """Have machines ask, begin, and exchange no more."""
    now = OPEN + at * MINUTE
    controller.turn(now)
    for each in terminals:
        controller.says(each, "ready", now)
    controller.turn(now)
    for each in terminals:
        controller.says(each, "done", now + MINUTE, exchanged_at=None)
    return controller.turn(now + MINUTE)


def halts(controller: Controller) -> list[tuple[Ground, ...]]:
    return [read_grounds(act.document) for act in controller.ledger.acts(NAME) if act.what == "halt"]


def test_a_halt_has_its_figures_and_the_machines_that_were_counted(controller: Controller) -> None:
    first, second, third, *_ = controller.plan.terminals
    state = fall(controller, 0, first, third)
    assert state.phase is Phase.HALTED
    [grounds] = halts(controller)
    assert {(ground.kind, ground.terminals) for ground in grounds} == {("no exchange", (first, third))}
    for ground in grounds:
        assert isinstance(ground.reason, Reason)
        assert len(ground.terminals) == ground.reason.fallen == 2
    assert state.halted == "; ".join(str(ground.reason) for ground in grounds)
    assert load(controller.ledger, NAME).fallen == state.fallen == (first, third)
    assert second not in state.fallen


def test_after_a_resume_the_machines_from_before_are_evidence_for_nothing(controller: Controller) -> None:
    first, second, third, fourth, *_ = controller.plan.terminals
    fall(controller, 0, first, third)
    controller.ledger.add(NAME, 10**9, lambda _: [Act("resume", detail="suzuki: the firewall is mended")])
    state = fall(controller, 10, second, fourth)
    assert state.phase is Phase.HALTED
    assert {ground.terminals for ground in halts(controller)[1]} == {(second, fourth)}


def test_what_the_hub_saw_is_read_back_as_it_was_and_names_the_machines(plan: Plan) -> None:
    state, name = WaveState(plan), plan.terminals[0]
    document = b'{"updated": true, "of": {"": [1, 9], "RK": [1, 3]}}'
    state.take([Act("failing", name, "signature 3", document)])
    found = [
        Rise(None, 1, 1, 0, 9, 3.5, 2.0),
        Reason(Fault.NOT_BACK, plan.hosts[0].model, 7, 2, 0.021, 0.005),
    ]
    act = halt(found, state)
    assert [ground.reason for ground in read_grounds(act.document)] == found
    assert [ground.terminals for ground in read_grounds(act.document)] == [(name,), ()]
    assert f"({name} (signature 3))" in act.detail


def test_who_had_failed_before_the_update_is_not_named(plan: Plan) -> None:
    one, other = plan.terminals[:2]
    state = WaveState(plan)
    state.take([Act("failing", one, "before the wave: cut 1")])
    state.take([Act("failing", other, "cut 1", b'{"updated": false, "of": {"": [1, 9]}}')])
    assert state.failing == ()


def test_a_persons_halt_stands_on_nothing_that_was_counted() -> None:
    assert read_grounds(b"") == ()
