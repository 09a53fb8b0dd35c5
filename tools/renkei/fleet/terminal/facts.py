"""What a machine is: facts that a script read off it, or that a person took from a catalogue.

    facts = read_facts(Path("facts.json"))
    facts.value("memory.mib")       # 16208, or None where nobody knows

What can't be read off a machine (whether the firmware is locked, say) is attested by a person. A fact that is missing
or null is unknown, which is not the same as wrong.
"""

import json
import re
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

MAX_BYTES = 256 * 1024
Fact = str | int | float | bool | list[str] | None

_Text = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)]
_Count = Annotated[int, Field(strict=True, ge=0, le=100_000_000)]
_BUILD = re.compile(r"(?:10\.0\.)?([0-9]{5})\.([0-9]{1,5})", re.ASCII)


class FactsError(ValueError):
    """The facts can't be used; a line for each thing that is wrong, with file and path."""


class _Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Machine(_Group):
    """Whose facts these are."""

    manufacturer: _Text | None = None
    model: _Text | None = None
    serial: _Text | None = None


class Processor(_Group):
    """`architecture` is x64, x86 or arm64; `cores` are physical ones."""

    name: _Text | None = None
    architecture: _Text | None = None
    cores: _Count | None = None


class Memory(_Group):
    """What the operating system can use, in MiB."""

    mib: _Count | None = None


class Disk(_Group):
    """The system drive: SSD or HDD, its size in GB (10^9 bytes)."""

    kind: _Text | None = None
    system_gb: _Count | None = None


class Tpm(_Group):
    """The version of a TPM that is enabled, as in 2.0; empty text is none."""

    version: Annotated[str, StringConstraints(max_length=20)] | None = None


class Firmware(_Group):
    """UEFI or BIOS; `locked` is attested: a password protects it, and nothing from outside boots."""

    kind: _Text | None = None
    secure_boot: bool | None = None
    locked: bool | None = None


class Ports(_Group):
    """Counts, and the names of the wireless adapters that the system sees."""

    wired: _Count | None = None
    usb3: _Count | None = None
    wireless: Annotated[list[_Text], Field(max_length=50)] | None = None


class Chassis(_Group):
    """What only the eye sees."""

    lock_slot: bool | None = None


class Power(_Group):
    """How many minutes the machine goes on when the mains fail."""

    backup_minutes: _Count | None = None


class System(_Group):
    """The operating system: EditionID, build and revision as 26100.1742, language tag, time zone id."""

    edition: _Text | None = None
    build: Annotated[str, StringConstraints(pattern=r"^(10\.0\.)?[0-9]{5}\.[0-9]{1,5}$")] | None = None
    language: _Text | None = None
    time_zone: _Text | None = None


class Installed(_Group):
    """A program of the specification's list, as it is on the machine: its main file's version and SHA-256."""

    id: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$", max_length=40)]
    version: Annotated[str, StringConstraints(pattern=r"^[0-9]{1,9}(\.[0-9]{1,9}){0,3}$")]
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None = None


class TerminalFacts(_Group):
    """All that is known of a machine; `software` is None where nobody looked."""

    machine: Machine = Machine()
    processor: Processor = Processor()
    memory: Memory = Memory()
    disk: Disk = Disk()
    tpm: Tpm = Tpm()
    firmware: Firmware = Firmware()
    ports: Ports = Ports()
    chassis: Chassis = Chassis()
    power: Power = Power()
    os: System = System()
    software: Annotated[list[Installed], Field(max_length=200)] | None = None

    def value(self, path: str) -> Fact:
        """Return the fact of a path such as `memory.mib`, None where it isn't known.

        Raises:
            AttributeError: there is no such path.
        """
        group, _, name = path.partition(".")
        found: Fact = getattr(getattr(self, group), name)
        return found

    @property
    def build(self) -> tuple[int, int] | None:
        """The operating system's build and revision."""
        found = _BUILD.fullmatch(self.os.build or "")
        return (int(found[1]), int(found[2])) if found else None


FACT_PATHS = frozenset(
    f"{group}.{name}"
    for group, held in TerminalFacts()
    if isinstance(held, BaseModel) and not isinstance(held, Machine)
    for name in type(held).model_fields
)
"""The paths that a specification may make demands on."""


def read_facts(file: Path) -> TerminalFacts:
    """Read facts from a JSON file.

    Raises:
        FactsError: it can't be read, isn't JSON, or holds what is no fact; all of it at once.
    """
    try:
        with file.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise FactsError(f"{file}: can't be read ({error.strerror}); `renkei terminal facts` prints a form") from error
    if len(raw) > MAX_BYTES:
        raise FactsError(f"{file}: is larger than {MAX_BYTES} bytes; is it the right file?")
    try:
        return TerminalFacts.model_validate(json.loads(raw.decode("utf-8-sig")))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise FactsError(f"{file}: is not JSON in UTF-8 ({error}); `renkei terminal facts` prints a form") from error
    except ValidationError as error:
        lines = [
            f"{file}: {'.'.join(map(str, found['loc'])) or 'the file'}: "
            + ("is no fact; see `renkei terminal facts`" if found["type"] == "extra_forbidden" else found["msg"])
            for found in error.errors(include_url=False, include_input=False)
        ]
        raise FactsError("\n".join(lines)) from None
