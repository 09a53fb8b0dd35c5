"""Files for the register: which notices are in which, and how far each has come.

    planned → staged → handed

`planned`: the content is fixed; whatever lies in the folder under its name may be written again. `staged`: the file
and, under a hidden name, its marker are complete in the folder; only the marker's rename is missing, and whether that
was done the folder itself says. `handed`: the register may have taken it away.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import apsw

from renkei.store.queries import fetch, rows
from renkei.store.sqlite import Database


class Progress(StrEnum):
    """How far a file has come."""

    PLANNED = "planned"
    STAGED = "staged"
    HANDED = "handed"


@dataclass(frozen=True, slots=True)
class Batch:
    """A file for the register, with `notices` notices of one 通知種別."""

    number: int
    progress: Progress
    name: str
    type: str
    notices: int
    sha256: str
    content: bytes = field(repr=False)


class Batches:
    """The files on their way into the register's folder, one after the other."""

    def __init__(self, database: Database) -> None:
        """Work in the spool's database."""
        self._database = database

    def next_number(self) -> int:
        """The number of the next file."""
        return int(rows(self._database, "SELECT coalesce(max(batch), 0) + 1 FROM batches")[0][0])

    def plan(self, batch: Batch, places: Sequence[int], at: str) -> None:
        """Fix a file and the notices that are in it."""

        def work(connection: apsw.Connection) -> None:
            connection.execute(
                "INSERT INTO batches VALUES (?, 'planned', ?, ?, ?, ?, ?, ?, NULL)",
                (batch.number, batch.name, batch.type, batch.notices, batch.sha256, batch.content, at),
            )
            connection.executemany(
                "UPDATE imports SET batch = ? WHERE place = ? AND state = 'ready'",
                [(batch.number, place) for place in places],
            )

        self._database.write(work)

    def unfinished(self) -> list[Batch]:
        """Files that aren't handed over yet, in order."""
        sql = (
            "SELECT batch, state, name, type, notices, sha256, content FROM batches WHERE state <> 'handed'"
            " ORDER BY batch"
        )
        return [Batch(number, Progress(state), *rest) for number, state, *rest in rows(self._database, sql)]

    def staged(self, batch: Batch) -> None:
        """Note that the file and its hidden marker are complete in the folder."""
        self._database.write(
            lambda c: c.execute("UPDATE batches SET state = 'staged' WHERE batch = ?", (batch.number,))
        )

    def handed(self, batch: Batch, at: str, *, expects_results: bool) -> None:
        """Note that the register has the file; its notices now wait for the register's word, if one is to come."""

        def work(connection: apsw.Connection) -> None:
            connection.execute(
                "UPDATE batches SET state = 'handed', handed_at = ?, content = NULL WHERE batch = ?",
                (at, batch.number),
            )
            connection.execute(
                "UPDATE imports SET state = ?1, row = iif(?1 = 'passed', NULL, row) WHERE batch = ?2"
                " AND state = 'ready'",
                ("handed" if expects_results else "passed", batch.number),
            )

        self._database.write(work)

    def waiting(self) -> int:
        """How many notices wait to be handed over."""

        def work(connection: apsw.Connection) -> int:
            return int(fetch(connection, "SELECT count(*) FROM imports WHERE state = 'ready'")[0][0])

        return self._database.read(work)
