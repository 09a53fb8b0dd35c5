"""What the commands of `renkei wave` and `renkei updates` share: options, keys, signed files, a wave's standing."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from renkei.cli.inventory import print_json

if TYPE_CHECKING:
    from renkei.client.hub import HubClient
    from renkei.exchange.bindings import TrustAnchor
    from renkei.exchange.documents import Signer
    from renkei.exchange.signed import Signed
    from renkei.fleet.waves.state import WaveState
    from renkei.store.waves.ledger import Ledger

HALTED, ABORTED = 3, 4
DEFAULT_LEDGER = "/var/lib/renkei/waves.db"

LedgerOption = Annotated[
    str,
    typer.Option("--ledger", envvar="RENKEI_WAVES", metavar="PLACE", help="The ledger: a file, or postgresql://…"),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
WaveArgument = Annotated[str, typer.Argument(metavar="WAVE", help="Id of the wave, from `wave plan` or `wave status`.")]
Person = Annotated[str, typer.Option("--as", metavar="NAME", help="Who you are, as in the file of people.")]
Key = Annotated[Path, typer.Option("--key", metavar="FILE", help="Your private key (PEM).")]
Passphrase = Annotated[
    Path | None, typer.Option("--passphrase-file", metavar="FILE", help="First line: the key's passphrase.")
]
PeopleOption = Annotated[
    Path, typer.Option("--people", metavar="FILE", help='People and their public keys: {"NAME": "PEM", …}.')
]
Root = Annotated[
    Path,
    typer.Option("--trust-anchor", envvar="RENKEI_TRUST_ANCHOR", metavar="FILE", help="The root certificate (PEM)."),
]
Why = Annotated[str, typer.Option("--why", min=1, help="Why; it stays in the ledger.")]


@contextmanager
def errors_in_words() -> Iterator[None]:
    """Say what is wrong in words and end with 1."""
    from renkei.client.errors import HubError
    from renkei.exchange.errors import ExchangeError
    from renkei.fleet.problems import FleetError
    from renkei.fleet.waves.engine import WaveError
    from renkei.fleet.waves.plan import PlanError
    from renkei.store.errors import StoreError

    try:
        yield
    except (ExchangeError, FleetError, HubError, PlanError, StoreError, WaveError) as error:
        refuse(str(error))
    except OSError as error:
        refuse(f"{error.filename}: {error.strerror}")


def refuse(text: str) -> NoReturn:
    """Say why it goes no further, and end with 1."""
    Console(stderr=True).print(f"renkei wave: {text}", markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(1)


def opened(place: str) -> "Ledger":
    """Open the ledger."""
    from renkei.store.waves.ledger import open_ledger

    return open_ledger(place)


def is_there(place: str) -> bool:
    """Whether there is a ledger: a database, or a file."""
    return place.startswith(("postgresql://", "postgres://")) or Path(place).exists()


def read_signer(key: Path, passphrase_file: Path | None) -> "Signer":
    """Read a private key."""
    from renkei.exchange.certificates import key_from_pem
    from renkei.exchange.documents import Signer

    pem = key.read_text(encoding="ascii", errors="replace")
    return Signer(key_from_pem(pem, read_passphrase(passphrase_file)))


def read_passphrase(file: Path | None) -> bytes | None:
    """Read the first line of a file that holds a passphrase."""
    lines = file.read_bytes().splitlines() if file else []
    return lines[0] if lines else None


@contextmanager
def hub_as_authority(
    url: str, root: Path, chain: Path, key: Path, passphrase_file: Path | None
) -> "Iterator[HubClient]":
    """Speak to a hub as the authority.

    Raises:
        OSError: chain or key can't be read, or don't belong together; it has the file's name.
    """
    import ssl

    from renkei.client.connection import Connection, Credentials
    from renkei.client.hub import HubClient

    for each in (chain, key):
        each.read_bytes()  # OpenSSL doesn't say which one it can't read
    try:
        line = Connection.to_gateway(url, root, Credentials(chain, key, read_passphrase(passphrase_file)))
    except ssl.SSLError as error:
        why = f"isn't the chain of {key}, or the passphrase isn't that of the key ({error.reason})"
        raise OSError(errno.EINVAL, why, str(chain)) from error
    with HubClient(line) as client:
        yield client


def read_anchor(file: Path) -> "TrustAnchor":
    """Read the trust anchor."""
    from renkei.exchange.bindings import TrustAnchor

    return TrustAnchor(file.read_text(encoding="ascii", errors="replace"))


def hub_said(context: typer.Context, hub: str | None, *, asked: bool) -> str | None:
    """Return a hub's URL; one that only the environment names (RENKEI_HUB) counts where the other options ask for it.

    Args:
        context: of the command that has the option `hub`.
        hub: its value.
        asked: whether they do.
    """
    source = context.get_parameter_source("hub")
    return hub if asked or source is None or source.name != "ENVIRONMENT" else None


def signed_in(file: Path) -> "Signed":
    """Read a document that stands in a file with its signer's directory entry, neither believed."""
    from renkei.exchange.errors import ExchangeError
    from renkei.fleet.signed import read_signed

    try:
        return read_signed(file)
    except ExchangeError as error:
        refuse(f"{file}: {error}")


def exit_code(state: "WaveState") -> int:
    """The exit code that tells where a wave stands."""
    return {"halted": HALTED, "aborted": ABORTED}.get(state.phase, 0)


def outline(state: "WaveState") -> dict[str, Any]:
    """A wave in JSON values."""
    from renkei.exchange.clock import format_time

    made = state.plan
    return {
        "wave": str(made.id),
        "phase": str(state.phase),
        "action": made.action,
        "updates": [update.kb for update in made.updates]
        or [f"{package.name}={package.version}" for package in made.packages],
        "planner": made.planner,
        "planned_at": format_time(made.made_at),
        "halted": state.halted,
        "aborted": state.aborted,
        "failing": {name: host.failing for name, host in state.hosts.items() if host.failing},
        "groups": {group: dict(counts) for group, counts in state.counts.items()},
    }


def show_state(state: "WaveState", *, as_json: bool) -> None:
    """Print where a wave stands."""
    row = outline(state)
    if as_json:
        print_json(row)
        return
    typer.echo(f"wave {row['wave']}: {row['phase']}, {row['action']} {', '.join(row['updates'])}")
    for word in ("halted", "aborted"):
        if row[word]:
            typer.echo(f"{word}: {row[word]}")
    if row["phase"] == "halted":
        typer.echo("look at the machines named above; then `renkei wave resume` or `renkei wave abort`, with --why")
    columns = sorted({name for counts in row["groups"].values() for name in counts})
    table = Table("group", *columns, box=None, pad_edge=False)
    for group, counts in row["groups"].items():
        table.add_row(group, *(str(counts.get(column, 0)) for column in columns))
    Console().print(table)
