"""`inventory/controls/windows.yml`, read and checked; every problem at once, as file:line."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from renkei.fleet.controls.audit import SUBCATEGORIES
from renkei.fleet.controls.guard import dangers
from renkei.fleet.controls.model import Check, Control, Parameter, Settings, Table
from renkei.fleet.documents import Document, read_document
from renkei.fleet.problems import FleetError, Problem
from renkei.fleet.terminals import Profile

GUIDELINE: Final = tuple(f"{number:02}" for number in range(1, 35))
"""Numbers of the guideline's controls (docs/controls.md)."""
FACT_PARAMETERS: Final = {
    "accounts.unexpected": ("unused-days",),
    "updates.overdue": ("update-days", "urgent-update-days", "update-searched-days", "updates-by-media"),
}
"""Facts that are figured out with parameters."""
HARDENING: Final = "terminal_hardening"
"""The role that sets what no other role is named for."""
REFERENCE: Final = re.compile(r"\$\{([a-z0-9-]+)\}")


def read_controls(file: Path) -> Table:
    """Read the table; its schema lies beside it.

    Raises:
        FleetError: with all that is wrong with it, as file:line.
    """
    document = read_document(file, file.with_name("controls.schema.json"))
    problems: list[Problem] = []
    parameters = {str(name): _parameter(str(name), row) for name, row in document.data["parameters"].items()}
    controls: dict[str, Control] = {}
    for number, row in enumerate(document.data["controls"]):
        control = _control(row, document.line("controls", number, "id"))
        if control.id in controls:
            problems.append(Problem(file, control.line, f"{control.id} stands twice", "rename one of them"))
        controls[control.id] = control
    elsewhere = {str(number): str(text) for number, text in document.data["elsewhere"].items()}
    table = Table(str(document.data["version"]), parameters, controls, elsewhere)
    problems += _problems(document, table)
    if problems:
        raise FleetError(problems)
    return table


def _problems(document: Document, table: Table) -> Iterator[Problem]:
    seen: dict[tuple[str, ...], str] = {}
    for control in table.controls.values():
        yield from _problems_of(document.file, table, control)
        for place, _ in leaves(control.settings):
            other = seen.setdefault(tuple(part.lower() for part in place), control.id)
            if other != control.id:
                what = f"{control.id} and {other} both set {' '.join(place)}"
                yield Problem(document.file, control.line, what, "leave it to one of them")
    used = {name for control in table.controls.values() for name in references(control)}
    for name in table.parameters.keys() - used:
        yield document.problem(("parameters", name), f"nothing refers to the parameter {name}", "remove it")
    held = {number for control in table.controls.values() for number in control.guideline}
    for number in GUIDELINE:
        if (number in held) == (number in table.elsewhere):
            what = f"the guideline's control {number} is " + ("here and elsewhere" if number in held else "nowhere")
            yield document.problem(("elsewhere",), what, "give it a row, or say in `elsewhere` what holds it")


def _problems_of(file: Path, table: Table, control: Control) -> Iterator[Problem]:
    for danger in dangers(control.settings):
        yield Problem(file, control.line, f"{control.id}: {danger}", "take it out of the table")
    for name in control.settings.audit.keys() - SUBCATEGORIES.keys():
        what = f"{control.id}: the audit policy has no subcategory {name!r}"
        yield Problem(file, control.line, what, "write its English name, or add its GUID to audit.py")
    for name in references(control) - table.parameters.keys():
        known = ", ".join(table.parameters)
        yield Problem(file, control.line, f"{control.id}: there is no parameter {name!r}", f"there are {known}")
    for number in set(control.guideline).difference(GUIDELINE):
        what = f"{control.id}: the guideline has no control {number}"
        yield Problem(file, control.line, what, "write 01 to 34")


def leaves(settings: Settings) -> Iterator[tuple[tuple[str, ...], object]]:
    """Yield each single setting: its place and what is set there."""
    for section, keys in settings.security.items():
        yield from (((section, key), data) for key, data in keys.items())
    yield from ((("right", right), sids) for right, sids in settings.rights.items())
    yield from ((("audit", name), kinds) for name, kinds in settings.audit.items())
    for key, values in settings.registry.items():
        if isinstance(values, str):
            yield (key, "*"), values
        else:
            yield from (((key, name), data) for name, data in values.items())
    yield from ((("feature", name), "off") for name in settings.features)
    yield from ((("service", name), "disabled") for name in settings.services)
    if settings.tool:
        yield ("tool", settings.tool), "on"


def references(control: Control) -> set[str]:
    """Return the names of the parameters that a control refers to."""
    texts = [str(data) for _, data in leaves(control.settings)]
    found = {name for text in texts for name in REFERENCE.findall(text)}
    if control.check is not None:
        found.update(REFERENCE.findall(str(control.check.at_most)))
        found.update(FACT_PARAMETERS.get(control.check.fact, ()))
    return found


def _parameter(name: str, row: Mapping[str, Any]) -> Parameter:
    what = str(row["what"])
    if "list" in row:
        return Parameter(name, what, pattern=str(row["list"]), is_list=True)
    if "text" in row:
        return Parameter(name, what, pattern=str(row["text"]))
    return Parameter(name, what, int(row["default"]), int(row["at_least"]), int(row["at_most"]))


def _control(row: Mapping[str, Any], line: int) -> Control:
    check = row.get("check")
    return Control(
        id=str(row["id"]),
        guideline=tuple(map(str, row["guideline"])),
        chapter=str(row["chapter"]),
        title=str(row["title"]),
        risk=str(row["risk"]),
        role=str(row.get("role", HARDENING)),
        platform=str(row["platform"]),
        profiles=frozenset(Profile(name) for name in row["profiles"]),
        enabled=bool(row["enabled"]),
        stricter=str(row.get("stricter", "")),
        cis=tuple(map(str, row.get("cis", ()))),
        settings=_settings(row.get("set", {})),
        check=None if check is None else _check(check),
        line=line,
    )


def _settings(row: Mapping[str, Any]) -> Settings:
    return Settings(
        security={str(name): _data(keys) for name, keys in row.get("security", {}).items()},
        rights={str(right): tuple(map(str, sids)) for right, sids in row.get("rights", {}).items()},
        audit={str(name): frozenset(map(str, kinds)) for name, kinds in row.get("audit", {}).items()},
        registry={
            str(key): str(values) if isinstance(values, str) else _data(values)
            for key, values in row.get("registry", {}).items()
        },
        features=tuple(map(str, row.get("features", ()))),
        services=tuple(map(str, row.get("services", ()))),
        tool=str(row.get("tool", "")),
    )


def _data(values: Mapping[Any, Any]) -> dict[str, int | str]:
    return {str(name): int(data) if isinstance(data, int) else str(data) for name, data in values.items()}


def _check(row: Mapping[str, Any]) -> Check:
    is_, at_most = row.get("is"), row.get("at_most")
    return Check(
        fact=str(row["fact"]),
        is_=str(is_) if isinstance(is_, str) else is_,
        at_most=str(at_most) if isinstance(at_most, str) else at_most,
        empty=bool(row.get("empty", False)),
    )
