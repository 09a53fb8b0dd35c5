"""kill -9 at many points of an exchange, on either side: nothing is lost and nothing arrives twice."""

import signal
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.thorough

# Runs in a process of its own: every step that is durable or that others see is counted, and at step `fatal` it dies.
PROGRAM = """
import os, signal
from pathlib import Path
import pytest
from renkei.agent import settings
from renkei.agent.exchange import alone, exchange
from renkei.agent.home import open_home
from renkei.agent.intake import Watch
from renkei.client.connection import Connection
from renkei.store.sqlite import Database

steps = 0

def counted(function):
    def wrapper(*given, **named):
        step()
        result = function(*given, **named)
        step()
        return result
    return wrapper

def step():
    global steps
    steps += 1
    if steps == fatal:
        os.kill(os.getpid(), signal.SIGKILL)

Database.write = counted(Database.write)
Connection.request = counted(Connection.request)
Path.replace = counted(Path.replace)
os.fsync = counted(os.fsync)
with open_home(settings.load(Path(config))) as home, alone(home, 5), home.connect() as client:
    exchange(home, client, Watch(0))
"""
STEPS = 90
"""More steps than an exchange has in which something is sent and delivered: the last runs aren't killed."""


def killed_at(fleet: Any, config: Path, step: int) -> bool:
    """Run an exchange that dies at a step; whether it did."""
    process = fleet.processes.Process(target=exec, args=(PROGRAM, {"config": str(config), "fatal": step}), daemon=True)
    process.start()
    process.join(60)
    assert process.exitcode in {0, -signal.SIGKILL}
    return process.exitcode != 0


def numbers(folder: Path) -> list[str]:
    """The notice numbers of all files of a folder, in the order of the streams."""
    return [line.split(",")[1] for path in sorted(folder.iterdir()) for line in path.read_text().splitlines()[1:]]


def test_a_sender_killed_at_any_step_loses_and_doubles_nothing(fleet: Any, residence_csv: Any) -> None:
    ministry, sender = fleet.agent("ministry"), fleet.agent("131041")
    config = fleet.write_config(sender)
    kills = []
    for number, step in enumerate(range(2, STEPS, 11)):
        (sender.settings.outbox / f"{number:02d}.csv").write_bytes(residence_csv(2, first=1 + 2 * number))
        kills.append(killed_at(fleet, config, step))
    fleet.exchange(sender)
    fleet.exchange(ministry)
    assert fleet.exchange(sender).receipts_received > 0
    assert sum(kills) >= 5
    assert numbers(ministry.settings.inbox / "131041") == [f"N-131041-{n:06d}" for n in range(1, 2 * len(kills) + 1)]
    assert sender.spool.outgoing.unreceipted() == []
    assert len(list(sender.settings.done.iterdir())) == len(kills)
    assert not list(sender.settings.outbox.iterdir())
    assert not list(sender.settings.rejected.iterdir())


def test_a_recipient_killed_at_any_step_gets_everything_once_even_if_its_files_are_taken_at_once(
    fleet: Any, residence_csv: Any
) -> None:
    ministry, sender = fleet.agent("ministry"), fleet.agent("131041")
    config, inbox, taken = fleet.write_config(ministry), ministry.settings.inbox / "131041", []
    kills = []
    for number, step in enumerate(range(4, STEPS, 11)):
        (sender.settings.outbox / f"{number:02d}.csv").write_bytes(residence_csv(1, first=1 + number))
        fleet.exchange(sender)
        kills.append(killed_at(fleet, config, step))
        taken += take(inbox)
    fleet.exchange(ministry)
    taken += take(inbox)
    fleet.exchange(sender)
    assert sum(kills) >= 5
    assert taken == [f"N-131041-{n:06d}" for n in range(1, len(kills) + 1)]
    assert sender.spool.outgoing.unreceipted() == []


def take(inbox: Path) -> list[str]:
    """Whoever works with the inbox takes a file away as soon as it appears."""
    if not inbox.is_dir():
        return []
    found = numbers(inbox)
    for path in inbox.iterdir():
        path.unlink()
    return found
