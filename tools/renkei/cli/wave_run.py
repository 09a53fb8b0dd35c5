"""`renkei wave run`: the controller of a wave, turn by turn until it comes to an end or halts."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from renkei.cli.inventory import DEFAULT_FLEET
from renkei.cli.wave_carriers import (
    DEFAULT_RUNS,
    Carrier,
    ChainOption,
    HubOption,
    InventoryOption,
    PlaybookOption,
    PostOption,
    RunsOption,
    TakeOverOption,
    VarsOption,
    Ways,
    carrier_of,
)
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
    hub_said,
    opened,
    read_anchor,
    read_signer,
    show_state,
)
from renkei.cli.wave_page import PageFleetOption, PageOption, WavePage, page_in

if TYPE_CHECKING:
    from renkei.fleet.waves.state import WaveState


def run(  # noqa: PLR0913 - a command has as many options as it needs
    context: typer.Context,
    wave: WaveArgument,
    *,
    hub: HubOption = None,
    chain: ChainOption = None,
    post: PostOption = None,
    playbook: PlaybookOption = None,
    inventory: InventoryOption = None,
    variables: VarsOption = None,
    runs: RunsOption = DEFAULT_RUNS,
    take_over: TakeOverOption = False,
    key: Annotated[Path, typer.Option(metavar="FILE", help="The authority's signing key (PEM).")],
    root: Root,
    people: PeopleOption,
    passphrase_file: Passphrase = None,
    every: Annotated[
        float, typer.Option(min=1, max=600, help="Seconds between turns in windows; outside of all it is five minutes.")
    ] = 15,
    once: Annotated[bool, typer.Option("--once", help="One turn, then end.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check the approval, do nothing.")] = False,
    ledger: LedgerOption = DEFAULT_LEDGER,
    page: PageOption = None,
    fleet: PageFleetOption = DEFAULT_FLEET,
    as_json: JsonOption = False,
) -> None:
    """Run an approved wave until it ends or halts.

    It may be killed and started again at any moment, on this machine or on
    another with the same ledger; no machine is done twice. With --playbook it
    goes on where its plays are, in the same --runs on the same machine: plays
    outlive a controller that is killed. Anywhere else it is refused, until
    somebody says by --take-over that none of them is left. Progress is on
    stderr. Halted, it says which evidence stopped it; a --page says so, too, and
    what to do, at every turn that changed something. While the hub can't be
    reached it waits, and nobody begins. It doesn't run while another wave
    holds some of its machines, and says which. Of an aborted wave it takes
    back what still lies at the hub, and takes what machines have come to.

    Exit codes: 0 it has ended (with --once: the turn is done), 1 it may not
    run, 2 usage, 3 it is halted, 4 it is aborted.
    """
    from renkei.fleet.waves.consents import check_consents, read_people
    from renkei.fleet.waves.engine import Engine, Ministry, held_by_others, load
    from renkei.fleet.waves.state import Phase
    from renkei.store.waves.holds import Held

    hub = hub_said(context, hub, asked=chain is not None or not (post or playbook))
    ways = Ways(hub, chain, post, playbook, tuple(inventory or ()), tuple(variables or ()), runs, take_over)
    ways.check()
    with errors_in_words(), opened(ledger) as book:
        anchor = read_anchor(root)
        signer = read_signer(key, passphrase_file)
        state = load(book, wave)
        ways.check_wave(state, once=once)
        check_consents(state.plan, state.planned, state.approval, read_people(people))
        goes_on = state.phase in {Phase.APPROVED, Phase.RUNNING, Phase.HALTED}
        waiting = [name for name, host in state.hosts.items() if not host.end]
        if goes_on and (held := held_by_others(book, wave, waiting, datetime.now(UTC))):
            raise Held(held)
        shown = page_in(page, fleet, book, as_json=as_json)
        if shown is not None:
            shown.show(state, datetime.now(UTC))
        if not dry_run and (goes_on or state.phase is Phase.ABORTED):
            with carrier_of(ways, book, wave, signer, root, key, passphrase_file, _say) as carrier:
                engine = Engine(
                    book, load(book, wave), Ministry(signer, anchor.verify_entry), carrier.post, carrier.watch
                )
                state = _turns(engine.turn, carrier, every=every, once=once, page=shown)
    show_state(state, as_json=as_json)
    raise typer.Exit(exit_code(state))


def _turns(
    turn: "Callable[[datetime], WaveState]", carrier: Carrier, *, every: float, once: bool, page: WavePage | None = None
) -> "WaveState":
    """Take turns until the wave has ended, is halted or aborted; say where it stands whenever that changes.

    What plays have begun is waited for in any case.
    """
    from renkei.client.errors import HubBusy, HubUnreachable
    from renkei.fleet.waves.pace import Pace
    from renkei.fleet.waves.state import Phase

    before, pace = "", None
    while True:
        now = datetime.now(UTC)
        try:
            state = turn(now)
        except (HubUnreachable, HubBusy) as error:
            if once:
                raise
            _say(f"waiting: {error}")
            carrier.rest(every, standstill="the hub could not be asked")
            continue
        groups = (
            f"{group} " + " ".join(f"{name}={number}" for name, number in sorted(counts.items()))
            for group, counts in state.counts.items()
        )
        line = "; ".join(groups)
        if line != before:
            _say(f"{state.phase}: {line}")
            before = line
        if page is not None:
            _show(page, state)
        running = state.phase in {Phase.APPROVED, Phase.RUNNING}
        if (once or not running) and not carrier.is_busy:
            return state
        pace = pace or Pace(state.plan, every)
        pause = pace.rest(state, now) if carrier.direct is None else every
        carrier.rest(pause, standstill=None if running else f"the wave is {state.phase}")


def _show(page: WavePage, state: "WaveState") -> None:
    """Write the page; a full disk is no reason to leave machines alone in the middle of a wave."""
    try:
        page.show(state, datetime.now(UTC))
    except OSError as error:
        _say(f"the page can't be written: {error}")


def _say(text: str) -> None:
    Console(stderr=True).print(text, markup=False, highlight=False, soft_wrap=True)
