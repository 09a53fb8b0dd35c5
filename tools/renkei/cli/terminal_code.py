"""`renkei terminal code`: a one-time code on its sealed sheet. It runs where the registration authority is."""

import json
import os
import sys
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from renkei.cli.ministry_authority import Config, Json, authority_office, fail
from renkei.ministry.settings import DEFAULT_PATH

if TYPE_CHECKING:
    from renkei.ministry.settings import RegisteredTerminal


def code(
    endpoint: Annotated[str, typer.Argument(metavar="CODE", help="The endpoint's six-digit code.")],
    out: Annotated[Path, typer.Option(help="The sheet, a PDF; - is standard output, for a printer or ssh.")],
    terminal: Annotated[
        str | None, typer.Option(metavar="ASSET", help="Which machine, where the endpoint has several.")
    ] = None,
    valid_days: Annotated[int, typer.Option(help="How long the code can be used.", min=1, max=90)] = 14,
    config: Config = DEFAULT_PATH,
    *,
    as_json: Json = False,
) -> None:
    """Make a one-time code for an endpoint's terminal, and the sealed sheet that carries it (Japanese).

    The code is on the sheet and nowhere else: not on the screen, in a log or
    in an argument. It takes the place of the machine's open codes. Seal the
    sheet and send it apart from the medium.

    Exit codes: 0 made, 1 refused or not possible, 2 usage.
    """
    from renkei.exchange.clock import parse_time
    from renkei.exchange.images import anchor_number
    from renkei.exchange.parties import Party
    from renkei.ministry.counter import give_out_code
    from renkei.ministry.settings import load_terminals
    from renkei.ministry.sheet import Sheet, SheetError, check_font, render

    if out == Path("-") and (sys.stdout.isatty() or as_json):
        fail("--out -: a PDF goes to a printer or a file, not to a screen or among JSON; name a file")
    with authority_office(config) as office:
        machine = _machine(load_terminals(office.settings.authority.terminals), endpoint, terminal)
        number = anchor_number(office.settings.authority.root.read_text("ascii"))
        try:
            check_font()
            _check_writable(out)
        except SheetError as error:
            fail(str(error))
        span = (datetime.now(UTC), timedelta(days=valid_days))
        made = give_out_code(office, Party(endpoint), machine.asset_number, machine.machine_serial, span)
    sheet = Sheet(
        id=made.id,
        place=machine.place or endpoint,
        endpoint=endpoint,
        terminal=machine.asset_number,
        machine_serial=machine.machine_serial,
        code=made.code,
        anchor_number=number,
        made_at=span[0],
        expires_at=parse_time(made.expires_at),
    )
    _write(out, render(sheet))
    if as_json:
        facts = {"id": made.id, "endpoint": endpoint, "terminal": machine.asset_number, "expires_at": made.expires_at}
        typer.echo(json.dumps({**facts, "sheet": str(out)}))
        return
    typer.echo(f"{out}: code {made.id} for {endpoint}/{machine.asset_number}, until {made.expires_at}", err=True)


def add_to(app: typer.Typer) -> None:
    """Add this command to a program."""
    app.command()(code)


def _machine(machines: "list[RegisteredTerminal]", endpoint: str, terminal: str | None) -> "RegisteredTerminal":
    found = [
        each
        for each in machines
        if each.endpoint == endpoint and each.state != "retired" and terminal in {None, each.asset_number}
    ]
    if not found:
        fail(
            f"the inventory has no terminal {terminal or ''} in use at {endpoint}; converge the linkage host".replace(
                "  ", " "
            )
        )
    if len(found) > 1:
        names = ", ".join(each.asset_number for each in found)
        fail(f"{endpoint} has several machines ({names}); name one with --terminal")
    return found[0]


def _check_writable(out: Path) -> None:
    """See that the sheet can be written before a code is made that would be lost."""
    if out != Path("-") and not (out.parent.is_dir() and os.access(out.parent, os.W_OK)):
        fail(f"--out {out}: its folder isn't there or can't be written to")


def _write(out: Path, content: bytes) -> None:
    """Write the sheet for its owner's eyes only; a sheet that is there is replaced whole."""
    if out == Path("-"):
        sys.stdout.buffer.write(content)
        return
    staged = out.with_name(f".{out.name}.new")
    with suppress(FileNotFoundError):
        staged.unlink()
    handle = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as stream:
        stream.write(content)
    staged.replace(out)
