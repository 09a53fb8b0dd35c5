"""`renkei-agent media`: register, write, inspect, take and strike off removable media."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from renkei.agent import media
from renkei.agent.contact import HubNotGenuine, establish
from renkei.agent.exchange import alone, take_offline
from renkei.agent.home import Home, open_home, stamp
from renkei.agent.intake import Watch
from renkei.agent.settings import Settings, SettingsError
from renkei.agent.updates.handing import orders_at_hub
from renkei.cli.agent_shared import (
    DEFAULT_CONFIG,
    NEEDS_PERSON,
    AsJson,
    Config,
    columns,
    print_json,
    reported,
    settings_of,
)
from renkei.client.errors import GatewayNotTrusted, HubError
from renkei.exchange.parties import MINISTRY, Party
from renkei.exchange.payloads import Cover
from renkei.exchange.signed import Signed
from renkei.exchange.text import printable
from renkei.store.media import LostMedium

_PATIENCE = 300
_FINGERPRINT = 16

app = typer.Typer(
    no_args_is_help=True,
    help="Carry parcels and receipts on a removable medium.\n\n"
    "Only registered media are used; what is on one is signed, sealed, taken once, and deleted then.",
)
Folder = Annotated[Path, typer.Argument(help="The medium's folder.", metavar="DIR")]
Endpoint = Annotated[str, typer.Option("--to", help="The ministry's side: the endpoint whose medium it is.")]


@app.command()
def register(
    folder: Folder,
    label: Annotated[str, typer.Option(help="What is written on the medium, such as USB-012271-01.")],
    config: Config = DEFAULT_CONFIG,
    to: Endpoint = "",
    *,
    as_json: AsJson = False,
) -> None:
    """Register a medium for the exchange between the ministry and one endpoint; what else is on it stays."""
    with reported(), settings_of(config) as settings, _home(settings, folder) as home:
        medium = media.register(home, folder, _endpoint(settings, to), label)
    if as_json:
        print_json(medium.to_json())
    else:
        print(f"{medium.label}: registered for {medium.endpoint} as {medium.id}")
        print(
            f"file system: {medium.volume or 'has no identifier; a copy of this medium is only found by its exports'}"
        )


@app.command()
def show(folder: Folder, config: Config = DEFAULT_CONFIG, *, as_json: AsJson = False) -> None:
    """Show what is on a medium, with counts and digests, before anything of it is taken.

    Exit 1: something on it wouldn't be taken.
    """
    with reported(), settings_of(config) as settings, _home(settings, folder) as home:
        registered = media.read_registration(home, folder)
        found = media.inspect(home, folder, registered)
    if as_json:
        exports = [
            {
                "folder": each.folder.name,
                "standing": each.standing,
                "why": each.why,
                "cover": each.cover and each.cover.to_json(),
            }
            for each in found
        ]
        print_json({"medium": registered.to_json(), "exports": exports})
    else:
        print(f"{registered.label}: registered for {registered.endpoint} by {registered.registrar} as {registered.id}")
        for each in found:
            print(f"{each.standing:8} {printable(each.folder.name)}{_described(each.cover)}")
            if each.why:
                print(f"         {printable(each.why)}")
    if any(each.standing in {media.Standing.REFUSED, media.Standing.USED} for each in found):
        raise typer.Exit(NEEDS_PERSON)


@app.command(name="export")
def media_export(
    folder: Folder, config: Config = DEFAULT_CONFIG, to: Endpoint = "", *, as_json: AsJson = False
) -> None:
    """Write what waits to be sent, and receipts for what came, onto a medium.

    At the ministry the orders of updates that wait at the hub for the endpoint go
    along, with their packages. Where the hub can't be asked, that is said, and the
    rest goes.
    """
    with reported(), settings_of(config) as settings, _home(settings, folder) as home:
        endpoint = _endpoint(settings, to)
        take_offline(home, Watch(settings.exchange.stable_seconds), gathered=True)
        orders = _orders_at_hub(home, endpoint) if settings.is_ministry else []
        written = media.export(home, folder, endpoint if settings.is_ministry else MINISTRY, orders)
    if as_json:
        print_json(asdict(written))
    else:
        print(f"{written.folder}: {written.parcels} parcels with {written.notices} notices ({written.bytes} bytes),")
        print(f"{written.receipts} receipts, {written.voids} voids; digest {written.digest[:_FINGERPRINT]}")
        if written.orders:
            print(f"{written.orders} orders of updates, with their packages")
        if written.patterns:
            print(f"antivirus patterns {written.patterns}")


@app.command(name="import")
def media_import(folder: Folder, config: Config = DEFAULT_CONFIG, *, as_json: AsJson = False) -> None:
    """Take what a medium holds for this party, and delete it from the medium.

    What was cut short is taken by the next call; what was taken before is refused. Exit 1: something was refused.
    """
    with reported(), settings_of(config) as settings, _home(settings, folder) as home:
        home.keys()
        brought = media.import_all(home, folder)
    if as_json:
        print_json(asdict(brought))
    else:
        print(
            f"{brought.exports} exports taken: {brought.delivered} parcels delivered with {brought.notices} notices, "
            f"{brought.receipts} receipts, {brought.repeated} known before"
        )
        print(
            f"{brought.refused} refused, {brought.replayed} taken before, {brought.foreign} for others, "
            f"{brought.wiped} deleted from the medium, {'scanned' if brought.scanned else 'not scanned'}"
        )
        if brought.updates or brought.packages:
            print(f"{brought.updates} documents of updates, {brought.packages} packages")
        if brought.patterns:
            print("newer antivirus patterns")
        for digest in brought.digests:
            print(f"digest {digest[:_FINGERPRINT]}")
    if brought.refused or brought.replayed:
        raise typer.Exit(NEEDS_PERSON)


def _orders_at_hub(home: Home, endpoint: Party) -> list[Signed]:
    """Fetch the orders that wait for an endpoint; none, and a word on stderr, where the hub can't be asked."""
    try:
        with home.connect() as client:
            return orders_at_hub(establish(home, client), endpoint)
    except (GatewayNotTrusted, HubError, HubNotGenuine) as error:
        print(f"orders that wait at the hub don't go along: {error}", file=sys.stderr)
        return []


@app.command()
def log(config: Config = DEFAULT_CONFIG, *, as_json: AsJson = False) -> None:
    """List what was written onto media and taken from them here, newest first."""
    with reported(), settings_of(config) as settings, open_home(settings) as home:
        carried = home.spool.media.all()
    if as_json:
        print_json([asdict(each) for each in carried])
        return
    head = ["when", "", "party", "parcels", "notices", "receipts", "digest", "deleted"]
    rows = [
        [each.at, each.way, each.party, str(each.parcels), str(each.notices), str(each.receipts),
         each.digest[:_FINGERPRINT], each.wiped_at or "-"]
        for each in carried
    ]  # fmt: skip
    print("\n".join(columns([head, *rows])))


@app.command()
def lost(
    medium: Annotated[str, typer.Argument(help="Its id, as `media show` or `media log --json` prints it.")],
    reason: Annotated[str, typer.Option(help="What happened; for those who come after. No personal data.")],
    config: Config = DEFAULT_CONFIG,
) -> None:
    """Strike a medium off: nothing is written onto it or taken from it here any more."""
    with reported(), settings_of(config) as settings, open_home(settings) as home:
        new = home.spool.media.lose(LostMedium(medium.lower(), reason, stamp()))
    print(f"{medium} is struck off" if new else f"{medium} was struck off before")


@contextmanager
def _home(settings: Settings, folder: Path) -> Iterator[Home]:
    if not folder.is_dir():
        raise media.MediaError(f"{folder}: no such folder; mount the medium and name its folder")
    with open_home(settings) as home, alone(home, _PATIENCE):
        yield home


def _endpoint(settings: Settings, to: str) -> Party:
    """Return whose exchange a medium serves."""
    if not settings.is_ministry:
        return settings.endpoint
    if not to:
        raise SettingsError("the ministry's media are each for one endpoint; name it with --to CODE")
    return Party(to)


def _described(cover: Cover | None) -> str:
    if cover is None:
        return ""
    counts = f"{cover.parcels} parcels with {cover.notices} notices, {cover.receipts} receipts, {cover.voids} voids"
    return (
        f"\n         {counts}; {cover.bytes} bytes in {cover.files} files, digest {cover.files_sha256[:_FINGERPRINT]}"
    )
