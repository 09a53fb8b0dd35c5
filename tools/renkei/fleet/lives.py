"""Changes of a machine's state in `terminals.csv`: one command each, so that the table is right at every moment.

A change is made whole or not at all: the fleet is loaded with the new table first, and whatever is wrong with it is
said instead. The other rows stay as they were, byte for byte.
"""

import csv
import io
import os
import shutil
import tempfile
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from renkei.fleet.loader import load_fleet
from renkei.fleet.problems import FleetError, Problem
from renkei.fleet.tables import MAX_BYTES
from renkei.fleet.terminals import OPTIONAL, REQUIRED, State

_TABLE = "terminals.csv"
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Successor:
    """A machine that takes another's place; the rest is as with the one before it."""

    asset_number: str
    machine_serial: str
    model: str
    delivered_on: date


def retire(fleet: Path, asset_number: str, day: date, note: str = "") -> bool:
    """Note that a machine's life is over; false when that stands there already.

    The endpoint may have no machine after it: then the fleet is only right again with a successor, and this is refused;
    `replace` does both.

    Args:
        fleet: the folder.
        asset_number: of the machine.
        day: of its end.
        note: why, kept in the row; an empty one changes nothing there.

    Raises:
        FleetError: there is no such machine, or the fleet wouldn't be right with it.
    """
    table = _Table(fleet)
    row = table.row(asset_number)
    if row["state"] == State.RETIRED:
        return False
    table.change(asset_number, _ended(row, day, note))
    table.write()
    return True


def replace(fleet: Path, asset_number: str, successor: Successor, day: date, note: str = "") -> bool:
    """Note that a machine takes another's place, which is retired by that; false when that stands there already.

    Args:
        fleet: the folder.
        asset_number: of the machine whose place is taken.
        successor: the new machine, in service from that day on.
        day: of the change.
        note: why, kept in the row of the old one.

    Raises:
        FleetError: there is no such machine, or the fleet wouldn't be right with it.
    """
    table = _Table(fleet)
    row = table.row(asset_number)
    known = next((each for each in table.rows if each["asset_number"] == successor.asset_number), None)
    if known is not None and known["replaces"] == asset_number and row["state"] == State.RETIRED:
        return False
    if row["state"] != State.RETIRED:
        table.change(asset_number, _ended(row, day, note))
    table.add(
        {
            "asset_number": successor.asset_number,
            "code": row["code"],
            "profile": row["profile"],
            "model": successor.model,
            "machine_serial": successor.machine_serial,
            "state": State.IN_SERVICE.value,
            "delivered_on": successor.delivered_on.isoformat(),
            "in_service_on": day.isoformat(),
            "replaces": asset_number,
        }
    )
    table.write()
    return True


def _ended(row: dict[str, str], day: date, note: str) -> dict[str, str]:
    return {
        "state": State.RETIRED.value,
        "retired_on": day.isoformat(),
        "delivered_on": row["delivered_on"] or day.isoformat(),
        "note": note or row["note"],
    }


class _Table:
    """The lines of `terminals.csv`, of which only those that change are written anew."""

    def __init__(self, fleet: Path) -> None:
        self._fleet = fleet
        self._file = fleet / _TABLE
        load_fleet(fleet)  # a table that is wrong already is mended by hand first
        content = self._file.read_bytes()[: MAX_BYTES + 1]
        self._mark = _BOM if content.startswith(_BOM) else b""
        self._lines = content.removeprefix(_BOM).decode().splitlines(keepends=True)
        self._end = "\r\n" if self._lines[0].endswith("\r\n") else "\n"
        self._header = [cell.strip() for cell in next(csv.reader(self._lines[:1]))]
        lacking = [name for name in (*REQUIRED, *OPTIONAL) if name not in self._header]
        if lacking:
            raise FleetError([Problem(self._file, 1, f"no column {', '.join(lacking)}", "add it to the header")])
        self._cells = {
            number: dict(zip(self._header, (cell.strip() for cell in next(csv.reader([line]))), strict=True))
            for number, line in enumerate(self._lines)
            if number and line.strip()
        }

    @property
    def rows(self) -> list[dict[str, str]]:
        return list(self._cells.values())

    def row(self, asset_number: str) -> dict[str, str]:
        return self._cells[self._number(asset_number)]

    def change(self, asset_number: str, cells: dict[str, str]) -> None:
        number = self._number(asset_number)
        self._cells[number] |= cells
        self._lines[number] = self._line(self._cells[number])

    def add(self, cells: dict[str, str]) -> None:
        if not self._lines[-1].endswith(("\n", "\r")):
            self._lines[-1] += self._end
        self._cells[len(self._lines)] = dict.fromkeys(self._header, "") | cells
        self._lines.append(self._line(self._cells[len(self._lines)]))

    def write(self) -> None:
        """Write the table once the fleet is right with it.

        Raises:
            FleetError: it wouldn't be.
        """
        content = self._mark + "".join(self._lines).encode()
        self._try(content)
        staged = self._file.with_name(f".{_TABLE}.new")
        staged.write_bytes(content)
        with staged.open("rb") as file:
            os.fsync(file.fileno())
        staged.replace(self._file)

    def _try(self, content: bytes) -> None:
        """Load the fleet with the new table, in a copy beside it, where what it refers to lies in the same places."""
        with tempfile.TemporaryDirectory(prefix=".change-", dir=self._fleet.parent) as folder:
            copy = Path(folder)
            for path in self._fleet.iterdir():
                if path.is_file():
                    shutil.copy(path, copy)
            (copy / _TABLE).write_bytes(content)
            try:
                load_fleet(copy)
            except FleetError as error:
                moved = [
                    Problem(self._fleet / each.file.name, each.line, each.what, each.remedy) for each in error.problems
                ]
                raise FleetError(moved) from None

    def _number(self, asset_number: str) -> int:
        for number, cells in self._cells.items():
            if cells["asset_number"] == asset_number:
                return number
        what = f"there is no machine {asset_number!r}"
        raise FleetError([Problem(self._file, 1, what, "write the asset number as the table has it")])

    def _line(self, cells: dict[str, str]) -> str:
        text = io.StringIO()
        csv.writer(text, lineterminator=self._end).writerow([cells[name] for name in self._header])
        return text.getvalue()
