"""Hands files from one folder to others exactly once, whenever the program is killed.

1. The new files are written in their folders under hidden names and flushed.
2. One transaction records the batch: which inputs went in, which hidden file gets which name.
3. Each hidden file is renamed; who reads the folder sees it whole, and may take it away at once.
4. The inputs are removed and the batch is closed.

A kill before 2 leaves hidden files, which the next start sweeps away. A kill after 2 is finished by the next start:
a hidden file that is still there has not been handed over, one that is gone has been.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import apsw

from renkei.ministry.files import stage, sync_directories
from renkei.store.sqlite import Database, Work

STAGED_PREFIX = ".renkei-staged-"
"""Begins the hidden names; whoever reads a folder passes over names that begin with a dot."""

_REMEMBERED = 10_000  # batches
T = TypeVar("T")

MIGRATIONS = (
    """
create table batches (
    id integer primary key,
    closed integer not null default 0
) strict;

create table inputs (
    batch integer not null references batches (id),
    path text not null,
    name text not null,
    sha256 text not null
) strict;
create index inputs_by_content on inputs (sha256, name);
create index inputs_by_batch on inputs (batch);

create table outputs (
    batch integer not null references batches (id),
    staged text not null,
    final text not null
) strict;
create index outputs_by_batch on outputs (batch);
""",
)


@dataclass(frozen=True, slots=True)
class Input:
    """A file that goes into a batch: where it lies, the name it came with, the digest of its bytes."""

    path: Path
    name: str
    sha256: str

    @classmethod
    def of(cls, path: Path, name: str, content: bytes) -> "Input":
        """Describe a file whose bytes were read."""
        return cls(path, name, hashlib.sha256(content).hexdigest())


@dataclass(frozen=True, slots=True)
class Output:
    """A file that comes out of a batch. The batch's number stands before its name, so that names sort in order."""

    folder: Path
    name: str
    content: bytes
    mode: int = 0o640


class Handover:
    """The batches of one connector. Only one process at a time may use the same file."""

    def __init__(
        self, path: Path, *, more: Sequence[str] = (), at: Callable[[str], None] = lambda _moment: None
    ) -> None:
        """Open or make the batches' file.

        Args:
            path: the file; its folder must be there.
            more: migrations of tables that the callers keep in the same file, changed by `also` of `hand_over`.
            at: called at each moment between two durable steps, with its name; tests kill there.

        """
        self._database = Database(path, (*MIGRATIONS, *more), readers=1)
        self._at = at

    def close(self) -> None:
        """Close the batches' file."""
        self._database.close()

    def was_taken(self, item: Input, towards: Path) -> bool:
        """Say whether a file of this name and content led to files below a folder before, in the last batches."""
        statement = (
            "select 1 from inputs join outputs using (batch) join batches on batches.id = inputs.batch"
            " where sha256 = ? and name = ? and closed and substr(final, 1, ?) = ?"
        )
        prefix = f"{towards}/"
        return bool(self._rows(statement, (item.sha256, item.name, len(prefix), prefix)))

    def read(self, work: Work[T]) -> T:
        """Read the callers' tables; all of it is of one moment."""
        return self._database.read(work)

    def write(self, work: Work[T]) -> T:
        """Change the callers' tables alone."""
        return self._database.write(work)

    def hand_over(self, inputs: Sequence[Input], outputs: Sequence[Output], also: Work[None] | None = None) -> int:
        """Put all outputs in their places and remove all inputs, as one step; return the batch's number.

        Args:
            inputs: files that were read; they go away.
            outputs: files that come of them.
            also: changes the callers' tables in the transaction that decides.

        Raises:
            OSError: a file couldn't be written, renamed or removed. What was recorded is finished by `recover`.

        """
        ((last,),) = self._rows("select coalesce(max(id), 0) from batches", ())
        number = int(str(last)) + 1
        moves = []
        for output in outputs:
            final = output.folder / f"{number:010d}-{output.name}"
            staged = output.folder / f"{STAGED_PREFIX}{final.name}"
            stage(staged, output.content, output.mode)
            moves.append((number, str(staged), str(final)))
        sync_directories(output.folder for output in outputs)
        self._at("staged")

        def record(connection: apsw.Connection) -> None:
            connection.execute("insert into batches (id) values (?)", (number,))
            connection.executemany(
                "insert into inputs values (?, ?, ?, ?)",
                [(number, str(item.path), item.name, item.sha256) for item in inputs],
            )
            connection.executemany("insert into outputs values (?, ?, ?)", moves)
            if also is not None:
                also(connection)
            for table, column in (("inputs", "batch"), ("outputs", "batch"), ("batches", "id")):
                connection.execute(f"delete from {table} where {column} <= ?", (number - _REMEMBERED,))  # noqa: S608

        self._database.write(record)
        self._at("recorded")
        self._finish(number)
        return number

    def recover(self, folders: Iterable[Path]) -> int:
        """Finish the batches that a kill interrupted, then sweep hidden files that belong to none.

        Args:
            folders: where outputs may have been staged.

        Returns:
            how many batches were finished.

        """
        interrupted = self._rows("select id from batches where not closed order by id", ())
        for (number,) in interrupted:
            self._finish(int(str(number)))
        for folder in folders:
            for orphan in folder.glob(f"{STAGED_PREFIX}*"):
                orphan.unlink()
        return len(interrupted)

    def _finish(self, number: int) -> None:
        moves = [
            (Path(str(staged)), Path(str(final)))
            for staged, final in self._rows(
                "select staged, final from outputs where batch = ? order by rowid", (number,)
            )
        ]
        for staged, final in moves:
            if staged.exists():
                staged.rename(final)
            self._at("renamed")
        sync_directories(final.parent for _, final in moves)
        inputs = [Path(str(path)) for (path,) in self._rows("select path from inputs where batch = ?", (number,))]
        for path in inputs:
            path.unlink(missing_ok=True)
            self._at("removed")
        sync_directories(path.parent for path in inputs)
        self._database.write(
            lambda connection: connection.execute("update batches set closed = 1 where id = ?", (number,))
        )
        self._at("closed")

    def _rows(self, statement: str, values: tuple[object, ...]) -> list[tuple[object, ...]]:
        return self._database.read(lambda connection: list(connection.execute(statement, values)))
