"""The chosen release runs until it fails its trial; the launcher's side of it with real child processes."""

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from renkei.agent import versions
from renkei.agent.versions import Chosen, Trial, VersionsError
from renkei.agent.windows.supervision import Supervisor, Timing

QUICK = Timing(ready=3, proven=0.3, first_pause=0.05, longest_pause=0.2)
SERVES = "import sys; print('READY=1', flush=True); sys.stdin.read(); print('STOPPING=1')"
BREAKS = "import sys; print('a traceback', file=sys.stderr); sys.exit(3)"
HANGS = "import sys; sys.stdin.read()"
STUMBLES = "import sys, time; print('READY=1', flush=True); time.sleep(0.7); sys.exit(1)"


def chosen(version: str = "2", former: str | None = "1", at: str = "2026-01-01T00:00:00Z") -> Chosen:
    return Chosen(version=version, former=former, at=at)


def test_a_release_on_trial_is_given_up_after_three_failures_and_a_proven_one_never() -> None:
    trial = versions.trial_of(chosen(), None)
    for _ in range(versions.FAILURES):
        assert versions.pick(chosen(), trial, ["1", "2"]) == "2"
        trial = trial.after_failure()
    assert versions.pick(chosen(), trial, ["1", "2"]) == "1"
    proven = versions.trial_of(chosen(), None).after_proof()
    for _ in range(10):
        proven = proven.after_failure()
    assert versions.pick(chosen(), proven, ["1", "2"]) == "2"


def test_choosing_anew_begins_a_new_trial() -> None:
    failed = Trial(version="2", at=chosen().at, failures=3)
    assert versions.trial_of(chosen(), failed) is failed
    assert versions.trial_of(chosen(at="2026-01-02T00:00:00Z"), failed).failures == 0
    assert versions.choose("2", chosen(), "later") == chosen()
    assert versions.choose("3", chosen(), "later") == Chosen(version="3", former="2", at="later")


def test_without_a_former_release_the_chosen_one_is_tried_again() -> None:
    failed = Trial(version="2", at=chosen().at, failures=9)
    assert versions.pick(chosen(former=None), failed, ["2"]) == "2"
    assert versions.pick(chosen(), failed, ["2"]) == "2"  # the former one is no longer there
    assert versions.pick(chosen(), Trial(version="2", at=chosen().at), ["1"]) == "1"  # the chosen one isn't whole
    with pytest.raises(VersionsError, match="install the package again"):
        versions.pick(chosen(), failed, ["0"])


def test_what_nobody_goes_back_to_is_named() -> None:
    assert versions.superseded(chosen(), ["0", "1", "2", "9"]) == ["0", "9"]


@pytest.mark.parametrize("content", ["{}", "[]", '{"version": "../2", "former": null, "at": ""}', "x" * 20_000])
def test_a_choice_that_is_not_in_its_form_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "chosen.json").write_text(content)
    with pytest.raises(VersionsError, match=r"chosen\.json"):
        Chosen.read(tmp_path / "chosen.json")


class Machine:
    """A folder of releases whose interpreter is this one."""

    def __init__(self, folder: Path, programs: dict[str, str], choice: Chosen) -> None:
        self.folder, self.programs = folder, programs
        for name in programs:
            (folder / "versions" / name).mkdir(parents=True)
            (folder / "versions" / name / versions.MARK).write_text("{}")
        (folder / "chosen.json").write_bytes(choice.to_json())
        self.starts: list[str] = []
        self.supervisor = Supervisor(folder, folder / "launcher.json", self._command, os.environ, QUICK)

    def _command(self, name: str) -> list[str]:
        self.starts.append(name)
        return [sys.executable, "-I", "-c", self.programs[name]]

    def run_until(self, condition: Callable[[], bool]) -> None:
        thread = threading.Thread(target=self.supervisor.run)
        thread.start()
        deadline = time.monotonic() + 20
        while not condition() and time.monotonic() < deadline:
            time.sleep(0.02)
        held = condition()
        self.supervisor.stop()
        thread.join(10)
        assert held
        assert not thread.is_alive()

    def trial(self) -> dict[str, object]:
        path = self.folder / "launcher.json"
        noted: dict[str, object] = json.loads(path.read_text()) if path.exists() else {}
        return noted


def test_a_release_that_serves_is_proven_and_ends_when_asked(tmp_path: Path) -> None:
    machine = Machine(tmp_path, {"1": SERVES, "2": SERVES}, chosen())
    machine.run_until(lambda: machine.trial().get("proven") is True)
    assert machine.starts == ["2"]


@pytest.mark.thorough
@pytest.mark.parametrize("fault", [BREAKS, "import sys; sys.exit(0)"])
def test_a_release_that_breaks_falls_back_and_stays_back(tmp_path: Path, fault: str) -> None:
    machine = Machine(tmp_path, {"1": SERVES, "2": fault}, chosen())
    machine.run_until(lambda: machine.starts[-1:] == ["1"] and machine.supervisor.running == "1")
    assert machine.starts == ["2", "2", "2", "1"]
    machine.starts.clear()
    machine.supervisor = Supervisor(tmp_path, tmp_path / "launcher.json", machine._command, os.environ, QUICK)
    machine.run_until(lambda: bool(machine.starts))
    assert machine.starts == ["1"]  # also after the machine was booted


@pytest.mark.thorough
def test_a_release_that_never_gets_ready_counts_as_failed(tmp_path: Path) -> None:
    machine = Machine(tmp_path, {"1": SERVES, "2": HANGS}, chosen())
    machine.supervisor.timing = Timing(ready=0.3, proven=0.1, first_pause=0.05, longest_pause=0.2)
    machine.run_until(lambda: machine.starts[-1:] == ["1"])


@pytest.mark.thorough
def test_a_proven_release_that_ends_is_started_again_and_again(tmp_path: Path) -> None:
    machine = Machine(tmp_path, {"1": SERVES, "2": STUMBLES}, chosen())
    machine.run_until(lambda: len(machine.starts) == 5)
    assert machine.starts == ["2"] * 5
    assert machine.trial()["proven"] is True


def test_stopping_is_no_failure(tmp_path: Path) -> None:
    machine = Machine(tmp_path, {"1": SERVES, "2": HANGS}, chosen())
    machine.run_until(lambda: machine.starts == ["2"])
    assert machine.trial()["failures"] == 0
