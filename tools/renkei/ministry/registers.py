"""Simulates a resident register system at its end of the bridge (docs/register.md): it imports, answers and sends.

    FOLDER/to-register/    → STATE/imported/   what was imported: 法務省通知, and the ministry's results
    FOLDER/from-register/  ←                   取込結果 of each 法務省通知, and its own notices

A file counts once its marker is there, and is what the marker says or nothing of it is imported. A few notices are
refused with item and reason: always the same ones. Killed at any point, the next run goes on and writes the same
answers again, which the agent knows by their content.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from io import BytesIO
from pathlib import Path

from renkei.domain.layouts import Layout, read, write
from renkei.domain.notices import ImportResult, Inquiry, StatusNotice
from renkei.domain.notices.results import FAILED, IMPORTED, WHOLE
from renkei.ministry.files import read_bounded, replace, sync_directories
from renkei.ministry.folders import FILE_LIMIT, is_notices

MARKER = ".ready"
TO_REGISTER, FROM_REGISTER = "to-register", "from-register"
_EXPECTED = (StatusNotice, ImportResult, Inquiry)
_MARKER_LIMIT = 4096
_ONE_IN = 16
_KEPT, _SHARED = 0o640, 0o660


class BrokenHandOverError(Exception):
    """A file in the folder isn't what its marker says; the text says which."""


@dataclass(slots=True)
class Registered:
    """What an import came to: notices by type, and this register's results by outcome."""

    notices: Counter[str] = field(default_factory=Counter)
    results: Counter[str] = field(default_factory=Counter)


def register_all(folder: Path, state: Path, today: date) -> Registered:
    """Import what is complete in `folder/to-register`, in the order of the names, and answer it.

    Args:
        folder: the share or the medium, prepared by the terminal.
        state: this system's own folder; `imported/` is made in it.
        today: the day of the import.

    Raises:
        BrokenHandOverError: a file isn't what its marker says; those before it are imported.
        OSError: a folder is missing or can't be written.
        InvalidLayout: a file isn't one of notices.
    """
    imported, outcome = state / "imported", Registered()
    imported.mkdir(exist_ok=True)
    for path in _complete(folder / TO_REGISTER):
        content = _checked(path)
        notices = read(BytesIO(content), _EXPECTED).notices
        answers = [_answer(each, path.stem, today) for each in notices if isinstance(each, StatusNotice)]
        if answers:
            hand_over(folder / FROM_REGISTER, f"results-{path.stem}.csv", write(answers, Layout()))
        replace(imported / f"{path.stem}-{_mark(content)}{path.suffix}", content, _KEPT)
        _take_away(path)
        outcome.notices.update(each.TYPE for each in notices)
        outcome.results.update(each.result for each in answers)
    return outcome


def hand_over(folder: Path, name: str, content: bytes) -> Path:
    """Put a file into `from-register/` for the terminal: the file whole, then its marker.

    Raises:
        OSError: the folder is missing or can't be written.
    """
    path = folder / name
    replace(path, content, _SHARED)
    replace(_marker(path), json.dumps({"sha256": hashlib.sha256(content).hexdigest()}).encode(), _SHARED)
    return path


def _complete(folder: Path) -> Iterator[Path]:
    """Yield the files that are complete, in order; a marker without a file is left of one that was taken away."""
    names = sorted(path.name for path in folder.iterdir())
    for name in (each for each in names if each.endswith(MARKER) and not each.startswith(".")):
        path = folder / name.removesuffix(MARKER)
        if is_notices(path):
            yield path
        else:
            _take_away(path)


def _checked(path: Path) -> bytes:
    content = read_bounded(path, FILE_LIMIT)
    try:
        said = json.loads(read_bounded(_marker(path), _MARKER_LIMIT))
    except ValueError:
        said = None
    match said:
        case {"sha256": str(digest)} if digest == hashlib.sha256(content).hexdigest():
            return content
    raise BrokenHandOverError(f"{path}: isn't what {_marker(path).name} says; the terminal has to hand it over again")


def _take_away(path: Path) -> None:
    for each in (path, _marker(path)):
        each.unlink(missing_ok=True)
    sync_directories([path.parent])


def _answer(notice: StatusNotice, batch: str, today: date) -> ImportResult:
    failed = int(_mark(f"{notice.municipality} {notice.number}".encode()), 16) % _ONE_IN == 0
    return ImportResult(
        number=f"T-{_mark(f'{batch} {notice.municipality} {notice.number}'.encode())}",
        municipality=notice.municipality,
        target=notice.number,
        result=FAILED if failed else IMPORTED,
        error_item=WHOLE if failed else None,
        reason="この住民は転出済みです。" if failed else None,
        processed_on=today,
    )


def _marker(path: Path) -> Path:
    return path.with_name(f"{path.name}{MARKER}")


def _mark(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
