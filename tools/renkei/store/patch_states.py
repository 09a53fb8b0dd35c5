"""What terminals said of their updates, as the ministry keeps it: every signed patch state, with who signed it.

    with PatchStates(Path("/var/lib/renkei/patch-states.db")) as states:
        states.keep(kept, entry)
        for kept in states.newest(at): …

Only what was verified comes in (`fleet.patching.intake`). Nothing is ever changed; what is older than a year goes. The
directory entry of a machine, the same in all that it signs for months, is kept once.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import apsw

from renkei.store import sqlite

KEEP_SECONDS: Final = 400 * 86400
_PAGE: Final = 4096
MIGRATIONS: Final = (
    """
    CREATE TABLE entries (
        sha256 TEXT PRIMARY KEY,
        entry BLOB NOT NULL
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE patch_states (
        number INTEGER PRIMARY KEY,
        endpoint TEXT NOT NULL,
        terminal TEXT NOT NULL,
        stage TEXT NOT NULL,
        said_at INTEGER NOT NULL,
        build TEXT NOT NULL,
        catalogue INTEGER,
        installed TEXT NOT NULL,
        missing TEXT NOT NULL,
        problem TEXT,
        payload_sha256 TEXT NOT NULL UNIQUE,
        entry TEXT NOT NULL REFERENCES entries,
        envelope BLOB NOT NULL
    ) STRICT;
    CREATE INDEX by_terminal ON patch_states (endpoint, terminal, said_at, number);
    CREATE INDEX by_time ON patch_states (said_at, number);
    """,
    """
    CREATE TABLE cursors (
        source TEXT PRIMARY KEY,
        epoch INTEGER NOT NULL,
        cursor INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    """,
    """
    ALTER TABLE patch_states ADD COLUMN patterns TEXT;
    ALTER TABLE patch_states ADD COLUMN patterns_made_at INTEGER;
    """,
    """
    ALTER TABLE patch_states ADD COLUMN at_hub INTEGER NOT NULL DEFAULT 0;
    CREATE INDEX not_at_hub ON patch_states (number) WHERE at_hub = 0;
    """,
    """
    CREATE INDEX by_stage ON patch_states (endpoint, terminal, stage, at_hub, said_at);
    """,
)
_COLUMNS: Final = (
    "endpoint, terminal, stage, said_at, build, catalogue, installed, missing, problem, payload_sha256,"
    " patterns, patterns_made_at"
)


@dataclass(frozen=True, slots=True)
class Kept:
    """A patch state: what it says, and the digest of its payload (hex).

    `said_at` (seconds since 1970) is when the machine looked by its own clock, or when its word was taken, if that was
    earlier: a clock that is ahead makes nothing fresher than it is. `patterns` is the version of its antivirus
    patterns, `patterns_made_at` when they were made; None where it said nothing of them.
    """

    endpoint: str
    terminal: str
    stage: str
    said_at: int
    build: str
    catalogue: int | None
    installed: tuple[str, ...]
    missing: tuple[str, ...]
    problem: str | None
    payload_sha256: str
    patterns: str | None = None
    patterns_made_at: int | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """A patch state with its envelope and its signer's directory entry, as they came."""

    kept: Kept
    envelope: bytes
    entry: bytes


@dataclass(frozen=True, slots=True)
class Reached:
    """How far a hub was read: `source` is its URL, `epoch` the one in which the cursor counts."""

    source: str
    epoch: int
    cursor: int


class PatchStates(AbstractContextManager["PatchStates"]):
    """The store, an SQLite file; several processes may have it open."""

    def __init__(self, path: Path) -> None:
        """Open it, or make it in a folder that is there.

        Raises:
            StoreError: see `store.sqlite.Database`.
        """
        self._database = sqlite.Database(path, MIGRATIONS, readers=1)

    def has(self, payload_sha256: str) -> bool:
        """Tell whether a document of this payload is here."""
        return bool(self._some("SELECT 1 FROM patch_states WHERE payload_sha256 = ?", (payload_sha256,)))

    def reached(self, source: str) -> Reached | None:
        """Return how far a hub was read; None before the first time."""
        rows = self._some("SELECT source, epoch, cursor FROM cursors WHERE source = ?", (source,))
        return Reached(*rows[0]) if rows else None

    def keep(self, found: list[tuple[Evidence, str]], reached: Reached | None = None, known: Sequence[str] = ()) -> int:
        """Keep verified documents in one commit, with how far a hub was read to find them.

        Args:
            found: each with the digest of its entry (hex).
            reached: None where they came as files.
            known: payloads (digests) that were here already and are at the hub, too.

        Returns:
            How many were new.
        """

        def work(connection: apsw.Connection) -> int:
            before = connection.total_changes()
            connection.executemany(
                "INSERT OR IGNORE INTO entries VALUES (?, ?)", [(name, each.entry) for each, name in found]
            )
            entries = connection.total_changes() - before
            connection.executemany(
                f"INSERT OR IGNORE INTO patch_states ({_COLUMNS}, entry, envelope)"  # noqa: S608 - our own names
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [(*_row(each.kept), name, each.envelope) for each, name in found],
            )
            new = connection.total_changes() - before - entries
            if reached is not None:
                connection.execute(
                    "INSERT OR REPLACE INTO cursors VALUES (?, ?, ?)", (reached.source, reached.epoch, reached.cursor)
                )
                connection.executemany(
                    "UPDATE patch_states SET at_hub = 1 WHERE payload_sha256 = ?",
                    [(digest,) for digest in (*known, *(each.kept.payload_sha256 for each, _ in found))],
                )
            return new

        return self._database.write(work)

    def begin_epoch(self, source: str, epoch: int) -> None:
        """Note that a hub was restored: it is read from its beginning, and has nothing but what is seen there anew."""

        def work(connection: apsw.Connection) -> None:
            connection.execute("INSERT OR REPLACE INTO cursors VALUES (?, ?, 0)", (source, epoch))
            connection.execute("UPDATE patch_states SET at_hub = 0 WHERE at_hub = 1")

        self._database.write(work)

    def pass_over(self) -> None:
        """Note as at the hub what it wouldn't keep any more: of that machine and stage it has something as new."""
        self._database.write(
            lambda connection: connection.execute("""
                UPDATE patch_states SET at_hub = 1 WHERE at_hub = 0 AND EXISTS (
                    SELECT 1 FROM patch_states AS there WHERE there.endpoint = patch_states.endpoint
                    AND there.terminal = patch_states.terminal AND there.stage = patch_states.stage
                    AND there.at_hub = 1 AND there.said_at >= patch_states.said_at
                )
            """)
        )

    def not_at_hub(self, after: int, limit: int) -> list[tuple[int, Evidence]]:
        """Return documents that no hub was seen to have, by their numbers, from one number on."""
        sql = f"""
            SELECT {_COLUMNS}, number, envelope, entries.entry FROM patch_states JOIN entries
            ON sha256 = patch_states.entry WHERE at_hub = 0 AND number > ? ORDER BY number LIMIT ?
        """  # noqa: S608 - our own names
        rows = self._some(sql, (after, limit))
        return [(row[-3], Evidence(_kept(row), bytes(row[-2]), bytes(row[-1]))) for row in rows]

    def note_at_hub(self, numbers: Sequence[int]) -> None:
        """Note that a hub has these documents."""
        self._database.write(
            lambda connection: connection.executemany(
                "UPDATE patch_states SET at_hub = 1 WHERE number = ?", [(each,) for each in numbers]
            )
        )

    def forget(self, now: int) -> int:
        """Forget what is older than it is kept (`KEEP_SECONDS`); return how many documents."""

        def work(connection: apsw.Connection) -> int:
            before = connection.total_changes()
            connection.execute("DELETE FROM patch_states WHERE said_at < ?", (now - KEEP_SECONDS,))
            return connection.total_changes() - before

        return self._database.write(work)

    def newest(self, endpoint: str, terminal: str, until: int) -> Evidence | None:
        """Return the last word of a terminal up to a moment; of two at one second the one that came later."""
        sql = f"""
            SELECT {_COLUMNS}, envelope, entries.entry FROM patch_states JOIN entries ON sha256 = patch_states.entry
            WHERE endpoint = ? AND terminal = ? AND said_at <= ? ORDER BY said_at DESC, number DESC LIMIT 1
        """  # noqa: S608 - our own names
        rows = self._some(sql, (endpoint, terminal, until))
        return Evidence(_kept(rows[0]), bytes(rows[0][-2]), bytes(rows[0][-1])) if rows else None

    def patterns_before(self, endpoint: str, terminal: str, until: int) -> int | None:
        """Return when the antivirus patterns were made that a terminal spoke of last up to a moment; None: of none."""
        sql = """
            SELECT patterns_made_at FROM patch_states WHERE endpoint = ? AND terminal = ? AND said_at <= ?
            AND patterns_made_at IS NOT NULL ORDER BY said_at DESC, number DESC LIMIT 1
        """
        rows = self._some(sql, (endpoint, terminal, until))
        return int(rows[0][0]) if rows else None

    def between(self, after: int, until: int) -> Iterator[Kept]:
        """Yield what was said after one moment and up to another, oldest first, without the envelopes."""
        sql = f"""
            SELECT {_COLUMNS}, number FROM patch_states
            WHERE (said_at, number) > (?, ?) AND said_at <= ? ORDER BY said_at, number LIMIT {_PAGE}
        """  # noqa: S608 - our own names
        place = (after + 1, -1)
        while rows := self._some(sql, (*place, until)):
            yield from map(_kept, rows)
            place = (rows[-1][3], rows[-1][-1])

    def _some(self, sql: str, values: tuple[str | int, ...]) -> list[tuple[Any, ...]]:
        return self._database.read(lambda connection: connection.execute(sql, values).fetchall(), together=False)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self._database.close()


def _row(kept: Kept) -> tuple[Any, ...]:
    return (
        *(kept.endpoint, kept.terminal, kept.stage, kept.said_at, kept.build, kept.catalogue),
        *(" ".join(kept.installed), " ".join(kept.missing), kept.problem, kept.payload_sha256),
        *(kept.patterns, kept.patterns_made_at),
    )


def _kept(row: tuple[Any, ...]) -> Kept:
    endpoint, terminal, stage, said_at, build, catalogue, installed, missing, problem, digest, *patterns = row[:12]
    lists = tuple(installed.split()), tuple(missing.split())
    return Kept(endpoint, terminal, stage, said_at, build, catalogue, *lists, problem, digest, *patterns)
