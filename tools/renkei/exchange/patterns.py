"""Antivirus patterns: the ministry's signed word on a package of them, and a machine's word on what it has.

A package is Microsoft Defender's for machines without a line, `mpam-fe.exe`: full, for one architecture, several times
a day. Its version is the one that Defender then shows (`Get-MpComputerStatus`, `AntivirusSignatureVersion`).
"""

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from renkei.exchange.clock import Time
from renkei.exchange.documents import Kind
from renkei.exchange.payloads import Digest, Payload

PATTERNS_FILE: Final = "patterns.json"
"""Beside the package, in a folder or on a medium: `{entry, envelope}` of a `patterns` document."""

_MIB = 1024**2

PatternVersion = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,4}(\.[0-9]{1,6}){3}$")]
"""Such as `1.441.312.0`."""
PatternPackage = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,75}\.exe$")]


class PatternState(BaseModel):
    """What a machine says of its patterns: their version, and when their maker made them."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", hide_input_in_errors=True)
    version: PatternVersion
    made_at: Time


class Patterns(Payload):
    """The ministry's word on a package of patterns; of two the one signed later counts.

    `size` is in bytes, `sha256` of the file, `made_at` by the maker. A package needs no second person: a day without
    patterns harms more than the maker's package does.
    """

    KIND = Kind.PATTERNS
    version: PatternVersion
    file: PatternPackage
    sha256: Digest
    size: Annotated[int, Field(ge=1, le=1024 * _MIB)]
    made_at: Time
    issued_at: Time

    @property
    def label(self) -> str:
        """What it is called in messages."""
        return f"patterns {self.version}"


def rank(version: str) -> tuple[int, ...]:
    """Return what orders versions: their numbers."""
    return tuple(map(int, version.split(".")))
