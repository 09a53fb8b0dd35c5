"""`renkei terminal facts|check-spec|order-sheet`: whether a machine fits, and what has to be bought."""

import sys
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from renkei.cli.inventory import (
    DEFAULT_FLEET,
    ROOT,
    FleetOption,
    JsonOption,
    fail,
    load_or_exit,
    print_json,
    report_and_exit,
)
from renkei.fleet.problems import FleetError
from renkei.fleet.terminal.check import Judgement, Standing, check
from renkei.fleet.terminal.collected import NoSuchMachineError, facts_of, find_machine
from renkei.fleet.terminal.facts import FactsError, TerminalFacts, read_facts
from renkei.fleet.terminal.specification import Need, Specification, read_specification
from renkei.fleet.terminals import Profile

MISSED, UNKNOWN = 1, 3
SpecificationOption = Annotated[
    Path,
    typer.Option("--spec", help="The specification.", show_default="inventory/terminal/specification.yml"),
]
DEFAULT_SPECIFICATION = ROOT / "inventory" / "terminal" / "specification.yml"
_STANDINGS = {
    Standing.MET: ("適合", "green"),
    Standing.MISSED: ("不適合", "red"),
    Standing.UNKNOWN: ("未確認", "yellow"),
}
_JAPAN = timedelta(hours=9)


def facts() -> None:
    """Print an empty form of facts (JSON): fill in what is known of a machine, leave the rest null."""
    print_json(TerminalFacts().model_dump())


def check_spec(
    machine: Annotated[
        str,
        typer.Argument(
            metavar="HOST|FACTS.json",
            help="A terminal of the inventory (host, code or asset number), or a file of facts; "
            "`renkei terminal facts` prints a form.",
        ),
    ],
    *,
    fleet: FleetOption = DEFAULT_FLEET,
    facts_folder: Annotated[
        Path | None,
        typer.Option("--facts", help="Where the facts of HOST are, as ASSET.json.", show_default="build/facts/FLEET"),
    ] = None,
    profile: Annotated[
        Profile | None,
        typer.Option(
            help="Dedicated to the link, or shared.", show_default="the inventory's for HOST, dedicated for a file"
        ),
    ] = None,
    spec: SpecificationOption = DEFAULT_SPECIFICATION,
    as_json: JsonOption = False,
) -> None:
    """Hold a machine that was bought, or is meant to be, against the specification, item by item.

    Exit codes: 0 it fits, 1 something required is missed, 2 usage or no facts, 3 nothing is missed but something isn't
    known.
    """
    specification = _specification(spec, as_json=as_json)
    try:
        if machine.endswith(".json"):
            found, profile = read_facts(Path(machine)), profile or Profile.DEDICATED
        else:
            loaded = load_or_exit(fleet, as_json=as_json)
            terminal = find_machine(loaded, machine)
            found = facts_of(terminal, facts_folder or ROOT / "build" / "facts" / loaded.settings.name)
            profile = profile or terminal.profile
    except (FactsError, NoSuchMachineError) as error:
        fail(str(error))
    judgement = check(specification, found, profile, (datetime.now(UTC) + _JAPAN).date())
    if as_json:
        print_json(
            {
                "specification": specification.version,
                "profile": profile.value,
                "machine": found.machine.model_dump(),
                "fits": judgement.fits,
                "items": [asdict(each) for each in judgement.items],
            }
        )
    else:
        _print_judgement(specification, found, judgement)
    if judgement.required(Standing.MISSED):
        raise typer.Exit(MISSED)
    if not judgement.fits:
        raise typer.Exit(UNKNOWN)


def order_sheet(
    fiscal_year: Annotated[int, typer.Option(min=2020, max=2100, help="Japan's fiscal year, from 1 April.")],
    *,
    fleet: FleetOption = DEFAULT_FLEET,
    prefecture: Annotated[
        list[int] | None, typer.Option(min=1, max=47, help="Only this prefecture (1 to 47); may be repeated.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="A file ending in .xlsx or .csv; without it a CSV to standard output.")
    ] = None,
    spec: SpecificationOption = DEFAULT_SPECIFICATION,
    as_json: JsonOption = False,
) -> None:
    """List what each municipality has to buy in a fiscal year, for its request for subsidy (Japanese)."""
    from renkei.fleet.terminal import orders

    if out is not None and out.suffix not in {".xlsx", ".csv"}:
        fail(f"--out {out}: the name must end in .xlsx or .csv")
    specification = _specification(spec, as_json=as_json)
    chosen = frozenset(f"{number:02}" for number in prefecture or ())
    found = orders.orders(load_or_exit(fleet, as_json=as_json), specification, fiscal_year, chosen)
    if as_json:
        rows = [{**asdict(order), "present": order.present and order.present.asset_number} for order in found]
        print_json({"fiscal_year": fiscal_year, "specification": specification.version, "orders": rows})
        return
    workbook = out is not None and out.suffix == ".xlsx"
    content = orders.to_xlsx(found, specification, fiscal_year) if workbook else orders.to_csv(found, specification)
    if out is None:
        sys.stdout.buffer.write(content)
        return
    try:
        out.write_bytes(content)
    except OSError as error:
        fail(f"--out {out}: can't be written ({error.strerror})")
    typer.echo(f"{out}: {len(found):,} municipalities, {sum(order.quantity for order in found):,} machines")


def add_to(app: typer.Typer) -> None:
    """Add these commands to a program."""
    app.command()(facts)
    app.command("check-spec")(check_spec)
    app.command("order-sheet")(order_sheet)


def _specification(file: Path, *, as_json: bool) -> Specification:
    try:
        return read_specification(file)
    except FleetError as error:
        report_and_exit(error, as_json=as_json)


def _print_judgement(specification: Specification, found: TerminalFacts, judgement: Judgement) -> None:
    console = Console(width=80 if not sys.stdout.isatty() else None, highlight=False)
    machine = " ".join(filter(None, (found.machine.manufacturer, found.machine.model, found.machine.serial)))
    console.print(f"{specification.title} {specification.version}版  {machine}", markup=False)
    table = Table(box=None, pad_edge=False)
    for heading in ("項目", "要求", "実機", "判定"):
        table.add_column(heading, overflow="fold")  # Japanese has no spaces to break at
    for each in judgement.items:
        word, color = _STANDINGS[each.standing]
        recommended = "" if each.need is Need.REQUIRED else "(推奨)"
        table.add_row(each.name, each.demand, each.found or "-", f"[{color}]{word}[/{color}]{recommended}")
    console.print(table)
    missed, unknown = judgement.required(Standing.MISSED), judgement.required(Standing.UNKNOWN)
    if judgement.fits:
        console.print("判定: 適合。この機器は連携端末として使用できます。", style="green")
    if missed:
        console.print(f"判定: 不適合。{'、'.join(each.name for each in missed)}が仕様を満たしません。", style="red")
    if unknown:
        text = f"未確認の項目があります: {'、'.join(each.name for each in unknown)}。確認して記入してください。"
        console.print(text, style="yellow")
