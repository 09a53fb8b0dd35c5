"""Runs the production playbooks on a fleet by ansible-runner, with progress, and tells what came of it."""

import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ansible_runner  # type: ignore[import-untyped]  # it has no annotations

#: Called with the name of the play or task that has just begun.
OnTask = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Failure:
    """A task that failed on a host, or a host that couldn't be reached."""

    host: str
    task: str
    message: str


@dataclass(slots=True)
class PlaybookRun:
    """What one playbook did: hosts that reported, what changed where, failures, the log's path.

    `changes` counts all task results that changed a host, `changed` names those whose results aren't secret.
    """

    playbook: str
    seconds: float = 0.0
    hosts: frozenset[str] = frozenset()
    changes: int = 0
    changed: list[tuple[str, str]] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    log: Path = Path()

    @property
    def ok(self) -> bool:
        """Tell whether no host failed and at least one reported."""
        return not self.failures and bool(self.hosts)


def run_playbook(
    root: Path,
    fleet: Path,
    playbook: str,
    *,
    environment: Mapping[str, str],
    variables: Mapping[str, object],
    on_task: OnTask = lambda _name: None,
    limit: str | None = None,
    tags: Sequence[str] = (),
) -> PlaybookRun:
    """Run `ansible/PLAYBOOK` on the fleet and collect what it changed and where it failed.

    Args:
        root: the checkout.
        fleet: the fleet's folder, with its fleet.yml.
        playbook: a path under ansible/, for example `site.yml`.
        environment: what Ansible needs to reach the hosts (keys, known_hosts).
        variables: extra variables; no secret may be among them, for they are kept in the run's folder.
        on_task: called as each task begins.
        limit: a host pattern, as `ansible-playbook --limit`.
        tags: run only what has one of them, as `ansible-playbook --tags`; without any, everything.
    """
    run = PlaybookRun(playbook)
    name = playbook.replace("/", "-").removesuffix(".yml")
    folder = root / "build" / fleet.name / "runner" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)

    def on_event(event: dict[str, Any]) -> bool:
        _take(event, run, on_task)
        return False  # the figures are taken as they come; 10,000 event files would only cost time

    started = time.monotonic()
    runner = ansible_runner.run(
        private_data_dir=str(folder),
        project_dir=str(root / "ansible"),
        inventory=str(fleet / "fleet.yml"),
        playbook=playbook,
        envvars={"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", **environment},
        extravars=dict(variables),
        limit=limit,
        tags=",".join(tags) or None,
        quiet=True,
        event_handler=on_event,
    )
    run.seconds = time.monotonic() - started
    run.log = Path(runner.stdout.name)
    if runner.rc != 0 and not run.failures:
        tail = "\n".join(run.log.read_text(errors="replace").splitlines()[-12:])
        run.failures.append(Failure(host="controller", task=playbook, message=tail))
    return run


def _take(event: dict[str, Any], run: PlaybookRun, on_task: OnTask) -> None:
    kind, data = event.get("event", ""), event.get("event_data", {})
    if kind == "playbook_on_task_start":
        on_task(str(data.get("task", "")))
    elif kind == "runner_on_ok" and data.get("res", {}).get("changed"):
        run.changed.append((data["host"], data["task"]))
    elif kind in {"runner_on_failed", "runner_on_unreachable"} and not data.get("ignore_errors"):
        run.failures.append(Failure(data["host"], data.get("task", ""), _message(data.get("res", {}))))
    elif kind == "playbook_on_stats":
        run.hosts = frozenset(data.get("processed", {}))
        run.changes = sum(data.get("changed", {}).values())
        # A failure that a rescue block mended isn't one: the statistics have the last word.
        broken = {*data.get("failures", {}), *data.get("dark", {})}
        run.failures = [failure for failure in run.failures if failure.host in broken]


def _message(result: Mapping[str, Any]) -> str:
    parts = [str(result[key]).strip() for key in ("msg", "stderr", "stdout") if result.get(key)]
    return "\n".join(parts)[-2000:] or str(result)[:2000]
