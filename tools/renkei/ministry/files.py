"""Files that survive a power cut: written beside their place, flushed, then renamed into it."""

import os
from collections.abc import Iterable
from pathlib import Path


class FileRefusedError(Exception):
    """A file is in the way or is not what it should be; the message says which and what to do."""


def read_bounded(path: Path, limit: int) -> bytes:
    """Return a file's bytes.

    Raises:
        FileRefusedError: it is longer than `limit` bytes.
        OSError: it can't be read.
    """
    with path.open("rb") as stream:
        content = stream.read(limit + 1)
    if len(content) > limit:
        raise FileRefusedError(f"{path}: longer than {limit} bytes")
    return content


def write_new(path: Path, content: bytes, mode: int) -> None:
    """Make a file that wasn't there, whole and durable, or not at all; it has its mode from its first moment.

    Raises:
        FileRefusedError: the file exists.

    """
    staged = _staged(path)
    stage(staged, content, mode)
    try:
        os.link(staged, path)
    except FileExistsError as error:
        raise FileRefusedError(f"{path}: exists and is not overwritten; move it away if you mean it") from error
    finally:
        staged.unlink()
    sync_directories([path.parent])


def replace(path: Path, content: bytes, mode: int) -> None:
    """Replace a file's content at once and durably: a reader sees the old or the new, never a part."""
    staged = _staged(path)
    stage(staged, content, mode)
    staged.rename(path)
    sync_directories([path.parent])


def stage(path: Path, content: bytes, mode: int) -> None:
    """Write and flush a file under a name that nobody reads yet; an older one of that name goes."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
    with os.fdopen(descriptor, "wb") as stream:
        os.fchmod(stream.fileno(), mode)  # the umask may have taken bits away
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def _staged(path: Path) -> Path:
    return path.with_name(f".{path.name}.new")


def sync_directories(directories: Iterable[Path]) -> None:
    """Flush directories, so that names made, moved or removed in them stay so."""
    for directory in set(directories):
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
