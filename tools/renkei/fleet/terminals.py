"""The machines of a fleet, from `terminals.csv`: a row a machine, so that a replaced one keeps its history."""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path

from renkei.domain.codes import MunicipalityCode
from renkei.fleet.municipalities import read_code
from renkei.fleet.problems import Problem
from renkei.fleet.tables import Row, read_table

REQUIRED = ("asset_number", "code", "profile", "model", "machine_serial", "state")
DATES = ("delivered_on", "in_service_on", "retired_on")
OPTIONAL = (*DATES, "replaces", "note")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,39}")
_COMPUTER_NAME = re.compile(r"(?=.*[A-Z])[A-Z0-9](?:[A-Z0-9-]{0,13}[A-Z0-9])?")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


class Profile(StrEnum):
    """Whether the machine serves the link alone, or shares its place with other duties."""

    DEDICATED = "dedicated"
    SHARED = "shared"


class State(StrEnum):
    """Where a machine stands in its life."""

    ORDERED = "ordered"
    STAGED = "staged"
    IN_SERVICE = "in_service"
    RETIRED = "retired"


#: The dates that each state must have.
_NEEDED = {
    State.ORDERED: (),
    State.STAGED: ("delivered_on",),
    State.IN_SERVICE: ("delivered_on", "in_service_on"),
    State.RETIRED: ("delivered_on", "retired_on"),
}


@dataclass(frozen=True, slots=True)
class Terminal:
    """A machine; `replaces` is the asset number of the one whose place it took, `line` the row's line in the file."""

    asset_number: str
    code: MunicipalityCode
    profile: Profile
    model: str
    machine_serial: str
    state: State
    delivered_on: date | None
    in_service_on: date | None
    retired_on: date | None
    replaces: str | None
    note: str
    line: int

    @property
    def computer_name(self) -> str:
        """What Windows calls the machine, from its first boot on: the asset number, where Windows takes it for a name.

        That is 15 letters, digits and hyphens at most, and not digits alone; in any other case it is `RENKEI-CODE`.
        """
        name = self.asset_number.upper()
        return name if _COMPUTER_NAME.fullmatch(name) else f"RENKEI-{self.code.value}"


def read_terminals(file: Path, codes: Collection[str], problems: list[Problem]) -> list[Terminal]:
    """Read the machines, adding to `problems` what is wrong with a row or between rows.

    Args:
        file: the table.
        codes: of the fleet's endpoints, also of those whose own row is wrong.
        problems: is added to.
    """
    terminals: list[Terminal] = []
    seen: dict[tuple[str, str], int] = {}
    for row in read_table(file, REQUIRED, OPTIONAL, problems):
        for column in ("asset_number", "machine_serial"):
            if not _NAME.fullmatch(row[column]):
                what = f"{column} {row[column]!r} is not 1 to 40 letters, digits and hyphens"
                problems.append(Problem(file, row.line, what, "write it as on the machine's label"))
            elif (line := seen.setdefault((column, row[column]), row.line)) != row.line:
                what = f"{column} {row[column]} stands in line {line} already"
                problems.append(Problem(file, row.line, what, "remove or correct one of the rows"))
        terminal = _terminal(file, row, codes, problems)
        if terminal:
            terminals.append(terminal)
    _check_replaced(file, terminals, problems)
    return terminals


def serving(terminals: Iterable[Terminal]) -> dict[str, Terminal]:
    """Give by endpoint's code the machine that serves it, or will: in service, else staged, else ordered."""
    rank = {State.IN_SERVICE: 0, State.STAGED: 1, State.ORDERED: 2}
    chosen: dict[str, Terminal] = {}
    for terminal in terminals:
        if terminal.state in rank:
            other = chosen.get(terminal.code.value)
            if other is None or rank[terminal.state] < rank[other.state]:
                chosen[terminal.code.value] = terminal
    return chosen


def _terminal(file: Path, row: Row, codes: Collection[str], problems: list[Problem]) -> Terminal | None:
    before = len(problems)
    code = read_code(file, row, "code", problems)
    if code and code.value not in codes:
        what = f"machine {row['asset_number']} is of {code}, which is no endpoint of this fleet"
        problems.append(Problem(file, row.line, what, "correct the code, or add the endpoint to endpoints.csv"))
    for column, known in (("profile", tuple(Profile)), ("state", tuple(State))):
        if row[column] not in known:
            what = f"{column} {row[column]!r} is unknown"
            problems.append(Problem(file, row.line, what, f"write one of {', '.join(known)}"))
    if not row["model"]:
        problems.append(Problem(file, row.line, "model is empty", "write the model's name"))
    days = {column: _day(file, row, column, problems) for column in DATES}
    if code is None or len(problems) > before:
        return None
    state = State(row["state"])
    problems.extend(
        Problem(file, row.line, f"a machine that is {state} needs {column}", "write the day as 2026-04-01")
        for column in _NEEDED[state]
        if days[column] is None
    )
    known_days = [day for day in days.values() if day is not None]
    if known_days != sorted(known_days):
        what = "delivered_on, in_service_on and retired_on are not in this order"
        problems.append(Problem(file, row.line, what, "correct the days"))
    if state is not State.RETIRED and days["retired_on"] is not None:
        what = f"a machine that is {state} has retired_on"
        problems.append(Problem(file, row.line, what, "set its state to retired, or remove the day"))
    if len(problems) > before:
        return None
    return Terminal(
        asset_number=row["asset_number"],
        code=code,
        profile=Profile(row["profile"]),
        model=row["model"],
        machine_serial=row["machine_serial"],
        state=state,
        delivered_on=days["delivered_on"],
        in_service_on=days["in_service_on"],
        retired_on=days["retired_on"],
        replaces=row["replaces"] or None,
        note=row["note"],
        line=row.line,
    )


def _day(file: Path, row: Row, column: str, problems: list[Problem]) -> date | None:
    if not row[column]:
        return None
    try:
        if _DATE.fullmatch(row[column]):
            return date.fromisoformat(row[column])
        what = f"{column} {row[column]!r} is not written as a day"
    except ValueError:
        what = f"{column} {row[column]} is no day of the calendar"
    problems.append(Problem(file, row.line, what, "write it as 2026-04-01"))
    return None


def _check_replaced(file: Path, terminals: list[Terminal], problems: list[Problem]) -> None:
    """Find machines in service beside one another, and replacements that don't fit what they replace."""
    by_asset = {terminal.asset_number: terminal for terminal in terminals}
    in_service: dict[str, Terminal] = {}
    replaced: dict[str, Terminal] = {}
    for terminal in terminals:
        if terminal.state is State.IN_SERVICE:
            first = in_service.setdefault(terminal.code.value, terminal)
            if first is not terminal:
                what = f"endpoint {terminal.code} has {first.asset_number} (line {first.line}) in service already"
                problems.append(Problem(file, terminal.line, what, "retire one of them"))
        if terminal.replaces is None:
            continue
        old = by_asset.get(terminal.replaces)
        if old is None or old.code != terminal.code or old is terminal:
            what = f"replaces {terminal.replaces!r}, which is no other machine of endpoint {terminal.code}"
            problems.append(Problem(file, terminal.line, what, "write the asset number of the machine before it"))
        elif (other := replaced.setdefault(terminal.replaces, terminal)) is not terminal:
            what = f"replaces {terminal.replaces}, as line {other.line} does already"
            problems.append(Problem(file, terminal.line, what, "let one machine replace it"))
        elif terminal.state is State.IN_SERVICE and old.state is not State.RETIRED:
            what = f"replaces {terminal.replaces}, which is {old.state}"
            problems.append(Problem(file, old.line, what, "set its state to retired"))
