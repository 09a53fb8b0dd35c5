"""Linux hosts and network devices: what `renkei patch status --hosts` reads and prints, `patch take --hosts` takes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from renkei.cli.inventory import fail
from renkei.cli.patch_folder import SeenFolder
from renkei.fleet.patching.host_words import host_act, host_why
from renkei.fleet.patching.hosts import HostReport, HostRow, Rule, in_order, read_seen, survey_hosts
from renkei.fleet.patching.standing import Standing
from renkei.fleet.patching.words import STANDINGS, moment

if TYPE_CHECKING:
    from renkei.fleet.controls.exceptions import ControlException
    from renkei.fleet.model import Fleet
    from renkei.fleet.patching.host_line import Hub
    from renkei.fleet.patching.intake import Believer, Refused
    from renkei.fleet.patching.survey import Question

_MOST_ROWS: Final = 20


@dataclass(slots=True)
class TakenHosts:
    """How many states a run has taken so far, how many were there (or newer ones), and what it couldn't believe."""

    new: int = 0
    known: int = 0
    refused: "list[Refused]" = field(default_factory=list)


def take_hosts(
    taken: TakenHosts, folder: Path, hub: "Hub", source: str, believer: "Believer", now: datetime, *, again: bool
) -> None:
    """Put what a hub has of hosts into a folder, from where the last run ended, and count it in `taken`.

    Raises:
        HubError: the hub can't be asked; what came before that is kept, the next run goes on there.
        OSError: the folder can't be read or written.
    """
    from renkei.fleet.patching.host_line import read_hosts

    kept = SeenFolder(folder)
    for reading in read_hosts(hub, source, None if again else kept.reached(source), believer, now):
        for state, signed in reading.seen:
            if kept.since(state.host, state.seen_at, now) is None:
                kept.put(state.host, signed)
                taken.new += 1
            else:
                taken.known += 1
        taken.refused += reading.refused
        kept.note(reading.reached)


def hosts_of(
    fleet: "Fleet",
    folder: Path | None,
    packages: Sequence[Path],
    firmware: Path,
    believer: "Believer",
    exceptions: "Sequence[ControlException]",
    question: "Question",
) -> HostReport | None:
    """Read what was seen on hosts and judge it, if anything was; end with 2 where a file is wrong."""
    from renkei.exchange.errors import ExchangeError
    from renkei.exchange.packages import PackageSet
    from renkei.fleet.hosts.firmware import read_firmware
    from renkei.fleet.problems import FleetError
    from renkei.fleet.signed import read_signed

    if folder is None and packages:
        fail("--packages says what hosts are to have; give --hosts with what was seen on them")
    if folder is None:
        return None
    if not folder.is_dir():
        fail(f"{folder}: no such folder; `renkei patch sign` fills it")
    sets = []
    for file in packages:
        try:
            sets.append(believer.of_authority(read_signed(file), PackageSet, lambda said: said.issued_at))
        except (ExchangeError, OSError) as error:
            fail(f"{file}: {error.strerror if isinstance(error, OSError) else error}")
    try:
        known = read_firmware(firmware)
        seen = read_seen(folder, believer, question.at)
    except FleetError as error:
        fail(str(error))
    except OSError as error:
        fail(f"{error.filename}: {error.strerror}")
    allowed = fleet.settings.maintenance
    rule = Rule(
        sets=in_order(sets, question.at),
        firmware=known,
        days=allowed.deadline_days,
        urgent_days=allowed.urgent_deadline_days,
        unknown_days=question.unknown_days,
    )
    return survey_hosts(fleet, seen, rule, exceptions, question.at)


def host_document(report: HostReport, rows: Sequence[HostRow]) -> dict[str, Any]:
    """Give the report as JSON values, with these of its hosts."""
    return {
        "package_set": report.number,
        "counts": {str(each): report.counts.get(each, 0) for each in Standing},
        "hosts": [_host(row, report.at) for row in rows],
    }


def _host(row: HostRow, at: datetime) -> dict[str, Any]:
    state = row.seen.state
    return {
        "host": row.host.name,
        "part": row.host.part.value,
        "site": row.host.site.key,
        "standing": row.standing.value,
        "alarm": row.alarm,
        "why": host_why(row, at)[1] or None,
        "act": host_act(row)[1] if row.alarm else None,
        "model": state.device.model if state else None,
        "version": state.device.version if state else None,
        "version_days": row.version_days,
        "newest": row.newest or None,
        "advisories": [
            {"id": each.id, "url": each.url, "since": each.since.isoformat(), "fixed": each.fixed} for each in row.asked
        ],
        "missing": list(row.lacks),
        "restart": state.restart if state else None,
        "deadline": row.deadline and row.deadline.isoformat(),
        "seen_at": state.seen_at.isoformat() if state else None,
        "evidence_sha256": row.seen.evidence_sha256 or None,
    }


def show_host_report(report: HostReport | None) -> None:
    """Print hosts by part, and the first of those to act on."""
    if report is None:
        return
    console = Console(width=80)
    wanted = f"package set {report.number}" if report.number else "without a package set"
    console.print(f"\n{len(report.rows):,} Linux hosts and network devices, {wanted}", highlight=False)
    table = Table("part", box=None, pad_edge=False)
    for heading in ("hosts", "current", "except.", "due", "reboot", "late", "unknown"):
        table.add_column(heading, justify="right")
    for part, counts in report.by_part.items():
        table.add_row(part, f"{counts.total():,}", *(f"{counts.get(each, 0):,}" for each in Standing))
    console.print(table)
    show_hosts(report.act_on[:_MOST_ROWS], report.at)
    if len(report.act_on) > _MOST_ROWS:
        console.print(f"… and {len(report.act_on) - _MOST_ROWS:,} more: --json and --page have all", highlight=False)


def show_hosts(rows: Sequence[HostRow], at: datetime) -> None:
    """Print hosts, each with its version, and what to do."""
    console = Console(width=80)
    for row in rows:
        state = row.seen.state
        version = f" {state.device.model} {state.device.version}:" if state else ""
        age = f", released {row.version_days} days ago" if row.version_days is not None else ""
        said = f"{row.host.name}:{version} {STANDINGS[row.standing][1]}{age}"
        if reason := host_why(row, at)[1]:
            said += f", {reason}"
        console.print(escape(said), highlight=False)
        for each in row.asked:
            asks = f"    {each.id} asks for {each.fixed} since {each.since}: {each.url}"
            console.print(escape(asks), highlight=False, soft_wrap=True)
        if row.deadline:
            console.print(f"    by {moment(row.deadline)}", highlight=False)
        if row.alarm:
            typer.echo(f"    {host_act(row)[1]}")
