"""When terminals of a fleet may be maintained, from `maintenance` in `fleet.yml`: named profiles of windows.

An endpoint takes the profile that `endpoints.csv` names, or else the default one; so with its calendar.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from renkei.domain.windows import Hours, Rule
from renkei.fleet.documents import Document
from renkei.fleet.problems import Problem

WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
"""Days of the week, Monday first."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """How much of its line updates may take, in percent: while clerks work, and otherwise. Notices are not limited."""

    office_hours_percent: int
    otherwise_percent: int


@dataclass(frozen=True, slots=True)
class Profile:
    """What endpoints of a kind have in common."""

    name: str
    rule: Rule
    delivery: Delivery


@dataclass(frozen=True, slots=True)
class Maintenance:
    """The section `maintenance` of `fleet.yml`.

    Attributes:
        profiles: by name.
        default: the profile of endpoints that name none.
        calendar: the file of the calendar of endpoints that have none of their own, or empty.
        ring_days: by ring, after how many days since the release it begins.
        deadline_days: since the release, by which an ordinary update is installed.
        urgent_deadline_days: the same of an urgent one.
    """

    profiles: Mapping[str, Profile]
    default: str
    calendar: str
    ring_days: Mapping[str, int]
    deadline_days: int
    urgent_deadline_days: int


def read_maintenance(document: Document, problems: list[Problem]) -> Maintenance:
    """Read the section, whose form the schema has checked, adding to `problems` what is wrong with it."""
    data = document.data["maintenance"]
    closed_on = frozenset(WEEK.index(day) for day in data["closed_on"])
    profiles = {
        str(name): _profile(document, str(name), profile, closed_on, problems)
        for name, profile in data["profiles"].items()
    }
    default = str(data["default"])
    if default not in profiles:
        what = f"default {default!r} is no profile"
        remedy = f"write one of {', '.join(profiles)}, or add it below profiles"
        problems.append(document.problem(("maintenance", "default"), what, remedy))
    return Maintenance(
        profiles=profiles,
        default=default,
        calendar=str(data.get("calendar", "")),
        ring_days=_ring_days(document, problems),
        deadline_days=int(data["deadline_days"]),
        urgent_deadline_days=int(data["urgent_deadline_days"]),
    )


def _profile(
    document: Document, name: str, data: Mapping[str, object], closed_on: frozenset[int], problems: list[Problem]
) -> Profile:
    path = ("maintenance", "profiles", name)
    hours = _hours(document, (*path, "office_hours"), data["office_hours"], problems)
    windows: dict[str, tuple[Hours, ...]] = {}
    for kind in ("working_days", "closing_days"):
        texts = data.get(kind, [])
        entries = enumerate(texts if isinstance(texts, list) else [])
        found = [(place, _hours(document, (*path, kind, place), text, problems)) for place, text in entries]
        windows[kind] = tuple(each for _, each in found)
        for place, each in found if kind == "working_days" else []:
            if each.overlaps(hours):
                what = f"the window {each} reaches into the office hours {hours}"
                problems.append(document.problem((*path, kind, place), what, "end it before they begin"))
    if not any(windows.values()):
        what = f"profile {name} has no window: its terminals could never be patched"
        problems.append(document.problem(path, what, "write hours below working_days or closing_days"))
    delivery = document.data["maintenance"]["profiles"][name]["delivery"]
    limits = Delivery(int(delivery["office_hours_percent"]), int(delivery["otherwise_percent"]))
    if not (limits.office_hours_percent or limits.otherwise_percent):
        what = f"profile {name} delivers nothing at any hour"
        problems.append(document.problem((*path, "delivery"), what, "allow some percent of the line"))
    return Profile(name, Rule(hours, windows["working_days"], windows["closing_days"], closed_on), limits)


def _hours(document: Document, path: tuple[str | int, ...], text: object, problems: list[Problem]) -> Hours:
    try:
        return Hours.parse(str(text))
    except ValueError as error:
        problems.append(document.problem(path, str(error), "write the hours of a day, such as 17:30-22:00"))
        return Hours(0, 1)


def _ring_days(document: Document, problems: list[Problem]) -> dict[str, int]:
    """Read the day on which each ring begins, counted from the release; they must follow the order of the rings."""
    rings = [str(ring) for ring in document.data["rings"]]
    path = ("maintenance", "ring_days")
    days = {str(ring): int(day) for ring, day in document.data["maintenance"]["ring_days"].items()}
    for ring in (each for each in days if each not in rings):
        what = f"{ring!r} is no ring"
        problems.append(document.problem((*path, ring), what, f"write the days of {', '.join(rings)}"))
    if missing := [ring for ring in rings if ring not in days]:
        what = f"no day for {', '.join(missing)}"
        problems.append(document.problem(path, what, "write after how many days each ring begins"))
    known = [ring for ring in rings if ring in days]
    for before, ring in pairwise(known):
        if days[ring] < days[before]:
            what = f"{ring} begins before {before}, which comes first in rings"
            problems.append(document.problem((*path, ring), what, "keep the order of rings"))
    return days
