"""`renkei controls`: what a Windows terminal must hold, and the exceptions from it."""

import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table as Columns

from renkei.cli.inventory import DEFAULT_FLEET, FleetOption, fail, load_or_exit, print_json, report_and_exit
from renkei.fleet.controls.exceptions import read_exceptions
from renkei.fleet.controls.model import Control, Table
from renkei.fleet.controls.page import means, settings_of
from renkei.fleet.controls.table import read_controls
from renkei.fleet.problems import FleetError, shown
from renkei.fleet.terminals import Profile

app = typer.Typer(no_args_is_help=True, help="What a Windows terminal must hold, and the exceptions from it.")

ROOT = Path(os.environ.get("RENKEI_ROOT", Path(__file__).parents[3]))
FOLDER = ROOT / "inventory" / "controls"
PAGE = ROOT / "docs" / "controls.md"
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_JAPAN = timedelta(hours=9)
_STALE = 3


@app.command("list")
def list_controls(
    *,
    profile: Annotated[Profile | None, typer.Option(help="Only the controls of this profile.")] = None,
    chapter: Annotated[str, typer.Option(help="Only this chapter of the guideline, such as 6.2.")] = "",
    as_json: JsonOption = False,
) -> None:
    """List the controls: id, chapter, and what each is about. Exit codes: 0, 1 the table has problems, 2 usage."""
    table = _table(as_json=as_json)
    chosen = [
        control
        for control in table.controls.values()
        if (profile is None or profile in control.profiles) and chapter in {"", control.chapter}
    ]
    if as_json:
        print_json({"version": table.version, "controls": [_document(control) for control in chosen]})
        return
    columns = Columns("id", "chapter", "control", box=None, pad_edge=False)
    for control in chosen:
        off = "" if control.enabled else " [yellow](off)[/yellow]"
        columns.add_row(control.id, control.chapter, escape(control.title) + off)
    _console().print(columns)


@app.command()
def show(
    control: Annotated[str, typer.Argument(help="Id of a control, such as lockout.")], *, as_json: JsonOption = False
) -> None:
    """Show a control with every setting. Exit codes: 0, 1 the table has problems, 2 there is no such control."""
    table = _table(as_json=as_json)
    found = table.controls.get(control)
    if found is None:
        fail(f"there is no control {control!r}; `renkei controls list` shows them")
    if as_json:
        print_json(_document(found))
        return
    typer.echo(f"{found.id}: {found.title}")
    typer.echo(f"guideline {', '.join(found.guideline)}, chapter {found.chapter}; risk: {found.risk}")
    typer.echo(f"profiles {', '.join(sorted(found.profiles))}; {'on' if found.enabled else 'off'} by default")
    typer.echo(f"set by the role {found.role}")
    if found.cis:
        typer.echo(f"CIS {', '.join(found.cis)}")
    for place, value in settings_of(found):
        typer.echo(f"  {place} = {value}")
    if found.check is not None:
        demand = "is empty" if found.check.empty else f"at most {found.check.at_most}"
        typer.echo(f"  fact {found.check.fact} {demand if found.check.is_ is None else f'is {found.check.is_}'}")


@app.command()
def check(*, fleet: FleetOption = DEFAULT_FLEET, as_json: JsonOption = False) -> None:
    """Check the table, the comparison with the CIS list and the fleet's exceptions; exit 1 with file:line for each."""
    from renkei.fleet.controls.cis import read_comparison

    table = _table(as_json=as_json)
    loaded = load_or_exit(fleet, as_json=as_json)
    try:
        read_comparison(FOLDER / "cis-windows-11.yml", table)
        found = read_exceptions(
            loaded.folder / "exceptions.yml",
            FOLDER / "exceptions.schema.json",
            table,
            {*loaded.hosts, *loaded.groups},
            (datetime.now(UTC) + _JAPAN).date(),
        )
    except FleetError as error:
        report_and_exit(error, as_json=as_json)
    if as_json:
        rows = [
            {
                **{name: getattr(each, name) for name in ("control", "reason", "approver")},
                "until": each.until.isoformat(),
            }
            for each in found
        ]
        print_json({"controls": len(table.controls), "exceptions": rows, "problems": []})
        return
    typer.echo(f"{len(table.controls)} controls, {len(found)} exceptions; no problems")
    for each in found:
        typer.echo(f"  {each.control} until {each.until} in {', '.join(each.where)}: {each.reason} ({each.approver})")


@app.command()
def page(
    *,
    check_only: Annotated[bool, typer.Option("--check", help="Write nothing; exit 3 if it isn't up to date.")] = False,
) -> None:
    """Write docs/controls.md from the table. Exit codes: 0, 1 the table has problems, 3 with --check: out of date."""
    from renkei.fleet.controls.cis import read_comparison
    from renkei.fleet.controls.page import write_page

    table = _table(as_json=False)
    try:
        text = write_page(table, read_comparison(FOLDER / "cis-windows-11.yml", table))
    except FleetError as error:
        report_and_exit(error, as_json=False)
    if check_only:
        if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text:
            typer.echo(f"{shown(PAGE)} is out of date; write it by: renkei controls page", err=True)
            raise typer.Exit(_STALE)
        return
    PAGE.write_text(text, encoding="utf-8")
    typer.echo(f"{shown(PAGE)}: {len(table.controls)} controls")


def _table(*, as_json: bool) -> Table:
    try:
        return read_controls(FOLDER / "windows.yml")
    except FleetError as error:
        report_and_exit(error, as_json=as_json)


def _document(control: Control) -> dict[str, Any]:
    return {
        "id": control.id,
        "guideline": list(control.guideline),
        "chapter": control.chapter,
        "title": control.title,
        "risk": control.risk,
        "role": control.role,
        "platform": control.platform,
        "profiles": sorted(control.profiles),
        "enabled": control.enabled,
        "by": means(control),
        "cis": list(control.cis),
        "settings": [{"place": place, "value": value} for place, value in settings_of(control)],
        "fact": control.check and control.check.fact,
    }


def _console() -> Console:
    return Console(width=80 if not sys.stdout.isatty() else None, highlight=False)
