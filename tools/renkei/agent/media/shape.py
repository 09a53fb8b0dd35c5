"""What lies where on a medium, and how a listing of files is written and checked."""

import hashlib
import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from renkei.agent.files import read_bounded

PREFIX = "renkei-"
REGISTRATION = "renkei-medium.json"
COVER, LISTING, PROFILE, HORIZON = "cover.json", "SHA256SUMS", "profile.json", "horizon.json"
ENTRIES, DOCUMENTS, SEALED = "entries", "documents", "sealed"
CRL = f"{ENTRIES}/crl.pem"
RENEWAL_REQUEST, RENEWAL_ANSWER = f"{ENTRIES}/renewal-request.json", f"{ENTRIES}/renewal-answer.json"
MODE = 0o644
MAX_DOCUMENTS = 20_000
MAX_ENTRIES = 16
MAX_FILES = 2 * MAX_DOCUMENTS + MAX_ENTRIES + 4
_MAX_LISTING = MAX_FILES * 192
_LINE = re.compile(r"([0-9a-f]{64})  ((?:entries|documents|sealed)/[0-9A-Za-z.-]{1,100}|(?:profile|horizon)\.json)")


class Damaged(Exception):
    """The files aren't those of the listing; the text names the first one."""


def is_file(path: Path) -> bool:
    """Tell whether a path is a file of the medium's own: no link, pipe or device."""
    return stat.S_ISREG(_kind(path))


def is_folder(path: Path) -> bool:
    """Tell whether a path is a folder of the medium's own: no link to one elsewhere."""
    return stat.S_ISDIR(_kind(path))


def _kind(path: Path) -> int:
    """The file type bits; 0 where nothing is, and for what leads elsewhere on Windows (a junction, say)."""
    try:
        found = path.lstat()
    except OSError:
        return 0
    if getattr(found, "st_file_attributes", 0) & stat.FILE_ATTRIBUTE_REPARSE_POINT:
        return 0
    return stat.S_IFMT(found.st_mode)


def exports_on(medium: Path) -> Iterator[Path]:
    """Yield the folders of complete exports, in the order in which they were written."""
    for path in sorted(medium.iterdir()):
        if path.name.startswith(PREFIX) and is_folder(path):
            yield path


def some_files(folder: Path, limit: int) -> Iterator[Path]:
    """Yield the plain files of a folder in the order of their names, at most so many; none where it isn't there."""
    if not is_folder(folder):
        return
    for path in sorted(folder.iterdir())[:limit]:
        if is_file(path):
            yield path


def write_listing(files: Mapping[str, bytes]) -> bytes:
    """Write the listing of files by their paths in the export."""
    return "".join(f"{hashlib.sha256(files[path]).hexdigest()}  {path}\n" for path in sorted(files)).encode()


def check_listing(folder: Path, listing: bytes) -> int:
    """Check that an export has exactly the files of its listing; return how many bytes they have together.

    Raises:
        Damaged: the listing isn't one, or a file is missing, too many, or another than it says.
    """
    listed: dict[str, str] = {}
    for number, line in enumerate(listing.decode("ascii", "replace").splitlines(), start=1):
        found = _LINE.fullmatch(line)
        if found is None or number > MAX_FILES:
            raise Damaged(f"{folder.name}/{LISTING}: line {number} is not a digest and a path")
        listed[found[2]] = found[1]
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if not is_folder(path) and (not is_file(path) or name not in {*listed, COVER, LISTING}):
            raise Damaged(f"{folder.name}/{name}: doesn't belong to the export")
    size = 0
    for name, digest in listed.items():
        path = folder / name
        if not is_file(path):
            raise Damaged(f"{folder.name}/{name}: is missing")
        with path.open("rb") as stream:
            if hashlib.file_digest(stream, "sha256").hexdigest() != digest:
                raise Damaged(f"{folder.name}/{name}: is not what was written")
            size += stream.tell()
    return size


def read_listing(folder: Path) -> bytes:
    """Read an export's listing, empty when it isn't there or too large."""
    path = folder / LISTING
    return (read_bounded(path, _MAX_LISTING) or b"") if is_file(path) else b""
