"""The signed heads of the hub's journal that an agent saw, kept as evidence against a hub that shows two journals."""

from dataclasses import dataclass

import apsw

from renkei.store.queries import rows
from renkei.store.sqlite import Database

SEEN_HEADS_SCHEMA = """
CREATE TABLE hub_entries (key_id TEXT PRIMARY KEY, entry TEXT NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE seen_heads (
    epoch INTEGER NOT NULL,
    hour TEXT NOT NULL,
    signed_at TEXT NOT NULL,
    envelope BLOB NOT NULL,
    key_id TEXT NOT NULL REFERENCES hub_entries,
    PRIMARY KEY (epoch, hour)
) STRICT, WITHOUT ROWID;
"""
_HOUR, _DAY = len("2026-11-26T11"), len("2026-11-26")


@dataclass(frozen=True, slots=True)
class SignedHead:
    """A verified head as evidence: its envelope, and the directory entry (JSON text) of the hub that signed it."""

    signed_at: str
    envelope: bytes
    key_id: str
    entry: str


class SeenHeads:
    """The heads in an agent's spool."""

    def __init__(self, database: Database) -> None:
        """Work in the spool's database."""
        self._database = database

    def keep(self, head: SignedHead, epoch: int, daily_before: str, forget_before: str) -> None:
        """Keep a verified head: the newest of each hour, of each day once they are older, and at last none.

        Args:
            head: it; the newest of its hour so far.
            epoch: of the hub.
            daily_before: one head a day is enough of those that were signed before this time.
            forget_before: those signed before this time go.
        """

        def work(connection: apsw.Connection) -> None:
            connection.execute("INSERT OR IGNORE INTO hub_entries VALUES (?, ?)", (head.key_id, head.entry))
            connection.execute(
                "INSERT OR REPLACE INTO seen_heads VALUES (?, ?, ?, ?, ?)",
                (epoch, head.signed_at[:_HOUR], head.signed_at, head.envelope, head.key_id),
            )
            connection.execute("DELETE FROM seen_heads WHERE signed_at < ?", (forget_before,))
            connection.execute(
                "DELETE FROM seen_heads WHERE signed_at < ?1 AND hour < (SELECT max(hour) FROM seen_heads AS other"
                " WHERE other.epoch = seen_heads.epoch AND other.hour >= substr(seen_heads.hour, 1, ?2)"
                " AND other.hour < substr(seen_heads.hour, 1, ?2) || 'U')",
                (daily_before, _DAY),
            )

        self._database.write(work)

    def all(self) -> list[SignedHead]:
        """All heads that are kept, oldest first."""
        sql = (
            "SELECT signed_at, envelope, key_id, entry FROM seen_heads JOIN hub_entries USING (key_id)"
            " ORDER BY epoch, hour"
        )
        return [SignedHead(*each) for each in rows(self._database, sql)]
