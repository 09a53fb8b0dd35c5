"""`renkei lab`: the hosts and networks of a fleet on this machine."""

import dataclasses
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from renkei.cli import lab_windows
from renkei.lab import HostStatus, Lab, LabError, Tell

ROOT = Path(__file__).resolve().parents[3]

app = typer.Typer(no_args_is_help=True, help="The lab's hosts and networks, as podman containers and bridges.")
app.add_typer(lab_windows.app, name="windows")
_FleetOption = Annotated[Path, typer.Option("--fleet", help="The fleet's folder.", show_default="inventory/lab")]
_FLEET = ROOT / "inventory" / "lab"


@app.command()
def up(fleet: _FleetOption = _FLEET) -> None:
    """Make the hosts and networks; mend what is broken; leave the rest alone."""
    lab = Lab(fleet, ROOT)
    with _explained(), _progress("lab up") as tell:
        timings = lab.up(tell)
    table = Table("Phase", "Seconds", box=None, padding=(0, 2, 0, 0))
    for phase, seconds in timings.phases.items():
        table.add_row(phase, f"{seconds:.1f}")
    console = Console()
    console.print(table)
    for what in ("created", "started", "restarted", "removed"):
        names = getattr(timings, what)
        if names:
            console.print(f"{what} {len(names)}: {', '.join(names)}")
    if not timings.changed:
        console.print("All hosts were up already.")


@app.command()
def down(fleet: _FleetOption = _FLEET) -> None:
    """Remove the hosts, networks, packet filter, keys and image; only build/cache stays."""
    lab = Lab(fleet, ROOT)
    with _explained(), _progress("lab down") as tell:
        lab.down(tell)


@app.command()
def status(
    fleet: _FleetOption = _FLEET,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,  # noqa: FBT002 - Typer's way of a flag
) -> None:
    """Show each host: state, uptime, addresses, failed units. Exit code 1 if one isn't well."""
    with _explained():
        hosts = Lab(fleet, ROOT).status()
    if as_json:
        typer.echo(
            json.dumps([{**dataclasses.asdict(host), "is_good": host.is_good} for host in hosts], default=_as_text)
        )
    else:
        Console().print(_table(hosts))
    if not all(host.is_good for host in hosts):
        raise typer.Exit(1)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def shell(context: typer.Context, host: str, fleet: _FleetOption = _FLEET) -> None:
    """Enter HOST as root; or run a command there: renkei lab shell HOST -- COMMAND."""
    with _explained():
        code = Lab(fleet, ROOT).shell(host, context.args)
    raise typer.Exit(code)


def _table(hosts: list[HostStatus]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("Host", "State", "Up"):
        table.add_column(column, no_wrap=True)
    table.add_column("Addresses")
    table.add_column("Failed units", overflow="fold")
    now = datetime.now(UTC)
    for host in hosts:
        up_for = "" if host.started_at is None else _duration((now - host.started_at).total_seconds())
        failed = "?" if host.failed_units is None else "\n".join(host.failed_units) or "-"
        addresses = " ".join(address.partition("/")[0] for address in host.addresses.values())
        table.add_row(host.name, host.state, up_for, addresses, failed, style=None if host.is_good else "red")
    return table


def _duration(seconds: float) -> str:
    """Give seconds as people say it, in the largest unit: 59 s, 59 min, 23 h, 3 d."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _as_text(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    raise TypeError(type(value))


@contextmanager
def _explained() -> Iterator[None]:
    """Say what is wrong on standard error and exit with 2, without a traceback."""
    try:
        yield
    except LabError as error:
        Console(stderr=True).print(f"renkei lab: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(2) from error


@contextmanager
def _progress(title: str) -> Iterator[Tell]:
    columns = (SpinnerColumn(finished_text="✓"), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(title, total=1)
        yield lambda what: progress.update(task, description=f"{title}: {what}")
        progress.update(task, description=title, completed=1)
