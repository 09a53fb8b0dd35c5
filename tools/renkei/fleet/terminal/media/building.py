"""Builds the image of a machine, and finds what is built already.

    plan = make_plan(kit, machine)          # everything rendered and checked, nothing written
    if not is_built(plan, out):
        request = build(plan, out)          # the image
        finish(out, signer.sign(request))   # its signature beside it: only with it the image is done

An image without its signature is one that an interruption left: it is built anew.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from renkei.exchange.documents import peek
from renkei.exchange.errors import ExchangeError
from renkei.exchange.images import (
    MANIFEST,
    Image,
    ImageFile,
    ImageManifest,
    ImageRelease,
    ImageRequest,
    is_image_path,
    read_signature,
)
from renkei.exchange.parties import Party
from renkei.fleet.terminal.media.contents import Kit, contents
from renkei.fleet.terminal.media.disc import write_disc
from renkei.fleet.terminals import Profile, State, Terminal

SUFFIX: Final = ".sig"
"""What an image's signature is called: as the image, and this."""

_VOLUME_DIGITS = 7  # of the manifest's digest, in hex: more than the volume's number has room for


class MediaError(Exception):
    """An image can't be made for a machine; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One machine's image before it is written: all of its files, and its manifest's bytes."""

    machine: Terminal
    files: Mapping[str, bytes | Path]
    manifest: ImageManifest

    @property
    def digest(self) -> str:
        """The manifest's SHA-256, hex."""
        return hashlib.sha256(self.manifest.to_bytes()).hexdigest()

    @property
    def size(self) -> int:
        """What all files have together, in bytes."""
        return sum(file.size for file in self.manifest.files)


def make_plan(kit: Kit, machine: Terminal) -> Plan:
    """Render and check everything of a machine's image.

    Raises:
        FleetError: the answer file or the settings aren't as they must be; with file:line.
        MediaError: a file can't be read or has a name that an image can't have, or the machine is retired.
    """
    if machine.state is State.RETIRED:
        raise MediaError(
            f"{machine.asset_number} is retired; name a machine that is to serve, or correct terminals.csv"
        )
    try:
        files = dict(sorted(contents(kit, machine).items()))
        listed = [_listed(path, content) for path, content in files.items()]
        release = kit.package
        package = next(path for path, content in files.items() if content == release.file)
        manifest = ImageManifest(
            version=1,
            endpoint=Party(machine.code.value),
            terminal=machine.asset_number,
            machine_serial=machine.machine_serial,
            profile="dedicated" if machine.profile is Profile.DEDICATED else "shared",
            specification=kit.specification.version,
            release=ImageRelease(version=release.version, path=package, sha256=release.sha256, at=release.at),
            files=listed,
        )
    except OSError as error:
        raise MediaError(f"{error.filename}: can't be read ({error.strerror})") from error
    except ValidationError as error:
        said = error.errors(include_url=False, include_input=False)[0]["msg"]
        raise MediaError(f"the image of {machine.asset_number} can't be described: {said}") from error
    return Plan(machine, files, manifest)


def is_built(plan: Plan, out: Path) -> bool:
    """Tell whether an image is there already, whole, signed, and of exactly these files."""
    try:
        signature = read_signature(signature_of(out).read_bytes())
        image = Image.read(peek(signature.image.encode()).payload)
        return image.manifest_sha256 == plan.digest and _digest(out) == image.image_sha256
    except (OSError, ExchangeError):
        return False


def build(plan: Plan, out: Path) -> ImageRequest:
    """Write an image; it isn't done before `finish`.

    Raises:
        DiscError: it can't be written.
        OSError: the folder can't be made.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    signature_of(out).unlink(missing_ok=True)
    label = f"RENKEI_{plan.manifest.endpoint}"
    files = {**plan.files, MANIFEST: plan.manifest.to_bytes()}
    write_disc(files, out, label, plan.manifest.release.at, int(plan.digest[:_VOLUME_DIGITS], 16))
    return ImageRequest(
        endpoint=plan.manifest.endpoint,
        terminal=plan.manifest.terminal,
        machine_serial=plan.manifest.machine_serial,
        manifest_sha256=plan.digest,
        image_sha256=_digest(out),
        files=len(plan.manifest.files),
    )


def finish(out: Path, signature: bytes) -> None:
    """Put the signature beside its image.

    Raises:
        OSError: it can't be written.
    """
    staged = out.with_name(f".{out.name}{SUFFIX}.new")
    staged.write_bytes(signature)
    staged.replace(signature_of(out))


def signature_of(out: Path) -> Path:
    """Give the file of an image's signature."""
    return out.with_name(out.name + SUFFIX)


def _listed(path: str, content: bytes | Path) -> ImageFile:
    if not is_image_path(path):
        raise MediaError(f"{path}: can't be on an image; name files with letters, digits, '.', '_', '-' and spaces")
    if isinstance(content, bytes):
        return ImageFile(path=path, size=len(content), sha256=hashlib.sha256(content).hexdigest())
    return ImageFile(path=path, size=content.stat().st_size, sha256=_digest(content))


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
