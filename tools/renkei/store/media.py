"""What this machine did with removable media: exports written, exports taken, media that were lost.

An export is taken once. Its id stays here for good, so that the same export on any medium is known again.
"""

from dataclasses import dataclass
from typing import Literal

import apsw

from renkei.store.queries import row, rows
from renkei.store.sqlite import Database

MEDIA_SCHEMA = """
CREATE TABLE media_exports (
    id TEXT PRIMARY KEY,
    way TEXT NOT NULL CHECK (way IN ('written', 'taken')),
    medium TEXT NOT NULL,
    party TEXT NOT NULL,
    digest TEXT NOT NULL,
    parcels INTEGER NOT NULL,
    notices INTEGER NOT NULL,
    receipts INTEGER NOT NULL,
    voids INTEGER NOT NULL,
    at TEXT NOT NULL,
    wiped_at TEXT
) STRICT;
CREATE INDEX media_exports_by_time ON media_exports (at);

CREATE TABLE lost_media (
    medium TEXT PRIMARY KEY,
    reason TEXT NOT NULL,
    at TEXT NOT NULL
) STRICT, WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class CarriedExport:
    """One export: whether it was written or taken here, on which medium, to or from whom, and what was in it.

    `digest` is that of its list of files; `wiped_at` is when a taken one was deleted from its medium.
    """

    id: str
    way: Literal["written", "taken"]
    medium: str
    party: str
    digest: str
    parcels: int
    notices: int
    receipts: int
    voids: int
    at: str
    wiped_at: str | None = None


@dataclass(frozen=True, slots=True)
class LostMedium:
    """A medium that is out of hand: nothing is written onto it or taken from it any more."""

    medium: str
    reason: str
    at: str


class Media:
    """The media of a spool."""

    def __init__(self, database: Database) -> None:
        """Work in the spool's database."""
        self._database = database

    def note(self, export: CarriedExport) -> None:
        """Keep what was written, or what was taken whole."""
        values = (
            *(export.id, export.way, export.medium, export.party, export.digest, export.parcels, export.notices),
            *(export.receipts, export.voids, export.at, export.wiped_at),
        )
        sql = f"INSERT INTO media_exports VALUES ({', '.join('?' * len(values))}) ON CONFLICT DO NOTHING"  # noqa: S608
        self._database.write(lambda c: c.execute(sql, values))

    def note_wiped(self, export_id: str, at: str) -> None:
        """Note that a taken export was deleted from its medium."""
        sql = "UPDATE media_exports SET wiped_at = ? WHERE id = ?"
        self._database.write(lambda c: c.execute(sql, (at, export_id)))

    def taken(self, export_id: str) -> CarriedExport | None:
        """An export that was taken whole, None for one that wasn't."""
        found = self._select("WHERE id = ? AND way = 'taken'", (export_id,))
        return found[0] if found else None

    def all(self, limit: int = 1000) -> list[CarriedExport]:
        """What was written and taken, newest first."""
        return self._select("ORDER BY rowid DESC LIMIT ?", (limit,))

    def lose(self, lost: LostMedium) -> bool:
        """Strike a medium off; false when it was."""

        def work(connection: apsw.Connection) -> bool:
            connection.execute(
                "INSERT INTO lost_media VALUES (?, ?, ?) ON CONFLICT DO NOTHING", (lost.medium, lost.reason, lost.at)
            )
            return connection.changes() == 1

        return self._database.write(work)

    def lost(self, medium: str) -> LostMedium | None:
        """Why a medium was struck off, None when it wasn't."""
        found = row(self._database, "SELECT medium, reason, at FROM lost_media WHERE medium = ?", (medium,))
        return None if found is None else LostMedium(*found)

    def _select(self, where: str, values: tuple[str | int, ...]) -> list[CarriedExport]:
        columns = "id, way, medium, party, digest, parcels, notices, receipts, voids, at, wiped_at"
        sql = f"SELECT {columns} FROM media_exports {where}"  # noqa: S608  (the clauses of this module)
        return [CarriedExport(*each) for each in rows(self._database, sql, values)]
