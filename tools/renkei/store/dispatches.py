"""Notices on their way out: what waits for its day or its exchange, what went in which message, what became of it.

A notice that was taken from a file is in exactly one of three places, noted together with the file: in a message
(`sent`), here until its moment comes (`waiting`), or not to be sent, with the reason (`suppressed`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import apsw

from renkei.domain.notices import ImportResult
from renkei.store.queries import Row, fetch, rows
from renkei.store.sqlite import Database

DISPATCHES_SCHEMA = """
CREATE TABLE waiting (
    place INTEGER PRIMARY KEY,
    number TEXT NOT NULL,
    recipient TEXT NOT NULL,
    stream TEXT NOT NULL,
    type TEXT NOT NULL,
    mode TEXT NOT NULL,
    why TEXT NOT NULL,
    release_at TEXT NOT NULL,
    row TEXT NOT NULL,
    taken_at TEXT NOT NULL
) STRICT;
CREATE INDEX waiting_by_moment ON waiting (release_at);
CREATE INDEX waiting_by_number ON waiting (number);

CREATE TABLE sent (
    number TEXT NOT NULL,
    message TEXT NOT NULL,
    position INTEGER NOT NULL,
    type TEXT NOT NULL,
    sent_at TEXT NOT NULL,
    PRIMARY KEY (number, message)
) STRICT, WITHOUT ROWID;

CREATE TABLE results (
    number TEXT PRIMARY KEY,
    result TEXT NOT NULL,
    error_item TEXT,
    reason TEXT,
    processed_on TEXT NOT NULL,
    received_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE suppressed (
    number TEXT PRIMARY KEY,
    because_of TEXT NOT NULL,
    items TEXT NOT NULL,
    noted_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A notice that waits.

    Attributes:
        number: its own.
        recipient, stream, type, mode: as of the message that it will be in.
        why: `due` (for its day), `daily` (for the exchange time) or `answer` (for the next exchange).
        release_at: RFC 3339; from then on it goes.
        row: the notice as text, JSON.
        place: its order; 0 before it is kept.
    """

    number: str
    recipient: str
    stream: str
    type: str
    mode: str
    why: str
    release_at: str
    row: str = field(repr=False)
    place: int = 0


@dataclass(frozen=True, slots=True)
class Suppressed:
    """A notice that isn't sent: what the notice `because_of` had caused is not notified back (施行令24条1項)."""

    number: str
    because_of: str
    items: str
    noted_at: str = ""


@dataclass(frozen=True, slots=True)
class Fate:
    """What is known of a notice that was sent, or waits; `message` is the newest that it went in."""

    number: str
    type: str
    sent_at: str | None
    message: str | None
    accepted: bool
    receipted_at: str | None
    result: str | None
    error_item: str | None
    reason: str | None
    processed_on: str | None
    waits_until: str | None


class Dispatches:
    """The ledger of notices on their way out."""

    def __init__(self, database: Database) -> None:
        """Work in the spool's database."""
        self._database = database

    # -- written within the transaction that takes a file or notes a delivery

    @staticmethod
    def keep(connection: apsw.Connection, waiting: Sequence[Waiting], at: str) -> None:
        """Let notices wait."""
        connection.executemany(
            "INSERT INTO waiting (number, recipient, stream, type, mode, why, release_at, row, taken_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    each.number,
                    each.recipient,
                    each.stream,
                    each.type,
                    each.mode,
                    each.why,
                    each.release_at,
                    each.row,
                    at,
                )
                for each in waiting
            ],
        )

    @staticmethod
    def suppress(connection: apsw.Connection, suppressed: Sequence[Suppressed], at: str) -> None:
        """Note what isn't sent and why; the effect that it echoes counts once."""
        for each in suppressed:
            connection.execute(
                "INSERT OR REPLACE INTO suppressed VALUES (?, ?, ?, ?)", (each.number, each.because_of, each.items, at)
            )
            connection.executemany(
                "UPDATE import_effects SET echoed_by = ?1 WHERE item = ?3 AND place ="
                " (SELECT place FROM imports WHERE number = ?2)",
                [(each.number, each.because_of, item) for item in each.items.split("、")],
            )

    @staticmethod
    def note_results(connection: apsw.Connection, results: Sequence[ImportResult], at: str) -> None:
        """Keep what the other side said of notices sent from here; the newest word counts."""
        connection.executemany(
            "INSERT OR REPLACE INTO results VALUES (?, ?, ?, ?, ?, ?)",
            [
                (each.target, each.result, each.error_item, each.reason, each.processed_on.isoformat(), at)
                for each in results
            ],
        )

    # -- what waits

    def due(self, at: str, *, gathered: bool) -> list[Waiting]:
        """Notices whose moment has come; those that are gathered for an exchange time, too, when somebody asks."""
        sql = f"SELECT {_WAITING} FROM waiting WHERE release_at <= ?1 OR (?2 AND why = 'daily') ORDER BY place"  # noqa: S608
        return [Waiting(*each) for each in rows(self._database, sql, (at, gathered))]

    def waiting(self) -> list[Waiting]:
        """All that waits, in order."""
        sql = f"SELECT {_WAITING} FROM waiting ORDER BY place"  # noqa: S608  (a constant)
        return [Waiting(*each) for each in rows(self._database, sql)]

    def count(self) -> int:
        """How many notices wait."""
        return int(rows(self._database, "SELECT count(*) FROM waiting")[0][0])

    def let_wait(self, waiting: Waiting, at: str) -> None:
        """Keep one notice of this agent's own making until the next exchange."""
        self._database.write(lambda c: self.keep(c, [waiting], at))

    # -- what an inquiry asks, and what a correction touches

    def message_of(self, number: str) -> str | None:
        """The newest message that a notice went in."""
        sql = "SELECT message FROM sent WHERE number = ? ORDER BY sent_at DESC LIMIT 1"
        found = rows(self._database, sql, (number,))
        return str(found[0][0]) if found else None

    def echoed(self, marks: frozenset[bytes], effects: dict[str, bytes]) -> str | None:
        """The notice that gave a person's record all of these values, each for the first time; None when none did.

        Args:
            marks: of the person.
            effects: by item the mark of the value.
        """

        def work(connection: apsw.Connection) -> str | None:
            places = {
                place
                for mark in marks
                for (place,) in fetch(connection, "SELECT place FROM import_marks WHERE mark = ? AND certain", (mark,))
            }
            for place in sorted(places, reverse=True):
                had: dict[str, bytes] = dict(fetch(connection, _FRESH_EFFECTS, (place,)))
                if effects and effects.items() <= had.items():
                    number = fetch(connection, "SELECT number FROM imports WHERE place = ?", (place,))[0][0]
                    return str(number)
            return None

        return self._database.read(work)

    def suppressed(self) -> list[Suppressed]:
        """What wasn't sent, newest first."""
        sql = "SELECT number, because_of, items, noted_at FROM suppressed ORDER BY noted_at DESC, number"
        return [Suppressed(*each) for each in rows(self._database, sql)]

    def fates(self, limit: int, *, open_only: bool = False) -> list[Fate]:
        """What became of the newest `limit` notices sent from here and of those that wait, newest first."""
        sql = (
            "SELECT number, type, sent_at, message, accepted_epoch IS NOT NULL, receipted_at, result, error_item,"
            " results.reason, processed_on, NULL FROM sent JOIN outgoing ON id = message LEFT JOIN results USING"
            " (number) WHERE NOT ?2 OR result IS NULL OR result <> '取込済'"
            " UNION ALL SELECT number, type, NULL, NULL, 0, NULL, NULL, NULL, NULL, NULL, release_at FROM waiting"
            " ORDER BY 3 DESC, 1 LIMIT ?1"
        )
        return [_fate(each) for each in rows(self._database, sql, (limit, open_only))]

    def forget(self, before: str) -> None:
        """Drop what was sent, answered or suppressed before a time."""

        def work(connection: apsw.Connection) -> None:
            connection.execute("DELETE FROM sent WHERE sent_at < ?", (before,))
            connection.execute("DELETE FROM results WHERE received_at < ?", (before,))
            connection.execute("DELETE FROM suppressed WHERE noted_at < ?", (before,))

        self._database.write(work)


_WAITING = "number, recipient, stream, type, mode, why, release_at, row, place"
_FRESH_EFFECTS = (
    "SELECT item, mark FROM import_effects JOIN imports USING (place) WHERE place = ? AND echoed_by IS NULL"
    " AND state IN ('handed', 'imported')"
)


def _fate(found: Row) -> Fate:
    number, type_, sent_at, message, accepted, *rest = found
    return Fate(number, type_, sent_at, message, bool(accepted), *rest)
