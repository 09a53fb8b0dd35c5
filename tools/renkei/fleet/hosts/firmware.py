"""Which versions of systems and firmware there are, and which advisories ask for a new one: `inventory/firmware.yml`.

firmware = read_firmware(ROOT / "inventory" / "firmware.yml")
firmware["debian-12"].asks("12.5")                     # the advisories whose fix this version doesn't have
"""

from collections.abc import Iterable, Mapping
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
    """What is known of a model: the day of each version's release, the oldest first, and advisories, the oldest first.

    The versions' order is that of the file; `debian` tells that they compare by Debian's rules as well, so that one
    that the file doesn't have has its place, too. Of other makers' versions nothing is guessed.
    """

    name: str
    released: Mapping[str, date]
    advisories: tuple[Advisory, ...]
    debian: bool = False

    @property
    def newest(self) -> str:
        """The newest version."""
        return next(reversed(self._places))

    @cached_property
    def _places(self) -> dict[str, int]:
        return {version: place for place, version in enumerate(self.released)}

    def reaches(self, version: str, other: str) -> bool | None:
        """Tell whether a version is another of the file's or comes after it; None where nobody can say."""
        if version in self._places:
            return self._places[version] >= self._places[other]
        try:
            return version_key(version) >= version_key(other) if self.debian else None
        except ValueError:
            return None

    def newer_than(self, version: str) -> str:
        """Return the newest version, empty where a version is that one or nobody can say."""
        return self.newest if self.reaches(version, self.newest) is False else ""

    def asks(self, version: str) -> tuple[Advisory, ...]:
        """Return the advisories whose fix a version isn't known to have."""
        return tuple(each for each in self.advisories if not self.reaches(version, each.fixed))

    def fix_of(self, advisories: Iterable[Advisory]) -> str:
        """Return the first version that has the fixes of all of these, empty of none."""
        return max((each.fixed for each in advisories), key=self._places.__getitem__, default="")


def read_firmware(file: Path) -> dict[str, Model]:
    """Read the file: what is known, by model.

    Raises:
        FleetError: it can't be read, doesn't match its schema, names something twice, has versions in another order
            than that of their days (or of Debian's rules), or an advisory whose fix is in no version; with every place.
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
    debian = row.get("order") == "debian"
    released = _released(document, number, row, problems, debian=debian)
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
    return Model(str(row["name"]), released, tuple(by_age), debian)


def _released(
    document: Document, number: int, row: Mapping[str, Any], problems: list[Problem], *, debian: bool
) -> dict[str, date]:
    released: dict[str, date] = {}
    for place, each in enumerate(row["versions"]):
        path, version = ("models", number, "versions", place), str(each["version"])
        day = _day(document, (*path, "released_on"), each["released_on"], problems)
        if version in released:
            problems.append(document.problem(path, f"{version} stands twice", "keep one"))
        elif before := next(reversed(released), None):
            if released[before] > day:
                what = f"{version} stands after {before} and was released before it"
                problems.append(document.problem(path, what, "put the oldest first; another train is another model"))
            elif debian and not _rises(before, version):
                what = f"{version} doesn't come after {before} by Debian's rules"
                problems.append(document.problem(path, what, "put versions in their order, or leave out `order`"))
        released[version] = day
    return released


def _rises(before: str, version: str) -> bool:
    try:
        return version_key(before) < version_key(version)
    except ValueError:
        return False


def _day(document: Document, path: tuple[str | int, ...], text: object, problems: list[Problem]) -> date:
    try:
        return date.fromisoformat(str(text))
    except ValueError:
        problems.append(document.problem(path, f"{text} is no day", "write it as 2026-11-27"))
        return date.min
