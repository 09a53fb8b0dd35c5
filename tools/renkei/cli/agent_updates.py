"""`renkei-agent updates`: what is ordered, what is installed, and when the window is."""

from dataclasses import asdict

import typer

from renkei.agent import platform
from renkei.agent.home import log, now, open_home
from renkei.agent.updates.installing import NothingToDo, carry_out
from renkei.agent.updates.machine import MachineError
from renkei.agent.updates.patterns_installing import install_waiting
from renkei.agent.updates.standing import Ordered, UpdateStanding, standing_of
from renkei.cli.agent_shared import (
    DEFAULT_CONFIG,
    NEEDS_PERSON,
    AsJson,
    Config,
    fail,
    print_json,
    reported,
    settings_of,
)
from renkei.exchange.errors import ExchangeError


def add_to(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command()(updates)
    app.command(name="install-updates", hidden=True)(install_updates)


def updates(config: Config = DEFAULT_CONFIG, *, as_json: AsJson = False) -> None:
    """Show this machine's updates: what the ministry ordered, what is installed and missing, when the window is.

    And the antivirus patterns that it has, and those that came by medium and wait.

    Exit codes: 0 nothing stands in the way, 1 the newest order is blocked or failed, 2 usage or settings.
    """
    with reported(), settings_of(config) as settings, open_home(settings) as home:
        found = standing_of(home, now())
    if as_json:
        print_json(asdict(found))
    else:
        _show(found)
    if found.needs_person:
        raise typer.Exit(NEEDS_PERSON)


def install_updates(config: Config = DEFAULT_CONFIG) -> None:
    """Carry out what the agent asked for, as far as the ministry signed it: started as SYSTEM, by its task alone.

    Then install patterns that came by medium, if they are newer than the machine's.

    Exit codes: 0 done, or nothing to do, 1 refused or failed, 2 usage or settings.
    """
    platform.log_to_service_manager()
    programs = platform.update_tools()
    if programs is None:
        fail(
            MachineError("this system's updates aren't the agent's: waves install them, from the controller"),
            NEEDS_PERSON,
        )
    problems: list[str] = []
    with reported(), settings_of(config) as settings:
        try:
            answer = carry_out(settings, programs)
            problems.append(answer.problem)
            log.info("%s of order %s: %s", answer.doing, answer.order, answer.problem or "done")
        except NothingToDo as nothing:
            log.info("%s", nothing)
        except (ExchangeError, MachineError, platform.Locked, OSError) as error:
            problems.append(str(error))
        try:
            patterns = install_waiting(settings, programs)
            problems.append(patterns.problem if patterns is not None else "")
        except (ExchangeError, MachineError, platform.Locked, OSError) as error:
            problems.append(f"patterns: {error}")
    if any(problems):
        fail(MachineError("; ".join(filter(None, problems))), NEEDS_PERSON)


def _show(found: UpdateStanding) -> None:
    if found.checked_at is None:
        print("this machine hasn't looked at its updates yet")
    else:
        print(f"build {found.build}, {len(found.installed)} updates, looked at {found.checked_at}")
        against = "Windows' own source" if found.catalogue is None else f"catalogue {found.catalogue}"
        print(f"missing by {against}: {', '.join(found.missing) or 'nothing'}")
        made = (
            f"{found.patterns} of {found.patterns_made_at}" if found.patterns else "the antivirus says nothing of them"
        )
        print(f"antivirus patterns: {made}")
    if found.patterns_waiting:
        print(f"antivirus patterns {found.patterns_waiting} came by medium and wait to be installed")
    if not found.orders:
        print("nothing was ordered")
    for order in found.orders:
        _show_order(order)


def _show_order(order: Ordered) -> None:
    print(f"order {order.id}: {order.action} {', '.join(order.updates)}")
    print(f"  {order.step} since {order.since}" + (f", said {order.said}" if order.said else ""))
    if order.problem:
        print(f"  {order.problem}")
    if order.ended_at is None:
        print(f"  window {order.window_opens} to {order.window_closes}")
        print(f"  expires {order.expires}" + ("" if order.permit else ", needs no permit"))
