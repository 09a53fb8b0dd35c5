"""Writes of one event loop that go to the writer together: each is answered by itself, and only after the commit."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from renkei.store.errors import StoreBusyError, StoreError
from renkei.store.gathering import Gathering
from renkei.store.sqlite import Database

MIGRATIONS = ("CREATE TABLE t (a INTEGER UNIQUE) STRICT;",)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "t.db", MIGRATIONS)
    yield database
    database.close()


def put(number: int) -> Any:
    def work(connection: apsw.Connection) -> int:
        connection.execute("INSERT INTO t VALUES (?)", (number,))
        return number

    return work


def there(database: Database) -> list[int]:
    rows = database.read(lambda c: c.execute("SELECT a FROM t ORDER BY a").fetchall())
    return [row[0] for row in rows]


def test_what_comes_in_one_turn_of_the_loop_goes_with_one_commit(database: Database) -> None:
    async def write() -> list[int]:
        gathering = Gathering(asyncio.get_running_loop(), database.begin_together)
        return await asyncio.gather(*(gathering.write(put(number)) for number in range(50)))

    assert asyncio.run(write()) == list(range(50))
    assert database.statistics.commits == 1
    assert list(database.statistics.batches) == [50]
    assert there(database) == list(range(50))


def test_what_comes_during_a_commit_goes_with_the_next(database: Database) -> None:
    async def write() -> None:
        gathering = Gathering(asyncio.get_running_loop(), database.begin_together, max_batch=4)
        first = asyncio.ensure_future(gathering.write(put(0)))
        await asyncio.sleep(0)
        await asyncio.gather(first, *(gathering.write(put(number)) for number in range(1, 7)))

    asyncio.run(write())
    assert list(database.statistics.batches) == [1, 4, 2], "a batch is bounded"


def test_each_is_answered_by_itself(database: Database) -> None:
    async def write() -> list[Any]:
        gathering = Gathering(asyncio.get_running_loop(), database.begin_together)
        works = [put(1), put(1), put(2)]
        return await asyncio.gather(*map(gathering.write, works), return_exceptions=True)

    first, second, third = asyncio.run(write())
    assert (first, third) == (1, 2)
    assert isinstance(second, apsw.ConstraintError)
    assert there(database) == [1, 2], "what failed was rolled back alone"


def test_works_have_a_savepoint_each_only_when_one_of_them_fails(database: Database) -> None:
    tries: list[int] = []

    def counted(number: int) -> Any:
        def work(connection: apsw.Connection) -> None:
            tries.append(number)
            put(number)(connection)

        return work

    async def write(*numbers: int) -> None:
        gathering = Gathering(asyncio.get_running_loop(), database.begin_together)
        await asyncio.gather(*(gathering.write(counted(number)) for number in numbers), return_exceptions=True)

    asyncio.run(write(1, 2, 3))
    assert tries == [1, 2, 3]
    tries.clear()
    asyncio.run(write(4, 3, 5))
    assert tries == [4, 3, 4, 3, 5], "the whole batch is done again, and only the one that fails is undone"
    assert there(database) == [1, 2, 3, 4, 5]


def test_an_answer_comes_after_the_commit(database: Database) -> None:
    async def write() -> list[int]:
        gathering = Gathering(asyncio.get_running_loop(), database.begin_together)
        await gathering.write(put(7))
        return there(database)

    assert asyncio.run(write()) == [7]


def test_who_has_gone_before_the_hand_over_writes_nothing(database: Database) -> None:
    async def write() -> None:
        gathering = Gathering(asyncio.get_running_loop(), database.begin_together)
        gone = asyncio.ensure_future(gathering.write(put(1)))
        stays = asyncio.ensure_future(gathering.write(put(2)))
        asyncio.get_running_loop().call_soon(gone.cancel)
        await stays
        with pytest.raises(asyncio.CancelledError):
            await gone
        assert await gathering.write(put(3)) == 3

    asyncio.run(write())
    assert there(database) == [2, 3]


def test_everybody_hears_of_a_database_that_is_closed_and_the_next_try_begins_anew(database: Database) -> None:
    async def write() -> None:
        gathering = Gathering(asyncio.get_running_loop(), database.begin_together)
        database.close()
        for _ in range(2):
            failed = await asyncio.gather(*(gathering.write(put(n)) for n in range(3)), return_exceptions=True)
            assert [type(each) for each in failed] == [StoreError] * 3

    asyncio.run(write())


def test_a_commit_that_fails_fails_everybody_who_went_with_it(database: Database) -> None:
    async def write() -> list[Any]:
        gathering = Gathering(asyncio.get_running_loop(), database.begin_together)

        def end(connection: apsw.Connection) -> None:
            connection.execute("ROLLBACK")

        return await asyncio.gather(gathering.write(put(1)), gathering.write(end), return_exceptions=True)

    assert [type(each) for each in asyncio.run(write())] == [StoreError, StoreError]
    assert there(database) == []


def test_waiting_writes_are_bounded(database: Database) -> None:
    async def write() -> list[Any]:
        gathering = Gathering(asyncio.get_running_loop(), database.begin_together, max_waiting=2)
        return await asyncio.gather(*(gathering.write(put(n)) for n in range(3)), return_exceptions=True)

    assert [type(each) for each in asyncio.run(write())] == [int, int, StoreBusyError]


def test_a_loop_that_ended_in_between_leaves_the_writer_in_order(database: Database) -> None:
    async def leave() -> None:
        gathering = Gathering(asyncio.get_running_loop(), database.begin_together)
        task = asyncio.ensure_future(gathering.write(put(1)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()

    asyncio.run(leave())
    database.write(put(2))
    assert there(database) == [1, 2]


def test_works_are_done_in_the_callers_thread_and_committed_in_the_writers(database: Database) -> None:
    threads: list[str] = []

    async def write() -> None:
        gathering = Gathering(asyncio.get_running_loop(), database.begin_together)
        await gathering.write(lambda _: threads.append(threading.current_thread().name))

    asyncio.run(write())
    assert threads == [threading.main_thread().name]
    assert database.statistics.commits == 1


def test_nobody_waits_on_the_loop_while_another_process_writes(database: Database) -> None:
    """Another connection holds the file: the writer's thread waits for it, the loop goes on."""
    other = apsw.Connection(str(database.path))
    other.execute("BEGIN IMMEDIATE")

    async def write() -> int:
        gathering = Gathering(asyncio.get_running_loop(), database.begin_together)
        writing = asyncio.ensure_future(gathering.write(put(1)))
        turns = 0
        while not writing.done():
            await asyncio.sleep(0.01)
            turns += 1
            if turns == 5:
                other.execute("COMMIT")
        assert await writing == 1
        return turns

    assert asyncio.run(asyncio.wait_for(write(), 8)) >= 5
    other.close()
    assert there(database) == [1]


def test_writes_of_the_loop_and_of_other_threads_stay_apart(database: Database) -> None:
    """Each is a transaction of its own or of one batch; all are there in the end, whoever was first."""

    def others() -> None:
        for number in range(1000, 1200):
            database.write(put(number))

    async def write() -> None:
        gathering = Gathering(asyncio.get_running_loop(), database.begin_together)
        for start in range(0, 400, 8):
            await asyncio.gather(*(gathering.write(put(number)) for number in range(start, start + 8)))

    thread = threading.Thread(target=others)
    thread.start()
    asyncio.run(write())
    thread.join(20)
    assert not thread.is_alive()
    assert there(database) == [*range(400), *range(1000, 1200)]


def test_what_was_begun_before_the_database_closes_is_committed(database: Database) -> None:
    done = database.begin_together([put(1), put(2)])
    database.close()
    assert [result for result, _ in done.result(5)] == [1, 2]
    reopened = Database(database.path, MIGRATIONS)
    assert there(reopened) == [1, 2]
    reopened.close()
