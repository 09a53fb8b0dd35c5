"""PostgreSQL with one writer a process, group commit, and durability that is checked and not assumed.

All writers of all hubs take one advisory lock for each transaction: the journal puts every act in one order anyway, so
nothing is lost by writing one after the other, and every rule may look before it acts, as on SQLite. The group commit
of `store.writer` makes one flush, and one wait for the standby, serve many callers.

A connection is trusted after `Server.connect` has looked at it:

- what makes a commit durable is in force, on the standby too;
- the server isn't on an older timeline than one seen before: that would be the old primary after a failover;
- all that can be read has reached the standby: a first write was waited for, and commits become durable in order. (A
  primary that restarts shows what it had flushed itself, whether its standby has it or not.)

A connection that breaks is replaced at the next use. libpq finds the primary among the hosts of the URL. psycopg's pool
is not used for it: while its server is away callers run into a timeout where the store has a reason to give, and it
can't take back at once all connections, those in use too, that showed what isn't durable.
"""

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Lock, Timer
from typing import Any, TypeVar

import psycopg
from psycopg import IsolationLevel
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import TransactionStatus

from renkei.store.errors import StoreError
from renkei.store.writer import Outcome, Statistics, Writer

T = TypeVar("T")
Connection = psycopg.Connection[tuple[object, ...]]
Work = Callable[[Connection], T]

log = logging.getLogger("renkei.store")

MACHINE_ERRORS = (psycopg.OperationalError, psycopg.InterfaceError, psycopg.InternalError)

_WRITERS_LOCK = 0x72656E6B6569  # "renkei"
_RETRY_SECONDS = 0.5
_SAY_SECONDS = 5
_OLDEST_VERSION = 150_000
#: Nobody's network makes a hub hang: a silent peer is given up within about ten seconds, on both sides, and a hub that
#: died in a transaction doesn't keep the lock from the other.
_PATIENCE: dict[str, str | int | None] = {
    "connect_timeout": 3,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
    "target_session_attrs": "read-write",
    "application_name": "renkei-hub",
}
_SESSION = {
    "synchronous_commit": "on",
    "statement_timeout": "0",  # while a commit waits for the standby, it would end the wait and not the commit
    "idle_in_transaction_session_timeout": "10s",
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "10s",
}
_DURABLE = {"fsync": {"on"}, "full_page_writes": {"on"}, "synchronous_commit": {"on", "remote_apply"}}


class Server:
    """A primary, its standbys, and what a connection to it must be.

    Args:
        url: a libpq URL or connection string without a password; several hosts when there is a standby.
        standby: whether the first connection must be to a server whose commits wait for a synchronous standby. Later
            ones only warn: whoever promoted the standby has none for a while, and the hub goes on.
    """

    def __init__(self, url: str, *, standby: bool) -> None:
        self._conninfo = make_conninfo(url, **{**_PATIENCE, **conninfo_to_dict(url)})
        found = conninfo_to_dict(self._conninfo)
        self.name = f"PostgreSQL {found.get('dbname', '')} at {found.get('host', 'localhost')}"
        self.generation = 0
        self._standby = standby
        self._timeline = 0  # of the primary, as far as seen
        self._lock = Lock()
        self._failed = (0.0, "")

    @property
    def conninfo(self) -> str:
        """The connection string with all that this module adds."""
        return self._conninfo

    def connect(self) -> Connection:
        """Connect, and look at what answers.

        Raises:
            StoreError: nobody answers, or not the one that may be trusted.
        """
        at, why = self._failed
        if time.monotonic() < at + _RETRY_SECONDS:
            raise StoreError(why)
        try:
            connection = psycopg.connect(self._conninfo, autocommit=True)
            try:
                self._look_at(connection)
            except BaseException:
                connection.close()
                raise
        except (psycopg.Error, StoreError) as error:
            text = str(error) if isinstance(error, StoreError) else f"{self.name}: {error}"
            self._failed = (time.monotonic(), text)
            raise StoreError(text) from error
        return connection

    def distrust(self) -> None:
        """Have every connection made anew, because one showed what isn't durable."""
        with self._lock:
            self.generation += 1

    def _look_at(self, connection: Connection) -> None:
        if connection.info.server_version < _OLDEST_VERSION:
            raise StoreError(f"{self.name}: is PostgreSQL {connection.info.server_version}; 15 or newer is needed")
        for name, value in _SESSION.items():
            connection.execute("SELECT set_config(%s, %s, false)", (name, value))
        for name, allowed in _DURABLE.items():
            if (found := _shown(connection, name)) not in allowed:
                raise StoreError(f"{self.name}: {name} is {found}, must be {' or '.join(sorted(allowed))}")
        if self._standby and not _shown(connection, "synchronous_standby_names"):
            text = f"{self.name}: synchronous_standby_names is empty, so a commit would wait for no standby"
            if not self._timeline:
                raise StoreError(f"{text}; name it there, or set synchronous_standby = false in [store]")
            log.warning("%s; set up a new one", text)
        timeline = int(_one(connection, "SELECT substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)"), 16)
        with self._lock:
            if timeline < self._timeline:
                raise StoreError(
                    f"{self.name}: answers on timeline {timeline}, but {self._timeline} was seen: an old primary; "
                    "stop it and make it a standby of the new one"
                )
            self._timeline = timeline
        if _one(connection, "SELECT to_regclass('schema_version')") != "None":
            waiting = Timer(
                _SAY_SECONDS, log.warning, ("%s: waits for its standby, or for another hub's write", self.name)
            )
            waiting.daemon = True
            waiting.start()
            try:
                with _Warnings(connection, self.name):
                    connection.execute("UPDATE schema_version SET version = version")
            finally:
                waiting.cancel()


class Database:
    """One PostgreSQL database: a writer and a few reader connections.

    Args:
        server: where it is.
        migrations: SQL scripts; number n takes the schema from n to n + 1. A released one never changes.
        readers: how many reads may run at one time; further ones wait.
        migrate: whether to bring the schema up to date; otherwise it must be, and the user needs no right to change it.

    Raises:
        StoreError: see `Server.connect`; a newer schema than this software knows, or an older one that stays.
    """

    def __init__(self, server: Server, migrations: Sequence[str], *, readers: int = 4, migrate: bool = True) -> None:
        self._server = server
        self.migrated = False
        with server.connect() as connection:
            if migrate:
                self.migrated = _migrate(connection, migrations, server.name)
            else:
                _check_version(connection, migrations, server.name)
        self._readers: SimpleQueue[_Link] = SimpleQueue()
        self._reader_count = readers
        for _ in range(readers):
            self._readers.put(_Link(server, reading=True))
        self._writer = Writer(_Session(server))

    @property
    def statistics(self) -> Statistics:
        """What the writer did."""
        return self._writer.statistics

    def submit(self, work: Work[T]) -> Future[T]:
        """Hand `work` to the writer; see `Writer.submit`."""
        return self._writer.submit(work)

    def submit_together(self, works: Sequence[Work[Any]]) -> Future[list[Outcome]]:
        """Hand works to the writer that go into one commit; see `Writer.submit_together`."""
        return self._writer.submit_together(works)

    def read(self, work: Work[T], *, together: bool = True) -> T:
        """Run `work`, which only reads; all that it reads `together` is of one moment.

        A read on a connection that turns out to be broken is run again on a new one.

        Raises:
            StoreError: the server is away.
        """
        link = self._readers.get()
        try:
            fresh = link.is_fresh
            try:
                return link.read(work, together=together)
            except StoreError:
                if fresh:
                    raise
                return link.read(work, together=together)
        finally:
            self._readers.put(link)

    def close(self) -> None:
        """Finish what was submitted, then close all connections; a second call does nothing."""
        if self._writer.close():
            for _ in range(self._reader_count):
                self._readers.get().drop()


class _Link:
    """A connection that is made when it is needed, and made anew when it broke or is no longer trusted."""

    def __init__(self, server: Server, *, reading: bool) -> None:
        self._server = server
        self._reading = reading
        self._connection: Connection | None = None
        self._generation = -1

    @property
    def is_fresh(self) -> bool:
        """Whether the next use makes a new connection."""
        return self._connection is None or self._connection.closed or self._generation != self._server.generation

    @property
    def connection(self) -> Connection:
        if self.is_fresh or self._connection is None:
            self.drop()
            self._generation = self._server.generation
            self._connection = self._server.connect()
            if self._reading:
                self._connection.isolation_level = IsolationLevel.REPEATABLE_READ
                self._connection.read_only = True
        return self._connection

    def read(self, work: Work[T], *, together: bool) -> T:
        connection = self.connection
        try:
            if not together:
                return work(connection)
            with connection.transaction():
                return work(connection)
        except MACHINE_ERRORS as error:
            self.drop()
            raise StoreError(f"{self._server.name}: {error}") from error

    def drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class _Session:
    """The writer's connection."""

    def __init__(self, server: Server) -> None:
        self.name = server.name
        self._server = server
        self._link = _Link(server, reading=False)

    def begin(self) -> Connection:
        if not self._link.is_fresh:
            try:
                return self._begin()
            except MACHINE_ERRORS:
                self._link.drop()
        return self._begin()

    def begin_now(self) -> None:
        """A server is always waited for: by the writer's thread alone."""

    def _begin(self) -> Connection:
        connection = self._link.connection
        connection.execute("BEGIN")
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_WRITERS_LOCK,))
        return connection

    def execute(self, sql: str) -> None:
        self._link.connection.execute(sql.encode())

    def commit(self) -> None:
        try:
            with _Warnings(self._link.connection, self.name):
                self._link.connection.execute("COMMIT")
        except StoreError:
            self._server.distrust()
            raise

    def rollback(self) -> None:
        self._link.drop()

    def in_transaction(self) -> bool:
        status = self._link.connection.info.transaction_status
        return status in {TransactionStatus.INTRANS, TransactionStatus.INERROR}

    def is_at_fault(self, error: Exception) -> bool:
        return isinstance(error, MACHINE_ERRORS)

    def close(self) -> None:
        self._link.drop()


class _Warnings:
    """Makes a commit's warning an error: "committed locally, but might not have been replicated" is no success."""

    def __init__(self, connection: Connection, name: str) -> None:
        self._connection = connection
        self._name = name
        self._texts: list[str] = []

    def __enter__(self) -> None:
        self._connection.add_notice_handler(self._note)

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._connection.remove_notice_handler(self._note)
        if error is None and self._texts:
            raise StoreError(f"{self._name}: {'; '.join(self._texts)}")

    def _note(self, diagnostic: psycopg.errors.Diagnostic) -> None:
        if diagnostic.severity_nonlocalized == "WARNING":
            self._texts.append(diagnostic.message_primary or "a warning without words")


def _migrate(connection: Connection, migrations: Sequence[str], name: str) -> bool:
    """Bring the schema up to date; return whether it wasn't."""
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_WRITERS_LOCK,))
        connection.execute("CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL)")
        version = _version(connection, migrations, name)
        for script in migrations[version:]:
            connection.execute(script.encode())
        if version < len(migrations):
            connection.execute("DELETE FROM schema_version")
            connection.execute("INSERT INTO schema_version VALUES (%s)", (len(migrations),))
    return version < len(migrations)


def _check_version(connection: Connection, migrations: Sequence[str], name: str) -> None:
    made = _one(connection, "SELECT to_regclass('schema_version')") != "None"
    version = _version(connection, migrations, name) if made else 0
    if version < len(migrations):
        raise StoreError(
            f"{name}: has schema {version}, this software needs {len(migrations)}: run renkei-hub migrate as root "
            "where the primary runs"
        )


def _version(connection: Connection, migrations: Sequence[str], name: str) -> int:
    row = connection.execute("SELECT version FROM schema_version").fetchone()
    version = int(str(row[0])) if row is not None else 0
    if version > len(migrations):
        raise StoreError(
            f"{name}: has schema {version}, this software knows {len(migrations)}: install the software that wrote it"
        )
    return version


def _shown(connection: Connection, name: str) -> str:
    return _one(connection, "SELECT current_setting(%s)", name)


def _one(connection: Connection, sql: str, *values: object) -> str:
    row = connection.execute(sql.encode(), values).fetchone()
    return "" if row is None else str(row[0])
