"""Backups of the hub's store: one SQLite file each, whichever database it is of.

The tables are the same on both databases, so a backup can be checked as a store is, needs no server to be read, and
goes back into either: a backup of a hub on SQLite, restored into PostgreSQL, is the way from one machine to two.

A restored store begins a new epoch. By it the parties know that the hub forgot something, and offer again all that has
no receipt. The epoch is the second of the restore: whatever else was lost, no two restores have the same one.
"""

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import apsw

from renkei.store.copies import Progress, copy_file, empty_log, flush, opened
from renkei.store.errors import StoreError
from renkei.store.hub import reports
from renkei.store.hub.journal import Journal
from renkei.store.hub.schema import MIGRATIONS
from renkei.store.hub.sqlite import SqliteTransaction, check_file
from renkei.store.hub.transaction import Transaction
from renkei.store.sqlite import migrate


class BackupError(Exception):
    """It can't be backed up or restored; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Backup:
    """What a backup holds: its journal's size and root, and the epoch."""

    epoch: int
    entries: int
    root: str


@contextmanager
def new_file(target: Path) -> Iterator[Path]:
    """Give a file to write a backup to; it gets its name when it is whole, checked and on the disk, or never.

    Raises:
        BackupError: the target is there already, or the copy isn't sound.
    """
    if target.exists():
        raise BackupError(f"{target}: is there already; name another file, or a folder")
    partial = target.with_name(f".{target.name}.partial")
    partial.unlink(missing_ok=True)
    try:
        os.close(os.open(partial, os.O_CREAT | os.O_EXCL, 0o600))
        try:
            yield partial
            flush(partial)
            partial.rename(target)
            flush(target.parent)
        finally:
            for path in target.parent.glob(f"{partial.name}*"):
                path.unlink()
    except OSError as error:
        raise BackupError(f"{target}: {error.strerror}") from error
    except apsw.Error as error:
        raise BackupError(f"{target}: {error}") from error


def make_empty(target: Path) -> None:
    """Make the tables of a backup that rows are copied into."""
    with opened(target) as connection:
        migrate(connection, MIGRATIONS, target)


@contextmanager
def rows_of(path: Path) -> Iterator[Transaction]:
    """Give a transaction on a backup's rows; it is committed at the end."""
    with opened(path) as connection, connection:
        yield SqliteTransaction(connection)


def copy_rows(source: Transaction, target: Transaction, progress: Progress) -> None:
    """Put the rows of `source` in the place of those of `target`, both of today's schema."""
    known = tables()
    for table in reversed(known):
        target.execute(f"DELETE FROM {table}")  # noqa: S608 (our own schema's names)
    for number, (table, columns) in enumerate(known.items(), 1):
        names, marks = ", ".join(columns), ", ".join("?" * len(columns))
        rows = source.each(f"SELECT {names} FROM {table}")  # noqa: S608
        target.execute_many(f"INSERT INTO {table} ({names}) VALUES ({marks})", rows)  # noqa: S608
        progress(number, len(known))


def tables() -> dict[str, list[str]]:
    """Return the tables with their columns, in the order in which the schema makes them."""
    connection = apsw.Connection(":memory:")
    for script in MIGRATIONS:
        connection.execute(script)
    names = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    return {name: [row[1] for row in connection.execute(f"PRAGMA table_info({name})")] for name in names}


def check(path: Path) -> Backup:
    """Check a backup as `renkei-hub check-store` checks a store; return what it holds.

    Raises:
        BackupError: something doesn't hold; all of it is named.
    """
    with opened(path) as connection:
        transaction = SqliteTransaction(connection)
        if found := check_file(connection) + reports.check(transaction):
            raise BackupError("\n".join(f"{path}: {each}" for each in found))
        tree = Journal(transaction).tree()
        return Backup(tree.epoch, tree.size, tree.root)


@contextmanager
def taken_up(source: Path, folder: Path, progress: Progress) -> Iterator[Path]:
    """Give a copy of a backup in `folder` that has today's schema and was checked; the backup isn't touched.

    Raises:
        BackupError: there is no such backup, newer software made it, or it isn't sound.
    """
    if not source.is_file():
        raise BackupError(f"{source}: is no file")
    copy = folder / f".{source.name}.restoring"
    try:
        copy.touch(mode=0o600)
        copy_file(source, copy, progress)
        with opened(copy) as connection:
            migrate(connection, MIGRATIONS, source)
        check(copy)
        yield copy
    except (apsw.Error, StoreError, OSError) as error:
        raise BackupError(f"{source}: {error}") from error
    finally:
        for path in folder.glob(f"{copy.name}*"):
            path.unlink()


def epoch_at(path: Path) -> int:
    """Return the epoch of the store in a file, 0 when there is none or it can't be read."""
    if not path.exists():
        return 0
    try:
        with rows_of(path) as transaction:
            return transaction.count("SELECT epoch FROM hub")
    except apsw.Error:
        return 0


def begin_epoch(transaction: Transaction, replaced: int, at: int) -> int:
    """Begin the epoch of a store restored at the time `at`, in the place of one of the epoch `replaced`; return it."""
    epoch = max(transaction.count("SELECT epoch FROM hub") + 1, replaced + 1, at)
    transaction.execute("UPDATE hub SET epoch = ?", (epoch,))
    return epoch


def put_in_place(copy: Path, path: Path, at: int) -> Path | None:
    """Put a restored file in the place of the store at `path`; return where the one that was there is now.

    Whatever moment the machine stops at, `path` is the old store, complete, or the new one.
    """
    kept = None
    if path.exists():
        kept = _free_name(path.with_name(f"{path.name}.replaced-{at}"))
        empty_log(path)  # so that nothing is lost with it below, where it isn't broken
        os.link(path, kept)
    for name in (f"{path.name}-wal", f"{path.name}-shm"):
        path.with_name(name).unlink(missing_ok=True)
    flush(copy)
    copy.rename(path)
    flush(path.parent)
    return kept


def _free_name(path: Path) -> Path:
    """Return a name that nothing has: two restores within a second each keep what they replaced."""
    names = (path.with_name(f"{path.name}-{number}") for number in itertools.count(2))
    return next(name for name in itertools.chain([path], names) if not name.exists())
