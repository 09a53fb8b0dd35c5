"""Messages that this party sends: numbered, sealed and kept.

A file of the outbox, the numbers that its messages take, and their sealed bytes are committed together, so a kill
leaves either all of them or none. A message is held until its recipient's receipt is there and some days beyond:
a hub that was restored from a backup may ask for it again.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import apsw

from renkei.exchange.mailbox import ASKED_AGAIN, Entry, must_offer
from renkei.store.queries import fetch, row, rows
from renkei.store.sqlite import Database, Work

OUTGOING_SCHEMA = """
CREATE TABLE sources (
    sha256 TEXT NOT NULL,
    folder TEXT NOT NULL,
    name TEXT NOT NULL,
    taken_at TEXT NOT NULL,
    good INTEGER NOT NULL,
    bad INTEGER NOT NULL,
    moved INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (sha256, folder)
) STRICT, WITHOUT ROWID;

CREATE TABLE streams (
    recipient TEXT NOT NULL,
    stream TEXT NOT NULL,
    next_sequence INTEGER NOT NULL,
    PRIMARY KEY (recipient, stream)
) STRICT, WITHOUT ROWID;

CREATE TABLE outgoing (
    id TEXT PRIMARY KEY,
    recipient TEXT NOT NULL,
    stream TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    count INTEGER NOT NULL,
    manifest BLOB NOT NULL,
    content_sha256 TEXT NOT NULL,
    recipient_certificate_sha256 TEXT NOT NULL,
    sealed BLOB,
    content BLOB,
    size INTEGER NOT NULL,
    created_at TEXT NOT NULL,
    accepted_epoch INTEGER,
    acceptance BLOB,
    receipted_at TEXT,
    receipt BLOB,
    source_sha256 TEXT NOT NULL,
    UNIQUE (recipient, stream, sequence)
) STRICT;
CREATE INDEX outgoing_waiting ON outgoing (recipient, stream, sequence) WHERE receipted_at IS NULL;
"""

_COLUMNS = (
    "id, recipient, stream, sequence, count, manifest, content_sha256, recipient_certificate_sha256,"
    " sealed, content, created_at, accepted_epoch, receipted_at"
)

_DUE = (
    "recipient = ?1 AND stream = ?2 AND sealed IS NOT NULL AND voided_at IS NULL AND accepted_epoch IS NOT ?3"
    f" AND (receipted_at IS NULL OR accepted_epoch IS NULL OR accepted_epoch = {ASKED_AGAIN})"
)
"""Of the messages to offer: it only spares a look at what is settled, `mailbox.must_offer` decides."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file of the outbox as it was taken; `folder` is its place below the outbox, "" or a recipient's code."""

    sha256: str
    folder: str
    name: str
    taken_at: str
    good: int
    bad: int


@dataclass(frozen=True, slots=True)
class Draft:
    """A message just built, for the number that was asked for; `numbers` are those of its notices, of one `type`."""

    id: str
    manifest: bytes
    sealed: bytes
    content: bytes
    content_sha256: str
    recipient_certificate_sha256: str
    count: int
    type: str = ""
    numbers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """A message as it is held; `sealed` and `content` are None once it was forgotten."""

    id: str
    recipient: str
    stream: str
    sequence: int
    count: int
    manifest: bytes
    content_sha256: str
    recipient_certificate_sha256: str
    sealed: bytes | None
    content: bytes | None
    created_at: str
    accepted_epoch: int | None
    receipted_at: str | None

    @property
    def entry(self) -> Entry:
        """What it is and where in its stream, however it is sealed."""
        return Entry(self.stream, self.sequence, self.id, self.content_sha256)


@dataclass(frozen=True, slots=True)
class OutgoingCount:
    """What went to one recipient: notices, parcels, bytes; receipts; parcels still waiting for one."""

    recipient: str
    notices: int
    parcels: int
    bytes: int
    accepted: int
    receipts: int
    last_receipt_at: str | None


class OutgoingMessages:
    """The sending half of a spool."""

    def __init__(self, database: Database) -> None:
        """Work in the spool's database."""
        self._database = database

    # -- taking files

    def source(self, sha256: str, folder: str) -> tuple[Source, bool] | None:
        """A file taken before, and whether it has left the outbox since; None for a new one."""
        sql = "SELECT sha256, folder, name, taken_at, good, bad, moved FROM sources WHERE sha256 = ? AND folder = ?"
        found = row(self._database, sql, (sha256, folder))
        return None if found is None else (Source(*found[:6]), bool(found[6]))

    def unmoved(self) -> list[Source]:
        """Files that were taken and may still lie in the outbox."""
        sql = "SELECT sha256, folder, name, taken_at, good, bad FROM sources WHERE NOT moved ORDER BY taken_at, name"
        return [Source(*each) for each in rows(self._database, sql)]

    def mark_moved(self, source: Source) -> None:
        """Note that the file has left the outbox."""
        sql = "UPDATE sources SET moved = 1 WHERE sha256 = ? AND folder = ?"
        self._database.write(lambda c: c.execute(sql, (source.sha256, source.folder)))

    def take(
        self,
        source: Source,
        recipient: str,
        stream: str,
        builders: Sequence[Callable[[int], Draft]],
        also: Work[None] | None = None,
    ) -> list[int]:
        """Number, build and keep the messages of a file, together with the file's own record.

        Args:
            source: the file.
            recipient: of all its messages.
            stream: of all its messages.
            builders: one for each message; called with its sequence number inside the transaction.
            also: what else is to be noted in the same transaction.

        Returns:
            the sequence numbers; empty when this file had been taken before.
        """

        def work(connection: apsw.Connection) -> list[int]:
            connection.execute(
                "INSERT OR IGNORE INTO sources (sha256, folder, name, taken_at, good, bad) VALUES (?, ?, ?, ?, ?, ?)",
                (source.sha256, source.folder, source.name, source.taken_at, source.good, source.bad),
            )
            if connection.changes() == 0:
                return []
            if also is not None:
                also(connection)
            return _append(connection, recipient, stream, builders, (source.sha256, source.taken_at))

        return self._database.write(work)

    def release(
        self, recipient: str, stream: str, builders: Sequence[Callable[[int], Draft]], places: Sequence[int], at: str
    ) -> list[int]:
        """Number, build and keep the messages of notices that waited; in one transaction they wait no longer.

        Args:
            recipient: of all the messages.
            stream: of all the messages.
            builders: as of `take`.
            places: of the notices, as `Dispatches.due` gave them.
            at: now.

        Returns:
            the sequence numbers.
        """

        def work(connection: apsw.Connection) -> list[int]:
            connection.executemany("DELETE FROM waiting WHERE place = ?", [(place,) for place in places])
            return _append(connection, recipient, stream, builders, ("", at))

        return self._database.write(work)

    # -- offering them

    def streams(self) -> list[tuple[str, str]]:
        """(recipient, stream) of every stream that ever had a message."""
        sql = "SELECT recipient, stream FROM streams ORDER BY recipient, stream"
        return [(str(r), str(s)) for r, s in rows(self._database, sql)]

    def next_number(self, recipient: str, stream: str) -> int:
        """The next number of a stream, 1 before its first."""
        sql = "SELECT next_sequence FROM streams WHERE recipient = ? AND stream = ?"
        found = row(self._database, sql, (recipient, stream))
        return 1 if found is None else int(found[0])

    def accepted_up_to(self, stream: str, epoch: int) -> dict[str, int]:
        """The next number of each stream of this name whose messages are all accepted in this epoch, or receipted."""
        sql = (
            "SELECT recipient, next_sequence FROM streams WHERE stream = ?1 AND NOT EXISTS (SELECT 1 FROM outgoing"
            " WHERE outgoing.recipient = streams.recipient AND outgoing.stream = ?1 AND receipted_at IS NULL"
            " AND voided_at IS NULL AND accepted_epoch IS NOT ?2) AND NOT EXISTS (SELECT 1 FROM sent_voids WHERE"
            " sent_voids.recipient = streams.recipient AND sent_voids.stream = ?1 AND accepted_epoch IS NOT ?2)"
        )
        return {str(recipient): int(number) for recipient, number in rows(self._database, sql, (stream, epoch))}

    def begin(self, recipient: str, stream: str, sequence: int) -> None:
        """Begin a stream at a number: this machine replaced another that sent the ones before."""
        sql = "INSERT OR IGNORE INTO streams VALUES (?, ?, ?)"
        self._database.write(lambda c: c.execute(sql, (recipient, stream, sequence)))

    def to_offer(self, recipient: str, stream: str, epoch: int) -> OutgoingMessage | None:
        """The lowest message that the hub must be given in this epoch, as `mailbox.must_offer` has it."""
        candidates = self._messages(f"WHERE {_DUE} ORDER BY sequence LIMIT 1", (recipient, stream, epoch))
        due = (m for m in candidates if must_offer(m.accepted_epoch, epoch, receipted=m.receipted_at is not None))
        return next(due, None)

    def small_to_offer(
        self, recipient: str, stream: str, epoch: int, *, after: int, largest: int, most: int
    ) -> list[OutgoingMessage]:
        """The messages of a stream behind a number that `to_offer` would give one by one, up to one that isn't small.

        Args:
            recipient: of the stream.
            stream: its name.
            epoch: of the hub.
            after: the number.
            largest: sealed bytes that a small one has at most.
            most: how many to return.
        """
        place = (recipient, stream, epoch, after)
        sql = f"SELECT sequence, size FROM outgoing WHERE {_DUE} AND sequence > ?4 ORDER BY sequence LIMIT ?5"  # noqa: S608 (a constant)
        sizes = rows(self._database, sql, (*place, most))
        numbers = [number for number, _ in takewhile(lambda each: each[1] <= largest, sizes)]
        if not numbers:
            return []
        candidates = self._messages(
            f"WHERE {_DUE} AND sequence > ?4 AND sequence <= ?5 ORDER BY sequence", (*place, numbers[-1])
        )
        return [m for m in candidates if must_offer(m.accepted_epoch, epoch, receipted=m.receipted_at is not None)]

    def held(self, recipient: str, stream: str, sequence: int) -> OutgoingMessage | None:
        """The message of a number, if its bytes are still here."""
        found = self._messages(
            "WHERE recipient = ? AND stream = ? AND sequence = ? AND sealed IS NOT NULL AND voided_at IS NULL",
            (recipient, stream, sequence),
        )
        return found[0] if found else None

    def offer_from(self, recipient: str, stream: str, sequence: int) -> None:
        """The hub asked for a stream from this number on: offer again what is held, receipted or not."""
        sql = (
            "UPDATE outgoing SET accepted_epoch = ? WHERE recipient = ? AND stream = ? AND sequence >= ?"
            " AND accepted_epoch IS NOT NULL"
        )
        voids = sql.replace("outgoing", "sent_voids")

        def work(connection: apsw.Connection) -> None:
            for each in (sql, voids):
                connection.execute(each, (ASKED_AGAIN, recipient, stream, sequence))

        self._database.write(work)

    def accept(self, message_id: str, epoch: int, acceptance: bytes | None) -> None:
        """Keep the hub's verified acceptance; where it gives none, as the recipient has it, the former one stays."""
        self.accept_all({message_id: acceptance}, epoch)

    def accept_all(self, acceptances: Mapping[str, bytes | None], epoch: int) -> None:
        """Keep the acceptances of messages, by their ids, in one transaction; see `accept`."""
        sql = "UPDATE outgoing SET accepted_epoch = ?, acceptance = coalesce(?, acceptance) WHERE id = ?"
        values = [(epoch, acceptance, message_id) for message_id, acceptance in acceptances.items()]
        self._database.write(lambda c: c.executemany(sql, values))

    def replace_envelope(self, message_id: str, manifest: bytes, sealed: bytes, certificate_sha256: str) -> None:
        """Keep a message sealed anew: same id, number and content; the hub hasn't accepted this envelope yet."""
        sql = (
            "UPDATE outgoing SET manifest = ?, sealed = ?, recipient_certificate_sha256 = ?, size = ?,"
            " accepted_epoch = NULL, acceptance = NULL WHERE id = ?"
        )
        values = (manifest, sealed, certificate_sha256, len(sealed), message_id)
        self._database.write(lambda c: c.execute(sql, values))

    # -- receipts

    def message(self, message_id: str) -> OutgoingMessage | None:
        """A message by its id."""
        found = self._messages("WHERE id = ?", (message_id,))
        return found[0] if found else None

    def unreceipted(self, recipient: str | None = None) -> list[OutgoingMessage]:
        """Messages without their recipient's receipt, in order; of all recipients or of one."""
        if recipient is None:
            return self._messages(
                "WHERE receipted_at IS NULL AND voided_at IS NULL ORDER BY recipient, stream, sequence", ()
            )
        return self._messages(
            "WHERE receipted_at IS NULL AND voided_at IS NULL AND recipient = ? ORDER BY recipient, stream, sequence",
            (recipient,),
        )

    def recipients_waiting(self) -> dict[str, frozenset[str]]:
        """Recipients with messages without a receipt, and the certificates that these are sealed to."""
        sql = (
            "SELECT recipient, group_concat(DISTINCT recipient_certificate_sha256) FROM outgoing"
            " WHERE receipted_at IS NULL AND voided_at IS NULL GROUP BY recipient ORDER BY recipient"
        )
        found = rows(self._database, sql)
        return {str(recipient): frozenset(str(digests).split(",")) for recipient, digests in found}

    def receipt(self, message_id: str, receipt: bytes, at: str) -> bool:
        """Keep a verified receipt; true when it is the first for its message."""

        def work(connection: apsw.Connection) -> bool:
            connection.execute(
                "UPDATE outgoing SET receipted_at = ?, receipt = ? WHERE id = ? AND receipted_at IS NULL",
                (at, receipt, message_id),
            )
            return connection.changes() == 1

        return self._database.write(work)

    def forget(self, before: str, year_before: str) -> int:
        """Drop the bytes of messages; how many.

        Args:
            before: of messages that were both accepted and receipted before this time.
            year_before: of all that were receipted before this one: those that went by medium alone, too.
        """

        def work(connection: apsw.Connection) -> int:
            connection.execute(
                "UPDATE outgoing SET sealed = NULL, content = NULL WHERE sealed IS NOT NULL"
                " AND (receipted_at < ?1 AND accepted_epoch <> ?2 OR receipted_at < ?3)",
                (before, ASKED_AGAIN, year_before),
            )
            return connection.changes()

        return self._database.write(work)

    def remove_settled(self, before: str) -> int:
        """Remove messages that were receipted or voided before a time, with their documents; how many."""

        def work(connection: apsw.Connection) -> int:
            connection.execute("DELETE FROM outgoing WHERE receipted_at < ?1 OR voided_at < ?1", (before,))
            count = connection.changes()
            connection.execute(
                "DELETE FROM sources WHERE taken_at < ? AND sha256 NOT IN (SELECT source_sha256 FROM outgoing)",
                (before,),
            )
            return count

        return self._database.write(work)

    def counts(self) -> list[OutgoingCount]:
        """What went out, by recipient."""
        sql = (
            "SELECT recipient, sum(count), count(*), sum(size), count(accepted_epoch), count(receipted_at),"
            " max(receipted_at) FROM outgoing WHERE voided_at IS NULL GROUP BY recipient ORDER BY recipient"
        )
        return [OutgoingCount(*each) for each in rows(self._database, sql)]

    def _messages(self, where: str, values: tuple[Any, ...]) -> list[OutgoingMessage]:
        sql = f"SELECT {_COLUMNS} FROM outgoing {where}"  # noqa: S608  (the clauses of this module)
        return [OutgoingMessage(*each) for each in rows(self._database, sql, values)]


def _next_sequence(connection: apsw.Connection, recipient: str, stream: str) -> int:
    connection.execute("INSERT OR IGNORE INTO streams VALUES (?, ?, 1)", (recipient, stream))
    sql = "SELECT next_sequence FROM streams WHERE recipient = ? AND stream = ?"
    return int(fetch(connection, sql, (recipient, stream))[0][0])


def _append(
    connection: apsw.Connection,
    recipient: str,
    stream: str,
    builders: Sequence[Callable[[int], Draft]],
    origin: tuple[str, str],
) -> list[int]:
    first = _next_sequence(connection, recipient, stream)
    numbers = list(range(first, first + len(builders)))
    for number, build in zip(numbers, builders, strict=True):
        _insert(connection, build(number), (recipient, stream, number), origin)
    connection.execute(
        "UPDATE streams SET next_sequence = ? WHERE recipient = ? AND stream = ?",
        (first + len(builders), recipient, stream),
    )
    return numbers


def _insert(connection: apsw.Connection, draft: Draft, place: tuple[str, str, int], origin: tuple[str, str]) -> None:
    source_sha256, taken_at = origin
    connection.execute(
        "INSERT INTO outgoing (id, recipient, stream, sequence, count, manifest, content_sha256,"
        " recipient_certificate_sha256, sealed, content, size, created_at, source_sha256)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            draft.id, *place, draft.count, draft.manifest, draft.content_sha256, draft.recipient_certificate_sha256,
            draft.sealed, draft.content, len(draft.sealed), taken_at, source_sha256,
        ),
    )  # fmt: skip
    connection.executemany(
        "INSERT OR IGNORE INTO sent VALUES (?, ?, ?, ?, ?)",
        [(number, draft.id, position, draft.type, taken_at) for position, number in enumerate(draft.numbers)],
    )
