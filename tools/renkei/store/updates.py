"""What a terminal keeps of its updates: the ministry's documents, how far it is with each order, what it has to say.

How far it is and what it says of it are written together: nothing is said that wasn't done, and a kill between the two
can't be.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import apsw

from renkei.store.queries import row, rows
from renkei.store.sqlite import Database

UPDATES_SCHEMA = """
CREATE TABLE update_documents (
    kind TEXT PRIMARY KEY CHECK (kind IN ('catalogue', 'permit')),
    rank TEXT NOT NULL,
    envelope BLOB NOT NULL,
    entry TEXT NOT NULL,
    taken_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE update_orders (
    id TEXT PRIMARY KEY,
    issued_at TEXT NOT NULL,
    envelope BLOB NOT NULL,
    entry TEXT NOT NULL,
    taken_at TEXT NOT NULL,
    course TEXT NOT NULL,
    ended_at TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE patch_states (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    answers TEXT,
    stage TEXT NOT NULL,
    envelope BLOB NOT NULL,
    at TEXT NOT NULL,
    sent_at TEXT
) STRICT;
"""


@dataclass(frozen=True, slots=True)
class Kept:
    """A document that was believed when it came, with its signer's directory entry (JSON), to be believed again.

    `rank` orders documents of a kind: a catalogue's number, the moment when a permit was given.
    """

    rank: str
    envelope: bytes
    entry: str


@dataclass(frozen=True, slots=True)
class KeptOrder:
    """An order, how far it is (`renkei.agent.updates.course`, JSON), and when it ended."""

    id: str
    issued_at: str
    envelope: bytes
    entry: str
    course: str
    ended_at: str | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """A patch-state of this machine: `answers` is its order, `sent_at` when it was handed over."""

    answers: str | None
    stage: str
    envelope: bytes
    at: str
    number: int = 0
    sent_at: str | None = None


class Updates:
    """The updates of a spool."""

    def __init__(self, database: Database) -> None:
        """Work in the spool's database."""
        self._database = database

    # -- documents

    def document(self, kind: str) -> Kept | None:
        """The newest document of a kind."""
        found = row(self._database, "SELECT rank, envelope, entry FROM update_documents WHERE kind = ?", (kind,))
        return None if found is None else Kept(*found)

    def keep(self, kind: str, document: Kept, at: str) -> None:
        """Keep a document in the place of the one before."""
        values = (kind, document.rank, document.envelope, document.entry, at)
        self._database.write(
            lambda c: c.execute("INSERT OR REPLACE INTO update_documents VALUES (?, ?, ?, ?, ?)", values)
        )

    # -- orders

    def add_order(self, order: KeptOrder, at: str) -> bool:
        """Keep a new order; false when one of its id is here."""
        values = (order.id, order.issued_at, order.envelope, order.entry, at, order.course)

        def work(connection: apsw.Connection) -> bool:
            connection.execute(
                "INSERT INTO update_orders (id, issued_at, envelope, entry, taken_at, course)"
                " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                values,
            )
            return connection.changes() == 1

        return self._database.write(work)

    def order(self, order_id: str) -> KeptOrder | None:
        """An order by its id."""
        found = self._orders("WHERE id = ?", (order_id,))
        return found[0] if found else None

    def orders(self, limit: int = 100) -> list[KeptOrder]:
        """Orders, the one issued last first."""
        return self._orders("ORDER BY issued_at DESC, id DESC LIMIT ?", (limit,))

    def unfinished(self) -> list[KeptOrder]:
        """Orders that haven't ended, the one issued last first."""
        return self._orders("WHERE ended_at IS NULL ORDER BY issued_at DESC, id DESC", ())

    def advance(self, order_id: str, course: str, said: Sequence[Said], ended_at: str | None = None) -> None:
        """Note how far an order is, together with what is said of it."""

        def work(connection: apsw.Connection) -> None:
            connection.execute(
                "UPDATE update_orders SET course = ?, ended_at = ? WHERE id = ?", (course, ended_at, order_id)
            )
            _say(connection, said)

        self._database.write(work)

    # -- what this machine says

    def say(self, said: Said) -> None:
        """Keep a state that answers no order; it takes the place of those before that nobody has got."""

        def work(connection: apsw.Connection) -> None:
            connection.execute("DELETE FROM patch_states WHERE answers IS NULL AND sent_at IS NULL")
            _say(connection, [said])

        self._database.write(work)

    def to_send(self, limit: int = 100) -> list[Said]:
        """States that nobody has got, in the order in which they were said."""
        return self._said("WHERE sent_at IS NULL ORDER BY number LIMIT ?", (limit,))

    def last_said(self, answers: str | None) -> Said | None:
        """What was said last in answer to an order, or by this machine's own schedule."""
        found = self._said("WHERE answers IS ? ORDER BY number DESC LIMIT 1", (answers,))
        return found[0] if found else None

    def newest(self) -> Said | None:
        """What was said last."""
        found = self._said("ORDER BY number DESC LIMIT 1", ())
        return found[0] if found else None

    def since(self, at: str) -> list[Said]:
        """States said since a moment, oldest first."""
        return self._said("WHERE at >= ? ORDER BY number", (at,))

    def sent(self, number: int, at: str) -> None:
        """Note that a state was handed over."""
        self._database.write(lambda c: c.execute("UPDATE patch_states SET sent_at = ? WHERE number = ?", (at, number)))

    def forget(self, before: str) -> None:
        """Remove orders that ended before a moment, and states that were handed over before it."""

        def work(connection: apsw.Connection) -> None:
            connection.execute("DELETE FROM update_orders WHERE ended_at < ?", (before,))
            connection.execute("DELETE FROM patch_states WHERE sent_at < ?", (before,))

        self._database.write(work)

    def _orders(self, where: str, values: tuple[str | int, ...]) -> list[KeptOrder]:
        sql = f"SELECT id, issued_at, envelope, entry, course, ended_at FROM update_orders {where}"  # noqa: S608  (ours)
        return [KeptOrder(*each) for each in rows(self._database, sql, values)]

    def _said(self, where: str, values: tuple[str | int | None, ...]) -> list[Said]:
        sql = f"SELECT answers, stage, envelope, at, number, sent_at FROM patch_states {where}"  # noqa: S608  (ours)
        return [Said(*each) for each in rows(self._database, sql, values)]


def _say(connection: apsw.Connection, said: Sequence[Said]) -> None:
    connection.executemany(
        "INSERT INTO patch_states (answers, stage, envelope, at) VALUES (?, ?, ?, ?)",
        [(each.answers, each.stage, each.envelope, each.at) for each in said],
    )
