"""Backups: taken while the hub serves, checked, and put back into either database."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from clusters import Cluster
from renkei.store.hub import backup
from renkei.store.hub.backup import BackupError
from renkei.store.hub.contract import Receipt
from renkei.store.hub.postgresql import PostgresHubStore
from renkei.store.hub.sqlite import SqliteHubStore
from renkei.store.hub.store import SqlHubStore
from renkei.store.postgresql import Server
from unit.store.conftest import PLENTY, RECIPIENT, SENDER, SIGNERS, binding, digest, message, run, sign, void

pytestmark = pytest.mark.thorough

AT = 1_800_000_000


def quiet(_: int, __: int) -> None:
    """Tell nobody how far it is."""


def fill(store: SqlHubStore, first: int = 1) -> None:
    """A few messages in all states, and parts that no message took up."""
    for party, fingerprint in SIGNERS.items():
        run(store.add_binding(binding(party, fingerprint), "authority", 1))
    for number in range(first, first + 6):
        part = b"part %d" % number * 100
        run(store.put_part(SENDER, digest(part), part, PLENTY, 1))
        run(store.accept(message(number, number, [part]), sign, PLENTY, 1))
    run(store.receipt(Receipt(f"id-{first}", SENDER, RECIPIENT, b"{}", SIGNERS[RECIPIENT]), 2))
    run(store.void(void(first + 1), 3))
    run(store.put_part(SENDER, digest(b"loose"), b"loose", PLENTY, 4))
    run(store.touch({SENDER: 5}))


def content(store: SqlHubStore) -> Any:
    """All that a party can see of a store, but the epoch."""
    tree = run(store.tree())
    return (
        (tree.size, tree.root),
        [run(store.inbox(party, 0, 1000, PLENTY)) for party in SIGNERS],
        run(store.counts()),
        run(store.stream(SENDER, RECIPIENT, "notices")),
        [run(store.content(SENDER, f"id-{number}")) for number in range(1, 7)],
        run(store.missing_parts(SENDER, [digest(b"loose"), digest(b"none")])),
    )


def back_up(store: SqlHubStore, target: Path) -> backup.Backup:
    with backup.new_file(target) as partial:
        run(store.copy_to(partial, quiet))
        return backup.check(partial)


@pytest.fixture
def on_postgresql(cluster: Cluster) -> Iterator[Callable[[], PostgresHubStore]]:
    stores: list[PostgresHubStore] = []

    def make() -> PostgresHubStore:
        stores.append(PostgresHubStore(Server(cluster.url(cluster.new_schema()), standby=False)))
        return stores[-1]

    yield make
    for store in stores:
        store.close()


@pytest.fixture
def on_sqlite(tmp_path: Path) -> Iterator[SqliteHubStore]:
    store = SqliteHubStore(tmp_path / "hub.db")
    yield store
    store.close()


def test_a_backup_goes_back_into_either_database(
    tmp_path: Path, on_sqlite: SqliteHubStore, on_postgresql: Callable[[], PostgresHubStore]
) -> None:
    fill(on_sqlite)
    seen = content(on_sqlite)
    found = back_up(on_sqlite, tmp_path / "1.db")
    assert (found.epoch, found.entries, found.root) == (1, *seen[0])
    one, two = on_postgresql(), on_postgresql()
    with backup.taken_up(tmp_path / "1.db", tmp_path, quiet) as copy:
        assert run(one.put_back(copy, quiet, AT)) == AT
    assert (content(one), run(one.epoch()), run(one.check())) == (seen, AT, [])
    assert back_up(one, tmp_path / "2.db") == backup.Backup(AT, *seen[0])
    with backup.taken_up(tmp_path / "2.db", tmp_path, quiet) as copy:
        assert run(two.put_back(copy, quiet, AT)) == AT + 1
    assert content(two) == seen
    fill(two, first=7)
    assert run(two.check()) == []
    with backup.taken_up(tmp_path / "2.db", tmp_path, quiet) as copy:
        again = tmp_path / "again.db"
        assert backup.put_in_place(copy, again, AT) is None
    store = SqliteHubStore(again)
    assert content(store) == seen
    store.close()
    assert [path.name for path in tmp_path.glob(".*")] == []


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_backup_is_of_one_moment_however_long_it_takes(
    kind: str, tmp_path: Path, on_sqlite: SqliteHubStore, on_postgresql: Callable[[], PostgresHubStore]
) -> None:
    store = on_sqlite if kind == "sqlite" else on_postgresql()
    fill(store)
    size = run(store.tree()).size
    grown: list[int] = []

    def meanwhile(done: int, total: int) -> None:
        if done < total and not grown:
            grown.append(done)
            fill(store, first=7)

    with backup.new_file(tmp_path / "b.db") as partial:
        if kind == "sqlite":
            # A file of a few pages is copied at one go: grow it first, so that there is a meanwhile.
            for number in range(100):
                part = bytes([number]) * 60_000
                run(store.put_part(SENDER, digest(part), part, PLENTY, 1))
        run(store.copy_to(partial, meanwhile))
        assert backup.check(partial).entries == size
    assert grown
    assert run(store.tree()).size > size


def test_a_store_that_is_not_sound_gives_no_backup(tmp_path: Path, on_sqlite: SqliteHubStore) -> None:
    fill(on_sqlite)
    on_sqlite.database.write(lambda c: c.execute("UPDATE parties SET held_bytes = held_bytes + 1").fetchall())
    with pytest.raises(BackupError, match="131041: held bytes are miscounted"):
        back_up(on_sqlite, tmp_path / "b.db")
    assert [path.name for path in tmp_path.iterdir() if "b.db" in path.name and "hub" not in path.name] == []


def test_a_backup_replaces_no_file(tmp_path: Path, on_sqlite: SqliteHubStore) -> None:
    (tmp_path / "b.db").write_text("something")
    with pytest.raises(BackupError, match=r"b\.db: is there already"):
        back_up(on_sqlite, tmp_path / "b.db")
    with pytest.raises(BackupError, match="No such file or directory"):
        back_up(on_sqlite, tmp_path / "nowhere" / "b.db")


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda path: path.unlink(), "is no file"),
        (lambda path: path.write_bytes(b"a letter and not a database " * 100), "file is not a database"),
        (lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]), "malformed"),
        (lambda path: set_version(path, 999), "has schema 999, this software knows"),
        (
            lambda path: path.write_bytes(path.read_bytes().replace(b"part 3part 3", b"part 4part 3")),
            "the part isn't what its sender",
        ),
    ],
)
def test_a_broken_backup_is_refused_and_nothing_is_left(
    tmp_path: Path, on_sqlite: SqliteHubStore, harm: Callable[[Path], object], said: str
) -> None:
    fill(on_sqlite)
    path = tmp_path / "b.db"
    back_up(on_sqlite, path)
    harm(path)
    with pytest.raises(BackupError, match=said), backup.taken_up(path, tmp_path, quiet):
        pass
    assert [found.name for found in tmp_path.glob(".*")] == []


def test_the_replaced_store_is_kept_with_all_that_its_log_held(tmp_path: Path) -> None:
    path = tmp_path / "hub.db"
    first = SqliteHubStore(path)
    fill(first)
    back_up(first, tmp_path / "b.db")
    fill(first, first=7)
    seen = run(first.tree())
    # Killed: the newest commits lie in the log alone.
    for name in ("hub.db", "hub.db-wal"):
        (tmp_path / f"x{name}").write_bytes((tmp_path / name).read_bytes())
    first.close()
    for name in ("hub.db", "hub.db-wal"):
        (tmp_path / f"x{name}").rename(tmp_path / name)
    with backup.taken_up(tmp_path / "b.db", tmp_path, quiet) as copy:
        kept = backup.put_in_place(copy, path, AT)
    assert kept == tmp_path / f"hub.db.replaced-{AT}"
    old, new = SqliteHubStore(kept), SqliteHubStore(path)
    assert run(old.tree()) == seen
    assert run(new.tree()).size < seen.size
    old.close()
    new.close()


def test_two_restores_within_a_second_keep_both_stores(tmp_path: Path) -> None:
    path = tmp_path / "hub.db"
    names = []
    for content in (b"first", b"second", b"third"):
        copy = tmp_path / "copy"
        copy.write_bytes(content)
        if kept := backup.put_in_place(copy, path, AT):
            names.append((kept.name, kept.read_bytes()))
    assert path.read_bytes() == b"third"
    assert names == [(f"hub.db.replaced-{AT}", b"first"), (f"hub.db.replaced-{AT}-2", b"second")]


def set_version(path: Path, version: int) -> None:
    connection = apsw.Connection(str(path))
    connection.pragma("user_version", version)
    connection.close()


def test_no_two_restores_have_the_same_epoch(tmp_path: Path, on_sqlite: SqliteHubStore) -> None:
    fill(on_sqlite)
    back_up(on_sqlite, tmp_path / "b.db")
    epochs = []
    for at, replaced in ((AT, 1), (AT, AT), (AT - 1000, AT + 5), (AT + 100, 0)):
        with backup.taken_up(tmp_path / "b.db", tmp_path, quiet) as copy, backup.rows_of(copy) as transaction:
            epochs.append(backup.begin_epoch(transaction, replaced, at))
    assert epochs == [AT, AT + 1, AT + 6, AT + 100]


def test_asyncio_is_not_blocked_by_a_backup(tmp_path: Path, on_sqlite: SqliteHubStore) -> None:
    """The copying runs in a thread: requests are answered meanwhile."""
    fill(on_sqlite)
    (tmp_path / "b.db").touch()
    steps: list[str] = []

    async def both() -> None:
        copying = asyncio.create_task(on_sqlite.copy_to(tmp_path / "b.db", lambda *_: steps.append("copied")))
        await on_sqlite.prove_writable(1)
        steps.append("written")
        await copying

    run(both())
    assert sorted(steps) == ["copied", "written"]
