"""What a month brings to every terminal, from `inventory/updates.yml`: sizes, sources and assumptions."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from importlib.resources import as_file, files
from itertools import pairwise
from pathlib import Path
from typing import Any

from renkei.fleet.documents import Document, read_document
from renkei.fleet.problems import FleetError, Problem

PATTERNS, NOTICES, CUMULATIVE = "patterns", "notices", "cumulative"


@dataclass(frozen=True, slots=True)
class Update:
    """Something that is delivered ring by ring: its bytes over a line and on a medium, and from which hour on."""

    name: str
    title: tuple[str, str]
    line_bytes: int
    media_bytes: int
    hour: int


@dataclass(frozen=True, slots=True)
class Notices:
    """How many notices go, each way, and the bytes of a notice by the size of its parcel."""

    events_a_person_a_year: float
    residents: int
    working_days_a_year: int
    largest_endpoint_a_day: int
    small_endpoint_a_day: int
    burst: int
    round_trips: int
    bytes: Mapping[int, float]

    def exchange_bytes(self, notices: float) -> float:
        """Give the bytes of an exchange of so many notices, straight between the measured sizes, and on beyond them."""
        if notices <= 0:
            return 0.0
        points = [(float(size), size * each) for size, each in sorted(self.bytes.items())]
        if notices <= points[0][0]:
            return points[0][1]
        for (left, low), (right, high) in pairwise(points):
            if notices <= right:
                return low + (high - low) * (notices - left) / (right - left)
        return points[-1][1] * notices / points[-1][0]

    @property
    def country_a_day(self) -> float:
        """Notices of the whole country on a working day, each way."""
        return self.residents * self.events_a_person_a_year / self.working_days_a_year


@dataclass(frozen=True, slots=True)
class Lines:
    """A line's payload, its round trip where nothing was measured, and the share of the ASP's line."""

    payload: float
    round_trip_ms: int
    piece_bytes: int
    asp: float


@dataclass(frozen=True, slots=True)
class Media:
    """How often a medium goes to an endpoint without a line, working days on its way, and how fast it is read."""

    every_days: int
    carrying_days: int
    bytes_a_second: int


@dataclass(frozen=True, slots=True)
class Month:
    """A month's load, with every assumption.

    Attributes:
        released_on: the day on which the updates are there.
        updates: in the order in which a terminal takes them when several wait.
        patterns: of every day; `hour` is when they are there.
        install_minutes: an installation takes, with its restart.
        need_minutes: that must be left of a window for it to begin.
        assumptions: `(what, figures, source)`, for the output.
    """

    document: Document = field(repr=False)
    released_on: date
    updates: tuple[Update, ...]
    patterns: Update
    install_minutes: int
    need_minutes: int
    notices: Notices
    lines: Lines
    media: Media
    patterns_line_hours: int
    patterns_media_days: int
    assumptions: tuple[tuple[str, str, str], ...]

    @property
    def cumulative(self) -> Update:
        """The update that restarts the terminal."""
        return next(each for each in self.updates if each.name == CUMULATIVE)


def read_month(file: Path, released_on: date | None = None) -> Month:
    """Read the file; `released_on` takes the place of its own day.

    Raises:
        FleetError: with all that is wrong with it.
    """
    with as_file(files("renkei.fleet.capacity") / "updates.schema.json") as schema:
        document = read_document(file, schema)
    data = document.data
    problems: list[Problem] = []
    day = released_on
    try:
        day = day or date.fromisoformat(data["released_on"])
    except ValueError:
        what = f"{data['released_on']!r} is no day of the calendar"
        problems.append(document.problem(("released_on",), what, "write it as 2026-12-09"))
    names = [each["name"] for each in data["updates"]]
    if names.count(CUMULATIVE) != 1 or len(set(names)) != len(names):
        what = f"the updates are {', '.join(names)}"
        problems.append(document.problem(("updates",), what, f"name each once, and one of them {CUMULATIVE}"))
    if reserved := sorted({PATTERNS, NOTICES} & set(names)):
        problems.append(document.problem(("updates",), f"{reserved[0]} is no update's name", "take another"))
    if problems or day is None:
        raise FleetError(problems)
    notices, lines, media, install = data["notices"], data["lines"], data["media"], data["installation"]
    return Month(
        document=document,
        released_on=day,
        updates=tuple(_update(each, str(each["name"]), "delivered_at") for each in data["updates"]),
        patterns=_update(data[PATTERNS], PATTERNS, "published_at"),
        install_minutes=int(install["minutes"]),
        need_minutes=int(install["minutes"]) + int(install["spare_minutes"]),
        notices=Notices(
            events_a_person_a_year=float(notices["events_a_person_a_year"]),
            residents=int(notices["residents"]),
            working_days_a_year=int(notices["working_days_a_year"]),
            largest_endpoint_a_day=int(notices["largest_endpoint_a_day"]),
            small_endpoint_a_day=int(notices["small_endpoint_a_day"]),
            burst=int(notices["burst"]),
            round_trips=int(notices["round_trips"]),
            bytes={int(each["notices"]): float(each["bytes"]) for each in notices["bytes"]},
        ),
        lines=Lines(
            payload=float(lines["payload_percent"]) / 100,
            round_trip_ms=int(lines["round_trip_ms"]),
            piece_bytes=int(lines["piece_bytes"]),
            asp=float(lines["asp_percent"]) / 100,
        ),
        media=Media(int(media["every_days"]), int(media["carrying_days"]), int(media["bytes_a_second"])),
        patterns_line_hours=int(data["deadlines"]["patterns_line_hours"]),
        patterns_media_days=int(data["deadlines"]["patterns_media_days"]),
        assumptions=tuple(_assumptions(data)),
    )


def _update(data: Mapping[str, Any], name: str, hour: str) -> Update:
    title = str(data["title"]["ja"]), str(data["title"]["en"])
    return Update(name, title, int(data["line_bytes"]), int(data["media_bytes"]), int(str(data[hour])[:2]))


def _assumptions(data: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Give every figure of the file with its source, so that a reader of the output sees what it rests on."""
    rows = []
    for each in (*data["updates"], {"name": PATTERNS, **data[PATTERNS]}):
        figures = f"{int(each['line_bytes']):,} B by line, {int(each['media_bytes']):,} B by medium"
        rows.append((str(each["name"]), figures, f"{str(each['source']).strip()} ({each['as_of']})"))
    for name in ("installation", NOTICES, "lines", "media"):
        section = data[name]
        figures = ", ".join(
            f"{key.replace('_', ' ')} {value}"
            for key, value in section.items()
            if key not in {"source", "as_of", "bytes"}
        )
        if name == NOTICES:
            measured = ", ".join(f"{each['bytes']} of {each['notices']:,}" for each in section["bytes"])
            figures += f", bytes a notice in a parcel {measured}"
        rows.append((name, figures, str(section["source"]).strip()))
    limits = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in data["deadlines"].items())
    return [*rows, ("deadlines", limits, "The fleet's, and those of this file.")]
