"""renkei-agent: the exchange software of a terminal, and of the ministry's linkage endpoint."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from renkei.agent import enrolment, platform, voiding
from renkei.agent.enrolment import Standing
from renkei.agent.exchange import alone, exchange, take_offline
from renkei.agent.home import open_home
from renkei.agent.intake import Watch
from renkei.agent.service import Service
from renkei.agent.settings import Link
from renkei.agent.status import Status, status_of
from renkei.cli import (
    agent_counter,
    agent_first_boot,
    agent_life,
    agent_media,
    agent_page,
    agent_register,
    agent_updates,
)
from renkei.cli.agent_shared import (
    DEFAULT_CONFIG,
    NEEDS_PERSON,
    AsJson,
    Config,
    print_json,
    read_code,
    reported,
    settings_of,
)
from renkei.exchange.parties import Party
from renkei.exchange.payloads import Stream
from renkei.exchange.text import printable

app = typer.Typer(
    name="renkei-agent",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Exchanges notices between this machine's folders and the hub, by line or by medium.\n\n"
    "Exit codes: 0 done, 1 something waits for a person, 2 usage or settings, 3 the hub can't be reached.",
)


@app.command()
def enrol(
    config: Config = DEFAULT_CONFIG,
    code_file: Annotated[
        Path | None, typer.Option(help='File with the one-time code; "-" reads it from standard input.')
    ] = None,
    wait: Annotated[float, typer.Option(min=0, max=86400, help="Seconds to wait for the authority's answer.")] = 0,
    *,
    as_json: AsJson = False,
) -> None:
    """Make this machine's keys and ask for its certificate with a one-time code.

    Without a code it looks for the answer to a request that was sent before. The code is never an argument: the
    process list would show it.
    """
    with reported(), settings_of(config) as settings:
        code = read_code(code_file)
        with open_home(settings) as home, alone(home, 30):
            outcome = enrolment.enrol(home, code, wait)
    if as_json:
        print_json({"state": outcome.standing.value, "generation": outcome.generation})
    elif outcome.standing is Standing.ENROLLED:
        print(f"enrolled, generation {outcome.generation}")
    else:
        print("the request waits for the registration authority; call again, or let the service fetch the answer")
    if outcome.standing is not Standing.ENROLLED:
        raise typer.Exit(NEEDS_PERSON)


@app.command()
def serve(config: Config = DEFAULT_CONFIG) -> None:
    """Run as a service: exchange at the set times, when the outbox fills, when asked, and on news while online."""
    platform.log_to_service_manager()
    with reported(), settings_of(config) as settings, open_home(settings) as home:
        service = Service(home)
        platform.on_stop(service.stop)
        service.run()


@app.command(name="exchange")
def exchange_now(
    config: Config = DEFAULT_CONFIG,
    patience: Annotated[
        float, typer.Option(min=0, max=3600, help="Seconds to wait for another exchange of this agent to end.")
    ] = 300,
    *,
    as_json: AsJson = False,
) -> None:
    """Exchange once, now. On a link by medium this only prepares the outbox."""
    platform.log_to_service_manager()
    with reported(), settings_of(config) as settings, open_home(settings) as home, alone(home, patience):
        watch = Watch(settings.exchange.stable_seconds)
        if settings.link is Link.MEDIA:
            home.keys()
            outcome = take_offline(home, watch, gathered=True)
        else:
            with home.connect() as client:
                outcome = exchange(home, client, watch, gathered=True)
    if as_json:
        print_json(outcome.to_json())
    else:
        print(outcome)
    if outcome.needs_person:
        raise typer.Exit(NEEDS_PERSON)


@app.command()
def status(config: Config = DEFAULT_CONFIG, *, as_json: AsJson = False) -> None:
    """Show what was exchanged with whom, what waits, and until when the certificate is good."""
    with reported(), settings_of(config) as settings, open_home(settings) as home:
        found = status_of(home)
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        _show(found)
    if found.needs_person:
        raise typer.Exit(NEEDS_PERSON)


@app.command()
def acknowledge(config: Config = DEFAULT_CONFIG) -> None:
    """End the alarms that the status shows, once somebody has looked at them; what isn't mended comes again."""
    with reported(), settings_of(config) as settings, open_home(settings) as home:
        print(f"{home.spool.acknowledge()} alarms ended")


@app.command()
def void(
    recipient: Annotated[str, typer.Argument(help="ministry, or an endpoint's six-digit code.")],
    stream: Annotated[Stream, typer.Argument(help="notices or results.")],
    sequence: Annotated[int, typer.Argument(min=1, help="The number, as status or an alarm names it.")],
    reason: Annotated[str, typer.Option(help="Why; the recipient reads it. No personal data.")],
    config: Config = DEFAULT_CONFIG,
    *,
    as_json: AsJson = False,
) -> None:
    """Give up a message that can't be delivered: signed, so that the recipient's stream goes on past it.

    Its notices are not sent by this; put those that are still needed into the outbox again.
    """
    with reported(), settings_of(config) as settings, open_home(settings) as home, alone(home, 300):
        numbers = voiding.void(home, Party(recipient), stream, sequence, reason)
    if as_json:
        print_json({"recipient": recipient, "stream": stream, "sequence": sequence, "notices": list(numbers)})
    else:
        print(f"{stream} {sequence} to {recipient} is void; it goes with the next exchange or medium")
        print(f"notices that it held and that are not sent now: {', '.join(numbers) or 'none known'}")


@app.command()
def heads(config: Config = DEFAULT_CONFIG, *, as_json: AsJson = False) -> None:
    """Show the signed heads of the hub's journal that this agent saw.

    With --json they are written as evidence, for `renkei journal verify --heads` at the ministry: a hub that shows one
    journal to some and another to others is found out there.
    """
    with reported(), settings_of(config) as settings, open_home(settings) as home:
        found = home.spool.heads.all()
    if as_json:
        seen = [{"envelope": each.envelope.decode(), "entry": json.loads(each.entry)} for each in found]
        print_json({"party": settings.endpoint, "heads": seen})
    elif found:
        print(f"{len(found)} heads, from {found[0].signed_at} to {found[-1].signed_at}")
    else:
        print("no head yet: this agent had no contact with the hub")


agent_counter.add_to(app)
agent_register.add_to(app)
agent_first_boot.add_to(app)
agent_life.add_to(app)
agent_updates.add_to(app)
app.add_typer(agent_media.app, name="media")
app.add_typer(agent_page.app, name="page")
if sys.platform == "win32":
    from renkei.cli import agent_service

    app.add_typer(agent_service.app, name="service")


def main() -> None:
    """Run the program; names and codes must survive a console that isn't UTF-8."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    code = platform.hand_over(sys.argv[1:])
    if code is not None:
        sys.exit(code)
    app()


def _show(found: Status) -> None:
    console = Console(width=80 if not sys.stdout.isatty() else None, highlight=False, markup=False)
    enrolled = (
        f"generation {found.generation} until {found.certificate_not_after}" if found.enrolled else "not enrolled"
    )
    console.print(f"{found.party} / {found.terminal}, link {found.link}, {enrolled}")
    console.print(f"last exchange: {found.last_exchange_at or 'never'}; files in the outbox: {found.outbox_files}")
    console.print(
        f"list of revoked certificates: {found.crl.standing}"
        + (f", of {found.crl.signed_at}, next due by {found.crl.next_due_at}" if found.crl.signed_at else "")
    )
    if found.peers:
        table = Table("with", "sent", "parcels", "receipts", "waiting", "received", "parcels", "held", box=None)
        for peer in found.peers:
            numbers = (
                peer.notices_sent, peer.parcels_sent, peer.receipts_received, peer.waiting,
                peer.notices_received, peer.parcels_received, peer.held,
            )  # fmt: skip
            table.add_row(peer.party, *(str(number) for number in numbers))
        console.print(table)
    if found.rejected_files:
        console.print(f"rejected/ has {found.rejected_files} reason files: correct the rows and put them into outbox/")
    for each in found.voids:
        way = f"to {each.party}" if each.direction == "out" else f"of {each.party}"
        console.print(
            f"void since {each.voided_at}: {each.stream} {each.sequence} {way}: {printable(each.reason)}",
            soft_wrap=True,
        )
    if found.register_waiting:
        standings = ", ".join(f"{count} {name}" for name, count in found.register_waiting.items())
        console.print(f"not in the register yet: {standings} (renkei-agent pending)")
    if found.dispatches_waiting:
        console.print(f"to be sent later: {found.dispatches_waiting} notices (renkei-agent results)")
    for alarm in found.alarms:
        told = printable(f"{alarm.subject}: {alarm.text}")
        console.print(f"alarm since {alarm.first_at}: {alarm.kind} {told}", soft_wrap=True)


if __name__ == "__main__":
    main()
