"""`renkei-hub`: the exchange server of the LGWAN-ASP."""

import asyncio
import json
import logging
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from renkei.hub.settings import Settings, SettingsError, read_settings

app = typer.Typer(
    name="renkei-hub",
    no_args_is_help=True,
    help="The exchange server of the LGWAN-ASP: it keeps sealed notices until their recipients have them.",
    pretty_exceptions_enable=False,
    add_completion=False,
)

journal = typer.Typer(no_args_is_help=True, help="The journal of what the hub did.")
app.add_typer(journal, name="journal")

Config = Annotated[Path, typer.Option("--config", help="The settings.", dir_okay=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_CONFIG = Path("/etc/renkei/hub.toml")
_LOG = "%(levelname)s %(message)s"


def main() -> None:
    """Run `renkei-hub`."""
    app()


@app.command()
def serve(config: Config = _CONFIG) -> None:
    """Serve on the Unix sockets behind the gateway, until SIGTERM.

    Without the hub's own directory entry it waits for one: see init and install-entry.
    """
    from renkei.hub.server import ServeError
    from renkei.hub.server import serve as run

    settings = _settings(config)
    logging.basicConfig(level=logging.INFO, format=_LOG, stream=sys.stderr)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    import uvloop

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(run(settings))
    except ServeError as error:
        _fail(str(error))


@app.command()
def init(
    config: Config = _CONFIG,
    terminal: Annotated[str, typer.Option(help="This machine's name in certificates; default: its host name.")] = "",
) -> None:
    """Make the hub's keys where there are none, and print its enrolment request (JSON).

    The registration authority answers it with a directory entry, which install-entry takes.
    """
    from renkei.hub.setup import SetupError, prepare

    try:
        typer.echo(prepare(_settings(config), terminal or socket.gethostname().split(".")[0]).decode())
    except SetupError as error:
        _fail(str(error))


@app.command()
def renew(
    config: Config = _CONFIG,
    terminal: Annotated[str, typer.Option(help="This machine's name in certificates; default: its host name.")] = "",
    *,
    when_due: Annotated[
        bool, typer.Option("--when-due", help="If two thirds of the certificate's time are over, queue the request.")
    ] = False,
) -> None:
    """Make the hub's next keys where none wait, and print the request for them (JSON).

    The registration authority answers it with an entry, which install-entry takes; within five minutes the running
    hub signs with the new key. What the old one signed stays good until its own entry ends.

    With --when-due the request waits in the hub's own queue, where the authority finds and answers it: nobody has to
    carry anything. A timer does that every day; it prints `not due`, `asked` or `waiting`.
    """
    from renkei.hub.renewal import renew_when_due
    from renkei.hub.server import ServeError
    from renkei.hub.setup import SetupError
    from renkei.hub.setup import renew as make_next

    name = terminal or socket.gethostname().split(".")[0]
    try:
        if when_due:
            found = renew_when_due(_settings(config), name)
            typer.echo(f"{found.standing}: the certificate ends on {found.not_after:%Y-%m-%d}")
        else:
            typer.echo(make_next(_settings(config), name).decode())
    except (SetupError, ServeError) as error:
        _fail(str(error))


@app.command("renew-server")
def renew_server(
    folder: Annotated[Path, typer.Option(help="Of the gateway's key and certificate.")] = Path("/etc/renkei/gateway"),
    root: Annotated[Path, typer.Option(help="The trust anchor.")] = Path("/etc/renkei/pki/root.pem"),
    socket: Annotated[Path, typer.Option(help="Where the hub hears the gateway.")] = Path(
        "/run/renkei-hub/gateway.sock"
    ),
    wait: Annotated[float, typer.Option(metavar="SECONDS", help="For the authority's answer.", min=0)] = 120,
    *,
    as_json: AsJson = False,
) -> None:
    """Renew the gateway's server certificate, if two thirds of its time are over.

    The key is made here, the request proven by the present one; the authority
    answers by way of the hub, for the names that the present certificate has.
    A timer does that every day; it prints `not due`, `waiting` or `renewed`.

    Exit codes: 0, or 1 when it was refused, can't be asked for, or is late; the
    present certificate stays then.
    """
    from renkei.client.gateway import GatewayClient
    from renkei.hub import gateway

    try:
        found = gateway.renew_server(folder, root, lambda: GatewayClient.at(socket), wait)
    except gateway.GatewayError as error:
        _fail(str(error))
    if as_json:
        typer.echo(json.dumps({"standing": found.standing, "not_after": _time(int(found.not_after.timestamp()))}))
    else:
        typer.echo(f"{found.standing}: the certificate ends on {found.not_after:%Y-%m-%d}")


@app.command("install-entry")
def install_entry(
    file: Annotated[Path, typer.Argument(help="The hub's directory entry.", dir_okay=False)], config: Config = _CONFIG
) -> None:
    """Take the hub's own directory entry; prints `changed` or `unchanged`."""
    from renkei.hub.server import ServeError
    from renkei.hub.setup import SetupError
    from renkei.hub.setup import install_entry as install

    try:
        typer.echo("changed" if install(_settings(config), file) else "unchanged")
    except (SetupError, ServeError) as error:
        _fail(str(error))


@app.command()
def trust(
    files: Annotated[list[Path], typer.Argument(help="Directory entries of authority and ministry.", dir_okay=False)],
    config: Config = _CONFIG,
) -> None:
    """Put the registration authority and the ministry onto the allow-list.

    Prints `changed FILE` or `unchanged FILE` for each.
    """
    from renkei.hub.server import ServeError
    from renkei.hub.setup import SetupError
    from renkei.hub.setup import trust as take

    try:
        for file, new in take(_settings(config), files).items():
            typer.echo(f"{'changed' if new else 'unchanged'} {file}")
    except (SetupError, ServeError) as error:
        _fail(str(error))


@app.command()
def status(config: Config = _CONFIG, *, as_json: AsJson = False) -> None:
    """Show what each party sent and received, how far the journal is, and until when the hub's certificate is good."""
    from renkei.exchange.bindings import DirectoryEntry
    from renkei.exchange.certificates import certificate_from_pem, fingerprint
    from renkei.hub.identity import IdentityError, find_identity
    from renkei.hub.server import ServeError
    from renkei.hub.setup import with_store
    from renkei.store.hub.store import SqlHubStore

    settings = _settings(config)

    async def read(store: SqlHubStore) -> dict[str, Any]:
        tree, now = await store.tree(), int(datetime.now(UTC).timestamp())
        live, _ = await store.expiring(now, now)
        parties = {
            each.party: {**asdict(each), "last_contact": _time(each.last_contact)} for each in await store.counts()
        }
        own = await find_identity(store, settings.keys, now)
        certificate = None if own is None else certificate_from_pem(DirectoryEntry.from_json(own.entry).certificate)
        return {
            "certificate_sha256": None if certificate is None else fingerprint(certificate),
            "certificate_not_after": None if own is None else _time(own.not_after),
            "crl": await store.crl_number(),
            "epoch": tree.epoch,
            "journal_entries": tree.size,
            "journal_root": tree.root,
            "live_certificates": live,
            "pending_enrolments": await store.pending_enrolments(),
            "parties": parties,
        }

    try:
        found = with_store(settings, read)
    except (ServeError, IdentityError) as error:
        _fail(str(error))
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False, indent=2))
    else:
        _print_status(found)


@app.command()
def migrate(config: Config = _CONFIG) -> None:
    """Bring the schema of a PostgreSQL store up to date, and give the hub its rights.

    Where [store] has owner_url this goes before the first start and before the first start of newer software; it is
    run as root on the machine of the primary. Prints `changed` or `unchanged`. Exits with 1 when nothing was changed
    because it can't be.
    """
    from renkei.hub.backups import migrate as bring_up
    from renkei.hub.server import ServeError
    from renkei.store.errors import StoreError
    from renkei.store.hub.backup import BackupError

    try:
        typer.echo("changed" if bring_up(_settings(config)) else "unchanged")
    except (BackupError, ServeError, StoreError) as error:
        _fail(str(error))


@app.command("check-store")
def check_store(config: Config = _CONFIG) -> None:
    """Check the store: SQLite's own check, every counter, every entry and node of the journal.

    Exits with 1 when something is wrong.
    """
    from renkei.hub.server import ServeError
    from renkei.hub.setup import with_store
    from renkei.store.hub.store import SqlHubStore

    async def check(store: SqlHubStore) -> tuple[list[str], int]:
        return await store.check(), (await store.tree()).size

    try:
        problems, entries = with_store(_settings(config), check)
    except ServeError as error:
        _fail(str(error))
    if problems:
        _fail("\n".join(problems))
    typer.echo(f"the store is sound: {entries} journal entries, every counter holds")


@app.command()
def backup(
    target: Annotated[Path, typer.Argument(help="A new file, or a folder for one named by the time.")],
    config: Config = _CONFIG,
    *,
    keep: Annotated[int | None, typer.Option(min=1, help="In a folder: how many to keep, the newest.")] = None,
    as_json: AsJson = False,
) -> None:
    """Back up the store while the hub serves, and check the copy.

    A backup is one SQLite file, also of a store in PostgreSQL; it holds no key. Exits with 1 when there is no sound
    copy.
    """
    from renkei.hub.backups import back_up
    from renkei.hub.server import ServeError
    from renkei.store.errors import StoreError
    from renkei.store.hub.backup import BackupError

    try:
        with _progress("copying") as progress:
            path, found = back_up(_settings(config), target, keep, progress)
    except (BackupError, ServeError, StoreError) as error:
        _fail(str(error))
    if as_json:
        typer.echo(json.dumps({"file": str(path), **asdict(found)}, indent=2))
    else:
        typer.echo(f"{path}: sound, {found.entries} journal entries, epoch {found.epoch}")


@app.command()
def restore(
    source: Annotated[Path, typer.Argument(help="A backup.")],
    config: Config = _CONFIG,
    *,
    overwrite: Annotated[bool, typer.Option(help="Replace a store that holds something.")] = False,
    as_json: AsJson = False,
) -> None:
    """Put a backup in the place of the store, and begin a new epoch.

    By the epoch every party knows that the hub forgot something: senders offer again all that has no receipt, and the
    authority tells again who may speak. A hub on SQLite must be stopped first. Exits with 1 when nothing was changed.
    """
    from renkei.hub.backups import restore as put_back
    from renkei.hub.server import ServeError
    from renkei.store.errors import StoreError
    from renkei.store.hub.backup import BackupError

    try:
        with _progress("restoring") as progress:
            done = put_back(_settings(config), source, overwrite=overwrite, progress=progress)
    except (BackupError, ServeError, StoreError) as error:
        _fail(str(error))
    kept = str(done.kept) if done.kept else None
    if as_json:
        typer.echo(json.dumps({**asdict(done.backup), "epoch": done.epoch, "kept": kept}, indent=2))
    else:
        typer.echo(f"restored {done.backup.entries} journal entries, epoch {done.epoch}")
        if kept:
            typer.echo(f"the store that was there is {kept}")


@contextmanager
def _progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show how far a copy is, to a person."""
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@journal.command()
def export(
    out: Annotated[Path, typer.Argument(metavar="FILE", help="Where the journal is written.", dir_okay=False)],
    config: Config = _CONFIG,
) -> None:
    """Write the journal with its tree and the heads that were kept, for `renkei journal verify --file`.

    It names parties, times and digests, no person and no notice.
    """
    from renkei.hub.server import ServeError
    from renkei.hub.setup import with_store
    from renkei.store.hub.journal_file import write
    from renkei.store.hub.store import SqlHubStore

    async def work(store: SqlHubStore) -> int:
        with out.open("w", encoding="utf-8") as stream:
            return await write(store, stream)

    try:
        typer.echo(f"{out}: {with_store(_settings(config), work)} entries")
    except (ServeError, OSError) as error:
        _fail(str(error))


def _settings(config: Path) -> Settings:
    try:
        return read_settings(config)
    except SettingsError as error:
        _fail(str(error))


def _fail(text: str) -> NoReturn:
    Console(stderr=True, soft_wrap=True).print(f"renkei-hub: {text}", style="red", markup=False, highlight=False)
    raise typer.Exit(1) from None


def _time(seconds: int) -> str | None:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if seconds else None


def _print_status(found: dict[str, Any]) -> None:
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("party")
    for column in ("sent", "bytes", "received", "receipts", "waiting"):
        table.add_column(column, justify="right")
    table.add_column("last contact")
    for party, each in found["parties"].items():
        figures = (each[name] for name in ("sent", "sent_bytes", "received", "receipts", "waiting"))
        table.add_row(party, *(f"{figure:,}" for figure in figures), each["last_contact"] or "never")
    console = Console(width=None if sys.stdout.isatty() else 80)
    console.print(table)
    console.print(
        f"journal {found['journal_entries']} entries, epoch {found['epoch']};"
        f" {found['live_certificates']} live certificates, {found['pending_enrolments']} enrolments waiting",
        highlight=False,
    )
    console.print(
        f"the hub's certificate ends {found['certificate_not_after'] or '-: it has none yet'}", highlight=False
    )


if __name__ == "__main__":
    main()
