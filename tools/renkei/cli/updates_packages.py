"""`renkei updates resolve`: the exact package versions of Linux hosts, once for every ring."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table

from renkei.cli.inventory import DEFAULT_FLEET, FleetOption, load_or_exit, print_json
from renkei.cli.updates_list import words_of_list
from renkei.cli.wave_common import JsonOption, Passphrase, read_signer

if TYPE_CHECKING:
    from renkei.exchange.packages import PackageSet
    from renkei.fleet.hosts.resolve import Choice

_NAMED: Final = 10


def resolve(  # noqa: PLR0913 - a command has as many options as it needs
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="What ansible/playbooks/look.yml found: HOST.json a host.")
    ],
    *,
    number: Annotated[int, typer.Option(min=1, help="The set's number; the higher counts.")],
    fleet: FleetOption = DEFAULT_FLEET,
    package: Annotated[list[str] | None, typer.Option(help="Only this package; repeat for more.")] = None,
    key: Annotated[Path | None, typer.Option(metavar="FILE", help="The authority's signing key (PEM).")] = None,
    entry: Annotated[Path | None, typer.Option(metavar="FILE", help="The authority's directory entry (JSON).")] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Where the signed set goes.")] = None,
    passphrase_file: Passphrase = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be signed; sign nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Resolve exact package versions for Linux hosts, once, and sign them.

    Of what the mirror offers to any host, the newest version of each package
    counts for all; every ring gets these and no others. Hosts of the fleet at
    which nobody looked are named: what only they lack isn't in the set.

    Exit codes: 0, 1 nothing to resolve, or something is wrong with what was
    found or the key, 2 usage.
    """
    from renkei.exchange.bindings import DirectoryEntry
    from renkei.exchange.clock import whole_seconds
    from renkei.exchange.packages import PackageSet
    from renkei.exchange.signed import Signed
    from renkei.fleet.hosts.found import read_found
    from renkei.fleet.hosts.resolve import resolve as resolved
    from renkei.fleet.model import Part
    from renkei.ministry.files import replace

    loaded, now = load_or_exit(fleet, as_json=as_json), datetime.now(UTC)
    with words_of_list():
        found = {name: each for name, each in read_found(folder).items() if name in loaded.hosts}
        choice = resolved(found.values(), now, package or ())
        words = PackageSet(
            number=number, issued_at=whole_seconds(now), hosts=choice.hosts, packages=list(choice.packages)
        )
        if not dry_run:
            if key is None or entry is None or out is None:
                raise typer.BadParameter("give --key, --entry and --out, or --dry-run")
            signers = DirectoryEntry.from_json(entry.read_bytes())
            envelope = words.sign(read_signer(key, passphrase_file))
            replace(out, Signed(signers, envelope).to_json() + b"\n", 0o644)
    # terminals say themselves how they are
    unseen = [name for name, host in loaded.hosts.items() if name not in found and host.part is not Part.TERMINAL]
    if as_json:
        print_json(_json(words) | {"wanted_by": choice.wanted_by, "not_looked_at": unseen, "signed": not dry_run})
        return
    show_set(words, choice)
    if unseen:
        some = ", ".join(unseen[:_NAMED]) + (" …" if len(unseen) > _NAMED else "")
        typer.echo(f"nobody looked at {len(unseen)} hosts: {some}", err=True)
    typer.echo("nothing was signed (--dry-run)" if dry_run else f"{out}: package set {number}")


def show_set(found: "PackageSet", choice: "Choice | None" = None, *, as_json: bool = False) -> None:
    """Print a package set, and at how many hosts each package is wanted, if that is known."""
    if as_json:
        print_json(_json(found))
        return
    table = Table("package", "version", "urgency", "kB", *(["hosts"] if choice else []), box=None, pad_edge=False)
    for package in found.packages:
        hosts = [str(len(choice.wanted_by[package.name]))] if choice else []
        table.add_row(package.name, package.version, package.urgency, f"{package.size / 1e3:,.0f}", *hosts)
    Console().print(table)
    typer.echo(f"{len(found.packages)} packages, resolved over {found.hosts} hosts")


def _json(found: "PackageSet") -> dict[str, Any]:
    packages = [package.model_dump() for package in found.packages]
    issued_at = found.issued_at.isoformat()
    return {"number": found.number, "issued_at": issued_at, "hosts": found.hosts, "packages": packages}
