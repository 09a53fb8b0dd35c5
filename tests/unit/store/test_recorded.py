"""Stores that earlier versions wrote move to today's schema with all that is in them; see recorded/record.py."""

from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from clusters import Cluster
from renkei.store.errors import StoreError
from renkei.store.hub import backup
from renkei.store.hub.postgresql import PostgresHubStore
from renkei.store.hub.schema import MIGRATIONS
from renkei.store.hub.sqlite import SqliteHubStore
from renkei.store.hub.store import SqlHubStore
from renkei.store.outgoing import Source
from renkei.store.postgresql import Server
from renkei.store.spool import Spool
from unit.store.conftest import PLENTY, digest, run

pytestmark = pytest.mark.thorough

RECORDED = Path(__file__).parent / "recorded"
AT = "2026-11-23T01:02:03Z"


def recorded(name: str, folder: Path) -> Path:
    path = folder / f"{name}.db"
    connection = apsw.Connection(str(path))
    connection.execute((RECORDED / f"{name}.sql").read_text())
    connection.close()
    return path


def holds_what_was_recorded(store: SqlHubStore) -> None:
    assert run(store.check()) == []
    assert run(store.tree()).size == 7
    state = run(store.stream("131041", "ministry", "notices"))
    assert (state.next_sequence, state.unreceipted) == (4, ((3, "id-3"),))
    assert run(store.part("131041", digest(b"part 3"))) == b"part 3"
    assert [run(store.message("131041", f"id-{n}")).acceptance for n in (1, 2, 3)] == [
        b'{"accepted":[%d,1]}' % index for index in (2, 3, 4)
    ]
    assert [item.kind for item in run(store.inbox("ministry", 0, 9, PLENTY)).items] == ["manifest", "void"]
    assert [item.envelope for item in run(store.inbox("131041", 0, 9, PLENTY)).items] == [b'{"receipt":1}']
    counts = {each.party: each for each in run(store.counts())}
    assert (counts["131041"].sent, counts["131041"].receipts, counts["131041"].last_contact) == (3, 1, 5)
    assert run(store.expire(0, 0, 5)) == 0  # what was settled before is settled as of the last contact
    assert run(store.expire(0, 0, 6)) == 2
    assert run(store.check()) == []


def test_a_hub_of_the_first_schema_moves_on_with_its_data(tmp_path: Path) -> None:
    store = SqliteHubStore(recorded("hub-schema-1", tmp_path))
    assert store.database.read(lambda c: c.pragma("user_version")) == len(MIGRATIONS) > 1
    holds_what_was_recorded(store)
    store.close()


@pytest.fixture
def on_postgresql(cluster: Cluster) -> Iterator[PostgresHubStore]:
    store = PostgresHubStore(Server(cluster.url(cluster.new_schema()), standby=False))
    yield store
    store.close()


def test_an_old_backup_goes_into_postgresql(tmp_path: Path, on_postgresql: PostgresHubStore) -> None:
    with backup.taken_up(recorded("hub-schema-1", tmp_path), tmp_path, lambda *_: None) as copy:
        run(on_postgresql.put_back(copy, lambda *_: None, 1_800_000_000))
    holds_what_was_recorded(on_postgresql)


def test_a_spool_of_the_first_schema_moves_on_with_its_data(tmp_path: Path) -> None:
    path = recorded("spool-schema-1", tmp_path)
    spool = Spool(path)
    assert [each.sequence for each in spool.outgoing.unreceipted("ministry")] == [2]
    held = spool.outgoing.held("ministry", "notices", 1)
    assert held is not None
    assert (held.sealed, held.receipted_at) == (b"sealed", AT)
    assert spool.outgoing.take(Source("sha", "", "a.csv", AT, 2, 0), "ministry", "notices", []) == []
    [delivered] = spool.incoming.receipts_to_send()
    assert (delivered.id, delivered.receipt) == ("in-1", b"receipt")
    assert spool.epoch == 1
    spool.close()


@pytest.mark.parametrize(("name", "store"), [("hub-schema-1", SqliteHubStore), ("spool-schema-1", Spool)])
def test_what_newer_software_wrote_is_refused(tmp_path: Path, name: str, store: type[SqliteHubStore | Spool]) -> None:
    path = recorded(name, tmp_path)
    connection = apsw.Connection(str(path))
    connection.pragma("user_version", 99)
    connection.close()
    with pytest.raises(StoreError, match=r"has schema 99, this software knows .*: install the software that wrote it"):
        store(path)
