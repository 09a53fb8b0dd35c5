"""Who may do what in PostgreSQL: the owner changes tables, the hub writes rows, and nobody edits the journal."""

from collections.abc import Iterator

import psycopg
import pytest

from clusters import Cluster
from renkei.store.errors import StoreError
from renkei.store.hub.postgresql import PostgresHubStore
from renkei.store.hub.schema import MIGRATIONS, in_postgresql
from renkei.store.postgresql import Database, Server
from unit.store.conftest import HUB, OWNER, PLENTY, SENDER, SIGNERS, binding, digest, message, receipt, run, sign

pytestmark = pytest.mark.thorough


@pytest.fixture
def schema(cluster: Cluster) -> str:
    cluster.make_users(OWNER, HUB)
    name = cluster.new_schema()
    cluster.execute(f'ALTER SCHEMA {name} OWNER TO "{OWNER}"')
    return name


@pytest.fixture
def owned(cluster: Cluster, schema: str) -> Iterator[PostgresHubStore]:
    store = PostgresHubStore(Server(cluster.url(schema, user=OWNER), standby=False))
    yield store
    store.close()


@pytest.fixture
def hub(cluster: Cluster, schema: str, owned: PostgresHubStore) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """The hub's own connection, to a store that holds something of everything."""
    run(owned.grant(HUB))
    for party, fingerprint in SIGNERS.items():
        run(owned.add_binding(binding(party, fingerprint), "authority", 1))
    run(owned.put_part(SENDER, digest(b"part"), b"part", PLENTY, 1))
    run(owned.accept(message(1, 1, [b"part"]), sign, PLENTY, 1))
    run(owned.receipt(receipt(1), 1))
    run(owned.keep_head(run(owned.tree()), b"head", SIGNERS[SENDER], 1))
    with psycopg.connect(cluster.url(schema, user=HUB), autocommit=True) as connection:
        yield connection


@pytest.mark.parametrize(
    "harm",
    [
        "UPDATE journal SET entry = ''",
        "DELETE FROM journal",
        "TRUNCATE journal",
        "UPDATE tree_nodes SET digest = ''",
        "DELETE FROM kept_heads",
        "UPDATE revocations SET revoked_at = 0",
        "DROP TABLE messages",
        "ALTER TABLE messages ADD COLUMN more TEXT",
        "CREATE TABLE another (number BIGINT)",
        "DELETE FROM schema_version",
        f'SET ROLE "{OWNER}"',
        f'GRANT ALL ON journal TO "{HUB}"',
        "SELECT pg_read_file('/etc/passwd')",
        "COPY parts TO PROGRAM 'cat'",
    ],
)
def test_the_hub_is_refused_what_no_rule_does(hub: psycopg.Connection[tuple[object, ...]], harm: str) -> None:
    warned: list[str] = []
    hub.add_notice_handler(lambda found: warned.append(found.message_primary or ""))
    try:
        hub.execute(harm.encode())
    except psycopg.errors.InsufficientPrivilege:
        return
    assert "GRANT" in harm
    assert warned == ['no privileges were granted for "journal"']


def test_a_hub_does_not_start_on_tables_that_are_older(cluster: Cluster, schema: str) -> None:
    server = Server(cluster.url(schema, user=HUB), standby=False)
    with pytest.raises(StoreError, match=rf"has schema 0, this software needs {len(MIGRATIONS)}: run renkei-hub migr"):
        PostgresHubStore(server, migrate=False)


def test_what_a_migration_adds_the_hub_may_use_once_it_was_granted(cluster: Cluster, schema: str) -> None:
    scripts = [in_postgresql(script) for script in MIGRATIONS]
    Database(Server(cluster.url(schema, user=OWNER), standby=False), scripts[:2]).close()
    newest = PostgresHubStore(Server(cluster.url(schema, user=OWNER), standby=False))
    assert newest.migrated
    run(newest.grant(HUB))
    newest.close()
    store = PostgresHubStore(Server(cluster.url(schema, user=HUB), standby=False), migrate=False)
    assert run(store.check()) == []
    assert run(store.kept_heads(1, 10)) == []
    store.close()
