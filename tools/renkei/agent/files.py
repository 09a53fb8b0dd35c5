"""Files that are either whole or not there, whenever the power fails."""

import os
import re
from pathlib import Path
from typing import Literal

from renkei.agent import platform
from renkei.domain import file_names

_RISKY = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*]')
_LONGEST, _ENDING = 60, 11
"""Characters of a name that comes from outside, and of its ending with the dot."""


def write_private(path: Path, content: bytes) -> None:
    """Make a new file that only its owner can read, durably.

    Raises:
        FileExistsError: it is there already.
    """
    write_new(path, content, 0o600)
    platform.sync_directory(path.parent)


def write_new(path: Path, content: bytes, mode: int) -> None:
    """Make a new file and flush it; that its name stays is the caller's business.

    Args:
        path: where; a link there isn't followed.
        content: all of it.
        mode: permission bits, of which the process' umask takes some away.

    Raises:
        FileExistsError: something is there already.
    """
    _write(path, content, "xb", mode)


def stage(path: Path, content: bytes, mode: int = 0o660) -> None:
    """Write a file in full and flush it; whatever was there of an earlier try is replaced.

    Args:
        path: where.
        content: all of it.
        mode: permission bits, of which the process' umask takes some away.
    """
    _write(path, content, "wb", mode)
    platform.sync_directory(path.parent)


def put(path: Path, content: bytes, staging: Path) -> None:
    """Let a file appear whole at `path`, by way of the staging folder of the same file system."""
    staged = staging / f"put-{path.name}"
    stage(staged, content)
    move(staged, path)


def move(source: Path, target: Path) -> None:
    """Rename durably; a file at `target` is replaced."""
    platform.replace(source, target)
    platform.sync_directory(target.parent)
    if source.parent != target.parent:
        platform.sync_directory(source.parent)


def read_bounded(path: Path, limit: int) -> bytes | None:
    """A file's bytes, or None when it has more than `limit`."""
    with path.open("rb") as file:
        content = file.read(limit + 1)
    return None if len(content) > limit else content


def safe_name(name: str) -> str:
    """A name from outside, fit for any file system: what is risky becomes `_`, overlong ones are cut, marks stay."""
    base, mark, ending = (_RISKY.sub("_", part) for part in file_names.split(name))
    base, ending = base.lstrip(". ") or "file", ending[:_ENDING].rstrip(". ")
    return f"{file_names.shortened(base, mark, _LONGEST)}{ending}".rstrip(". ")


def _write(path: Path, content: bytes, way: Literal["xb", "wb"], mode: int) -> None:
    with open(path, way, opener=lambda name, flags: os.open(name, flags, mode)) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
