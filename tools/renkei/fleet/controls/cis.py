"""The comparison with the CIS Windows 11 list, level 1: what is in, what is out and why."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from renkei.fleet.controls.model import Table
from renkei.fleet.documents import read_document
from renkei.fleet.problems import FleetError, Problem

_SPAN = re.compile(r"((?:\d+\.)+)(\d+)(?:-(\d+))?")


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Items that no control of ours covers, with one reason."""

    reason: str
    items: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """The list with its source; `covered` is item → ids of our controls or the role that covers it."""

    source: str
    level_1: tuple[str, ...]
    covered: dict[str, tuple[str, ...]]
    left_out: tuple[LeftOut, ...]


def read_comparison(file: Path, table: Table) -> Comparison:
    """Read `cis-windows-11.yml` and set it beside the table; its schema lies beside it.

    Raises:
        FleetError: an item of level 1 is neither covered nor left out, or both, or is none of the list.
    """
    document = read_document(file, file.with_name("cis.schema.json"))
    level_1 = tuple(_spread(document.data["level_1"]))
    covered: dict[str, tuple[str, ...]] = {}
    for control in table.controls.values():
        for item in control.cis:
            covered[item] = (*covered.get(item, ()), control.id)
    for row in document.data["roles"]:
        for item in _spread(row["items"]):
            covered[item] = (*covered.get(item, ()), f"role {row['role']}")
    left_out = tuple(LeftOut(str(row["reason"]), tuple(_spread(row["items"]))) for row in document.data["left_out"])
    problems = list(_problems(file, document.line("left_out"), Comparison("", level_1, covered, left_out)))
    if problems:
        raise FleetError(problems)
    return Comparison(str(document.data["source"]), level_1, covered, left_out)


def _problems(file: Path, line: int, found: Comparison) -> Iterator[Problem]:
    out = [item for group in found.left_out for item in group.items]
    for item in sorted({each for each in out if out.count(each) > 1}, key=order):
        yield Problem(file, line, f"{item} is left out twice", "leave it with one reason")
    known = set(found.level_1)
    for item in sorted({*found.covered, *out} - known, key=order):
        yield Problem(file, line, f"{item} is no item of level 1", "correct the number")
    for item in found.level_1:
        if (item in found.covered) == (item in out):
            what = f"{item} is " + ("covered and left out" if item in out else "neither covered nor left out")
            yield Problem(file, line, what, "name it in one row of the controls' `cis`, or here with a reason")


def order(item: str) -> tuple[int, ...]:
    """Return what items are sorted by."""
    return tuple(map(int, item.split(".")))


def _spread(texts: Iterable[str]) -> Iterator[str]:
    """Write out spans: `1.1.1-3` is 1.1.1, 1.1.2 and 1.1.3."""
    for text in texts:
        found = _SPAN.fullmatch(str(text))
        if found:
            yield from (f"{found[1]}{number}" for number in range(int(found[2]), int(found[3] or found[2]) + 1))
