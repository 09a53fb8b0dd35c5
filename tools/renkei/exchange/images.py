"""The image that makes a bought machine the terminal of one endpoint: its manifest, and who signed for it.

    renkei/manifest.json   in the image: every other file with size and digest, and for which machine
    renkei.sig             beside the image: the registration authority's word on that manifest

What lies where is in docs/protocol.md. The manifest has no signature of its own, so that an image built twice is the
same to the last byte; the signature is made by the registration authority, which knows the inventory's machines.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from renkei.exchange.bindings import BindingError, DirectoryEntry, TrustAnchor
from renkei.exchange.clock import Time
from renkei.exchange.documents import MAX_ENVELOPE, DocumentError, Kind, canonical
from renkei.exchange.errors import ExchangeError
from renkei.exchange.parties import AUTHORITY, Party, TerminalName
from renkei.exchange.payloads import Count, Digest, Payload

FOLDER: Final = "renkei"
MANIFEST: Final = f"{FOLDER}/manifest.json"
SIGNATURE: Final = "renkei.sig"
SETTINGS: Final = f"{FOLDER}/agent.toml"
ANCHOR: Final = f"{FOLDER}/root.pem"
ANSWERS: Final = "autounattend.xml"
DRIVERS: Final = "$WinPEDriver$"
"""Where Windows Setup looks for drivers on every medium, at its top (Microsoft: Add device drivers during Setup)."""

MAX_MANIFEST = 8 * 1024 * 1024
MAX_SIGNATURE = 2 * MAX_ENVELOPE
MAX_FILES = 20_000
MAX_SIZE = 4 * 1024**3
_ANCHOR_DIGITS, _ANCHOR_GROUP = 20, 4

_NAME = r"[0-9A-Za-z$_][0-9A-Za-z$._ -]*"
_PATH = rf"^{_NAME}(/{_NAME})*$"
_PATH_LIMIT = 240
ImagePath = Annotated[str, StringConstraints(max_length=_PATH_LIMIT, pattern=_PATH)]
"""A file within an image: no way up, no drive, no hidden name."""


class ImageError(ExchangeError):
    """An image isn't what its manifest or its signature says; the text names every difference."""


class _Model(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", hide_input_in_errors=True)


class ImageFile(_Model):
    """One file of an image; `size` in bytes."""

    path: ImagePath
    size: Annotated[int, Field(ge=0, le=MAX_SIZE)]
    sha256: Digest


class ImageRelease(_Model):
    """The release whose package is in the image, at `path`; all times in the image are `at`."""

    version: Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z][0-9A-Za-z.+-]{0,63}$")]
    path: ImagePath
    sha256: Digest
    at: Time


class ImageManifest(_Model):
    """What is in an image, and for whom.

    Attributes:
        endpoint, terminal, machine_serial: the one machine that it is for, as the inventory has it.
        profile: a dedicated machine is set up anew; a shared one keeps its system.
        specification: the version of the specification that it was rendered from.
        files: every file but the manifest itself, in the order of their paths.
    """

    version: Literal[1]
    endpoint: Party
    terminal: TerminalName
    machine_serial: Annotated[str, StringConstraints(pattern=r"^[!-~]([ -~]{0,62}[!-~])?$")]
    profile: Literal["dedicated", "shared"]
    specification: Annotated[str, StringConstraints(pattern=r"^20[0-9]{2}\.[0-9]{1,3}$")]
    release: ImageRelease
    files: Annotated[list[ImageFile], Field(min_length=1, max_length=MAX_FILES)]

    @model_validator(mode="after")
    def _names_each_once(self) -> Self:
        paths = [file.path for file in self.files]
        folded = {path.casefold() for path in paths}  # on the systems that read it A and a are one name
        if sorted(set(paths)) != paths or len(folded) != len(paths):
            raise ValueError("files are not in the order of their paths, or one stands twice")
        if MANIFEST in folded:
            raise ValueError("the manifest lists itself")
        package = next((file for file in self.files if file.path == self.release.path), None)
        if package is None or package.sha256 != self.release.sha256:
            raise ValueError("the release's package is not among the files")
        return self

    def to_bytes(self) -> bytes:
        """Write the manifest in its one form (RFC 8785)."""
        return canonical(self.model_dump(mode="json"))

    @classmethod
    def from_bytes(cls, text: bytes) -> Self:
        """Read a manifest; whether it is to be believed its signature says.

        Raises:
            ImageError: too large, not JSON, or a field is missing, unknown or wrong.
        """
        if len(text) > MAX_MANIFEST:
            raise ImageError(f"{MANIFEST}: has more than {MAX_MANIFEST} bytes")
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise ImageError(f"{MANIFEST}: is not as docs/protocol.md has it: {_first(error)}") from None

    def differences(self, found: Mapping[str, tuple[int, str]]) -> list[str]:
        """Say how the files that are there (size and SHA-256 by path, without the manifest) differ from these."""
        listed = {file.path: (file.size, file.sha256) for file in self.files}
        problems = [f"{path}: is missing" for path in listed if path not in found]
        problems += [f"{path}: was added" for path in sorted(found) if path not in listed]
        problems += [f"{path}: was changed" for path, is_ in listed.items() if found.get(path, is_) != is_]
        return sorted(problems)


class Image(Payload):
    """The registration authority's word: the image with this manifest is for this machine of the inventory.

    `image_sha256` is the digest of the whole image as a file, for who has it before it is on a medium.
    """

    KIND = Kind.IMAGE
    endpoint: Party
    terminal: TerminalName
    machine_serial: Annotated[str, StringConstraints(max_length=64)]
    manifest_sha256: Digest
    image_sha256: Digest
    files: Count
    signed_at: Time


class ImageRequest(_Model):
    """What the authority is asked to sign for, a line of JSON each (`renkei ministry authority sign-images`)."""

    endpoint: Party
    terminal: TerminalName
    machine_serial: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    manifest_sha256: Digest
    image_sha256: Digest
    files: Count

    def statement(self, at: datetime) -> Image:
        """Return what the authority signs at a time."""
        return Image(**self.model_dump(), signed_at=at)

    @classmethod
    def from_line(cls, line: str) -> Self:
        """Read a line.

        Raises:
            ImageError: not such a request; the text names the field.
        """
        try:
            return cls.model_validate_json(line)
        except ValidationError as error:
            raise ImageError(f"the request for an image's signature is none: {_first(error)}") from None


class ImageSignature(_Model):
    """The file beside an image: who signed (a directory entry) and what (the envelope of an `Image`)."""

    entry: DirectoryEntry
    image: Annotated[str, StringConstraints(max_length=MAX_ENVELOPE)]

    def to_bytes(self) -> bytes:
        """Write the file."""
        return canonical(self.model_dump(mode="json")) + b"\n"


def read_signature(text: bytes) -> ImageSignature:
    """Read a signature file; nothing in it is believed yet.

    Raises:
        ImageError: too large, or not such a file.
    """
    if len(text) > MAX_SIGNATURE:
        raise ImageError(f"{SIGNATURE}: has more than {MAX_SIGNATURE} bytes")
    try:
        return ImageSignature.model_validate_json(text)
    except ValidationError as error:
        raise ImageError(f"{SIGNATURE}: is no signature of an image: {_first(error)}") from None


def open_signature(text: bytes, anchor: TrustAnchor, at: datetime) -> Image:
    """Return what a signature file says, once the authority under this trust anchor said it.

    Args:
        text: the whole file.
        anchor: the root that the caller trusts already.
        at: the time that counts, aware.

    Raises:
        ImageError: not such a file, or nobody whom the anchor vouches for as the authority signed it.
    """
    held = read_signature(text)
    try:
        signer = anchor.verify_entry(held.entry, at, AUTHORITY)
        return Image.open(held.image.encode(), signer.signing_public_key)
    except (BindingError, DocumentError) as error:
        raise ImageError(f"{SIGNATURE}: can't be believed: {error}") from error


def check_signed(manifest: bytes, image: Image) -> ImageManifest:
    """Return a manifest once it is the one that was signed.

    Raises:
        ImageError: another one.
    """
    if sha256(manifest).hexdigest() != image.manifest_sha256:
        raise ImageError(f"{MANIFEST}: is not the one that was signed for {image.endpoint}/{image.terminal}")
    read = ImageManifest.from_bytes(manifest)
    said = (image.endpoint, image.terminal, image.machine_serial, image.files)
    if said != (read.endpoint, read.terminal, read.machine_serial, len(read.files)):
        raise ImageError(f"{MANIFEST}: is for another machine than its signature says")
    return read


def is_image_path(path: str) -> bool:
    """Tell whether a file may be called so within an image."""
    return len(path) <= _PATH_LIMIT and re.fullmatch(_PATH, path) is not None


def anchor_number(pem: str) -> str:
    """Return the number by which a person compares trust anchors: five groups of four hex digits (80 bits).

    It stands on the sealed sheet, so that a medium with a root of somebody else's is found out.

    Raises:
        CertificateError: no root in it.
    """
    digest = sha256(TrustAnchor(pem).to_pem().encode()).hexdigest()[:_ANCHOR_DIGITS].upper()
    return "-".join(digest[start : start + _ANCHOR_GROUP] for start in range(0, _ANCHOR_DIGITS, _ANCHOR_GROUP))


def _first(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_input=False, include_context=False)[0]
    return f"{'.'.join(map(str, found['loc'])) or 'all of it'}: {found['msg'].removeprefix('Value error, ')}"
