"""SQLite files as a whole: copied while in use, brought onto the disk."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw

Progress = Callable[[int, int], None]
"""Called with how much is done, and of how much; the unit is the database's own."""

_PAGES_AT_ONCE = 1000
_BUSY_MILLISECONDS = 10_000


@contextmanager
def opened(path: Path) -> Iterator[apsw.Connection]:
    """Open a file that is there, and close it at the end."""
    connection = apsw.Connection(str(path), apsw.SQLITE_OPEN_READWRITE)
    connection.set_busy_timeout(_BUSY_MILLISECONDS)
    try:
        yield connection
    finally:
        connection.close()


def copy_file(source: Path, target: Path, progress: Progress) -> None:
    """Copy a database, in use or not, as it is at one moment, into a file that is there and empty."""
    with opened(source) as there, opened(target) as here:
        there.execute("BEGIN")
        there.execute("SELECT count(*) FROM sqlite_schema").fetchall()  # from here on it is this moment
        with here.backup("main", there, "main") as backup:
            while not backup.done:
                backup.step(_PAGES_AT_ONCE)
                progress(backup.page_count - backup.remaining, backup.page_count)
        here.pragma("journal_mode", "delete")  # all in the one file


def empty_log(path: Path) -> None:
    """Bring a database's write-ahead log into its file, where it still can be read."""
    try:
        with opened(path) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    except apsw.Error:
        return


def flush(path: Path) -> None:
    """Have a file, or a folder's names, on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
