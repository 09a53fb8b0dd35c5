"""SQLite with one writer, group commit, and durability that is checked and not assumed.

The SQLite is apsw's own and not the interpreter's: Debian 12's has the WAL-reset bug. All writes go through one thread
(`store.writer`). Reads run in the caller's thread on connections of their own and never wait for the writer.

    database = Database(path, migrations=("CREATE TABLE t (a INTEGER) STRICT;",))
    database.write(lambda connection: connection.execute("INSERT INTO t VALUES (1)"))
    rows = database.read(lambda connection: connection.execute("SELECT a FROM t").fetchall())
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar

import apsw

from renkei.store.errors import StoreError
from renkei.store.writer import Outcome, Statistics, Writer

T = TypeVar("T")
Work = Callable[[apsw.Connection], T]

_BUSY_MILLISECONDS = 10_000
_MACHINE_ERRORS = (apsw.FullError, apsw.IOError, apsw.CorruptError, apsw.ReadOnlyError, apsw.NoMemError)
_UNREADABLE = (apsw.IOError, apsw.CorruptError, apsw.NoMemError)
_DURABLE: dict[str, object] = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


class Database:
    """One SQLite file: a writer and a few reader connections."""

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
        self._readers: SimpleQueue[apsw.Connection] = SimpleQueue()
        self._reader_count = readers
        try:
            connection = open_durable(path)
            try:
                migrate(connection, migrations, path)
                # Pages that a savepoint may have to give back would else go through a file, a write each. A migration
                # may sort more than memory holds, so this comes after it.
                connection.pragma("temp_store", "memory")
                for _ in range(readers):
                    self._readers.put(_open_reader(path))
            except BaseException:
                connection.close()
                raise
        except apsw.Error as error:
            raise StoreError(f"{path}: {error}") from error
        self._writer = Writer(_Session(connection, path), max_batch=max_batch, max_waiting=max_waiting)

    @property
    def statistics(self) -> Statistics:
        """What the writer did."""
        return self._writer.statistics

    @property
    def waiting(self) -> int:
        """How many pieces of work wait for the writer."""
        return self._writer.waiting

    def submit(self, work: Work[T]) -> Future[T]:
        """Hand `work` to the writer; see `Writer.submit`."""
        return self._writer.submit(work)

    def begin_together(self, works: Sequence[Work[Any]]) -> Future[list[Outcome]]:
        """Do works at once that go into one commit; see `Writer.begin_together`."""
        return self._writer.begin_together(works)

    def write(self, work: Work[T]) -> T:
        """Run `work` in the writer and wait for the commit."""
        return self.submit(work).result()

    def read(self, work: Work[T], *, together: bool = True) -> T:
        """Run `work` in the calling thread, in one read transaction: all that it reads is of one moment.

        Args:
            work: reads only, and leaves no statement unfinished.
            together: false for work of one statement, which needs no transaction around it.

        Raises:
            StoreError: the machine is at fault: the file can't be read.
        """
        connection = self._readers.get()
        try:
            if not together:
                return work(connection)
            with _transaction(connection, "BEGIN"):
                return work(connection)
        except _UNREADABLE as error:
            raise StoreError(f"{self.path}: {error}") from error
        finally:
            self._readers.put(connection)

    def close(self) -> None:
        """Finish what was submitted, then close all connections; a second call does nothing."""
        if self._writer.close():
            for _ in range(self._reader_count):
                self._readers.get().close()


class _Session:
    """The writer's connection."""

    def __init__(self, connection: apsw.Connection, path: Path) -> None:
        self.name = str(path)
        self._connection = connection

    def begin(self) -> apsw.Connection:
        self._connection.execute("BEGIN IMMEDIATE")
        return self._connection

    def begin_now(self) -> apsw.Connection | None:
        self._connection.set_busy_timeout(0)
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except apsw.BusyError:
            return None
        finally:
            self._connection.set_busy_timeout(_BUSY_MILLISECONDS)
        return self._connection

    def execute(self, sql: str) -> None:
        self._connection.execute(sql)

    def commit(self) -> None:
        self._connection.execute("COMMIT")

    def rollback(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def in_transaction(self) -> bool:
        return self._connection.in_transaction

    def is_at_fault(self, error: Exception) -> bool:
        return isinstance(error, _MACHINE_ERRORS)

    def close(self) -> None:
        self._connection.close()


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


def copy_database(source: Path, target: Path) -> None:
    """Copy a database, also one that is in use, into a new file; the source isn't written to.

    Raises:
        StoreError: it isn't there, or isn't a database.

    """
    try:
        reader = apsw.Connection(str(source), flags=apsw.SQLITE_OPEN_READONLY)
        writer = apsw.Connection(str(target))
        try:
            with writer.backup("main", reader, "main") as backup:
                backup.step()
        finally:
            writer.close()
            reader.close()
    except apsw.Error as error:
        raise StoreError(f"{source}: can't be copied ({error}); give a database of the hub") from error


def migrate(connection: apsw.Connection, migrations: Sequence[str], path: Path) -> None:
    """Bring a file's schema up to this software's, its data with it, in one transaction.

    Raises:
        StoreError: newer software wrote the file.

    """
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


def _open_reader(path: Path) -> apsw.Connection:
    connection = apsw.Connection(str(path))
    connection.set_busy_timeout(_BUSY_MILLISECONDS)
    connection.pragma("query_only", "on")
    return connection


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
