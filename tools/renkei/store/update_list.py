"""The ministry's list of updates: one list of acts that is only added to, and the catalogues that were signed of it.

    with UpdateList(Path("/var/lib/renkei/updates.db")) as book:
        book.add(lambda acts: [Act("approve", "KB5058411", "suzuki", detail="canary", document=consent)])
        book.issue(lambda acts, newest: Issued(newest.number + 1, …))

What is decided is decided within the transaction that writes it down, after a look at all that was done before: two
people at two desks never decide past one another, and no two catalogues get one number. A kill leaves all or nothing.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal

import apsw

from renkei.store import sqlite
from renkei.store.errors import StoreError

What = Literal["import", "approve", "decline"]
MIGRATIONS: Final = (
    """
    CREATE TABLE acts (
        act INTEGER PRIMARY KEY,
        at INTEGER NOT NULL,
        what TEXT NOT NULL CHECK (what IN ('import', 'approve', 'decline')),
        kb TEXT NOT NULL,
        person TEXT NOT NULL,
        detail TEXT NOT NULL,
        document BLOB NOT NULL
    ) STRICT;

    CREATE TABLE catalogues (
        number INTEGER PRIMARY KEY,
        at INTEGER NOT NULL,
        envelope BLOB NOT NULL
    ) STRICT;
    """,
)


@dataclass(frozen=True, slots=True)
class Act:
    """What a person did with an update.

    Attributes:
        what: import, approve or decline.
        kb: the update.
        person: who.
        detail: of an import the update as canonical JSON, of an approval its rings by spaces, of a decline the reason.
        document: the person's signed consent; empty for a decline, which lets nothing happen.
        at: seconds since 1970.
    """

    what: What
    kb: str
    person: str
    detail: str
    document: bytes = b""
    at: int = 0


@dataclass(frozen=True, slots=True)
class Issued:
    """A signed catalogue, and when (seconds since 1970)."""

    number: int
    envelope: bytes
    at: int


class UpdateList(AbstractContextManager["UpdateList"]):
    """The list, an SQLite file; several processes may have it open."""

    def __init__(self, path: Path) -> None:
        """Open it, or make it in a folder that is there.

        Raises:
            StoreError: see `store.sqlite.Database`.
        """
        self._database = sqlite.Database(path, MIGRATIONS, readers=1)

    def acts(self) -> list[Act]:
        """Return all that was done, oldest first."""
        return self._database.read(_acts)

    def newest(self) -> Issued | None:
        """Return the catalogue of the highest number; None before the first."""
        return self._database.read(_newest)

    def issued(self) -> list[Issued]:
        """Return every catalogue that was signed, oldest first; what `add` decides on may ask for it, too."""
        return self._database.read(_issued)

    def add(self, decide: Callable[[list[Act]], Sequence[Act]]) -> list[Act]:
        """Write down what is decided on seeing all that was done before; return it.

        Raises:
            Exception: what `decide` raises; nothing is written then.
        """

        def work(connection: apsw.Connection) -> list[Act]:
            decided = list(decide(_acts(connection)))
            connection.executemany(
                "INSERT INTO acts (at, what, kb, person, detail, document) VALUES (?, ?, ?, ?, ?, ?)",
                [(each.at, each.what, each.kb, each.person, each.detail, each.document) for each in decided],
            )
            return decided

        return self._database.write(work)

    def issue(self, decide: Callable[[list[Act], Issued | None], Issued]) -> tuple[Issued, bool]:
        """Keep the catalogue that is decided on seeing what was done and the newest one; tell whether it is new.

        Raises:
            Exception: what `decide` raises; nothing is written then.
            StoreError: its number isn't higher than the newest's.
        """

        def work(connection: apsw.Connection) -> tuple[Issued, bool]:
            newest = _newest(connection)
            decided = decide(_acts(connection), newest)
            if newest is not None and decided.number == newest.number and decided.envelope == newest.envelope:
                return newest, False
            if newest is not None and decided.number <= newest.number:
                raise StoreError(f"catalogue {decided.number} can't follow {newest.number}: numbers rise")
            connection.execute(
                "INSERT INTO catalogues VALUES (?, ?, ?)", (decided.number, decided.at, decided.envelope)
            )
            return decided, True

        return self._database.write(work)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self._database.close()


def _acts(connection: apsw.Connection) -> list[Act]:
    rows: list[Any] = connection.execute(
        "SELECT what, kb, person, detail, document, at FROM acts ORDER BY act"
    ).fetchall()
    return [Act(what, kb, person, detail, bytes(document), at) for what, kb, person, detail, document, at in rows]


def _issued(connection: apsw.Connection) -> list[Issued]:
    rows: list[Any] = connection.execute("SELECT number, envelope, at FROM catalogues ORDER BY number").fetchall()
    return [Issued(number, bytes(envelope), at) for number, envelope, at in rows]


def _newest(connection: apsw.Connection) -> Issued | None:
    rows: list[Any] = connection.execute(
        "SELECT number, envelope, at FROM catalogues ORDER BY number DESC LIMIT 1"
    ).fetchall()
    return Issued(rows[0][0], bytes(rows[0][1]), rows[0][2]) if rows else None
