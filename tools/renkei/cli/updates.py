"""`renkei updates`: what there is to install, from a package's arrival to the signed catalogue or package set."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from renkei.cli.inventory import print_json
from renkei.cli.updates_list import (
    DEFAULT_LIST,
    ListOption,
    approvals,
    approve,
    decline,
    import_packages,
    opened_list,
    show_list,
    words_of_list,
)
from renkei.cli.updates_packages import resolve, show_set
from renkei.cli.updates_patterns import patterns
from renkei.cli.wave_common import JsonOption, Passphrase, PeopleOption, read_anchor, read_signer, signed_in

if TYPE_CHECKING:
    from renkei.exchange.updates import Catalogue

app = typer.Typer(
    no_args_is_help=True,
    help="Windows updates: import packages, have somebody else approve them, sign the catalogue. Linux hosts: "
    "resolve exact package versions.",
)
app.command("import")(import_packages)
app.command()(approve)
app.command()(decline)
app.command()(approvals)
app.command()(resolve)
app.command()(patterns)


@app.command()
def sign(
    *,
    people: PeopleOption,
    key: Annotated[Path, typer.Option(metavar="FILE", help="The authority's signing key (PEM).")],
    entry: Annotated[Path, typer.Option(metavar="FILE", help="The authority's directory entry (JSON).")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="Where the catalogue goes.")],
    passphrase_file: Passphrase = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what it would have; sign and write nothing.")
    ] = False,
    book: ListOption = DEFAULT_LIST,
    as_json: JsonOption = False,
) -> None:
    """Sign the catalogue of what is approved, each update after those it requires.

    Every person's word is verified again. Its number is one higher than the last
    one's; where nothing has changed since, that one is written once more.

    Exit codes: 0, 1 nothing is approved, a word doesn't hold or the key is no good,
    2 usage.
    """
    from renkei.exchange.bindings import DirectoryEntry
    from renkei.exchange.certificates import certificate_from_pem, public_key_of
    from renkei.exchange.signed import Signed
    from renkei.exchange.updates import Catalogue
    from renkei.fleet.updates import listing
    from renkei.fleet.waves.consents import read_people
    from renkei.ministry.files import replace

    now = datetime.now(UTC)
    with words_of_list():
        signer, known = read_signer(key, passphrase_file), read_people(people)
        signers = DirectoryEntry.from_json(entry.read_bytes())
        signers_key = public_key_of(certificate_from_pem(signers.certificate))
        with opened_list(book) as opened:
            if dry_run:
                issued, new = listing.issue(opened.acts(), opened.newest(), known, signer, now), False
            else:
                issued, new = opened.issue(lambda acts, newest: listing.issue(acts, newest, known, signer, now))
        signed = Signed(signers, issued.envelope)
        found = Catalogue.open(issued.envelope, signers_key)
        if not dry_run:
            replace(out, signed.to_json() + b"\n", 0o644)
    if as_json:
        print_json({"number": found.number, "new": new, "written": not dry_run, "updates": _rows(found)})
    else:
        told = "nothing was written (--dry-run)" if dry_run else "new" if new else "as it was signed before"
        typer.echo(f"{out}: catalogue {found.number}, {len(found.updates)} updates, {told}")


@app.command("list")
def list_updates(
    catalogue: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", help="A signed catalogue or package set; without it, the ministry's own list."),
    ] = None,
    *,
    root: Annotated[
        Path | None,
        typer.Option("--trust-anchor", envvar="RENKEI_TRUST_ANCHOR", metavar="FILE", help="With FILE: the root (PEM)."),
    ] = None,
    book: ListOption = DEFAULT_LIST,
    as_json: JsonOption = False,
) -> None:
    """Show what was imported and where it stands; or check a signed document.

    Of the list: who imported each update, who approved it for which rings or
    declined it and why. Of a FILE, with --trust-anchor: its signature and what is
    in it, updates of Windows or packages of Linux hosts.

    Exit codes: 0, 1 it can't be believed, 2 usage.
    """
    if catalogue is None:
        show_list(book, as_json=as_json)
        return
    if root is None:
        raise typer.BadParameter("to check a catalogue, give --trust-anchor")
    from renkei.exchange.documents import Kind, outline
    from renkei.exchange.packages import PackageSet
    from renkei.exchange.parties import AUTHORITY
    from renkei.exchange.updates import Catalogue

    with words_of_list():
        signed = signed_in(catalogue)
        party = read_anchor(root).verify_entry(signed.entry, datetime.now(UTC), AUTHORITY)
        claimed = outline(signed.envelope)
        if claimed.kind is Kind.PACKAGE_SET:
            show_set(PackageSet.open(claimed, party.signing_public_key), as_json=as_json)
            return
        found = Catalogue.open(claimed, party.signing_public_key)
    if as_json:
        print_json({"number": found.number, "issued_at": found.issued_at.isoformat(), "updates": _rows(found)})
        return
    table = Table("update", "build", "urgency", "MB", "requires", box=None, pad_edge=False)
    for each in found.updates:
        table.add_row(each.kb, each.build, each.urgency, f"{each.size / 1e6:,.0f}", " ".join(each.requires))
    Console().print(table)


def _rows(catalogue: "Catalogue") -> list[dict[str, Any]]:
    return [update.model_dump() for update in catalogue.updates]
