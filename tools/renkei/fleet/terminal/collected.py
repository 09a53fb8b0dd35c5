"""The facts that were collected of a fleet's machines: a folder with a file `ASSET_NUMBER.json` a machine.

    machine = find_machine(fleet, "m131041-terminal")
    facts = facts_of(machine, Path("build/facts/lab"))

The collector (`inventory/terminal/collect-facts.ps1`) runs on the machine, at its vendor's or at the staging bench, and
needs no line; its file is put there under the machine's asset number.
"""

from pathlib import Path

from renkei.fleet.model import Fleet
from renkei.fleet.terminal.facts import FactsError, TerminalFacts, read_facts
from renkei.fleet.terminals import Terminal


class NoSuchMachineError(LookupError):
    """The fleet has no machine of this name; the text says what names there are."""


def find_machine(fleet: Fleet, name: str) -> Terminal:
    """Find a machine by its host, its endpoint's code or its asset number.

    Raises:
        NoSuchMachineError: there is none.
    """
    by_asset = {terminal.asset_number: terminal for terminal in fleet.terminals}
    if name in by_asset:
        return by_asset[name]
    host = fleet.hosts.get(name)
    site = fleet.sites.get(name) if host is None else host.site
    if site is None or site.terminal is None:
        raise NoSuchMachineError(
            f"fleet {fleet.settings.name} has no terminal {name!r}; write a host such as m131041-terminal, an "
            "endpoint's code or an asset number of terminals.csv (`renkei inventory list --group terminals`)"
        )
    return site.terminal


def facts_of(machine: Terminal, folder: Path) -> TerminalFacts:
    """Read what was collected of a machine.

    Raises:
        FactsError: nothing was, it can't be used, or it is another machine's.
    """
    file = folder / f"{machine.asset_number}.json"
    if not file.exists():
        raise FactsError(
            f"{file}: there are no facts of {machine.asset_number} yet; run inventory/terminal/collect-facts.ps1 on "
            "the machine and put its facts.json there under this name (docs/terminal-facts.md)"
        )
    facts = read_facts(file)
    if facts.machine.serial != machine.machine_serial:
        raise FactsError(
            f"{file}: these are facts of the machine {facts.machine.serial or 'without a serial number'}, the "
            f"inventory has {machine.machine_serial} as {machine.asset_number}; put the right file there, or correct "
            "terminals.csv"
        )
    return facts
