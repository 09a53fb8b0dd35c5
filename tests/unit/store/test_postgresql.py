"""The database under the hub's store where it is PostgreSQL: what a second hub and a lost connection change."""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from typing import Any

import psycopg
import pytest

from clusters import Cluster, a_cluster, a_standby
from renkei.store.errors import StoreError
from renkei.store.hub.contract import Binding, Message
from renkei.store.hub.postgresql import PostgresHubStore
from renkei.store.hub.schema import MIGRATIONS, in_postgresql
from renkei.store.postgresql import Connection, Database, Server

pytestmark = pytest.mark.thorough

PLENTY = 10**9
SCHEMA = ("CREATE TABLE notes (number BIGINT PRIMARY KEY);",)
SIGNER = "a" * 64


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


@pytest.fixture
def schema(cluster: Cluster) -> str:
    return cluster.new_schema()


@pytest.fixture
def open_store(cluster: Cluster, schema: str) -> Iterator[Callable[[], PostgresHubStore]]:
    stores: list[PostgresHubStore] = []

    def make() -> PostgresHubStore:
        stores.append(PostgresHubStore(Server(cluster.url(schema), standby=False)))
        return stores[-1]

    yield make
    for store in stores:
        store.close()


@pytest.fixture
def database(cluster: Cluster, schema: str) -> Iterator[Database]:
    database = Database(Server(cluster.url(schema), standby=False), SCHEMA, readers=2)
    yield database
    database.close()


def insert(number: int) -> Callable[[Connection], object]:
    return lambda connection: connection.execute("INSERT INTO notes VALUES (%s)", (number,))


def hold(database: Database) -> threading.Event:
    """Keep the writer busy until the event is set, so that what is submitted meanwhile becomes one batch."""
    release, begun = threading.Event(), threading.Event()

    def wait(_: Connection) -> None:
        begun.set()
        release.wait(10)

    database.submit(wait)
    assert begun.wait(10)
    return release


def numbers(connection: Connection) -> list[object]:
    return [row[0] for row in connection.execute("SELECT number FROM notes ORDER BY number").fetchall()]


def message(sender: str, sequence: int) -> Message:
    manifest = b"%s %d" % (sender.encode(), sequence)
    part = sha256(manifest).hexdigest()
    values = ("ministry", "notices", sequence, part, manifest, part, ((part, len(manifest)),), SIGNER)
    return Message(f"{sender}-{sequence}", sender, *values)


def end_all_connections(cluster: Cluster) -> None:
    cluster.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'renkei-hub'")


def test_two_hubs_write_one_journal_without_gap_or_duplicate(open_store: Callable[[], PostgresHubStore]) -> None:
    hubs = [open_store(), open_store()]

    def sign(index: int, epoch: int) -> bytes:
        return b"%d in %d" % (index, epoch)

    async def send(store: PostgresHubStore, sender: str) -> list[bytes]:
        acceptances = []
        for sequence in range(1, 31):
            offered = message(sender, sequence)
            await store.put_part(sender, offered.parts[0][0], offered.manifest, PLENTY, 1)
            acceptances.append((await store.accept(offered, sign, PLENTY, 1))[0])
        return acceptances

    async def load(number: int) -> list[list[bytes]]:
        senders = [f"{number}{sender:05d}" for sender in range(4)]
        return await asyncio.gather(*(send(hubs[number], sender) for sender in senders))

    run(hubs[0].add_binding(Binding(SIGNER, "ministry", "T", 1, 0, 10**10, b"{}"), "authority", 1))
    with ThreadPoolExecutor(2) as threads:
        found = list(threads.map(lambda number: asyncio.run(load(number)), range(2)))
    acceptances = [acceptance for hub in found for sender in hub for acceptance in sender]
    assert sorted(acceptances) == sorted(b"%d in 1" % index for index in range(1, 241))
    for hub in found:
        indexes = [int(each.split()[0]) for sender in hub for each in sender]
        assert max(indexes) - min(indexes) >= len(indexes), "the hubs wrote one after the other, not at once"
    assert [run(hub.tree()).size for hub in hubs] == [241, 241]
    assert run(hubs[0].check()) == []
    assert [each.cursor for each in run(hubs[1].inbox("ministry", 0, 1000, PLENTY)).items] == list(range(1, 241))


def test_what_one_hub_takes_the_other_hears(open_store: Callable[[], PostgresHubStore]) -> None:
    taking, hearing = open_store(), open_store()

    async def hear() -> list[str | None]:
        heard = []
        async for party in hearing.arrivals():
            heard.append(party)
            if party is None:
                offered = message("131041", len(heard))
                await taking.put_part("131041", offered.parts[0][0], offered.manifest, PLENTY, 1)
                await taking.accept(offered, lambda index, epoch: b"%d %d" % (index, epoch), PLENTY, 1)
            else:
                break
        return heard

    run(taking.add_binding(Binding(SIGNER, "ministry", "T", 1, 0, 10**10, b"{}"), "authority", 1))
    assert run(asyncio.wait_for(hear(), 10)) == [None, "ministry"]


def test_a_hub_hears_again_after_its_connection_was_lost(
    cluster: Cluster, open_store: Callable[[], PostgresHubStore]
) -> None:
    store = open_store()

    async def hear() -> list[str | None]:
        heard = []
        async for party in store.arrivals():
            heard.append(party)
            if len(heard) == 2:
                return heard
            await asyncio.to_thread(end_all_connections, cluster)
        return heard

    assert run(asyncio.wait_for(hear(), 10)) == [None, None]


def test_hubs_that_start_at_once_migrate_once(cluster: Cluster, schema: str) -> None:
    def start(_: int) -> None:
        PostgresHubStore(Server(cluster.url(schema), standby=False)).close()

    with ThreadPoolExecutor(3) as threads:
        list(threads.map(start, range(3)))
    assert cluster.execute("SELECT version FROM schema_version", schema) == [(len(MIGRATIONS),)]


def test_a_newer_schema_is_refused(cluster: Cluster, schema: str) -> None:
    server = Server(cluster.url(schema), standby=False)
    Database(server, (*SCHEMA, "ALTER TABLE notes ADD COLUMN more TEXT;")).close()
    with pytest.raises(StoreError, match="has schema 2, this software knows 1: install the software that wrote it"):
        Database(server, SCHEMA)


def test_data_stays_when_the_schema_moves_on(cluster: Cluster, schema: str) -> None:
    """From each schema to the newest, one after the other, as years of upgrades do."""
    server = Server(cluster.url(schema), standby=False)
    scripts = [in_postgresql(script) for script in MIGRATIONS]
    Database(server, scripts[:1]).close()
    cluster.execute("INSERT INTO streams VALUES (1, '131041', 'ministry', 'notices', 8, 0)", schema)
    for version in range(2, len(scripts) + 1):
        Database(server, scripts[:version]).close()
    assert cluster.execute("SELECT sender, next_sequence FROM streams", schema) == [("131041", 8)]


def test_failing_work_is_rolled_back_alone(database: Database) -> None:
    def half_done(connection: Connection) -> None:
        connection.execute("INSERT INTO notes VALUES (2)")
        raise ValueError("no further")

    release = hold(database)
    futures = [database.submit(work) for work in (insert(1), half_done, insert(3), insert(3))]
    release.set()
    futures[2].result(10)
    with pytest.raises(ValueError, match="no further"):
        futures[1].result(10)
    with pytest.raises(psycopg.errors.UniqueViolation):
        futures[3].result(10)
    assert list(database.statistics.batches) == [1, 4]
    assert database.read(numbers) == [1, 3]


def test_a_connection_that_was_lost_is_made_anew_at_the_next_use(cluster: Cluster, database: Database) -> None:
    database.submit(insert(1)).result(10)
    assert database.read(numbers) == [1]
    end_all_connections(cluster)
    database.submit(insert(2)).result(10)
    assert database.read(numbers) == [1, 2]


def test_a_connection_lost_in_a_transaction_fails_everybody_in_it(cluster: Cluster, database: Database) -> None:
    def break_off(_: Connection) -> None:
        end_all_connections(cluster)

    release = hold(database)
    futures = [database.submit(work) for work in (insert(1), break_off, insert(2))]
    release.set()
    for future in futures:
        with pytest.raises(StoreError, match="nothing of 3 writes was committed"):
            future.result(10)
    database.submit(insert(9)).result(10)
    assert database.read(numbers) == [9]


def test_a_read_sees_one_moment_and_cannot_write(database: Database) -> None:
    def twice(connection: Connection) -> tuple[list[object], list[object]]:
        first = numbers(connection)
        database.submit(insert(1)).result(10)
        return first, numbers(connection)

    assert database.read(twice) == ([], [])
    assert database.read(numbers) == [1]
    with pytest.raises(StoreError, match="read-only"):
        database.read(insert(2))


@pytest.mark.parametrize(
    ("setting", "said"),
    [({"fsync": "off"}, "fsync is off, must be on"), ({"full_page_writes": "off"}, "full_page_writes is off")],
)
def test_a_server_that_is_not_durable_is_refused(
    cluster: Cluster, schema: str, setting: dict[str, str], said: str
) -> None:
    cluster.configure(**setting)
    try:
        deadline = time.monotonic() + 5
        while cluster.execute(f"SHOW {next(iter(setting))}") != [("off",)]:
            assert time.monotonic() < deadline
        with pytest.raises(StoreError, match=said):
            Server(cluster.url(schema), standby=False).connect()
    finally:
        cluster.configure(**dict.fromkeys(setting, "on"))


def test_a_server_without_a_standby_is_refused_where_one_is_asked_for(cluster: Cluster, schema: str) -> None:
    with pytest.raises(StoreError, match=r"standby_names is empty.*set synchronous_standby = false"):
        Server(cluster.url(schema), standby=True).connect()


def test_a_server_that_is_away_is_named_without_waiting_long() -> None:
    server = Server("host=/nowhere dbname=renkei", standby=False)
    with pytest.raises(StoreError, match=r"PostgreSQL renkei at /nowhere: .*No such file or directory"):
        server.connect()


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[Cluster, Cluster]]:
    with a_cluster() as primary, a_standby(primary) as standby:
        yield primary, standby


def test_a_commit_that_its_standby_may_not_have_is_no_commit(
    pair: tuple[Cluster, Cluster], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("renkei.store.postgresql._SAY_SECONDS", 0.3)
    primary, standby = pair
    database = Database(Server(primary.url(primary.new_schema()), standby=True), SCHEMA)
    database.submit(insert(1)).result(10)
    standby.kill()
    future = database.submit(insert(2))
    waiting = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
    while not primary.execute(waiting):
        assert not future.done()
    primary.execute("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
    with pytest.raises(StoreError, match="canceling wait for synchronous replication"):
        future.result(10)
    reading = threading.Thread(target=database.read, args=(numbers,))
    reading.start()
    reading.join(1)
    assert reading.is_alive(), "what the standby may not have was read"
    assert "waits for its standby" in caplog.text
    standby.start()
    reading.join(10)
    assert database.read(numbers) == [1, 2]
    database.close()


def test_an_old_primary_is_not_believed(pair: tuple[Cluster, Cluster]) -> None:
    old, new = pair
    server = Server(new.url("public", old), standby=False)
    server.connect().close()
    old.stop()
    new.promote()
    new.go_on_alone()
    server.connect().close()
    new.stop()
    old.start()
    old.go_on_alone()
    time.sleep(0.6)
    with pytest.raises(StoreError, match="answers on timeline 1, but 2 was seen: an old primary"):
        server.connect()
