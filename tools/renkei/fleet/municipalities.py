"""The country: every municipality and ward that notices are addressed to, from `inventory/municipalities.csv`."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from renkei.domain.codes import InvalidCode, MunicipalityCode
from renkei.fleet.problems import Problem
from renkei.fleet.tables import Row, read_table

_PREFECTURES = 47
COLUMNS = ("code", "prefecture", "name", "reading", "kind", "parent")


class Kind(StrEnum):
    """What a municipality is; a `ward` is one of a designated city, a `special_ward` one of Tokyo's 23."""

    CITY = "city"
    TOWN = "town"
    VILLAGE = "village"
    SPECIAL_WARD = "special_ward"
    WARD = "ward"


_KINDS = frozenset(Kind)


@dataclass(frozen=True, slots=True)
class Municipality:
    """A municipality or ward; `parent` is the designated city's code, of wards only."""

    code: MunicipalityCode
    prefecture: str
    name: str
    reading: str
    kind: Kind
    parent: MunicipalityCode | None


def read_municipalities(file: Path, problems: list[Problem]) -> dict[str, Municipality]:
    """Read the country, by code, adding to `problems` what is wrong with it."""
    country: dict[str, Municipality] = {}
    for row in read_table(file, COLUMNS, (), problems):
        code = read_code(file, row, "code", problems)
        if code is None:
            continue
        if not 1 <= int(code.prefecture) <= _PREFECTURES:
            what = f"code {code} is of no prefecture"
            problems.append(Problem(file, row.line, what, "codes begin with 01 to 47"))
            continue
        if code.value in country:
            problems.append(Problem(file, row.line, f"code {code} stands twice", "remove one of the rows"))
            continue
        if row["kind"] not in _KINDS:
            what = f"kind {row['kind']!r} is unknown"
            problems.append(Problem(file, row.line, what, f"write one of {', '.join(Kind)}"))
            continue
        kind = Kind(row["kind"])
        if (kind is Kind.WARD) != bool(row["parent"]):
            what = f"{code} is a {kind} and its parent is {row['parent'] or 'empty'}"
            problems.append(Problem(file, row.line, what, "give wards, and wards only, their city's code as parent"))
            continue
        parent = read_code(file, row, "parent", problems) if row["parent"] else None
        country[code.value] = Municipality(code, row["prefecture"], row["name"], row["reading"], kind, parent)
    return country


def read_code(file: Path, row: Row, column: str, problems: list[Problem]) -> MunicipalityCode | None:
    """Read a cell that holds a code, or add to `problems` why it doesn't."""
    text = row[column]
    try:
        return MunicipalityCode(text)
    except InvalidCode as error:
        remedy = "look it up in municipalities.csv"
        if len(text) == 5 and text.isdigit():  # noqa: PLR2004 - a code that lost its first digit
            remedy = f"a spreadsheet dropped the leading 0: write 0{text}"
        problems.append(Problem(file, row.line, str(error), remedy))
        return None
