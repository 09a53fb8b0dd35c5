"""`renkei release`: the archive of the software that hosts install."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from renkei.fleet.libraries import ReleaseError
from renkei.fleet.release import build_release
from renkei.fleet.windows_package import CPYTHON, build_windows_package

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


@app.command()
def windows(
    cpython: Annotated[
        Path | None, typer.Option(help=f"CPython's embeddable archive; default: build/cache/{CPYTHON.archive}.")
    ] = None,
    root: Annotated[Path, typer.Option(help="The checkout.", file_okay=False, exists=True)] = Path(__file__).parents[3],
    out: Annotated[Path | None, typer.Option(help="Where it goes; default: build/releases.")] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the record of the package as JSON.")] = False,
) -> None:
    """Build the agent's package for Windows terminals of this checkout, or find that it is there already.

    It takes the CPython that it names by digest and nothing else, and wheels for Windows by the hashes of
    requirements.lock. Exit codes: 0 built or there, 1 it can't be built.
    """
    try:
        built = build_windows_package(root.resolve(), cpython or root / "build" / "cache" / CPYTHON.archive, out=out)
    except ReleaseError as error:
        Console(stderr=True).print(f"[red]release windows:[/red] {error}", highlight=False)
        raise typer.Exit(1) from None
    if as_json:
        typer.echo(json.dumps({**built.record(), "rebuilt": built.rebuilt}))
        return
    verb = "built" if built.rebuilt else "unchanged"
    typer.echo(f"{verb}: {built.archive}\n{built.size / 1e6:.1f} MB, sha256 {built.sha256}, CPython {built.cpython}")
