"""`renkei inventory`: check a fleet, list its hosts, show one."""

import json
import os
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from renkei.fleet.addresses import dotted
from renkei.fleet.loader import load_fleet
from renkei.fleet.model import Fleet, Host
from renkei.fleet.problems import FleetError, shown
from renkei.fleet.terminals import DATES, Terminal
from renkei.fleet.variables import host_variables

app = typer.Typer(no_args_is_help=True, help="Check, list and show the hosts of a fleet.")

ROOT = Path(os.environ.get("RENKEI_ROOT", Path(__file__).parents[3]))
FleetOption = Annotated[
    Path,
    typer.Option(
        "--fleet",
        envvar="RENKEI_FLEET",
        help="Folder of the fleet, or its fleet.yml.",
        show_default="inventory/lab",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
DEFAULT_FLEET = ROOT / "inventory" / "lab"


@app.command()
def check(*, fleet: FleetOption = DEFAULT_FLEET, as_json: JsonOption = False) -> None:
    """Check all files of a fleet; exit 1 and print file:line for each problem."""
    loaded = load_or_exit(fleet, as_json=as_json)
    endpoints = [site.endpoint for site in loaded.sites.values() if site.endpoint]
    counts = {"endpoints": len(endpoints), "hosts": len(loaded.hosts), "machines": len(loaded.terminals)}
    if as_json:
        print_json({"fleet": loaded.settings.name, **counts, "problems": []})
    else:
        figures = ", ".join(f"{number:,} {name}" for name, number in counts.items())
        typer.echo(f"{shown(loaded.folder)}: {figures}; no problems")


@app.command("list")
def list_hosts(
    *,
    fleet: FleetOption = DEFAULT_FLEET,
    group: Annotated[str, typer.Option(help="Only the hosts of this group.")] = "all",
    as_json: JsonOption = False,
) -> None:
    """List hosts: management address, ring, link, and the site's name."""
    loaded = load_or_exit(fleet, as_json=as_json)
    if group != "all" and group not in loaded.groups:
        known = ", ".join(name for name, hosts in loaded.groups.items() if hosts)
        fail(f"fleet {loaded.settings.name} has no group {group!r}; it has all, {known}")
    hosts = loaded.hosts.values() if group == "all" else loaded.groups[group]
    rows = [_row(host) for host in hosts]
    if as_json:
        print_json(rows)
        return
    # Plain columns: a table that measures 5,684 rows first would take longer than all the rest.
    columns = "{host:<19} {address:<15} {ring:<11} {link:<9} {name}"
    head = columns.format(host="HOST", address="ADDRESS", ring="RING", link="LINK", name="SITE")
    typer.echo("\n".join([head, *(columns.format_map(row) for row in rows)]))


@app.command()
def show(
    host: Annotated[str, typer.Argument(help="Name of a host, such as m131041-terminal.")],
    *,
    fleet: FleetOption = DEFAULT_FLEET,
    as_json: JsonOption = False,
) -> None:
    """Show a host: groups, addresses, variables, and its site's machines."""
    loaded = load_or_exit(fleet, as_json=as_json)
    found = find_host(loaded, host)
    site = found.site
    document: dict[str, Any] = {
        "host": found.name,
        "groups": sorted(found.groups),
        "variables": host_variables(loaded, found),
        "machines": [_machine(each) for each in loaded.terminals if each.code.value == site.key],
    }
    endpoint = site.endpoint
    if endpoint:
        document["endpoint"] = {
            "reading": endpoint.municipality.reading,
            "prefecture": endpoint.municipality.prefecture,
            "kind": endpoint.municipality.kind.value,
            "place": endpoint.place,
            "contact": endpoint.contact,
            "note": endpoint.note,
        }
    if as_json:
        print_json(document)
    else:
        typer.echo("\n".join(_outline(document)))


@app.command()
def windows(
    host: Annotated[str, typer.Argument(help="Name of an endpoint's host, such as m131041-terminal.")],
    *,
    at: Annotated[str, typer.Option(help="From this moment, such as 2026-12-28T17:00+09:00; without it, now.")] = "",
    days: Annotated[int, typer.Option(min=1, max=60, help="For how many days.")] = 14,
    fleet: FleetOption = DEFAULT_FLEET,
    as_json: JsonOption = False,
) -> None:
    """Show when an endpoint's terminal may be maintained. Exit codes: 0, 1 the fleet has problems, 2 usage."""
    from renkei.domain.windows import JST

    loaded = load_or_exit(fleet, as_json=as_json)
    endpoint = find_host(loaded, host).site.endpoint
    if endpoint is None:
        fail(f"{host} is no endpoint's host; only terminals have windows")
    try:
        given = datetime.fromisoformat(at) if at else datetime.now(JST)
        moment = given.astimezone(JST)
        first, last = moment.date() - timedelta(days=31), moment.date() + timedelta(days=days + 31)
    except (ValueError, OverflowError):
        fail(f"--at {at!r} is no moment; write it as 2026-12-28T17:00+09:00")
    if given.tzinfo is None:
        fail(f"--at {at!r} has no time zone; write it as {at}+09:00")
    try:
        found = loaded.windows(endpoint, first, last)
    except FleetError as error:
        report_and_exit(error, as_json=as_json)
    until = moment + timedelta(days=days)  # what begins before is shown to its end
    spans = [each for each in found.spans(moment, until + timedelta(days=30)) if each.start < until]
    profile = loaded.profile(endpoint)
    if as_json:
        document = {
            "endpoint": endpoint.code.value,
            "profile": profile.name,
            "at": moment.isoformat(),
            "open": found.is_open(moment),
            "minutes_left": found.minutes_left(moment),
            "windows": [{"start": each.start.isoformat(), "end": each.end.isoformat()} for each in spans],
        }
        print_json(document)
        return
    left = found.minutes_left(moment)
    state = f"open, {left} minutes left" if found.is_open(moment) else "closed"
    typer.echo(f"{endpoint.code} {endpoint.municipality.name}, profile {profile.name}: {state}")
    for each in spans:
        typer.echo(f"  {each.start:%Y-%m-%d %a %H:%M} to {each.end:%Y-%m-%d %a %H:%M}")


def load_or_exit(path: Path, *, as_json: bool) -> Fleet:
    """Load a fleet; with problems print all of them and exit 1."""
    try:
        return load_fleet(path)
    except FleetError as error:
        report_and_exit(error, as_json=as_json)


def report_and_exit(error: FleetError, *, as_json: bool) -> NoReturn:
    """Print every problem, as `file:line: …` or as a JSON list of `{file, line, what, remedy}`, and exit 1."""
    if as_json:
        rows = [
            {"file": shown(problem.file), "line": problem.line, "what": problem.what, "remedy": problem.remedy}
            for problem in error.problems
        ]
        print_json({"problems": rows})
    else:
        typer.echo(str(error))
        count = len(error.problems)
        typer.echo(f"{count} problem{'s' if count > 1 else ''}", err=True)
    raise typer.Exit(1)


def find_host(fleet: Fleet, name: str) -> Host:
    """Give the host of this name, or exit 2 and say where names come from."""
    host = fleet.hosts.get(name)
    if host is None:
        fail(f"fleet {fleet.settings.name} has no host {name!r}; `renkei inventory list` shows them")
    return host


def fail(message: str) -> NoReturn:
    """Print what was wrong with the call and exit 2."""
    typer.echo(f"renkei: {message}", err=True)
    raise typer.Exit(2)


def print_json(data: object) -> None:
    """Print indented JSON in UTF-8."""
    json.dump(data, sys.stdout, ensure_ascii=False, indent=2)
    sys.stdout.write("\n")


def _row(host: Host) -> dict[str, str]:
    endpoint = host.site.endpoint
    return {
        "host": host.name,
        "address": dotted(host.management),
        "part": host.part.value,
        "site": host.site.key,
        "name": host.site.name,
        "ring": endpoint.ring if endpoint else "",
        "link": endpoint.link.value if endpoint else "",
    }


def _machine(terminal: Terminal) -> dict[str, str | None]:
    """Give a machine's row with its history."""
    days = {name: getattr(terminal, name) for name in DATES}
    return {
        "asset_number": terminal.asset_number,
        "machine_serial": terminal.machine_serial,
        "model": terminal.model,
        "profile": terminal.profile.value,
        "state": terminal.state.value,
        **{name: day and day.isoformat() for name, day in days.items()},
        "replaces": terminal.replaces,
        "note": terminal.note,
    }


def _outline(value: dict[str, Any], indent: str = "") -> Iterator[str]:
    """Write nested data as indented lines for people; what is empty is left out."""
    for key, item in value.items():
        if item in ("", None, [], {}):
            continue
        items = item if isinstance(item, list) else [item]
        if isinstance(item, dict):
            yield f"{indent}{key}:"
            yield from _outline(item, indent + "  ")
        elif isinstance(items[0], dict):
            yield f"{indent}{key}:"
            for each in items:
                first, *rest = _outline(each, indent + "    ")
                yield f"{indent}  - {first.lstrip()}"
                yield from rest
        else:
            yield f"{indent}{key}: {', '.join(map(str, items))}"
