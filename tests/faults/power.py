"""Work on the hub's store and on an agent's spool that ends in a power loss, and what the disk holds afterwards."""

import asyncio
import random
import shutil
from abc import ABC, abstractmethod
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import apsw

from faults.disk import Disk, power_loss
from renkei.store import sqlite
from renkei.store.errors import StoreError
from renkei.store.hub.sqlite import SqliteHubStore
from renkei.store.incoming import State
from renkei.store.spool import Spool
from unit.store.conftest import PLENTY, RECIPIENT, SENDER, SIGNERS, binding, digest, message, receipt, sign
from unit.store.spool_steps import fetch, incoming, take

ACTS = 12
_CHECKPOINT_PAGES = 60
"""So few that checkpoints, which write the database itself, come within a run; so many that not every commit is one."""


class Subject(ABC):
    """Something that acknowledges acts, and can say later whether it still knows them."""

    file: str

    @abstractmethod
    def prepare(self, folder: Path) -> None:
        """Leave a store that was closed in order."""

    @abstractmethod
    def work(self, folder: Path, acknowledged: list[int]) -> None:
        """Do acts, and note each that was acknowledged, until one fails."""

    @abstractmethod
    def lost(self, folder: Path, acknowledged: list[int]) -> list[str]:
        """What was acknowledged and isn't there, or isn't sound."""


class Hub(Subject):
    """The hub's store: parts, messages with acceptances, receipts."""

    file = "hub.db"

    def prepare(self, folder: Path) -> None:
        with closing(SqliteHubStore(folder / self.file)) as store:
            for party, fingerprint in SIGNERS.items():
                asyncio.run(store.add_binding(binding(party, fingerprint), "authority", 1))

    def work(self, folder: Path, acknowledged: list[int]) -> None:
        with closing(SqliteHubStore(folder / self.file)) as store, asyncio.Runner() as runner:
            store.database.write(_checkpoint_often)
            for number in range(1, ACTS + 1):
                part = self._part(number)
                offered = message(number, number, [part])
                if number % 2:
                    runner.run(store.put_part(SENDER, digest(part), part, PLENTY, 1))
                else:
                    offered = replace(offered, sealed=part)  # it comes whole
                runner.run(store.accept(offered, sign, PLENTY, 1))
                acknowledged.append(number)
                if number % 3 == 0:
                    runner.run(store.receipt(receipt(number), 2))
                    acknowledged.append(-number)

    def lost(self, folder: Path, acknowledged: list[int]) -> list[str]:
        with closing(SqliteHubStore(folder / self.file)) as store, asyncio.Runner() as runner:
            found = runner.run(store.check())
            for number in acknowledged:
                kept = runner.run(store.message(SENDER, f"id-{abs(number)}"))
                if kept is None or (number < 0 and not kept.receipted):
                    found.append(f"{number} was acknowledged and is lost")
                elif number > 0 and -number not in acknowledged and not kept.receipted:
                    part = self._part(number)
                    if runner.run(store.part(SENDER, digest(part))) != part:
                        found.append(f"the content of {number} is another")
            waiting = runner.run(store.inbox(RECIPIENT, 0, 1000, PLENTY)).items
            if len({item.envelope for item in waiting}) != len(waiting):
                found.append("something waits twice")
            return found

    @staticmethod
    def _part(number: int) -> bytes:
        return b"part %d" % number * 300


class Agent(Subject):
    """An agent's spool: files taken, and messages received."""

    file = "state.db"

    def prepare(self, folder: Path) -> None:
        Spool(folder / self.file).close()

    def work(self, folder: Path, acknowledged: list[int]) -> None:
        with closing(Spool(folder / self.file)) as spool:
            spool._database.write(_checkpoint_often)
            for number in range(1, ACTS + 1):
                take(spool, f"{number}.csv")
                acknowledged.append(number)
                fetch(spool, incoming(number))
                acknowledged.append(-number)

    def lost(self, folder: Path, acknowledged: list[int]) -> list[str]:
        with closing(Spool(folder / self.file)) as spool:
            rows = spool._database.read(lambda c: c.execute("PRAGMA integrity_check").fetchall())
            found = [str(row) for row in rows if row != ("ok",)]
            sent = [each.sequence for each in spool.outgoing.unreceipted("ministry")]
            if sent != list(range(1, len(sent) + 1)):
                found.append(f"the numbers {sent} have gaps")
            fetched = {each.sequence for each in spool.incoming.in_state(State.FETCHED)}
            found += [f"file {each} was taken and is lost" for each in acknowledged if each > 0 and each not in sent]
            found += [f"message {-each} is lost" for each in acknowledged if each < 0 and -each not in fetched]
            return found


@dataclass(frozen=True, slots=True)
class Losses:
    """What came of some power losses; `acknowledged` acts in all, `lost` trials in which something was missing."""

    trials: int
    acknowledged: int
    lost: int
    examples: tuple[str, ...]


def lose_power(subject: Subject, folder: Path, trials: int, seed: int, *, synchronous: str = "full") -> Losses:
    """Lose power at a random operation, again and again, each time from the same beginning.

    Args:
        subject: what works.
        folder: an empty one.
        trials: how often.
        seed: of the operations that find no power, and of the sectors that reached the platter.
        synchronous: SQLite's setting; the store's own is `full`.
    """
    dice = random.Random(seed)  # noqa: S311 (test data)
    begin = folder / "begin"
    begin.mkdir(parents=True)
    subject.prepare(begin)
    _, disk = _run(subject, begin, folder / "whole", 10**9, synchronous)
    acknowledged, examples = 0, []
    for trial in range(trials):
        said, failing = _run(subject, begin, folder / "running", dice.randrange(1, disk.operations), synchronous)
        assert failing.failed
        after = folder / f"after-{trial}"
        after.mkdir()
        failing.after_the_failure(after, dice)
        acknowledged += len(said)
        try:
            found = subject.lost(after, said)
        except (StoreError, apsw.Error) as error:
            found = [f"{type(error).__name__}: {error}"]
        examples += found[:1]
        shutil.rmtree(after)
    return Losses(trials, acknowledged, len(examples), tuple(examples))


def _run(subject: Subject, begin: Path, folder: Path, fails_after: int, synchronous: str) -> tuple[list[int], Disk]:
    """Work in a copy of `begin` until the power fails; what was acknowledged, and the disk."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(begin, folder)
    disk, acknowledged = Disk(folder, fails_after), []
    with power_loss(disk), _synchronous(synchronous), suppress(StoreError, apsw.Error):
        subject.work(folder, acknowledged)
    return acknowledged, disk


class _synchronous:  # noqa: N801 (reads as what it does)
    """Weaken the store's durability behind its back, after it has looked at its settings."""

    def __init__(self, value: str) -> None:
        self._value = value
        self._open: Any = sqlite.open_durable

    def __enter__(self) -> None:
        def weaker(path: Path) -> apsw.Connection:
            connection: apsw.Connection = self._open(path)
            connection.pragma("synchronous", self._value)
            return connection

        sqlite.open_durable = weaker

    def __exit__(self, *_: object) -> None:
        sqlite.open_durable = self._open


def _checkpoint_often(connection: apsw.Connection) -> None:
    connection.pragma("wal_autocheckpoint", _CHECKPOINT_PAGES)
