"""`renkei ministry authority`: the registration authority, its issuing CA and its one-time codes."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from renkei.ministry.settings import DEFAULT_PATH, Settings, load_settings

if TYPE_CHECKING:
    from renkei.ministry.office import Office

app = typer.Typer(no_args_is_help=True, help="The registration authority and its issuing CA.")
code = typer.Typer(no_args_is_help=True, help="One-time codes for enrolment.")
app.add_typer(code, name="code")

Config = Annotated[Path, typer.Option("--config", metavar="FILE", help="The settings.")]
Json = Annotated[bool, typer.Option("--json", help="Answer as JSON.")]
Endpoint = Annotated[str, typer.Option(help="ministry, hub, authority or an endpoint's six-digit code.")]
Terminal = Annotated[str, typer.Option(metavar="ASSET", help="The terminal's asset number.")]

_INPUT_LIMIT = 64 * 1024
_DIGEST = 64  # characters


@app.command()
def init(
    config: Config = DEFAULT_PATH,
    name: Annotated[str, typer.Option(help="The issuing CA's name.")] = "renkei issuing",
    *,
    as_json: Json = False,
) -> None:
    """Make the issuing CA's key and its request for the root."""
    with authority_office(config) as office:
        made = office.issuing.init(name)
        _answer({"changed": made, "request": str(office.issuing.request)}, as_json=as_json)


@app.command("install-issuing")
def install_issuing(
    certificate: Annotated[Path, typer.Argument(metavar="FILE", help="The certificate that the root signed, PEM.")],
    config: Config = DEFAULT_PATH,
    *,
    as_json: Json = False,
) -> None:
    """Check the certificate that the root signed, and use it."""
    with errors_in_words():
        pem = _read(certificate)
    with authority_office(config) as office:
        installed = office.issuing.install(pem.decode("ascii", "replace"), datetime.now(UTC))
        _answer({"changed": installed, "issuing": str(office.issuing.folder)}, as_json=as_json)


@app.command("own-entry")
def own_entry(config: Config = DEFAULT_PATH) -> None:
    """Print the authority's own directory entry, which the hub must know."""
    with authority_office(config) as office:
        typer.echo(office.identity(datetime.now(UTC)).entry.to_json().decode())


@app.command()
def issue(
    request: Annotated[Path, typer.Option(metavar="FILE", help="The enrolment request, JSON; - is stdin.")],
    config: Config = DEFAULT_PATH,
) -> None:
    """Answer a request of the hub or the linkage host; print its directory entry.

    The same keys get the same entry until two thirds of its time are over.
    """
    from renkei.ministry.counter import issue_locally, read_request

    with errors_in_words():
        asked = read_request(_read(request))
    with authority_office(config) as office:
        typer.echo(issue_locally(office, asked, datetime.now(UTC)))


@app.command("issue-server")
def issue_server(
    csr: Annotated[Path, typer.Option(metavar="FILE", help="The request, PEM; - is stdin.")],
    dns: Annotated[list[str], typer.Option(metavar="NAME", help="A DNS name; may be repeated.")],
    ip: Annotated[list[str] | None, typer.Option(metavar="ADDRESS", help="An address; may be repeated.")] = None,
    config: Config = DEFAULT_PATH,
) -> None:
    """Certify a server of the ASP, gateway or database; print its certificate and the issuing CA's, PEM.

    The same key and names get the same until two thirds of its time are over.
    """
    from renkei.ministry.counter import issue_server_locally

    with errors_in_words():
        pem = _read(csr).decode("ascii", "replace")
    with authority_office(config) as office:
        typer.echo(issue_server_locally(office, pem, dns, ip or [], datetime.now(UTC)), nl=False)


@app.command("issue-listeners")
def issue_listeners(
    requests: Annotated[Path, typer.Option(metavar="FILE", help="The requests, JSON; - is stdin.")],
    config: Config = DEFAULT_PATH,
) -> None:
    """Certify the listeners of terminals' maintenance windows, many at once.

    A request is {"terminal": ASSET, "name": COMPUTER, "address": IP, "csr":
    PEM}; they stand in a list. Prints {"issued": {ASSET: PEM}, "refused":
    {ASSET: WHY}}. Only machines of the inventory that aren't retired get one.

    Exit codes: 0, or 1 when a machine was refused or nothing could be done.
    """
    from renkei.ministry import listeners

    with errors_in_words():
        asked = listeners.read_requests(_read(requests, listeners.MAX_BYTES))
    with authority_office(config) as office:
        answers = listeners.issue_listeners(office, asked, datetime.now(UTC))
    typer.echo(json.dumps({"issued": dict(answers.issued), "refused": dict(answers.refused)}, ensure_ascii=False))
    if answers.refused:
        raise typer.Exit(1)


@app.command("issue-controller")
def issue_controller(
    csr: Annotated[Path, typer.Option(metavar="FILE", help="The request, PEM; - is stdin.")],
    name: Annotated[str, typer.Option(metavar="UPN", help="What terminals map to an account.")] = "controller@renkei",
    config: Config = DEFAULT_PATH,
) -> None:
    """Certify the controller that signs in to Windows terminals; print its certificate and the issuing CA's, PEM.

    The key is made on the controller. The same key and name get the same until
    two thirds of its time are over.

    Exit codes: 0, or 1 when nothing was issued.
    """
    from renkei.ministry.counter import issue_controller_locally

    with errors_in_words():
        pem = _read(csr).decode("ascii", "replace")
    with authority_office(config) as office:
        typer.echo(issue_controller_locally(office, pem, name, datetime.now(UTC)), nl=False)


@app.command("issue-database-client")
def issue_database_client(
    csr: Annotated[Path, typer.Option(metavar="FILE", help="The request, PEM; - is stdin.")],
    name: Annotated[str, typer.Option(help="hub.MACHINE or standby.MACHINE.")],
    config: Config = DEFAULT_PATH,
) -> None:
    """Certify who logs in to the hubs' database; print the certificate and the issuing CA's, PEM.

    The same key and name get the same until two thirds of its time are over.
    """
    from renkei.ministry.counter import issue_database_locally

    with errors_in_words():
        pem = _read(csr).decode("ascii", "replace")
    with authority_office(config) as office:
        typer.echo(issue_database_locally(office, pem, name, datetime.now(UTC)), nl=False)


@app.command("list")
def list_bindings(config: Config = DEFAULT_PATH, *, as_json: Json = False) -> None:
    """List what was issued, newest generation of each endpoint first."""
    with authority_office(config) as office:
        issued = office.ledger.read(lambda records: records.bindings())
    columns = ("endpoint", "generation", "terminal", "not_before", "not_after", "revoked_at", "certificate_sha256")
    _table([{column: getattr(each, column) for column in columns} for each in issued], as_json=as_json)


@code.command("new")
def new_code(
    endpoint: Endpoint,
    terminal: Terminal,
    serial: Annotated[str, typer.Option(metavar="SERIAL", help="The machine's serial number.")],
    valid_hours: Annotated[int, typer.Option(help="How long it can be used.", min=1, max=24 * 90)] = 24 * 14,
    config: Config = DEFAULT_PATH,
    *,
    as_json: Json = False,
) -> None:
    """Make a code and print it, once; it takes the place of the terminal's open ones.

    It goes onto the sealed sheet and nowhere else.
    """
    from renkei.exchange.parties import Party
    from renkei.ministry.counter import give_out_code

    with authority_office(config) as office:
        span = (datetime.now(UTC), timedelta(hours=valid_hours))
        made = give_out_code(office, Party(endpoint), terminal, serial, span)
    if as_json:
        facts = {"id": made.id, "code": made.code, "expires_at": made.expires_at}
        typer.echo(json.dumps({**facts, "endpoint": endpoint, "terminal": terminal}))
        return
    typer.echo(made.code)
    typer.echo(f"code {made.id} for {endpoint}/{terminal}, until {made.expires_at}", err=True)


@code.command("list")
def list_codes(config: Config = DEFAULT_PATH, *, as_json: Json = False) -> None:
    """List the codes that were given out; the codes themselves are kept nowhere."""
    from renkei.exchange.clock import format_time

    with authority_office(config) as office:
        codes = office.ledger.read(lambda records: records.codes())
    now = format_time(datetime.now(UTC))
    columns = ("id", "endpoint", "terminal", "machine_serial", "created_at", "expires_at", "used_at")
    rows = [{**{name: getattr(each, name) for name in columns}, "state": each.state(now)} for each in codes]
    _table(rows, as_json=as_json)


@code.command("revoke")
def revoke_code(
    number: Annotated[int, typer.Argument(metavar="ID", help="The code's number, from `code list`.")],
    config: Config = DEFAULT_PATH,
) -> None:
    """Revoke a code that wasn't used."""
    from renkei.exchange.clock import format_time

    with authority_office(config) as office:
        done = office.ledger.write(lambda records: records.revoke_code(number, format_time(datetime.now(UTC))))
    if not done:
        fail(f"there is no unused code {number}; see `renkei ministry authority code list`")
    typer.echo(f"revoked: code {number}")


@app.command()
def revoke(
    endpoint: Endpoint,
    terminal: Terminal,
    reason: Annotated[str, typer.Option(help="Why; it is signed and shown.", min=1)],
    config: Config = DEFAULT_PATH,
    *,
    as_json: Json = False,
) -> None:
    """Revoke a terminal's certificates and open codes, and tell the hub."""
    from renkei.client.errors import HubError
    from renkei.ministry.authority import AuthorityService, connect_by
    from renkei.ministry.counter import revoke_machine

    with authority_office(config) as office:
        now = datetime.now(UTC)
        count = revoke_machine(office, endpoint, terminal, reason, now)
        try:
            with connect_by(office.settings.hub, office.settings.authority.root)(office.identity(now)) as line:
                AuthorityService(office, lambda _: line).push(line)
        except HubError as error:
            typer.echo(f"the hub doesn't know yet ({error}); the authority's service tells it", err=True)
        waiting = office.ledger.read(lambda records: len(records.revocations(unpushed=True)))
        _answer({"changed": count > 0, "revoked": count, "waiting_for_hub": waiting}, as_json=as_json)


@app.command("sign-images")
def sign_images(config: Config = DEFAULT_PATH) -> None:
    """Sign for images of terminals: a line of JSON comes in, a line goes out.

    `renkei terminal media` runs this, in production by ssh. Only machines of
    the inventory are signed for, each for its own endpoint; for any other the
    answer is {"refused": WHY}.

    Exit codes: 0, or 1 when a line was refused.
    """
    from renkei.exchange.images import ImageError, ImageRequest
    from renkei.ministry.counter import CounterError
    from renkei.ministry.imaging import open_counter

    refused = False
    with authority_office(config) as office:
        counter = open_counter(office, datetime.now(UTC))
        while line := sys.stdin.readline(_INPUT_LIMIT):
            try:
                answer = counter.sign(ImageRequest.from_line(line), datetime.now(UTC)).to_bytes().decode()
            except (CounterError, ImageError) as error:
                refused, answer = True, json.dumps({"refused": str(error)}) + "\n"
            sys.stdout.write(answer)
            sys.stdout.flush()
    if refused:
        raise typer.Exit(1)


@app.command()
def serve(config: Config = DEFAULT_PATH) -> None:
    """Answer enrolments and renewals until stopped."""
    from renkei.ministry.authority import AuthorityService, connect_by
    from renkei.ministry.service import Stop, log_to_journal

    log_to_journal()
    stop = Stop()
    stop.install()
    with authority_office(config) as office:
        connect = connect_by(office.settings.hub, office.settings.authority.root)
        AuthorityService(office, connect).run(stop)


@contextmanager
def authority_office(config: Path) -> "Iterator[Office]":
    """Open the authority's state as its owner; say errors in words."""
    from renkei.exchange.errors import ExchangeError
    from renkei.ministry.counter import CounterError
    from renkei.ministry.issuing import IssuingError
    from renkei.ministry.office import open_office
    from renkei.ministry.service import become_owner
    from renkei.store.errors import StoreError

    with errors_in_words():
        settings: Settings = load_settings(config)
        become_owner(settings.authority.state)
        try:
            with open_office(settings) as office:
                yield office
        except (CounterError, IssuingError, StoreError, ExchangeError) as error:
            fail(str(error))


@contextmanager
def errors_in_words() -> Iterator[None]:
    """Say what is wrong in words and end with 1."""
    from renkei.ministry.counter import CounterError
    from renkei.ministry.files import FileRefusedError
    from renkei.ministry.settings import SettingsError

    try:
        yield
    except (CounterError, SettingsError, FileRefusedError, OSError) as error:
        fail(str(error))


def fail(text: str) -> NoReturn:
    """Say why it goes no further, and end with 1."""
    Console(stderr=True).print(f"renkei ministry: {text}", markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(1)


def _read(path: Path, limit: int = _INPUT_LIMIT) -> bytes:
    from renkei.ministry.files import read_bounded

    if path == Path("-"):
        return sys.stdin.buffer.read(limit)
    return read_bounded(path, limit)


def _answer(facts: dict[str, object], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(facts, ensure_ascii=False))
        return
    rest = ", ".join(f"{key}: {value}" for key, value in facts.items() if key != "changed")
    typer.echo(f"{'done' if facts['changed'] else 'unchanged'}: {rest}")


def _table(rows: list[dict[str, object]], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(rows, ensure_ascii=False))
        return
    table = Table(
        *(rows[0] if rows else ("nothing",)), box=None, header_style="bold", pad_edge=False, collapse_padding=True
    )
    for row in rows:
        table.add_row(*(_cell(value) for value in row.values()))
    Console().print(table)


def _cell(value: object) -> str:
    """Shorten times to days and digests to their beginning; --json has them whole."""
    text = "" if value is None else str(value)
    if text.endswith("Z") and text[10:11] == "T":
        return text[:10]
    return text[:8] if len(text) == _DIGEST else text
