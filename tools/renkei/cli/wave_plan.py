"""What the commands that plan a wave share: windows, the ledger, what is shown."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.table import Table

from renkei.cli.inventory import print_json
from renkei.cli.wave_common import is_there, opened

if TYPE_CHECKING:
    from renkei.exchange.documents import Signer
    from renkei.fleet.model import Fleet
    from renkei.fleet.waves.plan import Plan, WindowsOf


def keep_plan(ledger: str, made: "Plan", signer: "Signer", now: datetime, *, dry_run: bool) -> dict[str, list[str]]:
    """Sign a plan and keep it, unless it is a dry run; return which other waves hold which of its machines."""
    from renkei.fleet.waves.consents import plan_consent
    from renkei.fleet.waves.engine import held_by_others

    consent = plan_consent(made, signer, now)
    if dry_run and not is_there(ledger):
        return {}
    with opened(ledger) as book:
        held = held_by_others(book, str(made.id), made.terminals, now)
        if not dry_run:
            book.plan(str(made.id), made.to_bytes(), int(now.timestamp()), consent)
    return held


def show_plan(made: "Plan", held: dict[str, list[str]], *, kept: bool, as_json: bool) -> None:
    """Print a plan: groups in their order, machines, bytes, when the first can begin, and which wave holds whom."""
    from renkei.exchange.clock import format_time

    groups = {group: [host for host in made.hosts if host.group == group] for group in made.groups}
    first = {group: format_time(min(host.windows[0].opens for host in hosts)) for group, hosts in groups.items()}
    if as_json:
        rows = {
            group: {
                "bytes": made.size * len(hosts),
                "first": first[group],
                "hosts": [{"endpoint": host.endpoint, "terminal": host.terminal} for host in hosts],
            }
            for group, hosts in groups.items()
        }
        shown = {"wave": str(made.id), "kept": kept, "plan_sha256": made.sha256, "groups": rows, "held_by": held}
        print_json(shown)
        return
    names = ", ".join(
        [f"{update.kb} ({update.build}, {update.urgency})" for update in made.updates]
        or [f"{package.name}={package.version}" for package in made.packages]
    )
    typer.echo(f"wave {made.id}: {made.action} {names}; {made.size / 1e6:,.0f} MB a machine")
    table = Table("group", "machines", "GB", "first begins", box=None, pad_edge=False)
    for group, hosts in groups.items():
        table.add_row(group, str(len(hosts)), f"{made.size * len(hosts) / 1e9:,.1f}", first[group])
    Console().print(table)
    if held:
        from renkei.store.waves.holds import held_in_words

        typer.echo(f"it can't be approved yet: {held_in_words(held)}")
    typer.echo(
        "nothing was kept (--dry-run)" if not kept else f"next: somebody else runs renkei wave approve {made.id}"
    )


def windows_by(fleet: "Fleet") -> "WindowsOf":
    """Return what gives the maintenance windows of a fleet's sites."""
    from renkei.domain.windows import JST

    def windows_of(site: str, start: datetime, until: datetime) -> list[tuple[datetime, datetime]]:
        first, last = start.astimezone(JST).date(), until.astimezone(JST).date()
        found = fleet.windows(fleet.sites[site].endpoint, first - timedelta(days=1), last + timedelta(days=1))
        return [(span.start, span.end) for span in found.spans(start, until)]

    return windows_of
