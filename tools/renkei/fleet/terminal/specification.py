"""What a linkage terminal must be: `inventory/terminal/specification.yml`, which the ministry writes.

specification = read_specification(ROOT / "inventory" / "terminal" / "specification.yml")
specification.items[0].must.holds("x64")
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Any

from renkei.fleet.documents import Document, read_document
from renkei.fleet.problems import FleetError, Problem
from renkei.fleet.terminal.facts import FACT_PATHS, Fact
from renkei.fleet.terminals import Profile


class Need(StrEnum):
    """Whether a machine without an item is refused."""

    REQUIRED = "required"
    RECOMMENDED = "recommended"


@dataclass(frozen=True, slots=True)
class Must:
    """A demand on one fact; exactly one of the four is set."""

    at_least: float | None = None
    is_: str | float | bool | None = None
    one_of: tuple[str | float, ...] = ()
    empty: bool = False

    def holds(self, fact: Fact) -> bool:
        """Tell whether a fact that is known meets the demand."""
        if self.empty:
            return fact == []
        if self.at_least is not None:
            return isinstance(fact, int | float) and not isinstance(fact, bool) and fact >= self.at_least
        if self.one_of:
            return fact in self.one_of
        return type(fact) is type(self.is_) and fact == self.is_

    def describe(self, unit: str) -> str:
        """Say the demand in a few Japanese words."""
        if self.empty:
            return "なし"
        if self.at_least is not None:
            return f"{self.at_least:,g}{unit}以上"
        if self.one_of:
            return " / ".join(map(str, self.one_of))
        return _WORDS.get(self.is_, str(self.is_)) if isinstance(self.is_, bool) else str(self.is_)


_WORDS = {True: "はい", False: "いいえ"}


@dataclass(frozen=True, slots=True)
class Item:
    """One demand; `text` is how an order sheet says it, `fact` which fact of a machine it is about."""

    id: str
    section: str
    name: str
    text: str
    fact: str
    must: Must
    unit: str
    need: Need
    profiles: frozenset[Profile]
    why: str


@dataclass(frozen=True, slots=True)
class OperatingSystem:
    """An edition that a terminal may run, from which revision of its build on, and until when it gets patches."""

    name: str
    edition: str
    build: int
    revision_at_least: int
    supported_until: date


class Source(StrEnum):
    """Where software comes from: this kit's releases, or a vendor."""

    RELEASE = "release"
    VENDOR = "vendor"


@dataclass(frozen=True, slots=True)
class Software:
    """Software beside the operating system.

    Attributes:
        package: of a release: its file's name, with VERSION for the release's; empty for a vendor's.
        version_at_least: of a vendor's: the floor, such as (4, 18); empty for a release.
    """

    id: str
    name: str
    publisher: str
    source: Source
    package: str
    version_at_least: tuple[int, ...]
    profiles: frozenset[Profile]
    why: str

    @property
    def demand(self) -> str:
        """The demand in a few Japanese words."""
        if self.source is Source.RELEASE:
            return "法務省が配布する版"
        return f"バージョン{'.'.join(map(str, self.version_at_least))}以上"


@dataclass(frozen=True, slots=True)
class Specification:
    """The whole file; `lifetime_years` is how long a machine serves before it is to be replaced."""

    version: str
    title: str
    lifetime_years: int
    operating_systems: tuple[OperatingSystem, ...]
    software: tuple[Software, ...]
    items: tuple[Item, ...]

    def items_for(self, profile: Profile) -> tuple[Item, ...]:
        """Give the items that a machine of this profile is held against."""
        return tuple(item for item in self.items if profile in item.profiles)

    def software_for(self, profile: Profile) -> tuple[Software, ...]:
        """Give the software of a machine of this profile."""
        return tuple(each for each in self.software if profile in each.profiles)


def read_specification(file: Path) -> Specification:
    """Read a specification; its schema lies beside it.

    Raises:
        FleetError: with all that is wrong with it, as file:line.
    """
    document = read_document(file, file.with_name("specification.schema.json"))
    problems: list[Problem] = []
    systems = tuple(
        _operating_system(document, number, problems) for number in range(len(document.data["operating_systems"]))
    )
    software = tuple(_software(row) for row in document.data["software"])
    items = tuple(_item(row) for row in document.data["items"])
    seen: set[str] = set()
    for part in ("software", "items"):
        for number, row in enumerate(document.data[part]):
            if row["id"] in seen:
                what = f"{row['id']} stands twice"
                problems.append(document.problem((part, number, "id"), what, "rename one of them"))
            seen.add(row["id"])
    for number, item in enumerate(items):
        if item.fact not in FACT_PATHS:
            known = ", ".join(sorted(FACT_PATHS))
            what = f"{item.fact} is no fact of a machine"
            problems.append(document.problem(("items", number, "fact"), what, f"write one of {known}"))
    if problems:
        raise FleetError(problems)
    return Specification(
        version=str(document.data["version"]),
        title=str(document.data["title"]),
        lifetime_years=int(document.data["lifetime_years"]),
        operating_systems=systems,
        software=software,
        items=items,
    )


def _operating_system(document: Document, number: int, problems: list[Problem]) -> OperatingSystem:
    row = document.data["operating_systems"][number]
    until = date.max
    try:
        until = date.fromisoformat(row["supported_until"])
    except ValueError:
        where = ("operating_systems", number, "supported_until")
        what = f"{row['supported_until']} is no day of the calendar"
        problems.append(document.problem(where, what, "write the day as 2034-10-10"))
    return OperatingSystem(
        name=str(row["name"]),
        edition=str(row["edition"]),
        build=int(row["build"]),
        revision_at_least=int(row["revision_at_least"]),
        supported_until=until,
    )


def _software(row: Mapping[str, Any]) -> Software:
    floor = str(row.get("version_at_least", ""))
    return Software(
        id=str(row["id"]),
        name=str(row["name"]),
        publisher=str(row["publisher"]),
        source=Source(row["source"]),
        package=str(row.get("package", "")),
        version_at_least=tuple(map(int, floor.split("."))) if floor else (),
        profiles=frozenset(Profile(name) for name in row["profiles"]),
        why=str(row["why"]),
    )


def _item(row: Mapping[str, Any]) -> Item:
    return Item(
        id=str(row["id"]),
        section=str(row["section"]),
        name=str(row["name"]),
        text=str(row["text"]),
        fact=str(row["fact"]),
        must=_must(row["must"]),
        unit=str(row.get("unit", "")),
        need=Need(row["need"]),
        profiles=frozenset(Profile(name) for name in row["profiles"]),
        why=str(row["why"]),
    )


def _must(row: Mapping[str, Any]) -> Must:
    value = row.get("is")
    return Must(
        at_least=row.get("at_least"),
        is_=str(value) if isinstance(value, str) else value,  # the reader's own kinds of text don't count as one
        one_of=tuple(str(each) if isinstance(each, str) else each for each in row.get("one_of", ())),
        empty=bool(row.get("empty", False)),
    )
