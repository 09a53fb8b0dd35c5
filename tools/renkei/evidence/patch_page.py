"""The page of `renkei patch status`: one HTML file, Japanese with an English switch, readable without a network.

A cell an endpoint, by prefecture; the days before; whom to act on; and every machine, to be found by a word.
"""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from renkei.domain.windows import JST
from renkei.evidence.pages import put_page
from renkei.fleet.endpoints import Endpoint
from renkei.fleet.patching.host_words import PARTS, host_act, host_why
from renkei.fleet.patching.hosts import HostReport
from renkei.fleet.patching.standing import Standing
from renkei.fleet.patching.survey import Day, Report, Row
from renkei.fleet.patching.words import LINKS, STANDINGS, act, moment, patterns_made, said_at, why

#: Standing → the sign in its cell: it says in print, and to who can't tell the colours apart, what the colour says.
SIGNS: Final = {
    Standing.UP_TO_DATE: "",
    Standing.EXCEPTED: "e",
    Standing.DUE: "·",
    Standing.REBOOT: "r",
    Standing.LATE: "!",
    Standing.UNKNOWN: "?",
}
_WIDTH, _HEIGHT, _LEFT, _FOOT = 960, 220, 44, 26
_LABELS: Final = 7


@dataclass(frozen=True, slots=True)
class Cell:
    """An endpoint in the grid: its machines' worst standing, None where none is in service."""

    endpoint: Endpoint
    standing: Standing | None
    title: str


@dataclass(frozen=True, slots=True)
class Bar:
    """A day in the trend: its place, its pieces `(standing, y, height, machines)` in pixels, its label or empty."""

    x: float
    width: float
    pieces: list[tuple[Standing, float, float, int]]
    day: str
    label: str


def write_page(report: Report, target: Path, hosts: HostReport | None = None) -> None:
    """Render the page and put it in place at once, with Linux hosts and network devices if somebody looked at them."""
    now = report.question.at
    put_page(
        target,
        "renkei.evidence",
        "patch.html.j2",
        report=report,
        hosts=hosts,
        parts=PARTS,
        host_why=lambda row: host_why(row, now),
        host_act=host_act,
        now=now,
        standings=list(Standing),
        names=STANDINGS,
        signs=SIGNS,
        links=LINKS,
        cells=_cells(report),
        bars=_bars(report.trend),
        plot={"width": _WIDTH, "height": _HEIGHT, "left": _LEFT, "foot": _FOOT},
        most=max(sum(day.counts.values()) for day in report.trend),
        why=lambda row: why(row, now),
        act=act,
        moment=moment,
        said_at=said_at,
        patterns=lambda row: patterns_made(row.said),
        late=report.counts.get(Standing.LATE, 0),
        silent=sum(row.judgement.alarm for row in report.rows if row.standing is Standing.UNKNOWN),
    )


def _cells(report: Report) -> dict[str, list[Cell]]:
    """Give the cells by prefecture, both in the order of codes."""
    found: dict[str, list[Cell]] = {}
    for site in report.fleet.sites.values():
        if site.endpoint is not None:
            rows = report.by_endpoint.get(site.key, [])
            cell = Cell(site.endpoint, rows[0].standing if rows else None, _title(site.endpoint, rows))
            found.setdefault(site.endpoint.municipality.prefecture, []).append(cell)
    return found


def _title(endpoint: Endpoint, rows: list[Row]) -> str:
    standing = STANDINGS[rows[0].standing][0] if rows else "稼働中の端末なし"
    return f"{endpoint.code} {endpoint.municipality.name}：{standing}"


def _bars(trend: tuple[Day, ...]) -> list[Bar]:
    """Stack each day's machines, the best below."""
    most = max((sum(day.counts.values()) for day in trend), default=0) or 1
    step = (_WIDTH - _LEFT) / len(trend)
    every = max(1, -(-len(trend) // _LABELS))
    bars = []
    for place, day in enumerate(trend):
        y, pieces = float(_HEIGHT), []
        for standing in Standing:
            number = day.counts.get(standing, 0)
            height = _HEIGHT * number / most
            y -= height
            if number:
                pieces.append((standing, round(y, 2), round(height, 2), number))
        # the end of a day is midnight, which would bear the next one's name
        name = f"{day.at.astimezone(JST) - timedelta(seconds=1):%m-%d}"
        label = name if (len(trend) - 1 - place) % every == 0 else ""
        bars.append(Bar(round(_LEFT + place * step, 2), round(step * 0.86, 2), pieces, name, label))
    return bars
