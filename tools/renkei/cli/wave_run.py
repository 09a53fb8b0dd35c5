"""`renkei wave run`: the controller of a wave, turn by turn until it comes to an end or halts."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from renkei.cli.wave_common import (
    DEFAULT_LEDGER,
    JsonOption,
    LedgerOption,
    Passphrase,
    PeopleOption,
    Root,
    WaveArgument,
    errors_in_words,
    exit_code,
    opened,
    read_anchor,
    read_signer,
    show_state,
)

if TYPE_CHECKING:
    from renkei.fleet.waves.state import WaveState


def run(  # noqa: PLR0913 - a command has as many options as it needs
    wave: WaveArgument,
    *,
    post: Annotated[Path, typer.Option(metavar="DIR", help="Where orders go out and evidence comes in.")],
    key: Annotated[Path, typer.Option(metavar="FILE", help="The authority's signing key (PEM).")],
    root: Root,
    people: PeopleOption,
    passphrase_file: Passphrase = None,
    every: Annotated[float, typer.Option(min=1, max=600, help="Seconds between turns.")] = 15,
    once: Annotated[bool, typer.Option("--once", help="One turn, then end.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check the approval, do nothing.")] = False,
    ledger: LedgerOption = DEFAULT_LEDGER,
    as_json: JsonOption = False,
) -> None:
    """Run an approved wave until it ends or halts.

    It may be killed and started again at any moment, on this machine or on
    another with the same ledger; no machine is done twice. Progress is on
    stderr. Halted, it says which evidence stopped it.

    Exit codes: 0 it has ended (with --once: the turn is done), 1 it may not
    run, 2 usage, 3 it is halted, 4 it is aborted.
    """
    from renkei.fleet.waves.consents import check_consents, read_people
    from renkei.fleet.waves.engine import Engine, Ministry, load
    from renkei.fleet.waves.post import FolderPost
    from renkei.fleet.waves.state import Phase

    with errors_in_words(), opened(ledger) as book:
        anchor = read_anchor(root)
        signer = read_signer(key, passphrase_file)
        state = load(book, wave)
        check_consents(state.plan, state.planned, state.approval, read_people(people))
        if not dry_run and state.phase in {Phase.APPROVED, Phase.RUNNING, Phase.HALTED}:
            engine = Engine(book, state, Ministry(signer, anchor.verify_entry), FolderPost(post))
            state = _turns(engine.turn, every=every, once=once)
    show_state(state, as_json=as_json)
    raise typer.Exit(exit_code(state))


def _turns(turn: "Callable[[datetime], WaveState]", *, every: float, once: bool) -> "WaveState":
    """Take turns until the wave has ended, is halted or aborted; say where it stands whenever that changes."""
    from renkei.fleet.waves.state import Phase

    console, before = Console(stderr=True), ""
    while True:
        state = turn(datetime.now(UTC))
        groups = (
            f"{group} " + " ".join(f"{name}={number}" for name, number in sorted(counts.items()))
            for group, counts in state.counts.items()
        )
        line = "; ".join(groups)
        if line != before:
            console.print(f"{state.phase}: {line}", markup=False, highlight=False, soft_wrap=True)
            before = line
        if once or state.phase not in {Phase.APPROVED, Phase.RUNNING}:
            return state
        time.sleep(every)
