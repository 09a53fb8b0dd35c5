"""`renkei-agent retire`: the end of a machine's life."""

from typing import Annotated

import typer

from renkei.agent import platform, retirement
from renkei.agent.exchange import alone
from renkei.agent.home import open_home
from renkei.agent.settings import SettingsError
from renkei.cli.agent_shared import DEFAULT_CONFIG, AsJson, Config, reported, settings_of

_PATIENCE = 60.0


def add_to(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command()(retire)


def retire(
    terminal: Annotated[str, typer.Argument(help="This machine's asset number, typed: it can't be undone.")],
    config: Config = DEFAULT_CONFIG,
    *,
    abandon: Annotated[
        bool, typer.Option("--abandon", help="Give up what it still holds; without it that is listed and kept.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Destroy this machine's keys and all that its agent kept, and print the record of it.

    Stop the service first. The disk is erased after that, by whoever takes the machine away. Exit codes: 0 it is
    empty, 1 it still holds what others wait for, 2 usage: another machine's number, or settings.
    """
    with reported(), settings_of(config) as settings:
        if terminal != settings.terminal:
            raise SettingsError(f"this machine is {settings.terminal}, not {terminal}")
        record = retirement.recorded(settings)
        if record is None:
            with open_home(settings) as home, alone(home, _PATIENCE):
                record = retirement.retire(home, abandon=abandon)
        else:
            platform.act_as_owner(settings.home)
        destroyed = retirement.destroy(settings, record)
    if as_json:
        print(retirement.report(destroyed))
    else:
        print(f"{record.terminal} of {record.endpoint} is retired since {record.retired_at}")
        print(f"destroyed now: {destroyed.files} files, {destroyed.bytes} bytes; keys of {len(record.certificates)}")
