"""Forty simulated terminals at the bench: none skipped, none out of reach, and a second run finds nothing to do."""

from pathlib import Path

from windows.staging import make_staging, served

TERMINALS = 40


def test_forty_terminals_are_staged_and_a_second_run_changes_nothing(tmp_path: Path) -> None:
    with served(make_staging(tmp_path, TERMINALS)) as bench:
        first = bench.assert_well(bench.stage())
        names = set(bench.machines)
        assert len(names) == TERMINALS
        assert {name for name in names if first.recap[name]["changed"] >= 5} == names
        # each was really asked and set: twice read, each of its files taken
        asked = {
            (machine.counts["Get-TerminalState.ps1"], machine.counts["Import-Settings.ps1"])
            for machine in bench.machines.values()
        }
        assert asked == {(2, 3)}
        states = {name: machine.state() for name, machine in bench.machines.items()}
        second = bench.assert_well(bench.stage())
        assert second.total("changed") == 0
        assert {machine.counts["Get-TerminalState.ps1"] for machine in bench.machines.values()} == {3}
        assert states == {name: machine.state() for name, machine in bench.machines.items()}
        passwords = {machine.users["renkei-admin"]["password"] for machine in bench.machines.values()}
        assert len(passwords) == TERMINALS
    print(f"processor seconds a terminal: {first.seconds / TERMINALS:.2f}, then {second.seconds / TERMINALS:.2f}")
