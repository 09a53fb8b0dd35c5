"""Packages as they come: read once, held against the list that came with them, and laid where media are written from.

    arrivals, missing = find([Path("november/")], read_expected(Path("november.json")))
    updates = [bring(each, Path("HOME/updates/packages"), progress) for each in arrivals]

A package is there under its name whole or not at all: it is copied under a hidden name, its digest is taken of what was
read, and a rename ends it.
"""

import fcntl
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, BinaryIO, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from renkei.exchange.errors import misfits
from renkei.exchange.payloads import Digest
from renkei.exchange.updates import MAX_UPDATES, Build, Kb, Update

_LIMIT: Final = 1024 * 1024
_BLOCK: Final = 4 * 1024 * 1024
_KB: Final = re.compile(r"(?i)(?<![a-z0-9])kb([1-9][0-9]{5,8})(?![0-9])")
_FORMS: Final = {".msu", ".cab"}

T = TypeVar("T")
Progress = Callable[[int], None]
"""Is told of each piece of a package that was read, in bytes."""


class PackagesError(ValueError):
    """Packages that can't be imported; the text names each one and what is wrong with it, a line each."""


class Expected(BaseModel):
    """What the list that came with the packages says of one; what it doesn't say isn't checked."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", hide_input_in_errors=True)
    kb: Kb
    build: Build
    file: str | None = None
    sha256: Digest | None = None
    size: Annotated[int, Field(ge=1)] | None = None
    urgency: Literal["routine", "urgent"] = "routine"
    requires: Annotated[list[Kb], Field(max_length=8)] = []


@dataclass(frozen=True, slots=True)
class Arrival:
    """A package's file, and what is expected of it."""

    path: Path
    expected: Expected


def find(places: Sequence[Path], expected: Sequence[Expected]) -> tuple[list[Arrival], list[str]]:
    """Return the packages of files and folders with what is expected of them, and who of the list has none.

    Raises:
        PackagesError: a place holds none, a name has no number or one twice, or the list hasn't it.
    """
    problems: list[str] = []
    known = {each.kb: each for each in expected}
    found: dict[str, Arrival] = {}
    for path in _files(places, problems):
        number = _KB.search(path.name)
        kb = f"KB{number[1]}" if number else ""
        if not kb:
            problems.append(f"{path}: its name has no number such as KB5058411")
        elif kb not in known:
            problems.append(f"{path}: {kb} isn't in the list; say its build (--build), or give a list that has it")
        elif kb in found:
            problems.append(f"{path}: {kb} is {found[kb].path}, too; leave one of them out")
        else:
            found[kb] = Arrival(path, known[kb])
    if problems:
        raise PackagesError("\n".join(problems))
    order = [found[each.kb] for each in expected if each.kb in found]
    return order, [each.kb for each in expected if each.kb not in found]


def read_expected(file: Path) -> list[Expected]:
    """Read the list that came with the packages: JSON, `[{kb, build, file?, sha256?, size?, urgency?, requires?}]`.

    Raises:
        PackagesError: it isn't one; every field that doesn't fit is named.
        OSError: it can't be read.
    """
    with file.open("rb") as stream:
        text = stream.read(_LIMIT + 1)
    if len(text) > _LIMIT:
        raise PackagesError(f"{file}: is longer than 1 MiB")
    form = TypeAdapter(Annotated[list[Expected], Field(max_length=MAX_UPDATES)])
    try:
        found = form.validate_python(json.loads(text))
    except ValidationError as error:
        raise PackagesError(f"{file}: {misfits(error, 'list')}") from None
    except (ValueError, RecursionError):
        raise PackagesError(f"{file}: is no JSON") from None
    kbs = [each.kb for each in found]
    if twice := sorted({kb for kb in kbs if kbs.count(kb) > 1}):
        raise PackagesError(f"{file}: has {', '.join(twice)} twice")
    return found


def said_of(packages: Sequence[Path], build: str, requires: Sequence[str], *, urgent: bool) -> list[Expected]:
    """Return what is expected of one package where no list came with it.

    Raises:
        PackagesError: there are several, or what is said has not its form.
    """
    number = _KB.search(packages[0].name)
    if len(packages) != 1 or packages[0].is_dir() or number is None:
        raise PackagesError("without a list there is one package, whose name has its number, such as KB5058411")
    words = {"kb": f"KB{number[1]}", "build": build, "requires": list(requires)}
    try:
        return [Expected.model_validate({**words, "urgency": "urgent" if urgent else "routine"})]
    except ValidationError as error:
        raise PackagesError(f"{packages[0]}: {misfits(error, 'package')}") from None


def bring(arrival: Arrival, folder: Path | None, progress: Progress) -> Update:
    """Read a package, hold it against what is expected, and lay a copy into a folder; return what it is.

    Args:
        arrival: the package.
        folder: where the copy goes, under the package's name; None to read only.
        progress: see there.

    Raises:
        PackagesError: it isn't what was expected, or there is no room; the folder is as it was.
        OSError: it can't be read or written.
    """
    path, expected = arrival.path, arrival.expected
    size = path.stat().st_size
    if expected.size not in {None, size}:
        raise PackagesError(f"{path}: has {size} bytes, the list says {expected.size}: fetch it anew")
    if expected.file not in {None, path.name}:
        raise PackagesError(f"{path}: the list calls {expected.kb} {expected.file}")
    return lay(path, folder, path.name, progress, lambda digest: _checked(arrival, digest, size))


def lay(path: Path, folder: Path | None, name: str, progress: Progress, judge: Callable[[str], T]) -> T:
    """Read a file, and copy it under a name into a folder if it is judged to be good; return the judgement.

    Args:
        path: the file.
        folder: where the copy goes; None to read only.
        name: of the copy.
        progress: see there.
        judge: is told the digest (hex), and raises what keeps the file out.

    Raises:
        PackagesError: there is no room, or somebody else is at it.
        OSError: it can't be read or written.
    """
    if folder is None:
        return judge(_read(path, None, progress))
    size = path.stat().st_size
    folder.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(folder).free < size:
        raise PackagesError(f"{path}: no room for {size} bytes in {folder}")
    hidden = folder / f".{name}.new"
    with hidden.open("ab") as copy:
        try:
            fcntl.flock(copy, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PackagesError(f"{path}: somebody else is importing it into {folder}") from None
        try:
            copy.truncate(0)
            digest = _read(path, copy, progress)
            os.fsync(copy.fileno())
            judged = judge(digest)
            hidden.replace(folder / name)
            _sync(folder)
        finally:
            hidden.unlink(missing_ok=True)
    return judged


def _checked(arrival: Arrival, digest: str, size: int) -> Update:
    path, expected = arrival.path, arrival.expected
    if expected.sha256 not in {None, digest}:
        raise PackagesError(f"{path}: its digest is {digest}, the list says {expected.sha256}: fetch it anew")
    return _update(arrival, digest, size)


def _update(arrival: Arrival, digest: str, size: int) -> Update:
    expected = arrival.expected
    words = {"file": arrival.path.name, "sha256": digest, "size": size}
    try:
        return Update.model_validate({**expected.model_dump(include={"kb", "build", "urgency", "requires"}), **words})
    except ValidationError as error:
        raise PackagesError(f"{arrival.path}: {misfits(error, 'update')}") from None


def _files(places: Sequence[Path], problems: list[str]) -> Iterator[Path]:
    for place in places:
        if place.is_dir():
            found = sorted(path for path in place.iterdir() if path.suffix.lower() in _FORMS and path.is_file())
            if not found:
                problems.append(f"{place}: holds no package (.msu, .cab)")
            yield from found
        elif place.is_file():
            yield place
        else:
            problems.append(f"{place}: isn't there")


def _read(path: Path, copy: BinaryIO | None, progress: Progress) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as reader:
        while block := reader.read(_BLOCK):
            digest.update(block)
            if copy is not None:
                copy.write(block)
            progress(len(block))
    if copy is not None:
        copy.flush()
    return digest.hexdigest()


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
