"""`renkei-agent page`: the clerk's status page, opened by whoever is in its group."""

import sys
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from renkei.agent import platform
from renkei.agent.page.door import FILE
from renkei.cli.agent_shared import NEEDS_PERSON

app = typer.Typer(no_args_is_help=True, help="The clerk's status page on this machine.")


@app.callback()
def page() -> None:
    """Keep `open` a command of its own."""


@app.command(name="open")
def open_page(
    folder: Annotated[
        Path,
        # whoever may not read it is told below what to do
        typer.Option(help="The page's folder, as agent.toml names it.", readable=False),
    ] = platform.DEFAULT_PAGE,
) -> None:
    """Open the status page in this user's browser.

    Only members of the page's group can: they alone may read the file that lets the browser in. It needs no settings
    and no administrator. Exit codes: 0 the browser opens it, 1 it can't be opened.
    """
    path = folder / FILE
    try:
        with path.open("rb"):
            pass
    except PermissionError:
        _fail(f"{path}: you may not read it; ask whoever runs this terminal to put you into the page's group")
    except OSError as error:
        _fail(f"{path}: {error.strerror}; the page is served while the service runs and agent.toml has [page]")
    if not webbrowser.open(path.absolute().as_uri()):
        _fail(f"no browser was found; open {path.absolute().as_uri()} in one")


def _fail(text: str) -> None:
    print(f"renkei-agent: {text}", file=sys.stderr)
    raise typer.Exit(NEEDS_PERSON)
