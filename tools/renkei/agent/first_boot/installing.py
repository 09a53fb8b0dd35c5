"""Puts a checked medium's software, settings and trust anchor in their places.

    installed = install(checked, Place(programs, config, anchor, home))
    installed.command                  # the installed agent's own program

The package is copied off the medium first and unpacked from that copy, which has the signed digest: a medium that gives
other bytes at the second reading gains nothing. A machine that is another endpoint's is not touched.
"""

import hashlib
import subprocess
import tempfile
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from renkei.agent import platform
from renkei.agent.files import stage
from renkei.agent.first_boot.medium import Checked, MediumRefused
from renkei.agent.first_boot.unpacking import unpack

_CHUNK: Final = 1024 * 1024
_PATIENCE: Final = 300.0


class NotInstalled(Exception):
    """The release couldn't make itself the one that runs; the text is its own."""


class OtherMachine(Exception):
    """This machine serves already, as somebody else than the medium says."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where things go: the programs' folder, the settings, the trust anchor, the agent's folder."""

    programs: Path
    config: Path
    anchor: Path
    home: Path


@dataclass(frozen=True, slots=True)
class Installed:
    """What is on the machine now: the program to call, and whether anything changed."""

    command: Sequence[str]
    changed: bool


def install(checked: Checked, place: Place) -> Installed:
    """Install; what is there already stays.

    Raises:
        OtherMachine: the settings that are there are another endpoint's or terminal's.
        MediumRefused: the package isn't what was checked.
        PackageRefused: it can't be unpacked.
        NotInstalled: its own installation failed.
        OSError: a place can't be written to.
    """
    _check_before(checked, place.config)
    folder = place.programs / "versions" / checked.manifest.release.version
    with tempfile.TemporaryDirectory(prefix="renkei-first-boot-") as scratch:
        changed = unpack(_copy_of_package(checked, Path(scratch)), folder)
    for path, content in ((place.anchor, checked.anchor), (place.config, checked.settings)):
        if not path.is_file() or path.read_bytes() != content.encode():
            path.parent.mkdir(parents=True, exist_ok=True)
            stage(path, content.encode(), 0o644)
            changed = True
    place.home.mkdir(parents=True, exist_ok=True)
    program = platform.program_of(folder)
    if arguments := platform.installation_of(place.home):
        _run(program, arguments)
    return Installed(program, changed)


def _run(program: Sequence[str], arguments: Sequence[str]) -> None:
    """Let the release make itself the one that runs here; it changes only what isn't so yet."""
    finished = subprocess.run(  # noqa: S603 - the program that was just unpacked, no shell
        [*program, *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        timeout=_PATIENCE,
        check=False,
    )
    if finished.returncode != 0:
        raise NotInstalled(f"the release can't be installed: {finished.stderr.strip()[-1000:]}")


def _copy_of_package(checked: Checked, folder: Path) -> Path:
    release = checked.manifest.release
    copy = folder / Path(release.path).name
    digest = hashlib.sha256()
    with (checked.folder / release.path).open("rb") as source, copy.open("wb") as target:
        while chunk := source.read(_CHUNK):
            digest.update(chunk)
            target.write(chunk)
    if digest.hexdigest() != release.sha256:
        raise MediumRefused(f"{release.path}: was changed")
    return copy


def _check_before(checked: Checked, config: Path) -> None:
    try:
        there = tomllib.loads(config.read_text("utf-8"))
    except (FileNotFoundError, tomllib.TOMLDecodeError, UnicodeDecodeError):
        return
    said = (there.get("endpoint"), there.get("terminal"))
    if said != (checked.manifest.endpoint, checked.manifest.terminal):
        raise OtherMachine(
            f"{config}: this machine serves {said[0]} as {said[1]} already, the medium is for "
            f"{checked.manifest.endpoint}/{checked.manifest.terminal}; retire this machine first"
        )
