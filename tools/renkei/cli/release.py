"""`renkei release`: the archive of the software that hosts install."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from renkei.fleet.release import ReleaseError, build_release

app = typer.Typer(no_args_is_help=True)


@app.callback()
def release() -> None:
    """Build the archive of the software that hosts install."""


@app.command()
def build(
    root: Annotated[Path, typer.Option(help="The checkout.", file_okay=False, exists=True)] = Path(__file__).parents[3],
    out: Annotated[Path | None, typer.Option(help="Where it goes; default: build/releases.")] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the record of the archive as JSON.")] = False,
) -> None:
    """Build the archive of this checkout, or find that it is there already; the same input gives the same bytes."""
    try:
        built = build_release(root.resolve(), out)
    except ReleaseError as error:
        Console(stderr=True).print(f"[red]release build:[/red] {error}", highlight=False)
        raise typer.Exit(1) from None
    if as_json:
        typer.echo(json.dumps({**built.record(), "rebuilt": built.rebuilt}))
        return
    verb = "built" if built.rebuilt else "unchanged"
    typer.echo(f"{verb}: {built.archive}\n{built.size / 1e6:.1f} MB, sha256 {built.sha256}")
