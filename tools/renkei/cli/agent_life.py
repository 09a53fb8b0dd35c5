"""`renkei-agent retire`: the end of a machine's life."""

from pathlib import Path
from typing import Annotated

import typer

from renkei.agent import platform, retirement
from renkei.agent.exchange import alone
from renkei.agent.home import open_home
from renkei.agent.settings import Settings, SettingsError
from renkei.cli.agent_shared import DEFAULT_CONFIG, NEEDS_PERSON, AsJson, Config, fail, reported, settings_of

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
    keys_only: Annotated[bool, typer.Option(hidden=True, help="The part of the service's account.")] = False,
    as_json: AsJson = False,
) -> None:
    """Destroy this machine's keys and all that its agent kept, and print the record of it, which stays.

    On Linux stop the service first (playbooks/retire.yml does). On Windows the service has to run: this ends and
    deletes it. The disk is erased after that, by whoever takes the machine away. Exit codes: 0 it is empty, 1 it still
    holds what others wait for, or something can't be removed: call it again, 2 usage: another machine's number, or
    settings, 3 the service can't be asked.
    """
    with reported(), settings_of(config) as settings:
        if terminal != settings.terminal:
            raise SettingsError(f"this machine is {settings.terminal}, not {terminal}")
        record = retirement.recorded(settings) or _end(settings, config, abandon=abandon, here=keys_only)
        if keys_only:
            return
        try:
            platform.end_service(settings.home)
            platform.act_as_owner(settings.home)
            destroyed = retirement.destroy(settings, record, config.absolute())
        except OSError as error:
            fail(OSError(f"{error}; the keys are destroyed, call this again for the rest"), NEEDS_PERSON)
    if as_json:
        print(retirement.report(destroyed))
    else:
        print(f"{record.terminal} of {record.endpoint} is retired since {record.retired_at}")
        print(
            f"destroyed: the keys of {len(record.certificates)} certificates; now {destroyed.files} files, "
            f"{destroyed.bytes} bytes"
        )


def _end(settings: Settings, config: Path, *, abandon: bool, here: bool) -> retirement.Retirement:
    """Have the record written and the keys destroyed by the account that reads them.

    Raises:
        typer.Exit: it was refused; why is told already.
    """
    arguments = ["retire", settings.terminal, "--keys-only", "--config", str(config.absolute())]
    code = None if here else platform.as_owner(settings.home, [*arguments, *(["--abandon"] if abandon else [])])
    if code is None:
        with open_home(settings) as home, alone(home, _PATIENCE):
            return retirement.retire(home, abandon=abandon)
    record = retirement.recorded(settings)
    if code or record is None:
        raise typer.Exit(code or NEEDS_PERSON)
    return record
