"""Runs `ansible/playbooks/patch.yml` on permitted machines by ansible-runner, and tells what it sees as it sees it.

A wave's plays have one home, a folder on one machine (`store.waves.homes`): two controllers would do machines twice. Of
two in the same folder the second waits (`sole`); one anywhere else is refused (`at_home`).
"""

import fcntl
import os
import shlex
import shutil
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import IO, Any, Final
from uuid import uuid4

import ansible_runner  # type: ignore[import-untyped]  # it has no annotations

from renkei.fleet.waves.direct import PlayError, Told
from renkei.store.waves.homes import Home
from renkei.store.waves.ledger import Ledger

MARK: Final = "RENKEI_PLAYS"
"""What tells the processes of a controller's plays, also of one that was killed; its value is their folder."""
_MACHINE: Final = Path("/etc/machine-id")
_SECONDS: Final = 0.5
_SAID: Final = 200


@dataclass(frozen=True, slots=True)
class PlaySettings:
    """How machines are reached.

    Attributes:
        playbook: `ansible/playbooks/patch.yml`.
        inventory: where Ansible finds them.
        folder: of the wave's runs; what failed leaves its log there.
        variables: files with extra variables (paths and names; no secret is among them).
        environment: more environment variables for Ansible.
    """

    playbook: Path
    inventory: tuple[Path, ...]
    folder: Path
    variables: tuple[Path, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Plays:
    """The player (`direct.Player`)."""

    settings: PlaySettings

    def play(self, orders: Mapping[str, Mapping[str, Any]], tell: Callable[[Told], None], seconds: int) -> None:
        """See `direct.Player`: one process of Ansible for all of them, as many forks as machines."""
        each = self.settings
        folder = each.folder / str(uuid4())
        folder.mkdir(mode=0o700, parents=True)
        reported: set[str] = set()

        def on_event(event: Mapping[str, Any]) -> bool:
            told = _told(event)
            if told is not None:
                tell(told)
            if event.get("event") == "playbook_on_stats":
                reported.update(event.get("event_data", {}).get("processed", {}))
            return False

        runner = ansible_runner.run(
            private_data_dir=str(folder),
            project_dir=str(each.playbook.parents[1]),
            playbook=str(each.playbook.relative_to(each.playbook.parents[1])),
            inventory=[str(path) for path in each.inventory],
            limit=",".join(sorted(orders)),
            forks=len(orders),
            extravars={"patch_orders": {host: dict(order) for host, order in orders.items()}},
            cmdline=" ".join(f"-e {shlex.quote(f'@{path}')}" for path in each.variables) or None,
            envvars={
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
                "ANSIBLE_NOCOLOR": "1",
                **each.environment,
                MARK: str(each.folder),
            },
            timeout=seconds,
            quiet=True,
            event_handler=on_event,
        )
        if not reported:
            lines = Path(runner.stdout.name).read_text(encoding="utf-8", errors="replace").split("\n")
            said = " ".join(line.strip() for line in lines if line.strip())
            raise PlayError(f"{runner.status}; {said[-_SAID:] or 'it said nothing'} (the log is in {folder})")
        if reported >= set(orders):
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def sole(folder: Path, wait: Callable[[str], None]) -> Iterator[None]:
    """Be the only controller on this machine with this folder: wait for another one's end, and for what it left.

    Args:
        folder: of the wave's runs.
        wait: is told what is waited for.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        _until(lambda: _locks(lock), wait, f"another controller has its plays in {folder}: waiting for its end")
        _until(lambda: not _left(folder), wait, "waiting for the plays of a controller that was killed to end")
        yield


def home_of(folder: Path) -> Home:
    """Return the home of plays in a folder of this machine; its name tells machines of the same name apart."""
    machine = _MACHINE.read_text(encoding="ascii").strip() if _MACHINE.exists() else ""
    name = sha256(f"{machine or socket.gethostname()}\0{folder}".encode()).hexdigest()[:32]
    return Home(name, f"{socket.gethostname()}:{folder}")


@contextmanager
def at_home(
    ledger: Ledger, wave: str, folder: Path, wait: Callable[[str], None], *, take_over: bool
) -> Iterator[Callable[[], None]]:
    """Have the plays of a wave at this home alone; yield what raises once they no longer are.

    Whoever is killed, or breaks off, stays at home: plays of his may still run. Whoever ends waits for the last of his:
    a machine is through by a play's word before that play is.

    Args:
        ledger: of the wave.
        wave: its id.
        folder: of its runs, on this machine.
        wait: is told what is waited for.
        take_over: whether somebody says that the home before is gone, or has none of its plays left.

    Raises:
        Elsewhere: another home has them.
    """
    home = home_of(folder)
    ledger.move_in(wave, home, take_over=take_over)
    yield lambda: ledger.check_home(wave, home)
    _until(lambda: not _left(folder), wait, "waiting for the last plays to end")
    ledger.move_out(wave, home)


def _until(holds: Callable[[], bool], wait: Callable[[str], None], what: str) -> None:
    if holds():
        return
    wait(what)
    while not holds():
        time.sleep(_SECONDS)


def _locks(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _left(folder: Path) -> bool:
    """Whether processes of plays with this folder run."""
    wanted = f"{MARK}={folder}".encode()
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if wanted in path.read_bytes().split(b"\0"):
                return True
        except OSError:  # another user's, or it has just ended
            continue
    return False


def _told(event: Mapping[str, Any]) -> Told | None:
    """Return what an event of Ansible says of a machine's course, if anything."""
    kind, data = event.get("event"), event.get("event_data", {})
    result = data.get("res") or {}
    if kind == "runner_on_ok":
        seen = (result.get("ansible_facts") or {}).get("patch_seen")
        return Told(str(data["host"]), seen) if isinstance(seen, Mapping) else None
    if kind in {"runner_on_failed", "runner_on_unreachable"} and not data.get("ignore_errors"):
        problem = f"{data.get('task', '')}: {result.get('msg') or 'failed'}"
        seen = {"stage": "failed", "problem": problem, "unreachable": kind == "runner_on_unreachable"}
        return Told(str(data["host"]), seen)
    return None
