"""What `renkei patch status` prints: tables for people, JSON for programs."""

from datetime import UTC, datetime
from typing import Any, Final

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from renkei.cli.inventory import print_json
from renkei.cli.patch_hosts import TakenHosts
from renkei.exchange.update_problems import read
from renkei.fleet.patching.intake import Taken
from renkei.fleet.patching.standing import Standing
from renkei.fleet.patching.survey import Group, Report, Row
from renkei.fleet.patching.words import STANDINGS, act, moment, patterns, said_at, why

_MOST_ROWS: Final = 20


def document(report: Report, rows: list[Row]) -> dict[str, Any]:
    """Give the report as JSON values, with these of its machines."""
    return {
        "fleet": report.fleet.settings.name,
        "at": report.question.at.isoformat(),
        "catalogue": report.want.number,
        "patterns_old": report.with_old_patterns,
        "patterns_unsaid": report.with_unsaid_patterns,
        "counts": {str(each): report.counts.get(each, 0) for each in Standing},
        "updates": [
            {
                "kb": each.update.kb,
                "build": each.update.build,
                "urgency": each.update.urgency,
                "released_at": each.at.isoformat(),
                "deadline": each.deadline.isoformat(),
                "lacking": report.lacking(each),
            }
            for each in report.want.updates
        ],
        "prefectures": [_group(each) for each in report.by_prefecture],
        "rings": [_group(each) for each in report.by_ring],
        "trend": [
            {"at": day.at.isoformat(), **{str(each): day.counts.get(each, 0) for each in Standing}}
            for day in report.trend
        ],
        "without_machine_in_service": [each.code.value for each in report.unserved],
        "machines": [_machine(row, report) for row in rows],
    }


def _group(group: Group) -> dict[str, Any]:
    counts = {str(standing): number for standing, number in sorted(group.counts.items(), key=lambda each: each[0].rank)}
    return {"name": group.name, "machines": group.total, "counts": counts, "oldest_days": group.oldest_days}


def _machine(row: Row, report: Report) -> dict[str, Any]:

    judgement, said, now = row.judgement, row.said, report.question.at
    told = read(said.problem) if said and said.problem else None
    return {
        "endpoint": row.endpoint.code.value,
        "name": row.endpoint.municipality.name,
        "prefecture": row.endpoint.municipality.prefecture,
        "ring": row.endpoint.ring,
        "link": row.endpoint.link.value,
        "terminal": row.terminal.asset_number,
        "model": row.terminal.model,
        "standing": row.standing.value,
        "alarm": judgement.alarm,
        "why": why(row, now)[1] or None,
        "problem": said.problem if said else None,
        "problem_code": told.code if told else None,
        "act": act(row)[1] if judgement.alarm else None,
        "build": said.build if said else None,
        "missing": [*judgement.lacks, *judgement.unlisted],
        "deadline": judgement.deadline and judgement.deadline.isoformat(),
        "age_days": judgement.age_days(now),
        "patterns": said.patterns if said else None,
        "patterns_made_at": datetime.fromtimestamp(said.patterns_made_at, UTC).isoformat()
        if said and said.patterns_made_at
        else None,
        "patterns_old": judgement.patterns_old,
        "patterns_unsaid": judgement.patterns_unsaid,
        "said_at": datetime.fromtimestamp(said.said_at, UTC).isoformat() if said else None,
        "evidence_sha256": said.payload_sha256 if said else None,
    }


def show_taken(taken: Taken, unasked: str, hosts: TakenHosts | None, *, as_json: bool) -> None:
    """Print what `renkei patch take` took; `unasked` is why the hub couldn't be asked."""
    refusals = [*taken.refused, *(hosts.refused if hosts else ())]
    if as_json:
        refused = [{"file": each.place, "why": each.why} for each in refusals]
        ahead = list(taken.ahead)
        found = {"new": taken.new, "known": taken.known, "clock_ahead": ahead, "refused": refused, "hub": unasked}
        print_json(found | ({"hosts": {"new": hosts.new, "known": hosts.known}} if hosts else {}))
        return
    typer.echo(f"{taken.new:,} new, {taken.known:,} known")
    if hosts is not None:
        typer.echo(f"of Linux hosts and network devices {hosts.new:,} new, {hosts.known:,} known")
    for name in taken.ahead:
        typer.echo(f"{name}: its clock is ahead; its word counts from now", err=True)
    for each in refusals:
        typer.echo(f"{each.place}: {each.why}", err=True)
    if unasked:
        typer.echo(f"the hub: {unasked}", err=True)


def show(report: Report) -> None:
    """Print the country: rings, prefectures, updates, and the first of those to act on."""
    console = Console(width=80)
    machines = len(report.rows)
    console.print(
        f"{report.fleet.settings.name}: {machines:,} machines, catalogue {report.want.number}, "
        f"as of {moment(report.question.at)}",
        highlight=False,
    )
    for title, groups in (("ring", report.by_ring), ("prefecture", report.by_prefecture)):
        table = Table(title, box=None, pad_edge=False)
        for heading in ("machines", *("current", "except.", "due", "reboot", "late", "unknown"), "oldest"):
            table.add_column(heading, justify="right")
        for group in groups:
            figures = [f"{group.counts.get(each, 0):,}" for each in Standing]
            table.add_row(group.name, f"{group.total:,}", *figures, f"{group.oldest_days} d")
        console.print(table)
        console.print()
    for released in report.want.updates:
        console.print(
            f"{released.update.kb} ({released.update.build}, {released.update.urgency}): "
            f"{report.lacking(released):,} lack it, by {moment(released.deadline)}",
            highlight=False,
        )
    if report.with_old_patterns:
        console.print(f"antivirus patterns too old: {report.with_old_patterns:,}", highlight=False)
    if report.with_unsaid_patterns:
        console.print(f"antivirus says nothing of its patterns: {report.with_unsaid_patterns:,}", highlight=False)
    act_on = report.act_on
    if not act_on:
        console.print(f"\n[green]✓[/green] nobody of {machines:,} is late or silent", highlight=False)
    else:
        console.print(f"\n[red]✗[/red] {len(act_on):,} of {machines:,} need somebody", highlight=False)
    for row in act_on[:_MOST_ROWS]:
        place = f"{row.endpoint.code} {row.endpoint.municipality.name} {row.terminal.asset_number}"
        reason = escape(why(row, report.question.at)[1])
        console.print(f"{escape(place)}: {STANDINGS[row.standing][1]}, {reason}", highlight=False)
        console.print(f"    {escape(act(row)[1])}", highlight=False)
    if len(act_on) > _MOST_ROWS:
        console.print(f"… and {len(act_on) - _MOST_ROWS:,} more: --json and --page have all", highlight=False)


def show_rows(rows: list[Row], report: Report) -> None:
    """Print machines."""
    for row in rows:
        _show_row(row, report)


def _show_row(row: Row, report: Report) -> None:
    now, judgement = report.question.at, row.judgement
    lines = {
        "machine": f"{row.terminal.asset_number} ({row.terminal.model}), ring {row.endpoint.ring}",
        "standing": STANDINGS[row.standing][1],
        "why": why(row, now)[1],
        "to do": act(row)[1] if judgement.alarm else "",
        "build": row.said.build if row.said else "",
        "missing": " ".join([*judgement.lacks, *judgement.unlisted]),
        "patch age": f"{judgement.age_days(now)} days" if judgement.since else "",
        "patterns": patterns(row.said),
        "deadline": moment(judgement.deadline) if judgement.deadline else "",
        "last word": said_at(row),
        "evidence": row.said.payload_sha256 if row.said else "",
    }
    typer.echo(f"{row.endpoint.code} {row.endpoint.municipality.name}")
    for name, text in lines.items():
        if text:
            typer.echo(f"  {name:9} {text}")
