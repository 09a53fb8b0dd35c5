"""`renkei wave`: plan a wave of updates, have somebody else approve it, run it, halt it."""

from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from renkei.cli.inventory import DEFAULT_FLEET, FleetOption, load_or_exit, print_json
from renkei.cli.wave_common import (
    DEFAULT_LEDGER,
    JsonOption,
    Key,
    LedgerOption,
    Passphrase,
    PeopleOption,
    Person,
    Root,
    WaveArgument,
    Why,
    errors_in_words,
    exit_code,
    opened,
    outline,
    read_anchor,
    read_signer,
    show_state,
    signed_in,
)
from renkei.cli.wave_linux import plan_linux
from renkei.cli.wave_page import PageFleetOption, PageOption, page_in
from renkei.cli.wave_plan import keep_plan, show_plan, windows_by
from renkei.cli.wave_run import run


class Bench(StrEnum):
    """Whether terminals at the staging bench come before all others, or are the only ones."""

    FIRST = "first"
    ONLY = "only"


app = typer.Typer(no_args_is_help=True, help="Waves of updates: plan, approve, run, halt.")
app.command()(run)
app.command("plan-linux")(plan_linux)


@app.command()
def plan(  # noqa: PLR0913 - a command has as many options as it needs
    *,
    kb: Annotated[
        list[str], typer.Option(metavar="KB", help="An update; may be repeated. What it requires comes too.")
    ],
    catalogue: Annotated[Path, typer.Option(metavar="FILE", help="The signed catalogue, from `renkei updates sign`.")],
    root: Root,
    person: Person,
    key: Key,
    passphrase_file: Passphrase = None,
    uninstall: Annotated[bool, typer.Option("--uninstall", help="Remove these updates instead.")] = False,
    ring: Annotated[list[str] | None, typer.Option(help="Only this ring; may be repeated.")] = None,
    by_medium: Annotated[
        list[str] | None, typer.Option(metavar="CODE", help="Only this endpoint, on media: its line is down; repeat.")
    ] = None,
    bench: Annotated[
        Bench | None, typer.Option(help="Terminals at the staging bench, which Ansible reaches: first, or alone.")
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=60, help="How far ahead windows are taken.")] = 14,
    minutes: Annotated[int, typer.Option(min=10, max=600, help="What a machine needs of a window.")] = 60,
    overdue: Annotated[int, typer.Option(min=20, max=1440, help="Minutes until a machine counts as lost.")] = 120,
    fleet: FleetOption = DEFAULT_FLEET,
    ledger: LedgerOption = DEFAULT_LEDGER,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and keep nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Plan a wave over a fleet's machines in service; sign and keep the plan.

    Shown are groups in their order, machines, bytes to fetch, and when the
    first of each group can begin; and which other wave holds which of the
    machines: it can be approved once that one has let go of them.

    Exit codes: 0, 1 it can't be planned, 2 usage.
    """
    from uuid import uuid4

    from renkei.exchange.documents import payload_sha256
    from renkei.exchange.parties import AUTHORITY
    from renkei.exchange.updates import Catalogue
    from renkei.fleet.waves.plan import Wish, make_plan

    loaded = load_or_exit(fleet, as_json=as_json)
    now = datetime.now(UTC)
    with errors_in_words():
        signer = read_signer(key, passphrase_file)
        signed = signed_in(catalogue)
        party = read_anchor(root).verify_entry(signed.entry, now, AUTHORITY)
        found = Catalogue.open(signed.envelope, party.signing_public_key)
        action: Any = "uninstall" if uninstall else "install"
        machines: Any = bench.value if bench else None
        wish = Wish(
            tuple(kb), person, action, tuple(ring or ()), days, minutes, overdue, tuple(by_medium or ()), machines
        )
        made = make_plan(wish, loaded, (found, payload_sha256(signed.envelope)), windows_by(loaded), uuid4(), now)
        held = keep_plan(ledger, made, signer, now, dry_run=dry_run)
    show_plan(made, held, kept=not dry_run, as_json=as_json)


@app.command()
def approve(
    wave: WaveArgument,
    *,
    person: Person,
    key: Key,
    people: PeopleOption,
    passphrase_file: Passphrase = None,
    ledger: LedgerOption = DEFAULT_LEDGER,
    as_json: JsonOption = False,
) -> None:
    """Sign a plan that somebody else has made, so that it may run.

    From then on the wave holds its machines, each until it has come to its
    end there: no other one may be approved over them. An aborted wave holds
    on to those that have a permit, until each has ended or is overdue.

    Exit codes: 0, 1 you planned it yourself, aren't among the people, it
    isn't waiting for an approval, or another wave holds some of its machines
    (which ones it says), 2 usage.
    """
    from renkei.fleet.waves import consents
    from renkei.fleet.waves.engine import act_of_person, held_by_others, load
    from renkei.fleet.waves.state import Phase
    from renkei.store.waves.ledger import Act

    now = datetime.now(UTC)
    with errors_in_words(), opened(ledger) as book:
        state = load(book, wave)
        document = consents.approve(state, person, read_signer(key, passphrase_file), consents.read_people(people), now)
        act = Act("consent", "", "approver", document, int(now.timestamp()))
        held_by_others(book, wave, state.plan.terminals, now)  # what it finds overdue is free
        state = act_of_person(book, state, act, frozenset({Phase.PLANNED}), state.plan.terminals)
    show_state(state, as_json=as_json)


@app.command()
def status(
    wave: Annotated[str | None, typer.Argument(metavar="WAVE", help="Id of the wave; without it, all waves.")] = None,
    *,
    ledger: LedgerOption = DEFAULT_LEDGER,
    page: PageOption = None,
    fleet: PageFleetOption = DEFAULT_FLEET,
    as_json: JsonOption = False,
) -> None:
    """Show where a wave stands, or list all waves.

    A --page of a halted wave says why, on which evidence, and what to do.

    Exit codes: 0, 1 there is no such wave, or the page can't be written,
    2 usage, 3 it is halted, 4 it is aborted.
    """
    from renkei.fleet.waves.engine import load

    if page is not None and wave is None:
        raise typer.BadParameter("--page is of one wave: give its id")
    with errors_in_words(), opened(ledger) as book:
        if wave is not None:
            state = load(book, wave)
            shown = page_in(page, fleet, book, as_json=as_json)
            if shown is not None:
                shown.show(state, datetime.now(UTC))
        else:
            states = [load(book, each) for each, _ in book.waves()]
    if wave is not None:
        show_state(state, as_json=as_json)
        raise typer.Exit(exit_code(state))
    rows = [outline(each) for each in states]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        typer.echo(f"{row['wave']}  {row['phase']:9} {row['planned_at']}  {', '.join(row['updates'])}")


def _by_person(name: str, text: str, phases: Callable[[], frozenset[Any]]) -> None:
    """Add the command of a person who halts, resumes or aborts."""

    def command(
        wave: WaveArgument,
        *,
        why: Why,
        person: Person,
        ledger: LedgerOption = DEFAULT_LEDGER,
        as_json: JsonOption = False,
    ) -> None:
        from renkei.fleet.waves.engine import act_of_person, load
        from renkei.store.waves.ledger import Act

        with errors_in_words(), opened(ledger) as book:
            what: Any = name
            act = Act(what, detail=f"{person}: {why}", at=int(datetime.now(UTC).timestamp()))
            state = act_of_person(book, load(book, wave), act, phases())
        show_state(state, as_json=as_json)

    command.__doc__ = text
    app.command(name)(command)


def _phases(*names: str) -> Callable[[], frozenset[Any]]:
    def phases() -> frozenset[Any]:
        from renkei.fleet.waves.state import Phase

        return frozenset(map(Phase, names))

    return phases


_by_person(
    "halt",
    """Halt a wave: from now on no permit is given, so nobody begins.

    Whoever has begun goes on; what it comes to is still taken.

    Exit codes: 0, 1 the wave isn't one that can be halted, 2 usage.
    """,
    _phases("approved", "running"),
)
_by_person(
    "resume",
    """Let a halted wave go on; it is judged by what comes after.

    Exit codes: 0, 1 the wave isn't halted, 2 usage.
    """,
    _phases("halted"),
)
_by_person(
    "abort",
    """End a wave for good: nobody begins any more.

    It lets its machines go, but for those that have a permit: each of them
    may be at work, and is held until it has ended, or is overdue.

    Exit codes: 0, 1 the wave has come to an end already, 2 usage.
    """,
    _phases("planned", "approved", "running", "halted"),
)
