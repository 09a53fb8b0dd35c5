"""`renkei updates`: the signed catalogue of what there is to install."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from renkei.cli.inventory import print_json
from renkei.cli.wave_common import (
    JsonOption,
    Passphrase,
    Root,
    errors_in_words,
    read_anchor,
    read_signer,
    refuse,
    signed_in,
)

app = typer.Typer(no_args_is_help=True, help="The signed catalogue of Windows updates.")
_LIMIT = 1024 * 1024


@app.command()
def sign(
    updates: Annotated[
        Path, typer.Argument(metavar="FILE", help="JSON: a list of {kb, build, file, sha256, size, urgency, requires}.")
    ],
    *,
    number: Annotated[int, typer.Option(min=1, help="The catalogue's number; the higher counts.")],
    key: Annotated[Path, typer.Option(metavar="FILE", help="The authority's signing key (PEM).")],
    entry: Annotated[Path, typer.Option(metavar="FILE", help="The authority's directory entry (JSON).")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="Where the catalogue goes.")],
    passphrase_file: Passphrase = None,
) -> None:
    """Sign a catalogue: updates in the order of their prerequisites.

    Exit codes: 0, 1 something is wrong with an update or the key, 2 usage.
    """
    from renkei.exchange.bindings import DirectoryEntry
    from renkei.exchange.clock import format_time
    from renkei.exchange.signed import Signed
    from renkei.exchange.updates import Catalogue
    from renkei.ministry.files import replace

    with errors_in_words():
        try:
            with updates.open("rb") as stream:
                listed = json.loads(stream.read(_LIMIT))
        except (ValueError, RecursionError):
            refuse(f"{updates}: is no JSON, or longer than 1 MiB")
        words = {"number": number, "issued_at": format_time(datetime.now(UTC)), "updates": listed}
        envelope = Catalogue.read(words).sign(read_signer(key, passphrase_file))
        replace(out, Signed(DirectoryEntry.from_json(entry.read_bytes()), envelope).to_json() + b"\n", 0o644)
    typer.echo(f"{out}: catalogue {number}, {len(listed)} updates")


@app.command("list")
def list_updates(
    catalogue: Annotated[Path, typer.Argument(metavar="FILE", help="The signed catalogue.")],
    *,
    root: Root,
    as_json: JsonOption = False,
) -> None:
    """Check a catalogue's signature and list its updates.

    Exit codes: 0, 1 it can't be believed, 2 usage.
    """
    from renkei.exchange.parties import AUTHORITY
    from renkei.exchange.updates import Catalogue

    with errors_in_words():
        signed = signed_in(catalogue)
        party = read_anchor(root).verify_entry(signed.entry, datetime.now(UTC), AUTHORITY)
        found = Catalogue.open(signed.envelope, party.signing_public_key)
    rows: list[dict[str, Any]] = [update.model_dump() for update in found.updates]
    if as_json:
        print_json({"number": found.number, "issued_at": found.issued_at.isoformat(), "updates": rows})
        return
    table = Table("update", "build", "urgency", "MB", "requires", box=None, pad_edge=False)
    for row in rows:
        table.add_row(row["kb"], row["build"], row["urgency"], f"{row['size'] / 1e6:,.0f}", " ".join(row["requires"]))
    Console().print(table)
