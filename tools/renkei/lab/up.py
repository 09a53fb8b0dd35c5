"""`./kit up`: hosts, software, provisioning, enrolment, exchange and verification, and what came of them."""

import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Column

from renkei.lab import Lab, LabError
from renkei.lab.figures import endpoint_results, host_results, line_counters
from renkei.lab.playbooks import PlaybookRun, run_playbook
from renkei.lab.result import Phase, Result

#: What decides whether a built lab is still what the checkout says.
_INPUTS = ("ansible", "roles", "inventory", "tools", "tests/compliance", "pyproject.toml", "requirements.lock")

PLAYBOOKS = {
    "provision": "site.yml",
    "enrol": "playbooks/enrol.yml",
    "exchange": "playbooks/exchange.yml",
    "verify": "playbooks/verify.yml",
}


class LabFailure(Exception):
    """`up` can't go on; the text says at which step, on which host, why, and where the log is."""


def bring_up(root: Path, fleet: Path, *, console: Console, force: bool = False) -> Result:
    """Bring the lab to the state that the checkout describes and exchange notices.

    A lab that stands as an earlier `up` of the same checkout left it is kept, and that run's result is returned with
    `reused` set, unless `force` is given.

    Raises:
        LabFailure: a step failed.
    """
    started = datetime.now(UTC)
    build = root / "build" / fleet.name
    stamp_file, result_file = build / "stamp.json", build / "result.json"
    lab = Lab(fleet, root)
    with _Steps(console) as steps:
        try:
            with steps.step("hosts"):
                lab.up(steps.tell)
            stamp = {"inputs": inputs_digest(root), "hosts": lab.incarnations()}
            if not force and result_file.exists() and _holds(stamp_file, stamp):
                former = Result.model_validate_json(result_file.read_text())
                return former.model_copy(update={"reused": True, "hosts": host_results(lab, build / "verify")})
            stamp_file.unlink(missing_ok=True)
        except LabError as failure:
            raise LabFailure(str(failure)) from failure
        steps.play("provision", lab)
        steps.play("enrol", lab)
        counters = line_counters(lab)
        steps.play("exchange", lab)
        endpoints = endpoint_results(lab, build / "exchange.json", counters)
        steps.play("verify", lab)
    result = Result(
        fleet=fleet.name,
        started_at=started,
        finished_at=datetime.now(UTC),
        reused=False,
        phases=steps.phases,
        hosts=host_results(lab, build / "verify"),
        endpoints=endpoints,
    )
    result_file.write_text(result.model_dump_json(indent=2))
    stamp_file.write_text(json.dumps(stamp))
    return result


def _holds(stamp_file: Path, stamp: Mapping[str, object]) -> bool:
    return stamp_file.exists() and json.loads(stamp_file.read_text()) == stamp


def inputs_digest(root: Path) -> str:
    """Digest the names and contents of everything that a built lab follows from (hex SHA-256)."""
    digest = hashlib.sha256()
    for name in _INPUTS:
        top = root / name
        files = [top] if top.is_file() else sorted(path for path in top.rglob("*") if path.is_file())
        for path in files:
            if "__pycache__" not in path.parts:
                digest.update(f"{path.relative_to(root)}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


class _Steps:
    """The steps of one run: a line of progress while one goes on, its time when it is done."""

    def __init__(self, console: Console) -> None:
        self.phases: list[Phase] = []
        self._progress = Progress(
            SpinnerColumn(finished_text="✓"),
            TextColumn("{task.description:10}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[now]}", table_column=Column(no_wrap=True, overflow="ellipsis")),
            console=console,
        )
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._progress.stop()

    def tell(self, what: str) -> None:
        """Show what the current step is doing."""
        if self._task is not None:
            self._progress.update(self._task, now=what)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time a step and show it."""
        self._task = self._progress.add_task(name, total=1, now="")
        started = time.monotonic()
        yield
        self._finish(name, time.monotonic() - started, changed=None)

    def play(self, name: str, lab: Lab) -> None:
        """Run a playbook as a step.

        Raises:
            LabFailure: a host failed or couldn't be reached, or none reported.
        """
        self._task = self._progress.add_task(name, total=1, now="")
        run = run_playbook(
            lab.root,
            lab.fleet_dir,
            PLAYBOOKS[name],
            environment=lab.ansible_environment(),
            variables=playbook_variables(lab),
            on_task=self.tell,
        )
        if not run.ok:
            raise LabFailure(_explain(name, run))
        self._finish(name, run.seconds, changed=run.changes)

    def _finish(self, name: str, seconds: float, *, changed: int | None) -> None:
        if self._task is not None:
            self._progress.update(self._task, completed=1, now="" if changed is None else f"{changed} changes")
        self.phases.append(Phase(name=name, seconds=round(seconds, 1), changed=changed))


def playbook_variables(lab: Lab) -> dict[str, object]:
    """Give the variables by which the playbooks know where the controller keeps this lab's things."""
    build = lab.root / "build" / lab.fleet_dir.name
    return {
        "certificates_root_dir": str(build / "root-ca"),
        "exchange_result_file": str(build / "exchange.json"),
        "verify_result_dir": str(build / "verify"),
    }


def _explain(step: str, run: PlaybookRun) -> str:
    lines = [f'the step "{step}" ({run.playbook}) failed:']
    lines += [f"  {failure.host}: {failure.task}\n    {failure.message}" for failure in run.failures[:5]]
    if len(run.failures) > 5:  # noqa: PLR2004 - the rest is in the log
        lines.append(f"  and {len(run.failures) - 5} more")
    if not run.failures:
        lines.append("  no host reported")
    lines.append(
        f"The whole log: {run.log}. When the cause is mended, run ./kit up again: it goes on from what stands."
    )
    return "\n".join(lines)
