"""`renkei journal`: whether the hub's journal is whole, checked by those who don't run the hub."""

import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from renkei.evidence.journal import Source, Verdict

WRONG, USAGE, UNREACHABLE = 1, 2, 3

app = typer.Typer(
    no_args_is_help=True,
    help="The hub's journal, checked by those who don't run the hub.\n\n"
    "Exit codes: 0 whole, 1 something is wrong, 2 usage or a file that can't be read, 3 the hub can't be reached.",
)

_AGENT, _MINISTRY = Path("/etc/renkei/agent.toml"), Path("/etc/renkei/ministry.toml")
_ROOT = Path("/etc/renkei/pki/root.pem")


@app.callback()
def journal() -> None:
    """Give Typer a group even where there is one command."""


@app.command()
def verify(
    file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A journal that `renkei-hub journal export` wrote.")
    ] = None,
    store: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The hub's database (SQLite), or a backup of it; it is copied.")
    ] = None,
    config: Annotated[
        Path, typer.Option(metavar="FILE", help="Over the wire: the settings of the ministry's agent.")
    ] = _AGENT,
    *,
    as_authority: Annotated[
        bool, typer.Option("--as-authority", help=f"Over the wire as the authority, by {_MINISTRY}.")
    ] = False,
    heads: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Heads that an agent saw: `renkei-agent heads --json`; may be repeated."),
    ] = None,
    root: Annotated[Path, typer.Option(metavar="FILE", help="The trust anchor.")] = _ROOT,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check every entry, the tree over them, and every signed head.

    Without --file and --store the hub is asked, as the ministry. Any entry
    that was changed, removed or put in is named, the first one first; so is
    a hub that showed another journal to an agent whose heads are given.

    Exit codes: 0 whole, 1 something is wrong, 2 usage or a file that can't
    be read, 3 the hub can't be reached.
    """
    from renkei.evidence.journal import read_seen
    from renkei.evidence.journal import verify as check
    from renkei.exchange.bindings import TrustAnchor

    if sum((file is not None, store is not None, as_authority)) > 1:
        _fail("give one of --file, --store and --as-authority", USAGE)
    with _errors_in_words():
        anchor = TrustAnchor(root.read_text(encoding="ascii"))
        seen = [claim for path in heads or [] for claim in read_seen(path)]
        with _source(file, store, config, as_authority=as_authority) as source:
            total = source.size()
            verdict = check(source, anchor, seen, lambda read: _progress(read, total))
    if as_json:
        typer.echo(json.dumps({"sound": verdict.sound, **asdict(verdict)}, ensure_ascii=False))
    else:
        _show(verdict)
    if not verdict.sound:
        raise typer.Exit(WRONG)


@contextmanager
def _source(file: Path | None, store: Path | None, config: Path, *, as_authority: bool) -> "Iterator[Source]":
    from renkei.evidence.journal import FileSource, StoreSource, WireSource

    if file is not None:
        yield FileSource(file)
    elif store is not None:
        from renkei.store.hub.sqlite import SqliteHubStore
        from renkei.store.sqlite import copy_database

        with tempfile.TemporaryDirectory(prefix="renkei-journal-") as folder:
            copy = Path(folder) / "hub.db"
            copy_database(store, copy)
            with closing(SqliteHubStore(copy)) as opened, closing(StoreSource(opened)) as source:
                yield source
    elif as_authority:
        from renkei.ministry.authority import connect_by
        from renkei.ministry.office import open_office
        from renkei.ministry.settings import load_settings

        settings = load_settings(_MINISTRY)
        with open_office(settings) as office:
            identity = office.own.current()
            if identity is None:
                _fail("the authority has no certificate yet; see `renkei ministry authority own-entry`", USAGE)
            with connect_by(settings.hub, settings.authority.root)(identity) as client:
                yield WireSource(client)
    else:
        from renkei.agent.home import open_home
        from renkei.agent.settings import load

        with open_home(load(config)) as home, home.connect() as client:
            yield WireSource(client)


def _progress(read: int, total: int) -> None:
    if sys.stderr.isatty():
        end = "\n" if read >= total else ""
        print(f"\r{read:,} of {total:,} entries", end=end, file=sys.stderr, flush=True)


def _show(verdict: "Verdict") -> None:
    for finding in verdict.findings:
        typer.echo(f"{finding.fault}: {finding.text}")
    lost = f", {verdict.lost} more were of what a restore lost" if verdict.lost else ""
    typer.echo(
        f"{verdict.entries:,} entries, {verdict.heads} signed heads checked{lost}; "
        f"{verdict.proven:,} entries are under a head that fits"
    )
    typer.echo("the journal is whole" if verdict.sound else f"NOT whole: {len(verdict.findings)} findings")


@contextmanager
def _errors_in_words() -> Iterator[None]:
    from renkei.agent.home import NotEnrolled
    from renkei.agent.settings import SettingsError
    from renkei.client.errors import GatewayNotTrusted, HubError, HubUnreachable
    from renkei.evidence.journal import JournalUnreadable
    from renkei.exchange.errors import ExchangeError
    from renkei.ministry.settings import SettingsError as MinistrySettingsError
    from renkei.store.errors import StoreError

    try:
        yield
    except HubUnreachable as error:
        _fail(str(error), UNREACHABLE)
    except (HubError, GatewayNotTrusted) as error:
        _fail(str(error), WRONG)
    except (
        JournalUnreadable, StoreError, ExchangeError, SettingsError, MinistrySettingsError, NotEnrolled, OSError,
        UnicodeDecodeError,
    ) as error:  # fmt: skip
        _fail(str(error), USAGE)


def _fail(text: str, code: int) -> NoReturn:
    print(f"renkei journal: {text}", file=sys.stderr)
    raise typer.Exit(code) from None
