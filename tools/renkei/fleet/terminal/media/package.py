"""The agent's package for Windows, as a release has it: a zip with `release.json` in it, which says what it is."""

import hashlib
import json
import re
import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from renkei.fleet.terminal.specification import Software

RECORD: Final = "release.json"
CURRENT: Final = "windows.json"
_MAX_RECORD = 64 * 1024
_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+-]{0,63}", re.ASCII)


class PackageError(Exception):
    """A package can't be used; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Package:
    """A release's package; `at` is the time of the release, which everything that is made of it bears."""

    file: Path
    version: str
    sha256: str
    size: int
    at: datetime


def find_package(folder: Path, software: Software) -> Path:
    """Find the package that was released last: the one of the folder's record, or else the only one.

    Raises:
        PackageError: there is none, or several to choose from.
    """
    current = folder / CURRENT
    if current.is_file():
        try:
            return Path(str(json.loads(current.read_bytes())["archive"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise PackageError(
                f"{current}: is no record of a release ({error}); name the package with --package"
            ) from error
    found = sorted(folder.glob(software.package.replace("VERSION", "*")))
    if len(found) == 1:
        return found[0]
    if not found:
        raise PackageError(
            f"{folder}: there is no {software.package}; build the release for Windows, or name one with --package"
        )
    names = ", ".join(path.name for path in found)
    raise PackageError(f"{folder}: there are {len(found)} packages ({names}); name one with --package")


def read_package(file: Path, software: Software) -> Package:
    """Read what a package says of itself.

    Args:
        file: the zip.
        software: its entry in the specification, which says how the file is called.

    Raises:
        PackageError: no zip, no record of its release in it, or another version than its name says.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            member, record = _record(archive, file)
        with file.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
    except (OSError, zipfile.BadZipFile) as error:
        raise PackageError(f"{file}: is no package ({error}); take it as the release has it") from error
    cpython = record.get("cpython")
    if isinstance(cpython, dict) and cpython.get("double"):
        raise PackageError(
            f"{file}: holds a CPython for tests, which no terminal gets; build the release with the real one"
        )
    name, version = record.get("name"), record.get("version")
    called = next((each for each in (name, version) if isinstance(each, str) and _names(file, software, each)), None)
    if called is None:
        raise PackageError(
            f"{file}: its record says release {name or version!r}, so its name must be "
            f"{software.package.replace('VERSION', str(name or version))}"
        )
    return Package(file, called, digest, file.stat().st_size, datetime(*member.date_time, tzinfo=UTC))


def _names(file: Path, software: Software, version: str) -> bool:
    return _VERSION.fullmatch(version) is not None and file.name == software.package.replace("VERSION", version)


def _record(archive: zipfile.ZipFile, file: Path) -> tuple[zipfile.ZipInfo, dict[str, Any]]:
    """Find release.json at the top, or in the only folder there; its own time is the release's."""
    found = [
        each for each in archive.infolist() if each.filename.split("/")[-1] == RECORD and each.filename.count("/") <= 1
    ]
    if len(found) != 1 or found[0].file_size > _MAX_RECORD:
        raise PackageError(f"{file}: has no {RECORD} of its release at its top; take the package as the release has it")
    try:
        record = json.loads(archive.read(found[0]))
    except ValueError:
        record = None
    if not isinstance(record, dict):
        raise PackageError(f"{file}: its {RECORD} isn't a JSON object; take the package as the release has it")
    return found[0], record
