"""Messages that this party receives: from the sender's manifest to the delivered file and its receipt.

    announced → fetched → written → delivered
         |          |
         |          +→ quarantined    the manifest says other things than the content: a person must look
         +→ (its bytes come piece by piece and survive a cut)

A message that its sender voids before it is delivered becomes `voided` and the stream passes over it.

`written` is noted after the file lies complete in the staging folder and before it is renamed into the inbox. On a
start in this state a file that is still staged was not delivered, and one that is gone was: so it is delivered once.
"""

from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from itertools import islice
from typing import Any

import apsw

from renkei.exchange.mailbox import (
    Arrival,
    Entry,
    Known,
    Stage,
    Voiding,
    comes_late,
    judge_arrival,
    judge_void,
    next_number,
)
from renkei.store.queries import fetch, row, rows
from renkei.store.sqlite import Database, Work

INCOMING_SCHEMA = """
CREATE TABLE incoming (
    sender TEXT NOT NULL,
    id TEXT NOT NULL,
    stream TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    count INTEGER NOT NULL,
    manifest BLOB NOT NULL,
    entry TEXT NOT NULL,
    content_sha256 TEXT NOT NULL,
    size INTEGER NOT NULL,
    announced_at TEXT NOT NULL,
    state TEXT NOT NULL,
    file TEXT,
    receipt BLOB,
    receipt_sent_at TEXT,
    delivered_at TEXT,
    PRIMARY KEY (sender, id),
    UNIQUE (sender, stream, sequence)
) STRICT;
CREATE INDEX incoming_open ON incoming (state) WHERE state NOT IN ('delivered', 'voided');

CREATE TABLE pieces (
    sender TEXT NOT NULL,
    id TEXT NOT NULL,
    start INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (sender, id, start),
    FOREIGN KEY (sender, id) REFERENCES incoming (sender, id)
) STRICT;

CREATE TABLE voids (
    sender TEXT NOT NULL,
    stream TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    envelope BLOB NOT NULL,
    PRIMARY KEY (sender, stream, sequence)
) STRICT, WITHOUT ROWID;

CREATE TABLE received (
    sender TEXT NOT NULL,
    stream TEXT NOT NULL,
    delivered_up_to INTEGER NOT NULL,
    PRIMARY KEY (sender, stream)
) STRICT, WITHOUT ROWID;
"""

BEGINNINGS_SCHEMA = "ALTER TABLE received ADD COLUMN began_after INTEGER NOT NULL DEFAULT 0;"
"""The last number before this machine's beginning, where another was here before it."""

_COLUMNS = (
    *("sender", "id", "stream", "sequence", "count", "manifest", "entry", "content_sha256", "size", "announced_at"),
    *("state", "file", "receipt", "receipt_sent_at"),
)
_STATE = _COLUMNS.index("state")


class State(StrEnum):
    """How far a message has come."""

    ANNOUNCED = "announced"
    FETCHED = "fetched"
    WRITTEN = "written"
    DELIVERED = "delivered"
    QUARANTINED = "quarantined"
    VOIDED = "voided"


_STAGES = {State.WRITTEN: Stage.DELIVERING, State.DELIVERED: Stage.DELIVERED, State.VOIDED: Stage.VOIDED}
"""What the rules of a stream tell apart; in all other states a message is held."""


@dataclass(frozen=True, slots=True)
class IncomingMessage:
    """A message as far as it is here; `entry` (JSON text) is its sender's directory entry, verified `announced_at`."""

    sender: str
    id: str
    stream: str
    sequence: int
    count: int
    manifest: bytes
    entry: str
    content_sha256: str
    size: int
    announced_at: str
    state: State = State.ANNOUNCED
    file: str | None = None
    receipt: bytes | None = None
    receipt_sent_at: str | None = None


@dataclass(frozen=True, slots=True)
class IncomingCount:
    """What came from one sender: notices and parcels delivered, bytes; parcels held back; receipts handed in."""

    sender: str
    notices: int
    parcels: int
    bytes: int
    held: int
    receipts: int
    last_delivered_at: str | None


class IncomingMessages:
    """The receiving half of a spool."""

    def __init__(self, database: Database) -> None:
        """Work in the spool's database."""
        self._database = database

    def announce(self, message: IncomingMessage) -> Arrival:
        """Do what `mailbox.judge_arrival` says of a message whose manifest was verified, and return it."""

        def work(connection: apsw.Connection) -> Arrival:
            known = fetch(
                connection,
                f"{_KNOWN} WHERE sender = ?1 AND (id = ?2 OR (stream = ?3 AND sequence = ?4))",
                (message.sender, message.id, message.stream, message.sequence),
            )
            entry = Entry(message.stream, message.sequence, message.id, message.content_sha256)
            voided = is_void(connection, message.sender, message.stream, message.sequence)
            arrival = judge_arrival(entry, message.manifest, [_known(each) for each in known], voided=voided)
            if arrival is Arrival.REPEAT_RECEIPT:
                _repeat_receipt(connection, message.sender, message.id)
            elif arrival is Arrival.REPLACE:
                key = (message.sender, message.id)
                connection.execute("DELETE FROM pieces WHERE sender = ? AND id = ?", key)
                connection.execute("DELETE FROM incoming WHERE sender = ? AND id = ?", key)
            if arrival in {Arrival.HOLD, Arrival.REPLACE}:
                _insert(connection, message)
            return arrival

        return self._database.write(work)

    def void(self, sender: str, stream: str, sequence: int, envelope: bytes) -> Voiding:
        """Do what `mailbox.judge_void` says of a verified void, and return it."""

        def work(connection: apsw.Connection) -> Voiding:
            place = (sender, stream, sequence)
            known = fetch(connection, f"{_KNOWN} WHERE sender = ? AND stream = ? AND sequence = ?", place)
            voiding = judge_void(_known(known[0]) if known else None)
            if voiding is Voiding.PASS_OVER:
                connection.execute("INSERT OR IGNORE INTO voids VALUES (?, ?, ?, ?)", (*place, envelope))
                connection.execute(
                    "UPDATE incoming SET state = 'voided' WHERE sender = ? AND stream = ? AND sequence = ?", place
                )
            elif voiding is Voiding.REPEAT_RECEIPT:
                _repeat_receipt(connection, sender, known[0][2])
            return voiding

        return self._database.write(work)

    # -- fetching

    def in_state(self, state: State) -> list[IncomingMessage]:
        """Messages of a state, in the order of their streams."""
        return self._messages("WHERE state = ? ORDER BY sender, stream, sequence", (state.value,))

    def fetched_bytes(self, message: IncomingMessage) -> int:
        """How many bytes from the beginning are here."""
        sql = "SELECT coalesce(max(start + length(bytes)), 0) FROM pieces WHERE sender = ? AND id = ?"
        found = row(self._database, sql, (message.sender, message.id))
        return 0 if found is None else int(found[0])

    def add_piece(self, message: IncomingMessage, start: int, piece: bytes) -> None:
        """Keep the bytes that follow those which are here.

        Raises:
            ValueError: they don't follow, or go beyond the message's size.
        """

        def work(connection: apsw.Connection) -> None:
            key = (message.sender, message.id)
            sql = "SELECT coalesce(max(start + length(bytes)), 0) FROM pieces WHERE sender = ? AND id = ?"
            here = fetch(connection, sql, key)[0][0]
            if here != start or start + len(piece) > message.size:
                raise ValueError(f"message {message.id}: {len(piece)} bytes at {start} don't follow the {here} here")
            connection.execute("INSERT INTO pieces VALUES (?, ?, ?, ?)", (*key, start, piece))

        self._database.write(work)

    def sealed(self, message: IncomingMessage) -> bytes:
        """The bytes that are here, joined."""
        sql = "SELECT bytes FROM pieces WHERE sender = ? AND id = ? ORDER BY start"
        found = rows(self._database, sql, (message.sender, message.id))
        return b"".join(each[0] for each in found)

    def drop_pieces(self, message: IncomingMessage) -> None:
        """Throw away bytes that turned out to be others than the manifest's; they are fetched again."""
        key = (message.sender, message.id)

        def work(connection: apsw.Connection) -> None:
            connection.execute("DELETE FROM pieces WHERE sender = ? AND id = ?", key)
            connection.execute("UPDATE incoming SET state = 'announced' WHERE sender = ? AND id = ?", key)

        self._database.write(work)

    def mark(self, message: IncomingMessage, state: State, file: str | None = None) -> None:
        """Note how far a message has come, and under which file name it is or will be delivered."""
        sql = "UPDATE incoming SET state = ?, file = coalesce(?, file) WHERE sender = ? AND id = ?"
        self._database.write(lambda c: c.execute(sql, (state.value, file, message.sender, message.id)))

    # -- delivering, in order

    def begin(self) -> None:
        """Begin streams without a history at their first message: a machine before this one received the rest."""
        sql = (
            "INSERT OR IGNORE INTO received (sender, stream, delivered_up_to, began_after)"
            " SELECT sender, stream, min(sequence) - 1, min(sequence) - 1 FROM incoming GROUP BY sender, stream"
        )
        self._database.write(lambda c: c.execute(sql))

    def begin_at(self, sender: str, stream: str, sequence: int) -> None:
        """Begin a stream of which nothing is here at a number: a machine before this one received the rest."""
        sql = (
            "INSERT OR IGNORE INTO received (sender, stream, delivered_up_to, began_after)"
            " SELECT ?1, ?2, ?3 - 1, ?3 - 1"
            " WHERE NOT EXISTS (SELECT 1 FROM incoming WHERE sender = ?1 AND stream = ?2)"
        )
        self._database.write(lambda c: c.execute(sql, (sender, stream, sequence)))

    def undelivered(self, sender: str, stream: str) -> int:
        """How many messages of a stream are known and not delivered: on their way, behind a gap, or quarantined."""
        sql = "SELECT count(*) FROM incoming WHERE sender = ? AND stream = ? AND state NOT IN ('delivered', 'voided')"
        return int(rows(self._database, sql, (sender, stream))[0][0])

    def missing(self, sender: str, stream: str, below: int, limit: int = 100) -> list[int]:
        """Up to `limit` numbers below one of which nothing came: neither a manifest nor a void nor a delivery."""

        def work(connection: apsw.Connection) -> list[int]:
            found = fetch(
                connection, "SELECT delivered_up_to FROM received WHERE sender = ? AND stream = ?", (sender, stream)
            )
            first = int(found[0][0]) + 1 if found else 1
            known = fetch(
                connection,
                "SELECT sequence FROM incoming WHERE sender = ?1 AND stream = ?2 AND sequence >= ?3 AND sequence < ?4"
                " UNION SELECT sequence FROM voids WHERE sender = ?1 AND stream = ?2 AND sequence >= ?3"
                " AND sequence < ?4",
                (sender, stream, first, below),
            )
            if len(known) >= below - first:
                return []
            present = {number for (number,) in known}
            return list(islice((number for number in range(first, below) if number not in present), limit))

        return self._database.read(work)

    def deliverable(self) -> list[IncomingMessage]:
        """For each stream what comes late, else its next message, where it is fetched; voids are passed over."""

        def work(connection: apsw.Connection) -> list[tuple[str, str, int]]:
            streams = fetch(
                connection,
                "SELECT sender, stream, min(sequence), coalesce(delivered_up_to, 0), coalesce(began_after, 0)"
                " FROM incoming LEFT JOIN received USING (sender, stream) WHERE state = 'fetched'"
                " GROUP BY sender, stream ORDER BY sender, stream",
            )
            return [
                (
                    sender,
                    stream,
                    lowest if comes_late(lowest, began) else next_in_stream(connection, sender, stream, done),
                )
                for sender, stream, lowest, done, began in streams
            ]

        return [
            message
            for place in self._database.read(work)
            for message in self._messages(
                "WHERE sender = ? AND stream = ? AND sequence = ? AND state = 'fetched'", place
            )
        ]

    def deliver(self, message: IncomingMessage, receipt: bytes, at: str, also: Work[None] | None = None) -> None:
        """Note the delivery, its receipt and what `also` notes together, and let the sealed bytes go."""

        def work(connection: apsw.Connection) -> None:
            key = (message.sender, message.id)
            connection.execute(
                "UPDATE incoming SET state = 'delivered', receipt = ?, delivered_at = ? WHERE sender = ? AND id = ?",
                (receipt, at, *key),
            )
            connection.execute("DELETE FROM pieces WHERE sender = ? AND id = ?", key)
            connection.execute(
                "INSERT INTO received (sender, stream, delivered_up_to) VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE"
                " SET delivered_up_to = max(delivered_up_to, ?3)",
                (message.sender, message.stream, message.sequence),
            )
            if also is not None:
                also(connection)

        self._database.write(work)

    # -- receipts

    def receipts_to_send(self, limit: int = 10_000) -> list[IncomingMessage]:
        """Delivered messages whose receipt the hub hasn't taken yet."""
        return self._messages(
            "WHERE state = 'delivered' AND receipt_sent_at IS NULL ORDER BY sender, stream, sequence LIMIT ?", (limit,)
        )

    def receipts_since(self, sender: str, since: str, limit: int = 10_000) -> list[IncomingMessage]:
        """Messages of a sender delivered since a time, newest last: their receipts go on every medium to it."""
        return self._messages(
            "WHERE state = 'delivered' AND sender = ? AND delivered_at >= ? ORDER BY stream, sequence LIMIT ?",
            (sender, since, limit),
        )

    def receipt_sent(self, message: IncomingMessage, at: str) -> None:
        """Note that the hub took the receipt."""
        sql = "UPDATE incoming SET receipt_sent_at = ? WHERE sender = ? AND id = ?"
        self._database.write(lambda c: c.execute(sql, (at, message.sender, message.id)))

    def remove_settled(self, before: str, *, unsent: bool) -> int:
        """Remove messages that were delivered or voided before a time, with their documents; how many.

        Args:
            before: the time.
            unsent: also those whose receipt no hub has taken: where there is no line, it went by medium.
        """
        settled = "state = 'voided' AND announced_at < ?1 OR state = 'delivered' AND delivered_at < ?1"
        settled += "" if unsent else " AND receipt_sent_at IS NOT NULL"

        def work(connection: apsw.Connection) -> int:
            connection.execute(
                f"DELETE FROM pieces WHERE (sender, id) IN (SELECT sender, id FROM incoming WHERE {settled})",  # noqa: S608  (the clauses above)
                (before,),
            )
            connection.execute(f"DELETE FROM incoming WHERE {settled}", (before,))  # noqa: S608  (the same)
            return connection.changes()

        return self._database.write(work)

    def counts(self) -> list[IncomingCount]:
        """What came in, by sender."""
        sql = (
            "SELECT sender, sum(iif(state = 'delivered', count, 0)), sum(state = 'delivered'),"
            " sum(iif(state = 'delivered', size, 0)), sum(state NOT IN ('delivered', 'voided')),"
            " count(receipt_sent_at), max(delivered_at) FROM incoming GROUP BY sender ORDER BY sender"
        )
        return [IncomingCount(*each) for each in rows(self._database, sql)]

    def _messages(self, where: str, values: tuple[Any, ...]) -> list[IncomingMessage]:
        sql = f"SELECT {', '.join(_COLUMNS)} FROM incoming {where}"  # noqa: S608  (the clauses of this module)
        found = rows(self._database, sql, values)
        return [
            IncomingMessage(**{**dict(zip(_COLUMNS, each, strict=True)), "state": State(each[_STATE])})
            for each in found
        ]


def _insert(connection: apsw.Connection, message: IncomingMessage) -> None:
    connection.execute(
        "INSERT INTO incoming (sender, id, stream, sequence, count, manifest, entry, content_sha256, size,"
        " announced_at, state) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            message.sender, message.id, message.stream, message.sequence, message.count, message.manifest,
            message.entry, message.content_sha256, message.size, message.announced_at,
            State.ANNOUNCED.value,
        ),
    )  # fmt: skip


def next_in_stream(connection: apsw.Connection, sender: str, stream: str, delivered_up_to: int) -> int:
    """The number that a stream waits for: `mailbox.next_number` with the voids that came."""
    return next_number(delivered_up_to, partial(is_void, connection, sender, stream))


_KNOWN = "SELECT stream, sequence, id, content_sha256, state, manifest FROM incoming"


def _known(found: tuple[Any, ...]) -> Known:
    *entry, state, manifest = found
    return Known(Entry(*entry), _STAGES.get(State(state), Stage.HELD), manifest)


def _repeat_receipt(connection: apsw.Connection, sender: str, message_id: str) -> None:
    sql = "UPDATE incoming SET receipt_sent_at = NULL WHERE sender = ? AND id = ?"
    connection.execute(sql, (sender, message_id))


def is_void(connection: apsw.Connection, sender: str, stream: str, sequence: int) -> bool:
    """Whether a sender's void for a number came."""
    sql = "SELECT 1 FROM voids WHERE sender = ? AND stream = ? AND sequence = ?"
    return bool(fetch(connection, sql, (sender, stream, sequence)))
