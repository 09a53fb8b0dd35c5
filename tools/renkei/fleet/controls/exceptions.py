"""Exceptions from controls: `exceptions.yml` in a fleet's folder, each with reason, approver and end date."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from renkei.fleet.controls.model import Table
from renkei.fleet.documents import read_document
from renkei.fleet.model import Host
from renkei.fleet.problems import FleetError, Problem


@dataclass(frozen=True, slots=True)
class ControlException:
    """A control that doesn't hold on some hosts; `where` are names of hosts and groups, `until` is its last day."""

    control: str
    where: tuple[str, ...]
    reason: str
    approver: str
    until: date

    def covers(self, host: Host) -> bool:
        """Tell whether a host is among those meant."""
        return not {host.name, *host.groups}.isdisjoint(self.where)


def read_exceptions(
    file: Path, schema: Path, table: Table, names: Collection[str], today: date
) -> tuple[ControlException, ...]:
    """Read a fleet's exceptions; none where the file isn't there.

    Args:
        file: `exceptions.yml`.
        schema: `exceptions.schema.json`.
        table: whose controls they are from.
        names: of the fleet's hosts and groups.
        today: an exception whose last day is before it is an error.

    Raises:
        FleetError: with all that is wrong, as file:line.
    """
    if not file.exists():
        return ()
    document = read_document(file, schema)
    problems: list[Problem] = []
    found = []
    for number, row in enumerate(document.data["exceptions"]):
        place = ("exceptions", number)
        control, where = str(row["control"]), tuple(map(str, row["where"]))
        if control not in table.controls:
            what, remedy = f"there is no control {control!r}", "`renkei controls list` shows them"
            problems.append(document.problem((*place, "control"), what, remedy))
        for name in where:
            if name not in names:
                what = f"the fleet has no host or group {name!r}"
                problems.append(document.problem((*place, "where"), what, "`renkei inventory list` shows them"))
        until = date.min
        try:
            until = date.fromisoformat(str(row["until"]))
        except ValueError:
            what = f"{row['until']} is no day of the calendar"
            problems.append(document.problem((*place, "until"), what, "write the day as 2027-03-31"))
        else:
            if until < today:
                what = f"the exception from {control} is over since {until}"
                remedy = "remove it so that the control holds, or have it approved anew with a later day"
                problems.append(document.problem((*place, "until"), what, remedy))
        found.append(ControlException(control, where, str(row["reason"]), str(row["approver"]), until))
    if problems:
        raise FleetError(problems)
    return tuple(found)


def controls_off(exceptions: Collection[ControlException], host: Host) -> Mapping[str, ControlException]:
    """Return the controls that don't hold on a host, each with its exception."""
    return {each.control: each for each in exceptions if each.covers(host)}
