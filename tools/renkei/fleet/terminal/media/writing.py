"""An image is checked against its signature on a machine that is trusted, and laid out on a medium.

    checked = check_image(Path("131041.iso"), anchor, now)
    write_medium(checked, Path("/media/stick"))

A stick needs files, not a raw image: the signature has to go beside them, and Windows Setup finds drivers and answer
file at the top of any medium.
"""

import hashlib
import os
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from pathlib import Path

import pycdlib
from pycdlib.pycdlibexception import PyCdlibException

from renkei.exchange.bindings import TrustAnchor
from renkei.exchange.images import (
    MANIFEST,
    MAX_MANIFEST,
    MAX_SIGNATURE,
    SIGNATURE,
    ImageError,
    ImageManifest,
    check_signed,
    open_signature,
)
from renkei.fleet.terminal.media.building import MediaError, signature_of


@dataclass(frozen=True, slots=True)
class CheckedImage:
    """An image that the authority signed for: its file, its signature's bytes, what is in it."""

    file: Path
    signature: bytes
    manifest: ImageManifest
    manifest_bytes: bytes


def check_image(file: Path, anchor: TrustAnchor, at: datetime) -> CheckedImage:
    """Hold an image against the signature beside it.

    Raises:
        MediaError: it can't be read, isn't signed by the authority under this anchor, or isn't the one that was signed.
    """
    try:
        with signature_of(file).open("rb") as stream:
            signature = stream.read(MAX_SIGNATURE + 1)
        image = open_signature(signature, anchor, at)
        with file.open("rb") as stream:
            if hashlib.file_digest(stream, "sha256").hexdigest() != image.image_sha256:
                raise MediaError(f"{file}: is not the image that was signed; build it anew")
        content = _content(file, MANIFEST, MAX_MANIFEST)
        return CheckedImage(file, signature, check_signed(content, image), content)
    except OSError as error:
        raise MediaError(f"{error.filename}: can't be read ({error.strerror})") from error
    except ImageError as error:
        raise MediaError(f"{file}: {error}") from error


def write_medium(image: CheckedImage, folder: Path) -> int:
    """Write a checked image onto an empty medium and read it back; return how many files it has.

    Raises:
        MediaError: the medium isn't empty, can't be written, or gives back something else.
    """
    try:
        if any(not entry.name.startswith((".", "System Volume", "$RECYCLE")) for entry in folder.iterdir()):
            raise MediaError(f"{folder}: is not empty; take an empty medium")
        disc = pycdlib.PyCdlib()
        disc.open(str(image.file))
        try:
            for listed in image.manifest.files:
                path = folder / listed.path
                path.parent.mkdir(parents=True, exist_ok=True)
                disc.get_file_from_iso(str(path), udf_path=f"/{listed.path}")
        finally:
            disc.close()
        (folder / MANIFEST).write_bytes(image.manifest_bytes)
        (folder / SIGNATURE).write_bytes(image.signature)
        os.sync()  # a stick is pulled out
        found = {listed.path: _measured(folder / listed.path) for listed in image.manifest.files}
    except (OSError, PyCdlibException) as error:
        raise MediaError(f"{folder}: can't be written ({error})") from error
    if wrong := image.manifest.differences(found):
        raise MediaError(
            f"{folder}: gives back something else than was written ({'; '.join(wrong)}); take another medium"
        )
    return len(found) + 2


def _content(file: Path, path: str, limit: int) -> bytes:
    """Read one file of an image, at most so many bytes."""
    disc = pycdlib.PyCdlib()
    out = BytesIO()
    try:
        disc.open(str(file))
        try:
            if disc.get_record(udf_path=f"/{path}").get_data_length() > limit:
                raise MediaError(f"{file}: {path} has more than {limit} bytes")
            disc.get_file_from_iso_fp(out, udf_path=f"/{path}")
        finally:
            disc.close()
    except PyCdlibException as error:
        raise MediaError(f"{file}: is no image of a terminal ({error})") from error
    return out.getvalue()


def _measured(file: Path) -> tuple[int, str]:
    with file.open("rb") as stream:
        return file.stat().st_size, hashlib.file_digest(stream, "sha256").hexdigest()
