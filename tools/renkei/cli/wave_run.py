"""`renkei wave run`: the controller of a wave, turn by turn until it comes to an end or halts."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
    hub_as_authority,
    opened,
    read_anchor,
    read_signer,
    show_state,
)

if TYPE_CHECKING:
    from renkei.fleet.waves.post import Post
    from renkei.fleet.waves.state import WaveState
    from renkei.fleet.waves.watch import Watch


def run(  # noqa: PLR0913 - a command has as many options as it needs
    wave: WaveArgument,
    *,
    hub: Annotated[
        str | None,
        typer.Option(envvar="RENKEI_HUB", metavar="URL", help="The hub's gateway, by which terminals are reached."),
    ] = None,
    chain: Annotated[
        Path | None, typer.Option(metavar="FILE", help="With --hub: the authority's certificate chain (PEM).")
    ] = None,
    post: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Instead of a hub: where orders go out and evidence comes in.")
    ] = None,
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
    stderr. Halted, it says which evidence stopped it. While the hub can't be
    reached it waits, and nobody begins. It doesn't run while another wave
    holds some of its machines, and says which. Of an aborted wave it takes
    back what still lies at the hub.

    Exit codes: 0 it has ended (with --once: the turn is done), 1 it may not
    run, 2 usage, 3 it is halted, 4 it is aborted.
    """
    from renkei.fleet.waves.consents import check_consents, read_people
    from renkei.fleet.waves.engine import Engine, Ministry, load
    from renkei.fleet.waves.state import Phase
    from renkei.store.waves.holds import Held

    if (hub is None) == (post is None) or (hub is None) != (chain is None):
        raise typer.BadParameter("give --hub with --chain, or --post")
    with errors_in_words(), opened(ledger) as book:
        anchor = read_anchor(root)
        signer = read_signer(key, passphrase_file)
        state = load(book, wave)
        check_consents(state.plan, state.planned, state.approval, read_people(people))
        goes_on = state.phase in {Phase.APPROVED, Phase.RUNNING, Phase.HALTED}
        if goes_on and (held := book.held(wave, (name for name, host in state.hosts.items() if not host.end))):
            raise Held(held)
        if not dry_run and (goes_on or state.phase is Phase.ABORTED):
            with _carrier(post, hub, root, chain, key, passphrase_file) as (carrier, watch):
                engine = Engine(book, state, Ministry(signer, anchor.verify_entry), carrier, watch)
                state = _turns(engine.turn, every=every, once=once)
    show_state(state, as_json=as_json)
    raise typer.Exit(exit_code(state))


@contextmanager
def _carrier(
    post: Path | None, hub: str | None, root: Path, chain: Path | None, key: Path, passphrase_file: Path | None
) -> "Iterator[tuple[Post, Watch | None]]":
    from renkei.fleet.waves.line import HubPost
    from renkei.fleet.waves.post import FolderPost
    from renkei.fleet.waves.watch import Watch

    if post is not None:
        yield FolderPost(post), None
    elif hub is not None and chain is not None:
        with hub_as_authority(hub, root, chain, key, passphrase_file) as client:
            yield HubPost(client), Watch(client.exchanges)


def _turns(turn: "Callable[[datetime], WaveState]", *, every: float, once: bool) -> "WaveState":
    """Take turns until the wave has ended, is halted or aborted; say where it stands whenever that changes."""
    from renkei.client.errors import HubBusy, HubUnreachable
    from renkei.fleet.waves.state import Phase

    console, before = Console(stderr=True), ""
    while True:
        try:
            state = turn(datetime.now(UTC))
        except (HubUnreachable, HubBusy) as error:
            if once:
                raise
            console.print(f"waiting: {error}", markup=False, highlight=False, soft_wrap=True)
            time.sleep(every)
            continue
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
