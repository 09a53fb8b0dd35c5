"""`renkei-agent service`: on Windows, the service itself: installed, looked at, started, stopped, removed."""

import sys

if sys.platform != "win32":
    raise ImportError("renkei-agent service is for Windows; on Linux it is systemctl")

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from renkei.agent.settings import SettingsError, load
from renkei.agent.versions import VersionsError
from renkei.agent.windows import installing, layout, manager
from renkei.agent.windows.access import AccessError
from renkei.agent.windows.clerks import GROUP
from renkei.agent.windows.installing import InstallError
from renkei.agent.windows.manager import ServiceTrouble
from renkei.agent.windows.task import TaskError
from renkei.cli.agent_shared import NEEDS_PERSON, AsJson, fail, print_json

app = typer.Typer(
    no_args_is_help=True,
    help="Install, look at, start, stop and remove the Windows service. As an administrator.",
)

Data = Annotated[Path, typer.Option(help="The service's folder.")]


@app.command()
def install(
    data: Data = Path(layout.DATA),
    clerks: Annotated[
        str | None,
        typer.Option(
            help="Group of those who work in inbox and outbox and see the status page; made where there is none. "
            "By default renkei-clerks where agent.toml has [page]."
        ),
    ] = None,
    *,
    start: Annotated[bool, typer.Option("--start", help="Start the service, too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make the release that this program belongs to the one that runs, or find that it is.

    Sets the folders' rights, the launcher, the service with its account, and what happens when it fails. Exit codes: 0
    done, 1 something can't be done.
    """
    with _reported():
        programs, version = installing.this_release()
        group = clerks if clerks is not None else _default_group(data)
        changes = installing.install(installing.Place(programs, data), version, group)
        if start and manager.start():
            changes.append("started")
    if as_json:
        print_json({"release": version, "changed": changes})
    else:
        print("\n".join(changes) or f"release {version} is installed already")


@app.command()
def status(data: Data = Path(layout.DATA), *, as_json: AsJson = False) -> None:
    """Show which release is chosen, whether it has proven itself, and the service as the registry has it."""
    with _reported():
        programs, _ = installing.this_release()
        found = installing.status(installing.Place(programs, data))
    if as_json:
        print_json(found)
    else:
        print("\n".join(f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in found.items()))


@app.command()
def start() -> None:
    """Start the service and wait until it runs."""
    with _reported():
        print("started" if manager.start() else "runs already")


@app.command()
def stop() -> None:
    """Stop the service and wait until it has."""
    with _reported():
        print("stopped" if manager.stop() else "didn't run")


@app.command()
def remove(
    data: Data = Path(layout.DATA),
    *,
    discard: Annotated[bool, typer.Option("--discard", help="Also when notices wait in the folders.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove the service with its account, the keys, and all that it held, without a record of it.

    For a machine that is set up anew. The life of one that served ends with `renkei-agent retire`. The programs' folder
    holds nothing secret and is deleted afterwards: a program can't delete itself. Exit codes: 0 removed, 1 notices wait
    or something can't be removed.
    """
    with _reported():
        programs, _ = installing.this_release()
        removed = installing.remove(installing.Place(programs, data), discard=discard)
    if as_json:
        print_json({"removed": removed})
    else:
        print("\n".join(removed) or "nothing is installed")


def _default_group(data: Path) -> str:
    """The group for whom the page of agent.toml is; none while there is no page, or no agent.toml yet."""
    config = data / layout.CONFIG.name
    return GROUP if config.is_file() and load(config).page is not None else ""


@contextmanager
def _reported() -> Iterator[None]:
    """Turn what can go wrong into a message and an exit code."""
    try:
        yield
    except (AccessError, InstallError, ServiceTrouble, SettingsError, TaskError, VersionsError) as error:
        fail(error, NEEDS_PERSON)
    except OSError as error:
        fail(OSError(f"{error.filename}: {error.strerror}; call this as an administrator"), NEEDS_PERSON)
