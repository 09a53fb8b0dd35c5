"""The hub's store on PostgreSQL, for several hubs on one database and a standby that takes over.

    store = PostgresHubStore(Server("postgresql:///renkei", standby=True))
    acceptance, new = await store.accept(message, sign, quota, at)

What one hub takes for a party it tells the others by NOTIFY, which goes out with the commit.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import psycopg
from psycopg.sql import Identifier

from renkei.store.copies import Progress
from renkei.store.hub import backup
from renkei.store.hub.contract import Bounds
from renkei.store.hub.schema import MIGRATIONS, ONLY_ADDED_TO, in_postgresql
from renkei.store.hub.store import SqlHubStore, Work
from renkei.store.hub.transaction import Row, Transaction
from renkei.store.postgresql import Connection, Database, Server
from renkei.store.writer import Outcome, Statistics

T = TypeVar("T")

_READING_THREADS = 8
_CHANNEL = "renkei_inbox"
_RETRY_SECONDS = 0.5
_ROWS_AT_ONCE = 500
_IDENTITIES = (
    "SELECT table_name, column_name FROM information_schema.columns"
    " WHERE is_identity = 'YES' AND table_schema = current_schema()"
)


class PostgresTransaction(Transaction):
    """The transaction that a connection is in."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def execute(self, sql: str, values: Row = ()) -> int:
        """See `Transaction`."""
        return self._connection.execute(_statement(sql), values).rowcount

    def execute_many(self, sql: str, rows: Iterable[Row]) -> None:
        """See `Transaction`."""
        with self._connection.cursor() as cursor:
            cursor.executemany(_statement(sql), rows)

    def each(self, sql: str, values: Row = ()) -> Iterator[Row]:
        """See `Transaction`."""
        with self._connection.cursor("each") as cursor:
            cursor.itersize = _ROWS_AT_ONCE
            cursor.execute(_statement(sql), values)
            yield from cursor

    def some(self, sql: str, values: Row = ()) -> list[Row]:
        """See `Transaction`."""
        return self._connection.execute(_statement(sql), values).fetchall()

    def tell(self, party: str) -> None:
        """See `Transaction`."""
        self._connection.execute("SELECT pg_notify(%s, %s)", (_CHANNEL, party))


class PostgresHubStore(SqlHubStore):
    """`HubStore` in one PostgreSQL database.

    Args:
        server: where it is, and as whom the store is there.
        bounds: what the store itself bounds.
        migrate: see `Database`.

    Raises:
        StoreError: see `Database`.
    """

    def __init__(self, server: Server, bounds: Bounds | None = None, *, migrate: bool = True) -> None:
        super().__init__(bounds)
        self._server = server
        scripts = [in_postgresql(script) for script in MIGRATIONS]
        self._database = Database(server, scripts, readers=_READING_THREADS, migrate=migrate)
        self._threads = ThreadPoolExecutor(_READING_THREADS, "reader")

    @property
    def migrated(self) -> bool:
        """Whether the schema was brought up to date when this was opened."""
        return self._database.migrated

    @property
    def statistics(self) -> Statistics:
        """See `SqlHubStore`."""
        return self._database.statistics

    def close(self) -> None:
        """See `SqlHubStore`."""
        self._threads.shutdown()
        self._database.close()

    async def arrivals(self) -> AsyncIterator[str | None]:
        """See `SqlHubStore`."""
        while True:
            try:
                connection = await psycopg.AsyncConnection.connect(self._server.conninfo, autocommit=True)
                async with connection:
                    await connection.execute(f"LISTEN {_CHANNEL}".encode())
                    yield None  # what came before, or while nobody listened, has told nobody
                    async for notice in connection.notifies():
                        yield notice.payload
            except psycopg.Error:
                await asyncio.sleep(_RETRY_SECONDS)

    async def copy_to(self, target: Path, progress: Progress) -> None:
        """See `SqlHubStore`."""
        backup.make_empty(target)

        def copy(transaction: Transaction) -> None:
            with backup.rows_of(target) as rows:
                backup.copy_rows(transaction, rows, progress)

        await self._read(copy)

    async def grant(self, user: str) -> None:
        """Give a hub's user what a hub needs of the owner's tables and no more: the journal it can only add to."""
        names = backup.tables()

        def work(transaction: Transaction) -> None:
            hub = Identifier(user).as_string()
            [(name,)] = transaction.some("SELECT current_schema()")
            schema = Identifier(name).as_string()
            transaction.execute(f"GRANT USAGE ON SCHEMA {schema} TO {hub}")
            transaction.execute(f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO {hub}")
            transaction.execute(f"GRANT SELECT, UPDATE ON schema_version TO {hub}")  # a connection's first write
            for table in names:
                transaction.execute(f"REVOKE ALL ON {table} FROM {hub}")
                rights = "SELECT, INSERT" if table in ONLY_ADDED_TO else "SELECT, INSERT, UPDATE, DELETE"
                transaction.execute(f"GRANT {rights} ON {table} TO {hub}")

        await self._write(work)

    async def put_back(self, source: Path, progress: Progress, at: int) -> int:
        """Put the rows of a backup in the place of all that is here, in one transaction, and begin a new epoch.

        Hubs may serve meanwhile: they see the old rows or the new ones.

        Returns:
            the new epoch.
        """

        def replace(transaction: Transaction) -> int:
            replaced = transaction.count("SELECT epoch FROM hub")
            with backup.rows_of(source) as rows:
                backup.copy_rows(rows, transaction, progress)
            for table, column in transaction.some(_IDENTITIES):
                sql = f"SELECT setval(pg_get_serial_sequence(?, ?), coalesce(max({column}), 1)) FROM {table}"  # noqa: S608
                transaction.some(sql, (table, column))
            return backup.begin_epoch(transaction, replaced, at)

        return await self._write(replace)

    async def _write(self, work: Work[T]) -> T:
        return await asyncio.wrap_future(self._database.submit(_on_connection(work)))

    async def _write_together(self, works: Sequence[Work[Any]]) -> list[Outcome]:
        return await asyncio.wrap_future(self._database.submit_together([_on_connection(work) for work in works]))

    async def _read(self, work: Work[T]) -> T:
        return await self._in_thread(work, together=True)

    async def _look(self, work: Work[T]) -> T:
        return await self._in_thread(work, together=False)

    async def _in_thread(self, work: Work[T], *, together: bool) -> T:
        def run() -> T:
            return self._database.read(lambda c: work(PostgresTransaction(c)), together=together)

        return await asyncio.get_running_loop().run_in_executor(self._threads, run)

    async def _check_database(self) -> list[str]:
        checksums = await self._look(lambda t: t.one("SELECT current_setting('data_checksums')"))
        if checksums == ("on",):
            return []
        return ["PostgreSQL: no data checksums: a rotten page would go unseen; make the cluster with --data-checksums"]


def _on_connection(work: Work[T]) -> Callable[[Connection], T]:
    return lambda connection: work(PostgresTransaction(connection))


@lru_cache(maxsize=512)
def _statement(sql: str) -> bytes:
    """Return a statement with psycopg's mark for values; no rule has a question mark or a percent sign in a text."""
    return sql.replace("?", "%s").encode()
