"""`renkei capacity`: how long a month's updates and notices take to every endpoint, and what to change."""

from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from renkei.cli.inventory import DEFAULT_FLEET, ROOT, FleetOption, fail, print_json
from renkei.fleet.problems import FleetError, shown

if TYPE_CHECKING:
    from renkei.fleet.capacity.outcome import Outcome, Result
    from renkei.fleet.capacity.updates import Month
    from renkei.fleet.model import Fleet

_YEARS = range(2000, 2100)
_MOST_GROUPS, _MOST_NAMES = 12, 5
_SHADES = " ·░▒▓█"


def capacity(
    *,
    fleet: FleetOption = DEFAULT_FLEET,
    updates: Annotated[Path, typer.Option(help="What a month brings, with sizes and sources.")] = ROOT
    / "inventory"
    / "updates.yml",
    released: Annotated[str, typer.Option(help="Day of the release, such as 2026-12-09; without it, the file's.")] = "",
    urgent: Annotated[bool, typer.Option("--urgent", help="All rings at once, by the urgent deadline.")] = False,
    endpoint: Annotated[str, typer.Option(help="One endpoint's month by day and hour, such as 131041.")] = "",
    page: Annotated[Path | None, typer.Option(help="Write an HTML page here: Japanese with an English switch.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Write the plot here, as PNG.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, every endpoint with its days.")] = False,
) -> None:
    """Simulate how a month's updates and notices reach every endpoint, hour by hour, and say what to change.

    Exit codes: 0 every deadline holds, 1 some don't, 2 the files or the call are wrong.
    """
    from renkei.fleet.capacity.outcome import simulate
    from renkei.fleet.capacity.updates import read_month
    from renkei.fleet.loader import load_fleet

    day = _day(released) if released else None
    problems: list[str] = []
    loaded: Fleet | None = None
    month: Month | None = None
    try:
        loaded = load_fleet(fleet)
    except FleetError as error:
        problems += map(str, error.problems)
    try:
        month = read_month(updates, day)
    except FleetError as error:
        problems += map(str, error.problems)
    if loaded is None or month is None:
        typer.echo("\n".join(problems), err=True)
        raise typer.Exit(2)
    if endpoint and (endpoint not in loaded.sites or loaded.sites[endpoint].endpoint is None):
        fail(f"fleet {loaded.settings.name} has no endpoint {endpoint!r}; `renkei inventory list` shows them")
    try:
        result = simulate(loaded, month, urgent=urgent)
    except FleetError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
    _write(result, page, plot)
    if as_json:
        print_json(_document(result, endpoint))
    elif endpoint:
        _show_endpoint(result, endpoint)
    else:
        _show(result)
    raise typer.Exit(1 if result.late else 0)


def _day(text: str) -> date:
    """Read the day of a release, or say what is wrong with it and exit 2."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        fail(f"--released {text!r} is no day; write it as 2026-12-09")
    if day.year not in _YEARS:
        fail(f"--released {text!r} lies outside of the years {_YEARS[0]} to {_YEARS[-1]}")
    return day


def _write(result: "Result", page: Path | None, plot: Path | None) -> None:
    if page is None and plot is None:
        return
    from renkei.evidence.capacity_page import write_page
    from renkei.evidence.capacity_plot import PlotError, write_plot

    try:
        if page is not None:
            write_page(result, page)
        if plot is not None:
            write_plot(result, plot)
    except (OSError, PlotError) as error:
        fail(f"can't write the page or the plot: {error}")


def _document(result: "Result", code: str) -> dict[str, Any]:
    from renkei.fleet.capacity.questions import answers

    chosen = [each for each in result.outcomes if code in {"", each.endpoint.code.value}]
    country, course = result.country, result.course
    document: dict[str, Any] = {
        "fleet": result.fleet.settings.name,
        "released_on": result.month.released_on.isoformat(),
        "urgent": result.urgent,
        "holds": not result.late,
        "late": len(result.late),
        "asp": {
            "bytes_an_hour": round(country.load.egress),
            "hours_full": int(course.full.sum()),
            "bytes_by_hour": [round(float(each)) for each in course.served.sum(axis=(0, 2))],
        },
        "assumptions": [
            {"what": what, "figures": figures, "source": source} for what, figures, source in result.month.assumptions
        ],
        "answers": [
            {"question": each.question[0], "answer": each.answer[0], "answer_en": each.answer[1]}
            for each in answers(result)
        ],
        "endpoints": [_row(result, each) for each in chosen],
    }
    if code:
        document["endpoints"][0]["bytes_by_hour"] = [round(each) for each in _hours(result, code)]
    return document


def _row(result: "Result", outcome: "Outcome") -> dict[str, Any]:
    endpoint = outcome.endpoint
    hours = _hours(result, endpoint.code.value)
    return {
        "endpoint": endpoint.code.value,
        "name": endpoint.municipality.name,
        "prefecture": endpoint.municipality.prefecture,
        "ring": endpoint.ring,
        "link": endpoint.link.value,
        "profile": result.fleet.profile(endpoint).name,
        "line_kbps": endpoint.line_kbps,
        "bytes": outcome.bytes,
        "bytes_by_day": [round(sum(hours[at : at + 24])) for at in range(0, len(hours), 24)],
        "begins_at": outcome.begins_at.isoformat(),
        "fetched_at": outcome.fetched_at and outcome.fetched_at.isoformat(),
        "fetch_hours": None if outcome.fetch_hours is None else round(outcome.fetch_hours, 2),
        "installed_at": outcome.installed_at and outcome.installed_at.isoformat(),
        "deadline": outcome.deadline.isoformat(),
        "patterns_hours": outcome.patterns_hours,
        "notices_seconds": None if outcome.notices_seconds is None else round(outcome.notices_seconds, 2),
        "busiest_percent": round(outcome.busiest_percent, 1),
        "late": list(outcome.late),
        "advice": [{"kind": each.kind, "ja": each.ja, "en": each.en} for each in outcome.advice],
    }


def _hours(result: "Result", code: str) -> list[float]:
    """Give the bytes of an endpoint's line by hour; nothing of one on media."""
    for column, endpoint in enumerate(result.country.by_line):
        if endpoint.code.value == code:
            return [float(each) for each in result.course.served[:, :, column].sum(axis=0)]
    return []


def _show(result: "Result") -> None:
    from renkei.fleet.capacity.questions import answers, duration, speeds_of, volume

    console = Console(width=80)
    outcomes, late = result.outcomes, result.late
    mode = "urgent, all rings at once" if result.urgent else "ring by ring"
    console.print(f"{shown(result.fleet.folder)}: released {result.month.released_on}, {mode}", highlight=False)
    table = Table("line", box=None, pad_edge=False)
    for heading in ("endpoints", "fetch: median", "longest", "last installed", "late"):
        table.add_column(heading, justify="right")
    for speed in speeds_of(result):
        moments = [each.installed_at for each in speed.outcomes]
        known = [each for each in moments if each is not None]
        last = f"{max(known):%m-%d %H:%M}" if len(known) == len(moments) else "never"
        name = f"{speed.kbps / 1000:g} Mbps" if speed.kbps else "media"
        figures = [f"{len(speed.outcomes):,}", duration(speed.median_hours)[1], duration(speed.longest_hours)[1], last]
        table.add_row(name, *figures, f"[red]{speed.late:,}[/red]" if speed.late else "0")
    console.print(table)
    load = result.country.load
    mbps = load.egress * 8 / 3600 / 1e6
    full = int(result.course.full.sum())
    console.print(
        f"ASP: {volume(load.arrivals.sum())} over {mbps:,.0f} Mbps usable, full for {full} hours", highlight=False
    )
    if late:
        console.print(f"\n[red]✗[/red] {len(late):,} of {len(outcomes):,} endpoints miss a deadline", highlight=False)
        _show_late(console, late)
    else:
        console.print(f"\n[green]✓[/green] every deadline holds at {len(outcomes):,} endpoints", highlight=False)
    for each in answers(result):
        console.print(f"\n[bold]{escape(each.question[1])}[/bold]\n{escape(each.answer[1])}", highlight=False)
    console.print("\n[bold]This rests on[/bold]")
    for what, values, source in result.month.assumptions:
        console.print(f"- {what}: {escape(values)}. {escape(source)}", highlight=False)


def _show_late(console: Console, late: "list[Outcome]") -> None:
    """Print who needs the same change together."""
    groups: dict[tuple[str, ...], list[Outcome]] = {}
    for each in late:
        where = "on media" if each.by_medium else f"{each.endpoint.line_kbps / 1000:g} Mbps"
        groups.setdefault((f"{where}: {' and '.join(each.late)} late", *(one.en for one in each.advice)), []).append(
            each
        )
    for (what, *changes), members in sorted(groups.items(), key=lambda item: -len(item[1]))[:_MOST_GROUPS]:
        named = ", ".join(f"{each.endpoint.code} {each.endpoint.municipality.name}" for each in members[:_MOST_NAMES])
        more = f" and {len(members) - _MOST_NAMES:,} more" if len(members) > _MOST_NAMES else ""
        console.print(f"{what}: {escape(named)}{more}", highlight=False)
        for change in changes:
            console.print(
                f"    or {escape(change)}" if change != changes[0] else f"    {escape(change)}", highlight=False
            )
    if len(groups) > _MOST_GROUPS:
        console.print(f"… and {len(groups) - _MOST_GROUPS:,} other cases: --json and --page have all", highlight=False)


def _show_endpoint(result: "Result", code: str) -> None:
    """Draw a month: a row a day, a sign an hour, the darker the fuller the line."""
    console = Console(width=80)
    outcome = next(each for each in result.outcomes if each.endpoint.code.value == code)
    endpoint = outcome.endpoint
    where = "on media" if outcome.by_medium else f"{endpoint.line_kbps / 1000:g} Mbps"
    console.print(f"{code} {endpoint.municipality.name}, ring {endpoint.ring}, {where}", highlight=False)
    hours = _hours(result, code)
    if hours:
        line = endpoint.line_kbps * 125 * 3600 * result.month.lines.payload
        console.print("            0     6     12    18     ", highlight=False)
        for day in range(len(hours) // 24):
            parts = [each / line for each in hours[24 * day : 24 * day + 24]]
            signs = "".join(_SHADES[0 if each <= 0 else 1 + min(4, int(5 * each))] for each in parts)
            moment = result.month.released_on + timedelta(days=day)
            console.print(f"{moment:%m-%d %a}   {signs}  {sum(hours[24 * day : 24 * day + 24]) / 1e6:>9,.1f} MB")
        console.print("· up to 20 % of the line in that hour, ░ 40 %, ▒ 60 %, ▓ 80 %, █ more", highlight=False)
    for name, moment_ in (
        ("delivery begins", outcome.begins_at),
        ("update is there", outcome.fetched_at),
        ("installed", outcome.installed_at),
        ("deadline", outcome.deadline),
    ):
        console.print(f"{name:16} {'never' if moment_ is None else format(moment_, '%Y-%m-%d %H:%M')}", highlight=False)
    for advice in outcome.advice:
        console.print(f"✗ {escape(advice.en)}", highlight=False)


VERBS = {"capacity": capacity}
