"""Which versions of systems and firmware there are, and which advisories ask for a new one: `inventory/firmware.yml`.

firmware = read_firmware(ROOT / "inventory" / "firmware.yml")
firmware["debian-12"].asks("12.5")                     # the advisories whose fix this version doesn't have
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

from renkei.fleet.documents import Document, read_document
from renkei.fleet.hosts.resolve import version_key
from renkei.fleet.problems import FleetError, Problem


@dataclass(frozen=True, slots=True)
class Advisory:
    """A published word that asks for a version with a fix: where it stands, since when, how urgent."""

    id: str
    url: str
    what: str
    urgent: bool
    since: date
    fixed: str


@dataclass(frozen=True)
class Model:
    """What is known of a model: the day of each version's release, and advisories, the oldest first."""

    name: str
    released: Mapping[str, date]
    advisories: tuple[Advisory, ...]

    @cached_property
    def newest(self) -> str:
        """The newest version."""
        return max(self.released, key=version_key)

    def asks(self, version: str) -> tuple[Advisory, ...]:
        """Return the advisories whose fix a version doesn't have."""
        return tuple(each for each in self.advisories if version_key(version) < version_key(each.fixed))


def read_firmware(file: Path) -> dict[str, Model]:
    """Read the file: what is known, by model.

    Raises:
        FleetError: it can't be read, doesn't match its schema, names something twice, or has an advisory whose fix is
            in no version; with every place.
    """
    document = read_document(file, file.with_suffix(".schema.json"))
    problems: list[Problem] = []
    found: dict[str, Model] = {}
    for number, row in enumerate(document.data["models"]):
        name = str(row["model"])
        if name in found:
            problems.append(document.problem(("models", number), f"{name} stands twice", "put the two together"))
        found[name] = _model(document, number, row, problems)
    if problems:
        raise FleetError(problems)
    return found


def _model(document: Document, number: int, row: Mapping[str, Any], problems: list[Problem]) -> Model:
    released: dict[str, date] = {}
    for place, each in enumerate(row["versions"]):
        path = ("models", number, "versions", place)
        if str(each["version"]) in released:
            problems.append(document.problem(path, f"{each['version']} stands twice", "keep one"))
        released[str(each["version"])] = _day(document, (*path, "released_on"), each["released_on"], problems)
    advisories: dict[str, Advisory] = {}
    for place, each in enumerate(row["advisories"]):
        path, fixed = ("models", number, "advisories", place), str(each["fixed"])
        if str(each["id"]) in advisories:
            problems.append(document.problem(path, f"{each['id']} stands twice", "keep one"))
        if fixed not in released:
            what = f"{each['id']} asks for {fixed}, which isn't among the versions"
            problems.append(document.problem(path, what, "add that version with the day of its release"))
        since = _day(document, (*path, "since"), each["since"], problems)
        urgent = each["severity"] == "urgent"
        advisories[str(each["id"])] = Advisory(
            str(each["id"]), str(each["url"]), str(each["what"]), urgent, since, fixed
        )
    by_age = sorted(advisories.values(), key=lambda advisory: (advisory.since, advisory.id))
    return Model(str(row["name"]), released, tuple(by_age))


def _day(document: Document, path: tuple[str | int, ...], text: object, problems: list[Problem]) -> date:
    try:
        return date.fromisoformat(str(text))
    except ValueError:
        problems.append(document.problem(path, f"{text} is no day", "write it as 2026-11-27"))
        return date.min
