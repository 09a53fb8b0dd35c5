"""What the controller found on hosts: a folder with a file `HOST.json` a host, by ansible/playbooks/look.yml."""

import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from renkei.exchange.clock import Time
from renkei.exchange.errors import misfits
from renkei.exchange.packages import (
    MAX_HELD,
    Architecture,
    Device,
    HeldPackage,
    HostName,
    HostState,
    Package,
    PackageSet,
)

MAX_FOUND: Final = 2 * 1024 * 1024
MAX_OFFERED: Final = 5000
AHEAD: Final = timedelta(minutes=5)
"""How far a host's clock may be ahead of ours; as the hub has it."""


class FoundError(ValueError):
    """What was found can't be used; the message names every file, what is wrong with it, and what to do."""


class Found(BaseModel):
    """One host: what it is, what it has, and what the mirror offers for it beyond that (with what would come along)."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", hide_input_in_errors=True)
    host: HostName
    seen_at: Time
    architecture: Architecture
    device: Device
    packages: Annotated[list[HeldPackage], Field(max_length=MAX_HELD)]
    restart: bool
    offered: Annotated[list[Package], Field(max_length=MAX_OFFERED)]

    def state(self) -> HostState:
        """Return what is to be signed of it."""
        return HostState(
            host=self.host, device=self.device, packages=self.packages, restart=self.restart, seen_at=self.seen_at
        )


def read_found(folder: Path) -> dict[str, Found]:
    """Read what was found on each host, by its name.

    Raises:
        FoundError: there is nothing, no such folder, or a file isn't as it should be; all are named.
        OSError: a file can't be read.
    """
    found, wrong = sort_found(folder)
    if wrong:
        raise wrong
    return found


def sort_found(folder: Path) -> tuple[dict[str, Found], FoundError | None]:
    """Read what was found on each host that can be used, by its name, and say what is wrong with all the others.

    Raises:
        FoundError: there is nothing, or no such folder.
        OSError: a file can't be read.
    """
    if not folder.is_dir():
        raise FoundError(f"{folder}: no such folder; ansible/playbooks/look.yml makes it")
    found: dict[str, Found] = {}
    wrong = []
    for file in sorted(folder.glob("[!.]*.json")):
        try:
            with file.open("rb") as stream:
                read = Found.model_validate(json.loads(stream.read(MAX_FOUND + 1)))
        except ValidationError as error:
            wrong.append(f"{file}: {misfits(error, 'host')}")
        except (ValueError, RecursionError):
            wrong.append(f"{file}: is no JSON, or longer than 2 MiB")
        else:
            if read.host == file.stem:
                found[read.host] = read
            else:
                wrong.append(f"{file}: is about {read.host}")
    if wrong:
        return found, FoundError("\n".join([*wrong, "look at these hosts again: ansible/playbooks/look.yml"]))
    if not found:
        raise FoundError(f"{folder}: nothing was found on any host; run ansible/playbooks/look.yml first")
    return found, None


def part_by_set(found: Mapping[str, Found], wanted: PackageSet) -> tuple[frozenset[str], frozenset[str]]:
    """Return the names of those that have at least one of a set's packages, at any version, and those of the others.

    A wave has nothing to do on the others, and nothing on them would show that it was there.
    """
    names = {package.name for package in wanted.packages}
    having = frozenset(name for name, each in found.items() if names & each.state().held.keys())
    return having, frozenset(found) - having
