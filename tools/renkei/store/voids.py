"""Numbers of own streams that were voided: nothing comes under them, and the recipient passes over them.

A void is kept for good: a hub that was restored, or the next medium, needs it again.
"""

from dataclasses import dataclass, field

import apsw

from renkei.exchange.mailbox import must_offer
from renkei.store.queries import fetch, rows
from renkei.store.sqlite import Database

VOIDS_SCHEMA = """
CREATE TABLE sent_voids (
    recipient TEXT NOT NULL,
    stream TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    reason TEXT NOT NULL,
    voided_at TEXT NOT NULL,
    envelope BLOB NOT NULL,
    accepted_epoch INTEGER,
    PRIMARY KEY (recipient, stream, sequence)
) STRICT, WITHOUT ROWID;

ALTER TABLE outgoing ADD COLUMN voided_at TEXT;
DROP INDEX outgoing_waiting;
CREATE INDEX outgoing_waiting ON outgoing (recipient, stream, sequence)
    WHERE receipted_at IS NULL AND voided_at IS NULL;
"""


class NotVoidable(Exception):
    """A number that can't be voided; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class SentVoid:
    """A void of ours; `accepted_epoch` is the epoch of the hub that has it, None before the first has."""

    recipient: str
    stream: str
    sequence: int
    reason: str
    voided_at: str
    envelope: bytes = field(repr=False)
    accepted_epoch: int | None = None


class SentVoids:
    """The voids of a spool."""

    def __init__(self, database: Database) -> None:
        """Work in the spool's database."""
        self._database = database

    def add(self, void: SentVoid) -> tuple[str, ...]:
        """Keep a void: its message isn't offered any more; the numbers of the notices that were in it.

        Raises:
            NotVoidable: no message of ours has that number, its recipient has it, or it is void already.
        """
        place = (void.recipient, void.stream, void.sequence)
        what = f"{void.stream} {void.sequence} to {void.recipient}"

        def work(connection: apsw.Connection) -> tuple[str, ...]:
            found = fetch(
                connection,
                "SELECT id, receipted_at, voided_at FROM outgoing WHERE recipient = ? AND stream = ? AND sequence = ?",
                place,
            )
            if not found:
                raise NotVoidable(f"{what}: no message of this machine has that number; renkei-agent status lists them")
            ((message, receipted_at, voided_at),) = found
            if receipted_at is not None:
                raise NotVoidable(f"{what}: its recipient receipted it at {receipted_at}; there is nothing to void")
            if voided_at is not None:
                raise NotVoidable(f"{what}: was voided at {voided_at}")
            connection.execute("UPDATE outgoing SET voided_at = ? WHERE id = ?", (void.voided_at, message))
            connection.execute(
                "INSERT INTO sent_voids VALUES (?, ?, ?, ?, ?, ?, NULL)",
                (*place, void.reason, void.voided_at, void.envelope),
            )
            numbers = fetch(connection, "SELECT number FROM sent WHERE message = ? ORDER BY position", (message,))
            return tuple(str(number) for (number,) in numbers)

        return self._database.write(work)

    def to_offer(self, recipient: str, stream: str, epoch: int) -> SentVoid | None:
        """The lowest void that the hub hasn't got in this epoch."""
        candidates = self._select("WHERE recipient = ? AND stream = ? ORDER BY sequence", (recipient, stream))
        return next((void for void in candidates if must_offer(void.accepted_epoch, epoch, receipted=False)), None)

    def accept(self, void: SentVoid, epoch: int) -> None:
        """Note that the hub has it."""
        self._database.write(
            lambda c: c.execute(
                "UPDATE sent_voids SET accepted_epoch = ? WHERE recipient = ? AND stream = ? AND sequence = ?",
                (epoch, void.recipient, void.stream, void.sequence),
            )
        )

    def withdraw(self, void: SentVoid) -> None:
        """Take a void back: the recipient has the message, and its receipt is on the way."""
        place = (void.recipient, void.stream, void.sequence)

        def work(connection: apsw.Connection) -> None:
            connection.execute("DELETE FROM sent_voids WHERE recipient = ? AND stream = ? AND sequence = ?", place)
            connection.execute(
                "UPDATE outgoing SET voided_at = NULL WHERE recipient = ? AND stream = ? AND sequence = ?", place
            )

        self._database.write(work)

    def to(self, recipient: str) -> list[SentVoid]:
        """All voids of streams to a recipient, in order."""
        return self._select("WHERE recipient = ? ORDER BY stream, sequence", (recipient,))

    def all(self) -> list[SentVoid]:
        """All voids, newest first."""
        return self._select("ORDER BY voided_at DESC, recipient, stream, sequence", ())

    def _select(self, where: str, values: tuple[str | int, ...]) -> list[SentVoid]:
        columns = "recipient, stream, sequence, reason, voided_at, envelope, accepted_epoch"
        sql = f"SELECT {columns} FROM sent_voids {where}"  # noqa: S608  (the clauses of this module)
        return [SentVoid(*each) for each in rows(self._database, sql, values)]
