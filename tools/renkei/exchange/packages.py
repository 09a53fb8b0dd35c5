"""Signed documents about hosts that run Debian: the versions that a wave brings everywhere, and how a host was found.

    package-set  authority  exact versions of Debian packages, resolved once: every ring gets these and no others
    host-state   authority  what the controller saw on a host: packages, system or firmware, when

Hosts of this kind have no key to sign with. Ministry IT's controller looks at them over ssh and signs what it saw.
"""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from renkei.exchange.clock import Time
from renkei.exchange.documents import Kind
from renkei.exchange.payloads import Digest, Payload, Sequence

MAX_PACKAGES = 192
"""A month's are fewer. With names of usual lengths so many fit into an envelope, which bounds them in bytes."""
MAX_HELD = 1000
_GIB = 1024**3

PackageName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9+.-]{1,79}$")]
"""Debian policy, 5.6.1."""
PackageVersion = Annotated[str, StringConstraints(pattern=r"^([0-9]{1,9}:)?[0-9][A-Za-z0-9.+~-]*$", max_length=80)]
"""Debian policy, 5.6.12: epoch, upstream version, revision."""
FirmwareVersion = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._()+~:-]{0,79}$")]
"""As a device says it: makers write `15.9(3)M10` or `v7.4.4`, and their order is theirs (inventory/firmware.yml)."""
Architecture = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{1,31}$")]
HeldPackage = Annotated[
    str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9+.-]{1,79}=([0-9]{1,9}:)?[0-9][A-Za-z0-9.+~-]*$", max_length=161)
]
"""A package that a host has, as apt takes it: `NAME=VERSION`."""
HostName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
"""A host's name in the inventory."""
Word = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._+~:()/-]{0,79}$")]


class Package(BaseModel):
    """One Debian package at exactly one version; `size` in bytes, `sha256` of its .deb as the mirror's index has it.

    `urgency` is urgent for what comes from Debian's security archive: its deadline is the shorter one.
    """

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", hide_input_in_errors=True)
    name: PackageName
    version: PackageVersion
    architecture: Architecture
    sha256: Digest
    size: Annotated[int, Field(ge=1, le=4 * _GIB)]
    urgency: Literal["routine", "urgent"]


class PackageSet(Payload):
    """The ministry's word on what Linux hosts get; of two sets the higher number counts.

    `hosts` is at how many hosts was looked. A package that a host lacks is for one alone whose own need it.
    """

    KIND = Kind.PACKAGE_SET
    number: Sequence
    issued_at: Time
    hosts: Annotated[int, Field(ge=1, le=100_000)]
    packages: Annotated[list[Package], Field(min_length=1, max_length=MAX_PACKAGES)]

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        check_each_once(self.packages)
        return self


class Device(BaseModel):
    """A network device's own word on what it is: the model as inventory/firmware.yml has it, its firmware's version."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", hide_input_in_errors=True)
    model: Word
    version: FirmwareVersion


class HostState(Payload):
    """What the controller saw on a host at a moment.

    `packages` are all that it has, by name, as NAME=VERSION; empty for a device that has none. `restart` tells that
    what runs isn't what is installed.
    """

    KIND = Kind.HOST_STATE
    host: HostName
    device: Device
    packages: Annotated[list[HeldPackage], Field(max_length=MAX_HELD)]
    restart: bool
    seen_at: Time

    @property
    def held(self) -> dict[str, str]:
        """The version of each package, by name."""
        return dict(each.split("=", 1) for each in self.packages)


def check_each_once(packages: list[Package]) -> None:
    """Hold packages to the order by name, each once, of one architecture besides `all`.

    Raises:
        ValueError: they aren't.
    """
    names = [package.name for package in packages]
    if names != sorted(set(names)):
        raise ValueError("packages stand in the order of their names, each once")
    if len(architectures := {package.architecture for package in packages} - {"all"}) > 1:
        raise ValueError(f"packages of one set are for one architecture, these for {', '.join(sorted(architectures))}")
