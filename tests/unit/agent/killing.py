"""Kills an agent at its N-th step: every call that writes, or that others see, counts before and after itself."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from renkei.agent import media, retirement, settings
from renkei.agent.exchange import alone, exchange
from renkei.agent.home import Home, open_home
from renkei.agent.intake import Watch
from renkei.agent.register import bridge
from renkei.client.connection import Connection
from renkei.exchange.parties import MINISTRY
from renkei.store.sqlite import Database
from unit.dying import die_at

Work = Callable[..., None]
"""What is killed: a function of this module, called with the agent's home and the arguments given along."""

_STEPS: tuple[tuple[Any, tuple[str, ...]], ...] = (
    (Database, ("write",)),
    (Connection, ("request",)),
    (Path, ("replace", "rename", "unlink")),
    (os, ("fsync", "unlink", "rmdir")),
)


def exchange_once(home: Home) -> None:
    with alone(home, 5), home.connect() as client:
        exchange(home, client, Watch(0))


def tend_the_bridge(home: Home) -> None:
    bridge.tend(home)


def export_to(home: Home, medium: Path) -> None:
    with alone(home, 5):
        media.export(home, medium, MINISTRY)


def import_from(home: Home, medium: Path) -> None:
    with alone(home, 5):
        media.import_all(home, medium)


def retire_and_destroy(home: Home) -> None:
    retirement.destroy(home.settings, retirement.retire(home, abandon=False), home.settings.home / "agent.toml")


def killed_at(fleet: Any, config: Path, step: int, work: Work, *given: object) -> bool:
    """Do the work of the agent with these settings in a process that dies at a step; whether it did."""
    process = fleet.processes.Process(target=_die_at, args=(step, config, work, given), daemon=True)
    process.start()
    process.join(60)
    assert process.exitcode in {0, -signal.SIGKILL}
    return process.exitcode != 0


def _die_at(fatal: int, config: Path, work: Work, given: tuple[object, ...]) -> None:
    die_at(fatal, _STEPS)
    with open_home(settings.load(config)) as home:
        work(home, *given)


STEPS = 90
"""More steps than an exchange has in which something is sent and delivered: the last runs aren't killed."""


def numbers(folder: Path) -> list[str]:
    """The notice numbers of all files of a folder, in the order of the streams."""
    return [line.split(",")[1] for path in sorted(folder.iterdir()) for line in path.read_text().splitlines()[1:]]
