"""Whether a medium is the image that the ministry made for this machine; nothing is installed before that is known.

    checked = check(Path("E:/"), signature, "3F2A-…", "LAB0A1301", now)

Two things are not from the medium: the number of the trust anchor, which a person types in from the sealed sheet, and
the machine's own serial number. What a stick gets from Windows by itself is passed over, and never read.
"""

import hashlib
import os
import re
import tomllib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from renkei.exchange.bindings import TrustAnchor
from renkei.exchange.certificates import MAX_PEM, CertificateError
from renkei.exchange.images import (
    ANCHOR,
    MANIFEST,
    MAX_FILES,
    MAX_MANIFEST,
    MAX_SIGNATURE,
    SETTINGS,
    SIGNATURE,
    ImageError,
    ImageManifest,
    anchor_number,
    check_signed,
    open_signature,
)

_MAX_SETTINGS: Final = 64 * 1024
_WINDOWS_OWN: Final = frozenset({"system volume information", "$recycle.bin"})
"""Folders that Windows makes at the top of every medium that it can write to."""


class MediumRefused(Exception):
    """The medium isn't this machine's image, or not whole; the text has a line for each thing that is wrong."""


@dataclass(frozen=True, slots=True)
class Checked:
    """A medium that is what it should be: its folder, its manifest, and the trust anchor that vouches for it (PEM)."""

    folder: Path
    manifest: ImageManifest
    anchor: str
    settings: str


def check(folder: Path, signature: Path, number: str, serial: str, at: datetime) -> Checked:
    """Check a medium from the trust anchor's number to the last file.

    Args:
        folder: the top of the medium.
        signature: the file that came with the image.
        number: of the trust anchor, as the sealed sheet has it; spaces, hyphens and case don't matter.
        serial: the machine's own, as its firmware gives it.
        at: the machine's time.

    Raises:
        MediumRefused: with everything that is wrong, as far as it can be told.
    """
    try:
        pem = _read(folder / ANCHOR, MAX_PEM).decode("ascii", "replace")
        wanted, found = _plain(number), _plain(anchor_number(pem))
        if wanted != found:
            raise MediumRefused(
                "the medium's root certificate has another number than the sheet; compare what you typed, and if it is "
                "right, use neither this medium nor the code, and tell the ministry"
            )
        image = open_signature(_read(signature, MAX_SIGNATURE), TrustAnchor(pem), at)
        manifest = check_signed(_read(folder / MANIFEST, MAX_MANIFEST), image)
    except (ImageError, CertificateError) as error:
        raise MediumRefused(
            f"{error}; let the ministry make the medium anew (is this machine's clock right?)"
        ) from error
    problems = [] if manifest.machine_serial == serial else [_other_machine(manifest, serial)]
    problems += manifest.differences(_files(folder))
    if problems:
        raise MediumRefused("\n".join(problems))
    settings = _read(folder / SETTINGS, _MAX_SETTINGS)
    listed = next((file.sha256 for file in manifest.files if file.path == SETTINGS), "")
    if hashlib.sha256(settings).hexdigest() != listed:  # what is read now needn't be what was read before
        raise MediumRefused(f"{SETTINGS}: was changed")
    _check_settings(settings.decode(), manifest)
    return Checked(folder, manifest, pem, settings.decode())


def _other_machine(manifest: ImageManifest, serial: str) -> str:
    return (
        f"the medium is for {manifest.endpoint}/{manifest.terminal}, a machine with the serial "
        f"{manifest.machine_serial}; this machine has {serial or 'none'}"
    )


def _plain(number: str) -> str:
    return re.sub(r"[\s-]", "", number).upper()


def _check_settings(settings: str, manifest: ImageManifest) -> None:
    try:
        told = tomllib.loads(settings)
    except tomllib.TOMLDecodeError as error:
        raise MediumRefused(f"{SETTINGS}: is not TOML ({error})") from error
    wanted = (manifest.endpoint, manifest.terminal, manifest.machine_serial)
    if (told.get("endpoint"), told.get("terminal"), told.get("machine_serial")) != wanted:
        raise MediumRefused(f"{SETTINGS}: is for another machine than the manifest says")


def _files(folder: Path) -> dict[str, tuple[int, str]]:
    """Measure every file of the medium but the manifest and the signature."""
    found: dict[str, tuple[int, str]] = {}
    try:
        for path, name in _walk(folder):
            if path.is_symlink() or not path.is_file():
                raise MediumRefused(f"{name}: is no plain file; let the ministry make the medium anew")
            if len(found) > MAX_FILES:
                raise MediumRefused(f"there are more than {MAX_FILES} files; is this the right medium?")
            with path.open("rb") as stream:
                found[name] = (os.fstat(stream.fileno()).st_size, hashlib.file_digest(stream, "sha256").hexdigest())
    except OSError as error:
        raise MediumRefused(f"{error.filename}: can't be read ({error.strerror}); try another drive") from error
    return found


def _walk(folder: Path) -> list[tuple[Path, str]]:
    entries = []
    for top, folders, files in os.walk(folder, onerror=_raise):
        if Path(top) == folder:
            folders[:] = [name for name in folders if name.casefold() not in _WINDOWS_OWN]
        links = [name for name in folders if (Path(top) / name).is_symlink()]
        entries += [(path := Path(top) / name, path.relative_to(folder).as_posix()) for name in [*files, *links]]
    return [(path, name) for path, name in entries if name not in {MANIFEST, SIGNATURE}]


def _raise(error: OSError) -> None:
    raise error


def _read(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as stream:
            content = stream.read(limit + 1)
    except OSError as error:
        raise MediumRefused(
            f"{path.name}: can't be read ({error.strerror}); the medium needs the image's files and, at its top or "
            f"named with --signature, the signature that came with it ({SIGNATURE})"
        ) from error
    if len(content) > limit:
        raise MediumRefused(f"{path.name}: has more than {limit} bytes; is this the right medium?")
    return content
