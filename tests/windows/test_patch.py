"""`patch.yml` over a few simulated terminals at the bench: planned, approved, killed, resumed, and what it refuses."""

import os
import signal
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from renkei.exchange.documents import peek
from renkei.fleet.waves.direct import PlayError
from renkei.fleet.waves.plays import Plays, PlaySettings
from renkei.fleet.waves.state import Phase
from renkei.lab.windows.host import Host
from renkei.lab.windows.modules.patching import NO_EXCHANGE
from renkei.store.waves.ledger import open_ledger
from windows.ministry import KB, Ministry, offer
from windows.staging import PLAYBOOKS, make_staging, served


def done_once(machines: Iterable[Host]) -> None:
    """Each was updated, and restarted for it, once."""
    for machine in machines:
        assert (machine.installed, machine.counts["reboot"]) == (["1"], 1), machine.name


def test_what_is_asked_for_is_checked_and_a_dry_run_keeps_nothing(tmp_path: Path) -> None:
    ministry = Ministry(make_staging(tmp_path, 2, staged=True))
    lacking = ministry.patch(patch_kbs=[KB])
    assert lacking.code != 0
    assert "missing required arguments: patch_as, patch_catalogue, patch_key" in " ".join(lacking.output.split())
    unknown = ministry.plan(patch_hub="https://hub")
    assert unknown.code != 0
    assert "patch_hub: nobody reads that when a wave is planned" in " ".join(unknown.output.split())
    dry = ministry.plan("--check")
    assert dry.code == 0, dry.output
    assert "bench: 2 machines" in dry.output
    assert "which was not kept (--check)" in dry.output
    with open_ledger(ministry.path("waves.db")) as ledger:
        assert ledger.waves() == []
    planned = ministry.plan()
    assert planned.code == 0, planned.output
    with open_ledger(ministry.path("waves.db")) as ledger:
        [(wave, _)] = ledger.waves()
    assert f"renkei wave approve {wave} --as NAME" in " ".join(planned.output.split())
    early = ministry.run(wave)
    assert early.code != 0
    assert f"wave {wave} isn't approved: somebody else than sato signs it" in " ".join(early.output.split())


def test_what_ansible_says_of_a_machine_that_its_inventory_lacks_is_told(tmp_path: Path) -> None:
    bench = make_staging(tmp_path, 1, staged=True)
    settings = PlaySettings(PLAYBOOKS / "patch.yml", (bench.fleet.folder / "fleet.yml",), tmp_path / "runs")
    with pytest.raises(PlayError, match=r"failed; .*leaves us with no hosts to target\. \(the log is in "):
        Plays(settings).play({"m999999-terminal": {"updates": [], "packages": []}}, lambda _: None, 60)


def test_a_wave_whose_controller_is_killed_does_each_machine_once(tmp_path: Path) -> None:
    with served(make_staging(tmp_path, 5, staged=True)) as bench:
        machines = list(bench.machines.values())
        offer(machines)
        machines[0].facts["free_bytes"] = 2 * 1024**3
        ministry = Ministry(bench)
        wave = ministry.planned()
        with subprocess.Popen(
            ministry.command(wave), env=ministry.environment(), stderr=subprocess.DEVNULL
        ) as controller:
            until = time.monotonic() + 120
            while not (
                any(machine.installed for machine in machines)
                and any(act.detail == "blocked" for act in ministry.acts(wave))
            ):
                assert controller.poll() is None
                assert time.monotonic() < until
                time.sleep(0.05)
            os.kill(controller.pid, signal.SIGKILL)
        assert ministry.state(wave).phase is Phase.RUNNING
        seen = [peek(act.document).payload["problem"] for act in ministry.acts(wave) if act.detail == "blocked"]
        assert seen == ["2 GiB are free, 10 are needed"]
        blocked = [each for each in ministry.state(wave).hosts.values() if each.standing == "blocked"]
        assert [each.started_at for each in blocked] == [None]
        machines[0].facts["free_bytes"] = 60 * 1024**3
        run = ministry.run(wave)
        assert run.code == 0, run.output
        assert {each.end for each in ministry.state(wave).hosts.values()} == {"well"}
        assert "finished: bench well=5" in run.output
        done_once(machines)
        again = ministry.run(wave)
        assert again.code == 0, again.output
        done_once(machines)


def test_a_halted_wave_goes_on_once_the_update_is_mended(tmp_path: Path) -> None:
    with served(make_staging(tmp_path, 5, staged=True)) as bench:
        machines = list(bench.machines.values())
        offer(machines, NO_EXCHANGE)
        ministry = Ministry(bench, jitter_seconds=2)
        wave = ministry.planned()
        run = ministry.run(wave)
        assert run.code != 0
        said = " ".join(run.output.split())
        assert "It was halted: no exchange:" in said
        assert f"renkei wave resume {wave}" in said
        harmed = [machine for machine in machines if machine.installed]
        assert 2 <= len(harmed) <= 4
        page = Path(ministry.path("wave.html")).read_text(encoding="utf-8")
        assert "停止しました：新しい端末は開始しません" in page
        assert f"{len(harmed)}台が適用後に連携できません" in page
        offer(machines)
        ministry.decide("resume", wave)
        assert ministry.run(wave).code == 0
        ends = [each.end for each in ministry.state(wave).hosts.values()]
        assert (ends.count("no exchange"), ends.count("well")) == (len(harmed), 5 - len(harmed))
        done_once(machines)
