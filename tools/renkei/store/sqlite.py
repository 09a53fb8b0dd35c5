"""SQLite with one writer, group commit, and durability that is checked and not assumed.

The SQLite is apsw's own and not the interpreter's: Debian 12's has the WAL-reset bug. All writes go through one thread.
It takes whatever is waiting, runs each piece of work in a savepoint of one transaction, commits, and only then gives
each caller its result: one fsync serves many callers, and no caller hears of anything that a power cut could undo.
Work that raises is rolled back alone. Reads run in the caller's thread on connections of their own and never wait for
the writer.

    database = Database(path, migrations=("CREATE TABLE t (a INTEGER) STRICT;",))
    database.write(lambda connection: connection.execute("INSERT INTO t VALUES (1)"))
    rows = database.read(lambda connection: connection.execute("SELECT a FROM t").fetchall())
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, Full, Queue, SimpleQueue
from threading import Lock, Thread
from typing import Any, TypeVar

import apsw

T = TypeVar("T")
Work = Callable[[apsw.Connection], T]

_BUSY_MILLISECONDS = 10_000
_MACHINE_ERRORS = (apsw.FullError, apsw.IOError, apsw.CorruptError, apsw.ReadOnlyError, apsw.NoMemError)
_DURABLE: dict[str, object] = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


class StoreError(Exception):
    """The store can't be opened or can't commit; the message names the file."""


class StoreBusyError(StoreError):
    """More writes wait than the store takes; try again later."""


@dataclass(slots=True)
class Statistics:
    """What the writer did since it was opened: commits, pieces of work, and the sizes of the last batches."""

    commits: int = 0
    works: int = 0
    batches: deque[int] = field(default_factory=lambda: deque(maxlen=1024))


class Database:
    """One SQLite file: a writer thread and a few reader connections."""

    def __init__(
        self,
        path: Path,
        migrations: Sequence[str],
        *,
        readers: int = 4,
        max_batch: int = 256,
        max_waiting: int = 8192,
    ) -> None:
        """Open the file, migrate it and start the writer.

        Args:
            path: the file; made when it is missing, its folder must be there.
            migrations: SQL scripts; number n takes `user_version` from n to n + 1. A released one never changes.
            readers: how many reads may run at one time; further ones wait.
            max_batch: the most pieces of work in one transaction.
            max_waiting: the most pieces of work that may wait for the writer.

        Raises:
            StoreError: no WAL or no `synchronous=FULL`, a newer schema than this software knows, not a database.

        """
        self.path = path
        self.statistics = Statistics()
        self._max_batch = max_batch
        self._queue: Queue[tuple[Work[Any], Future[Any]] | None] = Queue(max_waiting)
        self._readers: SimpleQueue[apsw.Connection] = SimpleQueue()
        self._closing = Lock()
        self._closed = False
        self._reader_count = readers
        try:
            self._writer = open_durable(path)
            try:
                _migrate(self._writer, migrations, path)
                for _ in range(readers):
                    self._readers.put(_open_reader(path))
            except BaseException:
                self._writer.close()
                raise
        except apsw.Error as error:
            raise StoreError(f"{path}: {error}") from error
        self._thread = Thread(target=self._run, name=f"writer of {path.name}", daemon=True)
        self._thread.start()

    def submit(self, work: Work[T]) -> Future[T]:
        """Hand `work` to the writer; the future is done after the commit, or holds what `work` raised.

        Where the machine is at fault (a full disk, say) it holds a StoreError.

        Raises:
            StoreBusyError: too many pieces of work wait already.
            StoreError: the database is closed.

        """
        future: Future[T] = Future()
        with self._closing:
            if self._closed:
                raise StoreError(f"{self.path}: is closed")
            try:
                self._queue.put_nowait((work, future))
            except Full:
                raise StoreBusyError(f"{self.path}: {self._queue.maxsize} writes are waiting") from None
        return future

    def write(self, work: Work[T]) -> T:
        """Run `work` in the writer and wait for the commit."""
        return self.submit(work).result()

    def read(self, work: Work[T]) -> T:
        """Run `work` in one read transaction of the calling thread: all that it reads is of one moment."""
        connection = self._readers.get()
        try:
            with _transaction(connection, "BEGIN"):
                return work(connection)
        finally:
            self._readers.put(connection)

    @property
    def waiting(self) -> int:
        """How many pieces of work wait for the writer."""
        return self._queue.qsize()

    def close(self) -> None:
        """Finish what was submitted, then close all connections; a second call does nothing."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
        self._queue.put(None)
        self._thread.join()
        for _ in range(self._reader_count):
            self._readers.get().close()
        self._writer.close()

    def _run(self) -> None:
        while True:
            batch, more = self._next_batch()
            if batch:
                self._commit(batch)
            if not more:
                return

    def _next_batch(self) -> tuple[list[tuple[Work[Any], Future[Any]]], bool]:
        item = self._queue.get()
        batch: list[tuple[Work[Any], Future[Any]]] = []
        while item is not None:
            batch.append(item)
            if len(batch) >= self._max_batch:
                return batch, True
            try:
                item = self._queue.get_nowait()
            except Empty:
                return batch, True
        return batch, False

    def _commit(self, batch: list[tuple[Work[Any], Future[Any]]]) -> None:
        wanted = [(work, future) for work, future in batch if future.set_running_or_notify_cancel()]
        try:
            self._writer.execute("BEGIN IMMEDIATE")
            outcomes = [(future, *self._attempt(work)) for work, future in wanted]
            self._writer.execute("COMMIT")
        except Exception as error:  # noqa: BLE001 (whatever it was, every caller of this batch must hear of it)
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
            for _, future in wanted:
                failure = StoreError(f"{self.path}: nothing of {len(wanted)} writes was committed: {error}")
                failure.__cause__ = error
                future.set_exception(failure)
            return
        self.statistics.commits += 1
        self.statistics.works += len(wanted)
        self.statistics.batches.append(len(wanted))
        for future, result, raised in outcomes:
            if raised is None:
                future.set_result(result)
            else:
                future.set_exception(raised)

    def _attempt(self, work: Work[Any]) -> tuple[Any, Exception | None]:
        self._writer.execute("SAVEPOINT work")
        try:
            result = work(self._writer)
        except Exception as error:
            if not self._writer.in_transaction:
                # A full disk or an I/O error makes SQLite give up the whole transaction, the others' work too.
                raise
            self._writer.execute("ROLLBACK TO work")
            self._writer.execute("RELEASE work")
            if isinstance(error, _MACHINE_ERRORS):
                failure = StoreError(f"{self.path}: {error}")
                failure.__cause__ = error
                return None, failure
            return None, error
        self._writer.execute("RELEASE work")
        return result, None


def open_durable(path: Path) -> apsw.Connection:
    """Open `path` for writing with WAL and `synchronous=FULL`, and read both back.

    Raises:
        StoreError: SQLite didn't take a setting (a file system without shared memory has no WAL).

    """
    connection = apsw.Connection(str(path))
    connection.set_busy_timeout(_BUSY_MILLISECONDS)
    for name, value in (("journal_mode", "wal"), ("synchronous", "full"), ("foreign_keys", "on")):
        connection.pragma(name, value)
    found = {name: connection.pragma(name) for name in _DURABLE}
    if found != _DURABLE:
        connection.close()
        raise StoreError(f"{path}: needs {_DURABLE}, but SQLite says {found}; put the file on a local file system")
    return connection


def _open_reader(path: Path) -> apsw.Connection:
    connection = apsw.Connection(str(path))
    connection.set_busy_timeout(_BUSY_MILLISECONDS)
    connection.pragma("query_only", "on")
    return connection


def _migrate(connection: apsw.Connection, migrations: Sequence[str], path: Path) -> None:
    with _transaction(connection, "BEGIN IMMEDIATE"):
        version = int(connection.pragma("user_version"))
        if version > len(migrations):
            raise StoreError(
                f"{path}: has schema {version}, this software knows {len(migrations)}: "
                "install the software that wrote it"
            )
        for script in migrations[version:]:
            connection.execute(script)
        if version < len(migrations):
            connection.pragma("user_version", len(migrations))


@contextmanager
def _transaction(connection: apsw.Connection, begin: str) -> Iterator[None]:
    connection.execute(begin)
    try:
        yield
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
