"""`renkei updates patterns`: a day's antivirus patterns, signed for media."""

from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from renkei.cli.inventory import print_json
from renkei.cli.updates_list import words_of_list
from renkei.cli.wave_common import JsonOption, Passphrase, read_signer


def patterns(  # noqa: PLR0913 - a command has as many options as it needs
    package: Annotated[Path, typer.Argument(metavar="FILE", help="Defender's full package for x64, mpam-fe.exe.")],
    *,
    version: Annotated[str, typer.Option(metavar="VERSION", help="Its version, such as 1.441.312.0.")],
    made: Annotated[str, typer.Option(metavar="MOMENT", help="When it was made, such as 2026-11-26T03:10Z.")],
    key: Annotated[Path, typer.Option(metavar="FILE", help="The authority's signing key (PEM).")],
    entry: Annotated[Path, typer.Option(metavar="FILE", help="The authority's directory entry (JSON).")],
    into: Annotated[
        Path,
        typer.Option("--into", envvar="RENKEI_PATTERNS", metavar="DIR", help="HOME/updates/patterns of the agent."),
    ],
    passphrase_file: Passphrase = None,
    correct: Annotated[
        bool, typer.Option("--correct", help="A lower version may follow: the last one's was wrong.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Sign antivirus patterns, and lay them where the ministry's media are written.

    From cron, once a day. Microsoft's page of the package names its version and
    when it was made. Endpoints with a line have theirs from WSUS by itself; from
    the medium a machine takes what is newer than what it has.

    Exit codes: 0, 1 it isn't newer than what lies there, or can't be laid there,
    2 usage.
    """
    from renkei.exchange.bindings import DirectoryEntry
    from renkei.fleet.updates.patterns import Authority, Source, issue

    try:
        moment = datetime.fromisoformat(made)
    except ValueError:
        raise typer.BadParameter(f"--made {made!r} is no moment; write it as 2026-11-26T03:10Z") from None
    if moment.tzinfo is None:
        raise typer.BadParameter(f"--made {made!r} has no time zone; write it as {made}Z")
    with words_of_list():
        authority = Authority(read_signer(key, passphrase_file), DirectoryEntry.from_json(entry.read_bytes()))
        source = Source(package, version, moment.astimezone(UTC))
        with Progress(console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(package.name, total=package.stat().st_size)
            found = issue(source, into, authority, datetime.now(UTC), partial(bar.advance, task), correct=correct)
    if as_json:
        print_json(found.to_json())
    else:
        typer.echo(
            f"{into / found.file}: patterns {found.version}, {found.size / 1e6:,.0f} MB, sha256 {found.sha256[:16]}…"
        )
