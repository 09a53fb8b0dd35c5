"""The hub's store on both databases, and what the tests put into it."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any

import apsw
import pytest

from clusters import Cluster, a_cluster
from renkei.store.hub.contract import Binding, Bounds, Message, Receipt, Void
from renkei.store.hub.postgresql import PostgresHubStore
from renkei.store.hub.sqlite import SqliteHubStore
from renkei.store.hub.store import SqlHubStore
from renkei.store.postgresql import Server

PLENTY = 10**9
OWNER, HUB = "renkei-owner", "renkei-hub"
SENDER, RECIPIENT = "131041", "ministry"
SIGNERS = {SENDER: "a" * 64, RECIPIENT: "b" * 64}


def digest(content: bytes) -> str:
    return sha256(content).hexdigest()


def run(work: Any) -> Any:
    return asyncio.run(work)


def binding(party: str, fingerprint: str, **changes: Any) -> Binding:
    values = {"terminal": "T-1", "generation": 1, "not_before": 0, "not_after": 10**10, "entry": b"{}"}
    return Binding(fingerprint=fingerprint, party=party, **(values | changes))


def sign(index: int, epoch: int) -> bytes:
    return b'{"accepted":[%d,%d]}' % (index, epoch)


def message(number: int, sequence: int, parts: list[bytes], version: int = 0) -> Message:
    manifest = b'{"manifest":[%d,%d,%d]}' % (number, sequence, version)
    return Message(
        id=f"id-{number}",
        sender=SENDER,
        recipient=RECIPIENT,
        stream="notices",
        sequence=sequence,
        content_sha256=digest(b"content %d" % number),
        manifest=manifest,
        manifest_sha256=digest(manifest),
        parts=tuple((digest(part), len(part)) for part in parts),
        signer=SIGNERS[SENDER],
    )


def receipt(number: int) -> Receipt:
    envelope = b'{"receipt":%d}' % number
    return Receipt(f"id-{number}", SENDER, RECIPIENT, envelope, SIGNERS[RECIPIENT])


def void(sequence: int) -> Void:
    return Void(SENDER, RECIPIENT, "notices", sequence, b'{"void":%d}' % sequence, SIGNERS[SENDER])


@dataclass
class Place:
    """Where one store lies: a file, or a schema in PostgreSQL. Whoever opens it again finds what was there.

    In PostgreSQL the store is opened as the hub, which has the rights that the tables' owner gave it and no others.
    """

    file: Path
    cluster: Cluster | None
    schema: str = ""

    def __post_init__(self) -> None:
        if self.cluster is not None:
            self.schema = self.cluster.new_schema()
            self.cluster.make_users(OWNER, HUB)
            self.cluster.execute(f'ALTER SCHEMA {self.schema} OWNER TO "{OWNER}"')
            owned = PostgresHubStore(Server(self.cluster.url(self.schema, user=OWNER), standby=False))
            run(owned.grant(HUB))
            owned.close()

    def open(self, bounds: Bounds | None = None) -> SqlHubStore:
        if self.cluster is None:
            return SqliteHubStore(self.file, bounds)
        server = Server(self.cluster.url(self.schema, user=HUB), standby=False)
        return PostgresHubStore(server, bounds, migrate=False)

    def harm(self, sql: str) -> None:
        """Change something behind the hub's back."""
        if self.cluster is None:
            with closing(apsw.Connection(str(self.file))) as connection:
                connection.execute(sql)
        else:
            self.cluster.execute(sql, self.schema)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    with a_cluster() as cluster:
        yield cluster


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.thorough)])
def new_place(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Place]:
    found = request.getfixturevalue("cluster") if request.param == "postgresql" else None
    numbers = count(1)
    return lambda: Place(tmp_path / f"hub-{next(numbers)}.db", found)


@pytest.fixture
def place(new_place: Callable[[], Place]) -> Place:
    return new_place()


@pytest.fixture
def open_store(place: Place) -> Iterator[Callable[..., SqlHubStore]]:
    stores: list[SqlHubStore] = []

    def make(**bounds: int) -> SqlHubStore:
        store = place.open(Bounds(**bounds))
        stores.append(store)
        for party, fingerprint in SIGNERS.items():
            run(store.add_binding(binding(party, fingerprint), "authority", 1))
        return store

    yield make
    for store in stores:
        store.close()


@pytest.fixture
def store(open_store: Callable[..., SqlHubStore]) -> SqlHubStore:
    return open_store()
