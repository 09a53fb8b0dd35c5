"""A hundred simulated terminals at the bench, an update that breaks every machine of one model: the wave halts."""

from collections import Counter
from pathlib import Path

from renkei.domain.halting import Fault
from renkei.fleet.waves.state import Phase
from renkei.lab.windows.modules.patching import NOT_BACK
from windows.ministry import Ministry, offer
from windows.staging import make_staging, served

TERMINALS = 100
POISONED = "RK-T200"
#: What record 32 promises, in 99 waves of 100: of a model that breaks whole, and of all.
OF_A_MODEL, OF_ALL = 4, 20


def test_a_poisonous_update_halts_the_wave_and_nobody_begins_any_more(tmp_path: Path) -> None:
    with served(make_staging(tmp_path, TERMINALS, staged=True)) as bench:
        ministry = Ministry(bench, restart_seconds=25)  # who breaks stays away for as long
        wave = ministry.planned()
        hosts = ministry.state(wave).hosts
        assert len(hosts) == TERMINALS
        machines = {terminal: bench.machines[str(state.host.direct)] for terminal, state in hosts.items()}
        for terminal, state in hosts.items():
            offer([machines[terminal]], NOT_BACK if state.host.model == POISONED else None)
        models = Counter(state.host.model for state in hosts.values())
        assert models[POISONED] > 10 * OF_A_MODEL

        run = ministry.run(wave)
        assert run.code != 0
        assert "It was halted: not back:" in " ".join(run.output.split())
        after = ministry.state(wave)
        assert after.phase is Phase.HALTED

        harmed = [terminal for terminal, state in after.hosts.items() if state.end == Fault.NOT_BACK]
        assert {after.hosts[terminal].host.model for terminal in harmed} == {POISONED}
        assert 2 <= len(harmed) <= min(OF_A_MODEL, OF_ALL)

        # the ledger's story is the hosts' story
        acts = ministry.acts(wave)
        begun = {terminal for terminal, state in after.hosts.items() if state.started_at is not None}
        # who had a permit and wasn't handed to a play before the halt gave it back
        waiting = {act.terminal for act in acts if act.what == "permit"} - begun
        assert {after.hosts[terminal].standing for terminal in waiting} <= {"blocked"}
        restarted = {terminal: machine.counts["reboot"] for terminal, machine in machines.items() if machine.installed}
        assert restarted == dict.fromkeys(begun, 1)
        assert {terminal for terminal, state in after.hosts.items() if state.end} == begun
        assert {after.hosts[terminal].end for terminal in begun - set(harmed)} <= {"well"}
        untouched = [machine for terminal, machine in machines.items() if terminal not in begun]
        assert not any(machine.counts["ansible.windows.win_updates"] for machine in untouched)

        # nobody begins after the halt, not by another run either
        halt = max(act.number for act in acts if act.what == "halt")
        assert not [act for act in acts if act.number > halt and act.what in {"permit", "order"}]
        assert ministry.run(wave).code != 0
        assert {terminal for terminal, machine in machines.items() if machine.installed} == begun
        ministry.decide("abort", wave)
        assert "It was aborted" in " ".join(ministry.run(wave).output.split())
        print(f"{len(begun)} begun, {len(harmed)} harmed, in {run.wall:.0f} s")
