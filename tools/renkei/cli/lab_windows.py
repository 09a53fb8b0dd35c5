"""`renkei lab windows`: states of simulated Windows hosts, shown and compared."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from renkei.cli.inventory import fail, print_json

app = typer.Typer(no_args_is_help=True, help="States of simulated Windows hosts, as tests save them.")

_MAX_BYTES = 64 * 1024 * 1024
_DIFFERENT = 3
StateFile = Annotated[Path, typer.Argument(help="A state, as Host.save() writes it (JSON).")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def fresh(
    name: Annotated[str, typer.Argument(help="Computer name.")],
    *,
    out: Annotated[Path, typer.Option(help="The file that is written.")],
) -> None:
    """Save the state of a host that was just installed. Exit codes: 0, 2 usage."""
    from renkei.lab.windows.host import fresh as make

    try:
        make(name).save(out)
    except OSError as error:
        fail(f"{out}: {error.strerror}")
    typer.echo(f"{out}: {name}")


@app.command()
def show(
    file: StateFile,
    *,
    under: Annotated[
        str, typer.Option(help=r"Only what lies there: registry, services/winrm, registry/hklm\software\…")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Show a state, a line a leaf. Exit codes: 0, 2 the file is no state or has nothing there."""
    found: Any = _read(file)
    for step in filter(None, under.split("/")):
        if not isinstance(found, dict) or step not in found:
            known = ", ".join(map(str, found)) if isinstance(found, dict) else "no names"
            fail(f"{file} has no {under!r}: at {step!r} there are {known[:200]}")
        found = found[step]
    if as_json:
        print_json(found)
        return
    for place, value in _leaves(found, under):
        typer.echo(f"{place}: {json.dumps(value, ensure_ascii=False)}")


@app.command()
def compare(before: StateFile, after: StateFile, *, as_json: JsonOption = False) -> None:
    """Compare two states, a line a difference. Exit codes: 0 they are alike, 2 usage, 3 they differ."""
    from renkei.lab.windows.host import differences

    lines = differences(_read(before), _read(after))
    if as_json:
        print_json({"differences": lines})
    else:
        typer.echo("\n".join(lines) if lines else "no differences")
    raise typer.Exit(_DIFFERENT if lines else 0)


def _read(file: Path) -> dict[str, Any]:
    try:
        if file.stat().st_size > _MAX_BYTES:
            fail(f"{file} is larger than {_MAX_BYTES} bytes: it is no state")
        found = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        fail(f"{file}: {error.strerror}")
    except ValueError as error:
        fail(f"{file} is no JSON: {error}")
    if not isinstance(found, dict) or "registry" not in found:
        fail(f"{file} is no state of a simulated Windows host")
    return found


def _leaves(value: Any, place: str) -> list[tuple[str, Any]]:  # noqa: ANN401 - JSON
    if not isinstance(value, dict) or not value:
        return [(place, value)]
    return [leaf for key, each in value.items() for leaf in _leaves(each, f"{place}/{key}" if place else str(key))]
