"""`renkei terminal replace|retire`: a machine's state in the inventory, changed by a command that checks the whole."""

from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Annotated

import typer

from renkei.cli.inventory import DEFAULT_FLEET, FleetOption, JsonOption, print_json, report_and_exit
from renkei.fleet import lives
from renkei.fleet.problems import FleetError

_JAPAN = timezone(timedelta(hours=9))
Asset = Annotated[str, typer.Argument(help="The machine's asset number, as terminals.csv has it.")]
Day = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The day.", show_default="today in Japan")]
Note = Annotated[str, typer.Option(help="Why, kept in the machine's row. No personal data.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command()(replace)
    app.command()(retire)


def replace(  # noqa: PLR0913 - each is an option of the command
    asset: Asset,
    successor: Annotated[str, typer.Option("--by", help="The new machine's asset number.")],
    serial: Annotated[str, typer.Option(help="The new machine's serial number.")],
    model: Annotated[str, typer.Option(help="The new machine's model.")],
    on: Day = None,
    delivered: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="When it was delivered.", show_default="that day")
    ] = None,
    note: Note = "",
    *,
    fleet: FleetOption = DEFAULT_FLEET,
    as_json: JsonOption = False,
) -> None:
    """Note in terminals.csv that a new machine takes a machine's place, which is retired by that.

    The new machine serves from that day on; converge the ministry's linkage host, set the machine up, and run
    ansible/playbooks/replace.yml (docs/runbooks/replace.md). Exit codes: 0 it stands there now, 1 the fleet wouldn't
    be right with it.
    """
    day = _day(on)
    new = lives.Successor(successor, serial, model, delivered.date() if delivered else day)
    try:
        changed = lives.replace(_folder(fleet), asset, new, day, note)
    except FleetError as error:
        report_and_exit(error, as_json=as_json)
    _tell(changed, f"{successor} replaces {asset} from {day}", as_json=as_json)


def retire(
    asset: Asset, on: Day = None, note: Note = "", *, fleet: FleetOption = DEFAULT_FLEET, as_json: JsonOption = False
) -> None:
    """Note in terminals.csv that a machine's life is over.

    An endpoint needs a machine: one without a successor is replaced, or its endpoint taken out first. Exit codes: 0 it
    stands there now, 1 the fleet wouldn't be right with it.
    """
    day = _day(on)
    try:
        changed = lives.retire(_folder(fleet), asset, day, note)
    except FleetError as error:
        report_and_exit(error, as_json=as_json)
    _tell(changed, f"{asset} is retired on {day}", as_json=as_json)


def _day(given: datetime | None) -> date:
    return given.date() if given else datetime.now(UTC).astimezone(_JAPAN).date()


def _folder(fleet: Path) -> Path:
    return fleet.parent if fleet.suffix in {".yml", ".yaml"} else fleet


def _tell(changed: bool, text: str, *, as_json: bool) -> None:  # noqa: FBT001 - the one thing that it tells
    if as_json:
        print_json({"changed": changed})
    else:
        typer.echo(text if changed else "unchanged: it stands there already")
