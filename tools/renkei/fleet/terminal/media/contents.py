"""What goes into one machine's image, rendered from the inventory: nothing else, and never a code, a key or a password.

A dedicated machine gets an answer file and drivers, by which Windows Setup makes it anew. A shared one keeps its
system, so its image has neither: any Setup that is started beside a medium takes the answer file that it finds there.
"""

import json
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ansible.parsing.dataloader import DataLoader  # type: ignore[import-untyped]  # ansible-core has no types
from ansible.template import Templar, trust_as_template  # type: ignore[import-untyped]  # the same

from renkei.exchange.images import ANCHOR, ANSWERS, DRIVERS, FOLDER, SETTINGS
from renkei.fleet.model import Fleet, Host, Part
from renkei.fleet.problems import FleetError, Problem
from renkei.fleet.terminal.media.answers import Rules, render
from renkei.fleet.terminal.media.package import Package
from renkei.fleet.terminal.specification import Specification
from renkei.fleet.terminals import Profile, Terminal
from renkei.fleet.variables import fleet_variables, host_variables

FIRST_BOOT: Final = f"{FOLDER}/first-boot.ps1"
COLLECTOR: Final = f"{FOLDER}/collect-facts.ps1"
NETWORK: Final = f"{FOLDER}/network.json"
_TEMPLATE: Final = "templates/etc/renkei/agent.toml.j2"


@dataclass(frozen=True, slots=True)
class Kit:
    """What the images of a fleet are made of.

    Attributes:
        fleet: whose terminals they are for.
        specification: what a terminal is.
        rules: what may stand in an answer file.
        answers: the answer file's template.
        package: the release's.
        anchor: the file of the root certificate.
        scripts: the folder of the scripts.
        role: the folder of the role `agent`, whose template and defaults the settings come from.
        drivers: a folder with a folder of drivers for each model; None where no machine needs any.
    """

    fleet: Fleet
    specification: Specification
    rules: Rules
    answers: Path
    package: Package
    anchor: Path
    scripts: Path
    role: Path
    drivers: Path | None


def contents(kit: Kit, machine: Terminal) -> dict[str, bytes | Path]:
    """Give the files of a machine's image by their paths, without its manifest.

    Raises:
        FleetError: the answer file or the settings can't be rendered; with file:line.
    """
    host = kit.fleet.sites[machine.code.value].hosts[Part.TERMINAL]
    files: dict[str, bytes | Path] = {
        f"{FOLDER}/{kit.package.file.name}": kit.package.file,
        SETTINGS: settings(kit, host, machine),
        ANCHOR: kit.anchor,
        NETWORK: network(kit.fleet, host),
        FIRST_BOOT: kit.scripts / "first-boot.ps1",
        COLLECTOR: kit.scripts / "collect-facts.ps1",
    }
    if machine.profile is Profile.DEDICATED:
        files[ANSWERS] = answers(kit, host, machine)
        files |= dict(_drivers(kit, machine))
    return files


def answers(kit: Kit, host: Host, machine: Terminal) -> bytes:
    """Render the answer file of a host's machine.

    Raises:
        FleetError: it can't be, or something in it isn't on the list.
    """
    values = {
        "language": _demanded(kit, "os.language"),
        "time_zone": _demanded(kit, "os.time_zone"),
        "organization": host.site.name,
        "computer_name": machine.computer_name,
    }
    return render(kit.answers, values, kit.rules)


def settings(kit: Kit, host: Host, machine: Terminal) -> bytes:
    """Render agent.toml as the role `agent` does, from its own template and defaults, by Ansible's own templating.

    Raises:
        FleetError: what comes out isn't TOML, or isn't this machine's.
    """
    loader = DataLoader()
    template = kit.role / _TEMPLATE
    variables = dict(loader.load_from_file(str(kit.role / "defaults" / "main.yml"), trusted_as_template=True))
    variables |= fleet_variables(kit.fleet) | host_variables(kit.fleet, host) | {"agent_platform": "windows"}
    variables["renkei_terminal"] |= {
        "asset_number": machine.asset_number,
        "computer_name": machine.computer_name,
        "machine_serial": machine.machine_serial,
        "profile": machine.profile.value,
    }
    text = str(Templar(loader=loader, variables=variables).template(trust_as_template(template.read_text("utf-8"))))
    wanted = {"endpoint": host.site.key, "terminal": machine.asset_number, "machine_serial": machine.machine_serial}
    try:
        rendered = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise FleetError([Problem(template, 1, f"renders no TOML for {host.name} ({error})", "correct it")]) from error
    if {key: rendered.get(key) for key in wanted} != wanted:
        raise FleetError([Problem(template, 1, f"renders settings that aren't those of {host.name}", "correct it")])
    return text.rstrip("\n").encode() + b"\n"


def network(fleet: Fleet, host: Host) -> bytes:
    """Say by which address and gateway a host is on its network, and which names it has to find (JSON)."""
    variables = fleet_variables(fleet)
    lan: dict[str, Any] = host_variables(fleet, host)["renkei_interfaces"][0]
    address, _, prefix = str(lan["address"]).partition("/")
    found = {
        "address": address,
        "prefix": int(prefix),
        "gateway": lan["gateway"],
        "time_servers": variables["renkei_time_servers"],
        "names": variables["renkei_names"],
    }
    return json.dumps(found, indent=2, sort_keys=True).encode() + b"\n"


def _demanded(kit: Kit, fact: str) -> str:
    """Give the one value that the specification demands of a fact."""
    for item in kit.specification.items:
        if item.fact == fact and isinstance(item.must.is_, str):
            return item.must.is_
    raise FleetError(
        [
            Problem(
                kit.answers, 1, f"needs {fact}, which the specification doesn't fix", "add an item with must: {is: …}"
            )
        ]
    )


def _drivers(kit: Kit, machine: Terminal) -> Iterator[tuple[str, bytes | Path]]:
    """Yield the drivers of a machine's model, and a line that says whose they are."""
    folder = kit.drivers / machine.model if kit.drivers else None
    there = folder is not None and folder.is_dir()
    count = 0
    if folder is not None and there:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.is_symlink():
                count += 1
                yield f"{DRIVERS}/{path.relative_to(folder).as_posix()}", path
    yield f"{DRIVERS}/renkei.txt", f"{machine.model}: {count} files\r\n".encode()
