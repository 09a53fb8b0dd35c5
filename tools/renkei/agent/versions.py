"""Which of the releases on a machine runs: the chosen one, until it fails its trial; then the one before.

A release is a folder `versions/VERSION`, whole once its `release.json` is there (the last file to be written). What is
chosen stands in `chosen.json`, which only administrators write. Whoever starts releases keeps a `Trial`:

1. A newly chosen release is on trial. It is proven when it reported that it is ready and then ran for `PROVEN_SECONDS`.
2. A release on trial that ends by itself, or isn't ready within `READY_SECONDS`, failed once. After `FAILURES` such
   failures the former release runs, and goes on running until something is chosen anew.
3. A proven release is started again whenever it ends; nothing falls back from it.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Self

FAILURES = 3
READY_SECONDS = 120.0
PROVEN_SECONDS = 60.0
FIRST_PAUSE, LONGEST_PAUSE = 2.0, 300.0
"""Seconds before a release is started again: doubled with each failure in a row."""

MARK = "release.json"
_SIZE_LIMIT = 16 * 1024
_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,63}")
"""A release's name: it becomes the name of a folder and part of a command."""


class VersionsError(Exception):
    """What is chosen can't be known or run; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """`chosen.json`: the release to run, the one before it, and when it was chosen (RFC 3339).

    Raises:
        ValueError: a name that can't be a release's.
    """

    version: str
    former: str | None
    at: str

    def __post_init__(self) -> None:
        """Check the names."""
        for name in (self.version, *([] if self.former is None else [self.former])):
            if not _VERSION.fullmatch(name):
                raise ValueError(f"{name!r} is no release's name")

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """Read a choice, None where there is none.

        Raises:
            VersionsError: it isn't in its form.
        """
        match _document(path):
            case None:
                return None
            case {"version": str(version), "former": str() | None as former, "at": str(at), **rest} if not rest:
                try:
                    return cls(version, former, at)
                except ValueError as error:
                    raise VersionsError(f"{path}: {error}; install the package again") from error
        raise VersionsError(f"{path}: isn't in its form; install the package again")

    def to_json(self) -> bytes:
        """The file's content."""
        return json.dumps(asdict(self)).encode()


@dataclass(frozen=True, slots=True)
class Trial:
    """What became of the release that was chosen at a moment."""

    version: str
    at: str
    failures: int = 0
    proven: bool = False

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """Read what was noted, None where nothing was.

        Raises:
            VersionsError: it isn't in its form.
        """
        match _document(path):
            case None:
                return None
            case {"version": str(version), "at": str(at), "failures": int(failures), "proven": bool(proven)}:
                return cls(version, at, failures, proven)
        raise VersionsError(f"{path}: isn't in its form")

    def to_json(self) -> bytes:
        """The file's content."""
        return json.dumps(asdict(self)).encode()

    @property
    def failed(self) -> bool:
        """Whether the release is given up."""
        return not self.proven and self.failures >= FAILURES

    def after_failure(self) -> "Trial":
        """One more failure; a proven release stays proven."""
        return self if self.proven else replace(self, failures=self.failures + 1)

    def after_proof(self) -> "Trial":
        """The release did what it must."""
        return replace(self, proven=True, failures=0)


def trial_of(chosen: Chosen, noted: Trial | None) -> Trial:
    """Return the trial of what is chosen: the noted one, or a new one where something was chosen since."""
    if noted is not None and (noted.version, noted.at) == (chosen.version, chosen.at):
        return noted
    return Trial(version=chosen.version, at=chosen.at)


def pick(chosen: Chosen, trial: Trial, whole: Iterable[str]) -> str:
    """Say which release to start.

    Args:
        chosen: what is chosen.
        trial: of what is chosen.
        whole: names of the releases that are whole.

    Raises:
        VersionsError: neither the chosen nor the former one is whole.
    """
    there = frozenset(whole)
    fits = [name for name in (chosen.version, chosen.former) if name is not None and name in there]
    if not fits:
        raise VersionsError(
            f"neither release {chosen.version} nor one before it is whole on this machine; install the package again"
        )
    if trial.failed and chosen.former in fits:
        return chosen.former or fits[0]
    return fits[0]


def choose(version: str, before: Chosen | None, at: str) -> Chosen:
    """Return what to write when a release is chosen; the same release again is no new choice.

    Args:
        version: the release to run.
        before: what was chosen until now.
        at: the moment (RFC 3339).
    """
    if before is not None and before.version == version:
        return before
    return Chosen(version=version, former=None if before is None else before.version, at=at)


def superseded(chosen: Chosen, names: Iterable[str]) -> list[str]:
    """Name the releases that nobody will go back to."""
    return sorted(set(names) - {chosen.version, chosen.former})


def whole(versions: Path) -> list[str]:
    """Name the releases below a folder that are whole, in order."""
    return sorted(mark.parent.name for mark in versions.glob(f"*/{MARK}"))


def _document(path: Path) -> object:
    try:
        with path.open("rb") as file:
            content = file.read(_SIZE_LIMIT + 1)
    except FileNotFoundError:
        return None
    try:
        return json.loads(content) if len(content) <= _SIZE_LIMIT else ...
    except ValueError:
        return ...
