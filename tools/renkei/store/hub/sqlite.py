"""The hub's store on SQLite, for a hub on one machine.

    store = SqliteHubStore(Path("/var/lib/renkei-hub/hub.db"))
    acceptance, new = await store.accept(message, sign, quota, at)

Writes go to the one writer thread and come back after the commit. What an index finds at once is read on the event
loop, for in WAL mode it waits for nobody; what may be large is read in a few threads.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import apsw

from renkei.store.copies import Progress, copy_file
from renkei.store.gathering import Gathering
from renkei.store.hub.contract import Binding, Bounds
from renkei.store.hub.schema import MIGRATIONS
from renkei.store.hub.store import SqlHubStore, Work
from renkei.store.hub.transaction import Row, Transaction
from renkei.store.sqlite import Database
from renkei.store.writer import Outcome, Statistics

T = TypeVar("T")

_READING_THREADS = 3
_MOST_BINDINGS = 16_384


class SqliteTransaction(Transaction):
    """The transaction that a connection is in."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    def execute(self, sql: str, values: Row = ()) -> int:
        """See `Transaction`."""
        self._connection.execute(sql, values).fetchall()
        return self._connection.changes()

    def execute_many(self, sql: str, rows: Iterable[Row]) -> None:
        """See `Transaction`."""
        self._connection.executemany(sql, rows)

    def each(self, sql: str, values: Row = ()) -> Iterator[Row]:
        """See `Transaction`."""
        return self._connection.execute(sql, values)

    def some(self, sql: str, values: Row = ()) -> list[Row]:
        """See `Transaction`."""
        return self._connection.execute(sql, values).fetchall()

    def tell(self, party: str) -> None:
        """See `Transaction`; there is no other hub on this file."""


class SqliteHubStore(SqlHubStore):
    """`HubStore` in one SQLite file.

    Args:
        path: the file.
        bounds: what the store itself bounds.

    Raises:
        StoreError: see `Database`.
    """

    def __init__(self, path: Path, bounds: Bounds | None = None) -> None:
        super().__init__(bounds)
        self.database = Database(path, MIGRATIONS, readers=_READING_THREADS + 1)
        self._threads = ThreadPoolExecutor(_READING_THREADS, "reader")
        self._bindings: dict[str, Binding] = {}
        self._gathering: Gathering[apsw.Connection] | None = None

    @property
    def statistics(self) -> Statistics:
        """See `SqlHubStore`."""
        return self.database.statistics

    def close(self) -> None:
        """See `SqlHubStore`."""
        self._threads.shutdown()
        self.database.close()

    async def arrivals(self) -> AsyncIterator[str | None]:
        """See `SqlHubStore`: nothing, for one process alone serves from a file."""
        await asyncio.Event().wait()
        yield None

    async def binding(self, fingerprint: str) -> Binding | None:
        """See `HubStore`. It is asked at every request, and kept: nothing but `revoke` ever changes a binding."""
        found = self._bindings.get(fingerprint)
        if found is None and (found := await super().binding(fingerprint)) is not None:
            if len(self._bindings) >= _MOST_BINDINGS:
                self._bindings.clear()
            self._bindings[fingerprint] = found
        return found

    async def revoke(self, fingerprint: str, envelope: bytes, by: str, at: int) -> bool:
        """See `HubStore`; one process alone revokes in a file, and this is it."""
        try:
            return await super().revoke(fingerprint, envelope, by, at)
        finally:
            self._bindings.pop(fingerprint, None)

    async def copy_to(self, target: Path, progress: Progress) -> None:
        """See `SqlHubStore`."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._threads, lambda: copy_file(self.database.path, target, progress))

    async def _write(self, work: Work[T]) -> T:
        return await self._gathered().write(_on_connection(work))

    async def _write_together(self, works: Sequence[Work[Any]]) -> list[Outcome]:
        return await self._gathered().write_together([_on_connection(work) for work in works])

    def _gathered(self) -> Gathering[apsw.Connection]:
        """Return where the writes of the running loop gather."""
        loop = asyncio.get_running_loop()
        if self._gathering is None or self._gathering.loop is not loop:
            self._gathering = Gathering(loop, self.database.begin_together)
        return self._gathering

    async def _read(self, work: Work[T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._now, work)

    async def _look(self, work: Work[T]) -> T:
        return self.database.read(lambda connection: work(SqliteTransaction(connection)), together=False)

    def _now(self, work: Work[T]) -> T:
        return self.database.read(lambda connection: work(SqliteTransaction(connection)))

    async def _check_database(self) -> list[str]:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self.database.read, check_file)


def _on_connection(work: Work[T]) -> Callable[[apsw.Connection], T]:
    return lambda connection: work(SqliteTransaction(connection))


def check_file(connection: apsw.Connection) -> list[str]:
    """Have SQLite check a file's pages and references; return what is wrong."""
    damage = connection.execute("PRAGMA integrity_check").fetchall()
    dangling = connection.execute("PRAGMA foreign_key_check").fetchall()
    return [f"SQLite: {row[0]}" for row in damage if row[0] != "ok"] + [
        f"SQLite: row {row[1]} of {row[0]} refers to nothing" for row in dangling
    ]
