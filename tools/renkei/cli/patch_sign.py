"""`renkei patch sign`: what the controller found on hosts becomes evidence, and stands in the hub's journal."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from renkei.cli.inventory import fail
from renkei.cli.patch_folder import SeenFolder
from renkei.cli.wave_common import Passphrase, hub_as_authority, hub_said, read_signer

if TYPE_CHECKING:
    from renkei.exchange.bindings import DirectoryEntry
    from renkei.exchange.documents import Signer
    from renkei.exchange.packages import HostState

_REFUSED, _WRONG, _UNREACHED = 1, 2, 3


def sign(  # noqa: PLR0913 - a command has as many options as it needs
    context: typer.Context,
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="What ansible/playbooks/look.yml found: HOST.json a host.")
    ],
    *,
    key: Annotated[Path, typer.Option(metavar="FILE", help="The authority's signing key (PEM).")],
    entry: Annotated[Path, typer.Option(metavar="FILE", help="The authority's directory entry (JSON).")],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Where the signed states go: HOST.json a host.")],
    passphrase_file: Passphrase = None,
    hub: Annotated[
        str | None, typer.Option(envvar="RENKEI_HUB", metavar="URL", help="The hub's gateway: its journal has them.")
    ] = None,
    chain: Annotated[
        Path | None, typer.Option(metavar="FILE", help="With --hub: the authority's certificate chain (PEM).")
    ] = None,
    trust_anchor: Annotated[
        Path | None,
        typer.Option(envvar="RENKEI_TRUST_ANCHOR", metavar="FILE", help="With --hub: the root certificate (PEM)."),
    ] = None,
) -> None:
    """Sign what was found on Linux hosts and network devices: versions, dated.

    Hosts have no key for this: the controller says what it saw. A state that is
    newer takes the place of the one before. A file that is wrong is named, so is
    a host whose clock is ahead or that has too many packages; the others are
    signed.

    By --hub the states of these hosts are handed in, for its journal. What it has
    costs a look, so that the next run hands in what this one couldn't. One that
    only RENKEI_HUB names is left alone without --chain.

    Exit codes: 0, 1 the hub refused some, 2 what was found, the key or the call
    is wrong (the rest is signed and handed in), 3 the hub can't be asked (all is
    signed).
    """
    from renkei.exchange.bindings import DirectoryEntry
    from renkei.exchange.errors import ExchangeError
    from renkei.fleet.hosts.found import AHEAD, FoundError, sort_found

    hub = hub_said(context, hub, asked=chain is not None)
    if hub is not None and (chain is None or trust_anchor is None):
        fail("--hub needs --chain, the authority's certificate chain, and --trust-anchor, the root certificate")
    if chain is not None and hub is None:
        fail("--chain is for the hub; give --hub with its URL")
    now, code = datetime.now(UTC), 0
    try:
        signer, own = read_signer(key, passphrase_file), DirectoryEntry.from_json(entry.read_bytes())
        found, wrong = sort_found(folder)
        states = [each.state() for each in found.values()]
        envelopes, left, kept = {}, [str(wrong)] if wrong else [], SeenFolder(out)
        for state in states:
            if state.seen_at > now + AHEAD:
                left.append(
                    f"{state.host}: its clock is ahead, so it isn't signed; set it, then look at the host again"
                )
                continue
            try:
                envelopes[state.host] = _signed(state, own, signer, kept, now)
            except ExchangeError as error:
                left.append(f"{state.host}: it has too many packages to be signed: {error}")
        typer.echo(f"{out}: {len(envelopes)} hosts")
        if hub is not None and chain is not None and trust_anchor is not None:
            code = _hand_in(envelopes, hub, trust_anchor, chain, key, passphrase_file)
    except (ExchangeError, FoundError) as error:
        fail(str(error))
    except OSError as error:
        fail(f"{error.filename}: {error.strerror}")
    for each in left:
        typer.echo(each, err=True)
    raise typer.Exit(_WRONG if left else code)


def _signed(state: "HostState", own: "DirectoryEntry", signer: "Signer", kept: SeenFolder, now: datetime) -> bytes:
    """Return the envelope of a state, or that of the later one which is there."""
    from renkei.exchange.signed import Signed

    if (signed := kept.since(state.host, state.seen_at, now)) is None:
        signed = Signed(own, state.sign(signer))
        kept.put(state.host, signed)
    return signed.envelope


def _hand_in(
    envelopes: Mapping[str, bytes], hub: str, trust_anchor: Path, chain: Path, key: Path, passphrase_file: Path | None
) -> int:
    """Hand states to the hub, with a bar on stderr, and say what became of it; return the exit code."""
    from renkei.client.errors import HubError
    from renkei.fleet.patching.host_line import hand_in_hosts

    try:
        with (
            hub_as_authority(hub, trust_anchor, chain, key, passphrase_file) as client,
            Progress(console=Console(stderr=True), transient=True) as bar,
        ):
            handed = hand_in_hosts(bar.track(envelopes.items(), description="to the hub"), client, hub)
    except HubError as error:
        typer.echo(f"the hub: {error}", err=True)
        return _UNREACHED
    typer.echo(f"{hub}: {handed.new} new in its journal, {handed.known} it had")
    for each in handed.refused:
        typer.echo(f"{each.place}: {each.why}", err=True)
    return _REFUSED if handed.refused else 0
