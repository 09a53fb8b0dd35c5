"""Packages as they come: read once, held against the list that came with them, and laid where media are written from.

Nothing is imported unless all of it fits:

    arrivals, missing = find([Path("november/")], read_expected(Path("november.json")))
    with laying(Path("HOME/updates/packages")) as place:
        updates = [bring(each, place, progress) for each in arrivals]
        place.finish()
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from renkei.exchange.errors import misfits
from renkei.exchange.payloads import Digest
from renkei.exchange.updates import MAX_UPDATES, Build, Kb, Update
from renkei.fleet.updates.laying import Laying, PackagesError, Progress, check_size, read

_LIMIT: Final = 1024 * 1024
_KB: Final = re.compile(r"(?i)(?<![a-z0-9])kb([1-9][0-9]{5,8})(?![0-9])")
_FORMS: Final = {".msu", ".cab"}


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


def bring(arrival: Arrival, place: Laying | None, progress: Progress) -> Update:
    """Read a package, hold it against what is expected, and copy it to where it is laid; return what it is.

    Args:
        arrival: the package.
        place: where the copy goes, under the package's name once that is finished; None to read only.
        progress: see there.

    Raises:
        PackagesError: it isn't what was expected, is still being written, or there is no room.
        OSError: it can't be read or written.
    """
    path, expected = arrival.path, arrival.expected
    size = path.stat().st_size
    if expected.size not in {None, size}:
        raise PackagesError(f"{path}: has {size} bytes, the list says {expected.size}: fetch it anew")
    if expected.file not in {None, path.name}:
        raise PackagesError(f"{path}: the list calls {expected.kb} {expected.file}")
    digest = read(path, progress) if place is None else place.copy(path, path.name, progress)
    check_size(path, size)
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
