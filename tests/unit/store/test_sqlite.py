"""The database under the stores: durability that is checked, group commit, readers, migrations."""

from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from threading import Event

import apsw
import pytest

from renkei.store.errors import StoreBusyError, StoreError
from renkei.store.sqlite import Database, open_durable

SCHEMA = ("CREATE TABLE notes (number INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT;",)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "test.db", SCHEMA)
    yield database
    database.close()


def insert(number: int, text: str = "x") -> object:
    return lambda connection: connection.execute("INSERT INTO notes VALUES (?, ?)", (number, text)).fetchall()


def numbers(connection: apsw.Connection) -> list[int]:
    return [row[0] for row in connection.execute("SELECT number FROM notes ORDER BY number")]


def hold(database: Database) -> tuple[Event, Future[None]]:
    """Keep the writer busy until the event is set, so that what is submitted meanwhile becomes one batch."""
    release, begun = Event(), Event()

    def wait(_: apsw.Connection) -> None:
        begun.set()
        release.wait(10)

    future = database.submit(wait)
    assert begun.wait(10)
    return release, future


def test_the_writer_commits_durably(database: Database) -> None:
    settings = database.write(lambda c: (c.pragma("journal_mode"), c.pragma("synchronous"), c.pragma("foreign_keys")))
    assert settings == ("wal", 2, 1)


def test_a_database_without_a_wal_is_refused() -> None:
    with pytest.raises(StoreError, match=r"needs .*wal.*SQLite says .*memory"):
        open_durable(Path(":memory:"))


def test_what_waits_becomes_one_transaction(database: Database) -> None:
    release, held = hold(database)
    futures = [database.submit(insert(number)) for number in range(50)]
    release.set()
    for future in [held, *futures]:
        future.result(10)
    assert list(database.statistics.batches) == [1, 50]
    assert database.read(numbers) == list(range(50))


def test_nobody_hears_of_work_before_its_commit(database: Database) -> None:
    release, _ = hold(database)
    seen_by_others: list[list[int]] = []
    first = database.submit(insert(1))
    second = database.submit(lambda _: (seen_by_others.append(database.read(numbers)), first.done()))
    release.set()
    assert second.result(10)[1] is False
    assert seen_by_others == [[]]
    assert first.done()
    assert database.read(numbers) == [1]


def test_failing_work_is_rolled_back_alone(database: Database) -> None:
    def half_done(connection: apsw.Connection) -> None:
        connection.execute("INSERT INTO notes VALUES (2, 'half')")
        raise ValueError("no further")

    release, _ = hold(database)
    before, failing, after = database.submit(insert(1)), database.submit(half_done), database.submit(insert(3))
    release.set()
    before.result(10)
    after.result(10)
    with pytest.raises(ValueError, match="no further"):
        failing.result(10)
    assert database.read(numbers) == [1, 3]


def test_a_lost_transaction_fails_everybody_in_it(database: Database) -> None:
    release, _ = hold(database)
    first = database.submit(insert(1))
    breaking = database.submit(lambda connection: (connection.execute("ROLLBACK").fetchall() and None) or 1 / 0)
    release.set()
    for future in (first, breaking):
        with pytest.raises(StoreError, match="nothing of 2 writes was committed"):
            future.result(10)
    assert database.read(numbers) == []
    database.write(insert(9))
    assert database.read(numbers) == [9]


def test_cancelled_work_is_left_out(database: Database) -> None:
    release, _ = hold(database)
    cancelled, kept = database.submit(insert(1)), database.submit(insert(2))
    assert cancelled.cancel()
    release.set()
    kept.result(10)
    assert database.read(numbers) == [2]


def test_a_batch_is_bounded(tmp_path: Path) -> None:
    database = Database(tmp_path / "test.db", SCHEMA, max_batch=4)
    release, _ = hold(database)
    futures = [database.submit(insert(number)) for number in range(10)]
    release.set()
    for future in futures:
        future.result(10)
    assert list(database.statistics.batches) == [1, 4, 4, 2]
    database.close()


def test_too_many_waiting_writes_are_refused(tmp_path: Path) -> None:
    database = Database(tmp_path / "test.db", SCHEMA, max_waiting=2)
    release, _ = hold(database)
    futures = [database.submit(insert(1)), database.submit(insert(2))]
    with pytest.raises(StoreBusyError, match="2 writes are waiting"):
        database.submit(insert(3))
    release.set()
    for future in futures:
        future.result(10)
    database.close()


def test_a_read_sees_one_moment(database: Database) -> None:
    def twice(connection: apsw.Connection) -> tuple[list[int], list[int]]:
        first = numbers(connection)
        database.write(insert(1))
        return first, numbers(connection)

    assert database.read(twice) == ([], [])
    assert database.read(numbers) == [1]


def test_a_reader_cannot_write(database: Database) -> None:
    with pytest.raises(apsw.ReadOnlyError):
        database.read(insert(1))


def test_closing_finishes_what_was_submitted(tmp_path: Path) -> None:
    database = Database(tmp_path / "test.db", SCHEMA)
    futures = [database.submit(insert(number)) for number in range(20)]
    database.close()
    database.close()
    assert all(future.done() for future in futures)
    with pytest.raises(StoreError, match="closed"):
        database.submit(insert(99))
    again = Database(tmp_path / "test.db", SCHEMA)
    assert again.read(numbers) == list(range(20))
    again.close()


def test_migrations_run_once_and_in_order(tmp_path: Path) -> None:
    path = tmp_path / "test.db"
    database = Database(path, SCHEMA)
    database.write(insert(1))
    database.close()
    further = (*SCHEMA, "ALTER TABLE notes ADD COLUMN more TEXT; UPDATE notes SET more = 'm';")
    for _ in range(2):
        database = Database(path, further)
        assert database.read(lambda c: c.execute("SELECT number, more FROM notes").fetchall()) == [(1, "m")]
        database.close()
    with pytest.raises(StoreError, match="has schema 2, this software knows 1"):
        Database(path, SCHEMA)


def test_a_failing_migration_leaves_the_old_schema(tmp_path: Path) -> None:
    path = tmp_path / "test.db"
    Database(path, SCHEMA).close()
    with pytest.raises(StoreError, match="no such table: nowhere"):
        Database(path, (*SCHEMA, "ALTER TABLE notes ADD COLUMN more TEXT; DELETE FROM nowhere;"))
    database = Database(path, SCHEMA)
    assert [row[1] for row in database.read(lambda c: c.execute("PRAGMA table_info(notes)").fetchall())] == [
        "number",
        "text",
    ]
    database.close()


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "test.db"
    path.write_bytes(b"this is a letter and not a database " * 40)
    with pytest.raises(StoreError, match=r"test\.db"):
        Database(path, SCHEMA)
