"""`renkei patch sign`: what the controller found on hosts becomes evidence."""

from pathlib import Path
from typing import Annotated

import typer

from renkei.cli.inventory import fail
from renkei.cli.wave_common import Passphrase, read_signer


def sign(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="What ansible/playbooks/look.yml found: HOST.json a host.")
    ],
    *,
    key: Annotated[Path, typer.Option(metavar="FILE", help="The authority's signing key (PEM).")],
    entry: Annotated[Path, typer.Option(metavar="FILE", help="The authority's directory entry (JSON).")],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Where the signed states go: HOST.json a host.")],
    passphrase_file: Passphrase = None,
) -> None:
    """Sign what was found on Linux hosts and network devices: versions, dated.

    Hosts have no key for this: the controller says what it saw. A state that is
    newer takes the place of the one before. A file that is wrong is named, and
    the others are signed.

    Exit codes: 0, 2 what was found, the key or the call is wrong.
    """
    from renkei.exchange.bindings import DirectoryEntry
    from renkei.exchange.errors import ExchangeError
    from renkei.exchange.signed import Signed
    from renkei.fleet.hosts.found import FoundError, sort_found
    from renkei.ministry.files import replace

    try:
        signer, own = read_signer(key, passphrase_file), DirectoryEntry.from_json(entry.read_bytes())
        found, wrong = sort_found(folder)
        states = [each.state() for each in found.values()]
        out.mkdir(parents=True, exist_ok=True)
        for state in states:
            replace(out / f"{state.host}.json", Signed(own, state.sign(signer)).to_json() + b"\n", 0o644)
    except (ExchangeError, FoundError) as error:
        fail(str(error))
    except OSError as error:
        fail(f"{error.filename}: {error.strerror}")
    typer.echo(f"{out}: {len(states)} hosts")
    if wrong:
        fail(str(wrong))
