"""`renkei patch`: how far every machine of the country is patched, by its own signed word."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from renkei.cli.inventory import DEFAULT_FLEET, ROOT, FleetOption, JsonOption, fail, print_json
from renkei.cli.patch_sign import sign
from renkei.cli.wave_common import Passphrase, hub_as_authority, hub_said

if TYPE_CHECKING:
    from renkei.exchange.updates import Catalogue
    from renkei.fleet.controls.exceptions import ControlException
    from renkei.fleet.model import Fleet
    from renkei.fleet.patching.intake import Believer
    from renkei.fleet.patching.standing import Standing

app = typer.Typer(no_args_is_help=True, help="How far every machine is patched, by its own signed word.")
app.command()(sign)

DEFAULT_STATES = Path("/var/lib/renkei/patch-states.db")
StatesOption = Annotated[
    Path,
    typer.Option("--states", envvar="RENKEI_PATCH_STATES", metavar="FILE", help="What machines said, as it is kept."),
]
RootOption = Annotated[
    Path,
    typer.Option("--trust-anchor", envvar="RENKEI_TRUST_ANCHOR", metavar="FILE", help="The root certificate (PEM)."),
]
CrlOption = Annotated[
    Path | None, typer.Option("--crl", metavar="FILE", help="The newest list of revoked certificates (PEM).")
]
HostsOption = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="What the controller saw on Linux hosts and network devices (`patch sign`)."),
]
PackagesOption = Annotated[
    list[Path] | None,
    typer.Option(metavar="FILE", help="With --hosts: a signed package set; repeat for older ones."),
]
FirmwareOption = Annotated[
    Path, typer.Option(metavar="FILE", help="Versions and advisories.", show_default="inventory/firmware.yml")
]
DEFAULT_FIRMWARE = ROOT / "inventory" / "firmware.yml"
_LATE, _UNKNOWN, _UNREACHED = 1, 3, 3
_LIMIT = 512 * 1024


@app.command()
def take(  # noqa: PLR0913 - a command has as many options as it needs
    context: typer.Context,
    folder: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FOLDER…", help="Files of {entry, envelope}, as they came from terminals; or a post."),
    ] = None,
    *,
    trust_anchor: RootOption,
    states: StatesOption = DEFAULT_STATES,
    crl: CrlOption = None,
    hub: Annotated[
        str | None, typer.Option(envvar="RENKEI_HUB", metavar="URL", help="The hub's gateway: read what it has.")
    ] = None,
    chain: Annotated[
        Path | None, typer.Option(metavar="FILE", help="With --hub: the authority's certificate chain (PEM).")
    ] = None,
    key: Annotated[
        Path | None, typer.Option(metavar="FILE", help="With --hub: the authority's signing key (PEM).")
    ] = None,
    passphrase_file: Passphrase = None,
    hosts: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="With --hub: keep here what it has of Linux hosts, HOST.json a host."),
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="With --hub: from its beginning, such as with a new trust anchor.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Verify what came from machines and keep it.

    By --hub it is read there, from where the last run ended; a hub that was
    restored, from its beginning; and what came as files is handed to it, for its
    journal. Files stay where they are; what is known already
    costs a look. Of a wave's post both is read, what the wave will and what it
    has. A wave may run meanwhile, by hub or by post. What is older than 400 days
    is forgotten. What was seen on Linux hosts and network devices goes into the
    folder of --hosts, the newest of each, for `patch status --hosts`. A hub that
    only RENKEI_HUB names is left alone by a run over folders without --chain,
    --key and --hosts.

    Exit codes: 0, 1 something couldn't be believed (the rest is kept), 2 usage,
    3 the hub can't be asked (what came before that is kept).
    """
    from renkei.cli.patch_hosts import TakenHosts, take_hosts
    from renkei.cli.patch_show import show_taken
    from renkei.client.errors import HubError
    from renkei.exchange.errors import ExchangeError
    from renkei.fleet.patching.intake import Taking, files_of
    from renkei.fleet.patching.line import hand_in, take_by_line
    from renkei.store.errors import StoreError
    from renkei.store.patch_states import PatchStates

    now, folders, unasked, seen = datetime.now(UTC), folder or [], "", TakenHosts()
    asked = not folders or any(each is not None for each in (chain, key, hosts))
    hub = hub_said(context, hub, asked=asked)
    if len({each is None for each in (hub, chain, key)}) > 1 or not (folders or hub):
        fail("give a FOLDER, or --hub with --chain and --key, or all of it")
    if hosts is not None and hub is None:
        fail("--hosts is filled from the hub; give --hub with --chain and --key")
    believer = _believer(trust_anchor, crl, now)
    if strangers := [each for each in folders if not each.is_dir()]:
        fail(f"{', '.join(map(str, strangers))}: no such folder")
    try:
        with PatchStates(states) as store:
            taking = Taking(store, believer, now)
            taking.read(file for each in folders for file in files_of(each))
            if hub is not None and chain is not None and key is not None:
                try:
                    with hub_as_authority(hub, trust_anchor, chain, key, passphrase_file) as client:
                        take_by_line(taking, client, hub, again=again)
                        hand_in(taking, client, hub)
                        if hosts is not None:
                            take_hosts(seen, hosts, client, hub, believer, now, again=again)
                except HubError as error:
                    unasked = str(error)
            store.forget(int(now.timestamp()))
    except (ExchangeError, OSError, StoreError) as error:
        fail(str(error))
    show_taken(taking.taken, unasked, seen if hosts is not None else None, as_json=as_json)
    if unasked:
        raise typer.Exit(_UNREACHED)
    raise typer.Exit(1 if taking.taken.refused or seen.refused else 0)


@app.command()
def status(  # noqa: PLR0913 - a command has as many options as it needs
    *,
    catalogue: Annotated[
        list[Path],
        typer.Option(metavar="FILE", help="A signed catalogue; repeat for older ones, which date the updates."),
    ],
    trust_anchor: RootOption,
    states: StatesOption = DEFAULT_STATES,
    crl: CrlOption = None,
    fleet: FleetOption = DEFAULT_FLEET,
    at: Annotated[str, typer.Option(help="As of this moment, such as 2026-12-28T17:00+09:00; without it, now.")] = "",
    days: Annotated[int, typer.Option(min=1, max=366, help="Days of the trend.")] = 28,
    unknown_days: Annotated[int, typer.Option(min=1, max=60, help="Days of silence that a line allows.")] = 3,
    unknown_media_days: Annotated[int, typer.Option(min=1, max=90, help="The same of media.")] = 11,
    updates: Annotated[
        Path, typer.Option(metavar="FILE", help="How old antivirus patterns may be, by kind of link.")
    ] = ROOT / "inventory" / "updates.yml",
    endpoint: Annotated[str, typer.Option(help="Only this endpoint, such as 131041.")] = "",
    hosts: HostsOption = None,
    packages: PackagesOption = None,
    firmware: FirmwareOption = DEFAULT_FIRMWARE,
    page: Annotated[Path | None, typer.Option(help="Write an HTML page here: Japanese with an English switch.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show patch age, missing updates and old antivirus patterns by machine and group.

    With --hosts also Linux hosts and network devices: versions, their age, and the
    advisories that ask for new ones, as the controller saw them (`patch sign`).

    Groups are endpoints, prefectures and rings. A state is what the machine
    signed, verified here from the root down. With
    --endpoint only that endpoint counts for the exit code; the page always shows
    the whole country.

    Exit codes: 0 nobody is late or silent, 1 somebody is late, 2 the files or the
    call are wrong, 3 somebody's state is unknown for longer than allowed (others
    may be late, too).
    """
    from renkei.cli.patch_hosts import host_document, hosts_of, show_host_report, show_hosts
    from renkei.cli.patch_show import document, show, show_rows
    from renkei.fleet.patching.survey import Question, survey
    from renkei.store.errors import StoreError
    from renkei.store.patch_states import PatchStates

    now = _moment(at)
    loaded, exceptions = _fleet(fleet)
    if endpoint and (endpoint not in loaded.sites or loaded.sites[endpoint].endpoint is None):
        fail(f"fleet {loaded.settings.name} has no endpoint {endpoint!r}; `renkei inventory list` shows them")
    believer = _believer(trust_anchor, crl, now)
    catalogues = [_catalogue(each, believer) for each in catalogue]
    if all(each.issued_at > now for each in catalogues):
        fail(f"no catalogue was issued by {now.isoformat()}")
    if not states.exists():
        fail(f"{states}: isn't there; `renkei patch take` makes it")
    try:
        with PatchStates(states) as store:
            question = Question(now, days, unknown_days, unknown_media_days, *_patterns_ages(updates))
            report = survey(loaded, store, catalogues, believer, exceptions, question)
    except StoreError as error:
        fail(str(error))
    seen = hosts_of(loaded, hosts, packages or [], firmware, believer, exceptions, question)
    if page is not None:
        from renkei.evidence.patch_page import write_page

        try:
            write_page(report, page, seen)
        except OSError as error:
            fail(f"can't write the page: {error}")
    rows = [row for row in report.rows if endpoint in {"", row.endpoint.code.value}]
    host_rows = [row for row in (seen.rows if seen else ()) if endpoint in {"", row.host.site.key}]
    if as_json:
        print_json(document(report, rows) | ({"hosts": host_document(seen, host_rows)} if seen else {}))
    elif endpoint:
        show_rows(rows, report)
        show_hosts(host_rows, now)
    else:
        show(report)
        show_host_report(seen)
    raise typer.Exit(_exit_code([*(row.standing for row in rows if row.judgement.alarm),
        *(row.standing for row in host_rows if row.alarm)]))  # fmt: skip


def _patterns_ages(file: Path) -> tuple[timedelta, timedelta]:
    """Read how old antivirus patterns may be, with a line and on media."""
    from renkei.fleet.capacity.updates import read_month
    from renkei.fleet.problems import FleetError

    try:
        month = read_month(file)
    except FleetError as error:
        fail(str(error))
    return timedelta(hours=month.patterns_line_hours), timedelta(days=month.patterns_media_days)


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text) if text else datetime.now(UTC)
    except ValueError:
        fail(f"--at {text!r} is no moment; write it as 2026-12-28T17:00+09:00")
    if moment.tzinfo is None:
        fail(f"--at {text!r} has no time zone; write it as {text}+09:00")
    return moment.astimezone(UTC)


def _fleet(path: Path) -> "tuple[Fleet, tuple[ControlException, ...]]":
    from renkei.fleet.problems import FleetError
    from renkei.fleet.terminal.loaded import loaded

    try:
        fleet, _, exceptions = loaded(path if path.suffix in {".yml", ".yaml"} else path / "fleet.yml",
            ROOT / "inventory" / "controls")  # fmt: skip
    except FleetError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
    return fleet, exceptions


def _believer(root: Path, crl: Path | None, now: datetime) -> "Believer":
    from renkei.exchange.bindings import TrustAnchor
    from renkei.exchange.errors import ExchangeError
    from renkei.fleet.patching.intake import Believer

    file = root
    try:
        anchor = TrustAnchor(_text(root))
        if crl is not None:
            file = crl
            anchor.take_crl(_text(crl), now)
    except (ExchangeError, OSError) as error:
        _refuse(file, error)
    return Believer(anchor)


def _catalogue(file: Path, believer: "Believer") -> "Catalogue":
    from renkei.exchange.errors import ExchangeError
    from renkei.fleet.signed import read_signed

    try:
        return believer.catalogue(read_signed(file))
    except (ExchangeError, OSError) as error:
        _refuse(file, error)


def _text(file: Path) -> str:
    with file.open("rb") as stream:
        return stream.read(_LIMIT).decode("ascii", errors="replace")


def _refuse(file: Path, error: Exception) -> NoReturn:
    fail(f"{file}: {error.strerror if isinstance(error, OSError) else error}")


def _exit_code(alarms: "Sequence[Standing]") -> int:
    from renkei.fleet.patching.standing import Standing

    if Standing.UNKNOWN in alarms:
        return _UNKNOWN
    return _LATE if alarms else 0
