"""`renkei wave plan-linux`: a wave over Linux hosts and network devices that run Debian."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from renkei.cli.inventory import DEFAULT_FLEET, FleetOption, load_or_exit
from renkei.cli.wave_common import (
    DEFAULT_LEDGER,
    JsonOption,
    Key,
    LedgerOption,
    Passphrase,
    Person,
    Root,
    errors_in_words,
    read_anchor,
    read_signer,
    refuse,
    signed_in,
)
from renkei.cli.wave_plan import keep_plan, show_plan, windows_by


def plan_linux(  # noqa: PLR0913 - a command has as many options as it needs
    *,
    packages: Annotated[
        Path, typer.Option(metavar="FILE", help="The signed package set, from `renkei updates resolve`.")
    ],
    found: Annotated[Path, typer.Option(metavar="FOLDER", help="What ansible/playbooks/look.yml found on hosts.")],
    root: Root,
    person: Person,
    key: Key,
    passphrase_file: Passphrase = None,
    uninstall: Annotated[bool, typer.Option("--uninstall", help="Go back to the versions before instead.")] = False,
    ring: Annotated[
        list[str] | None, typer.Option(help="Only this ring, or standby, or central; may be repeated.")
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=60, help="How far ahead windows are taken.")] = 14,
    minutes: Annotated[int, typer.Option(min=10, max=600, help="What a host needs of a window.")] = 30,
    overdue: Annotated[int, typer.Option(min=20, max=1440, help="Minutes until a host counts as lost.")] = 60,
    fleet: FleetOption = DEFAULT_FLEET,
    ledger: LedgerOption = DEFAULT_LEDGER,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and keep nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Plan a wave over Linux hosts: each gets exactly the set's versions.

    Endpoints' routers and firewalls come by their rings; then the second hub, then
    the rest of the ministry and the ASP, in the windows of the fleet's default
    profile. A host takes part that has at least one of the set's packages, at any
    version; how many have none of them is said on stderr.

    Exit codes: 0, 1 it can't be planned, 2 usage.
    """
    from uuid import uuid4

    from renkei.exchange.documents import payload_sha256
    from renkei.exchange.packages import PackageSet
    from renkei.exchange.parties import AUTHORITY
    from renkei.fleet.hosts.found import FoundError, part_by_set, read_found
    from renkei.fleet.waves.linux import LinuxWish
    from renkei.fleet.waves.linux import plan_linux as planned

    loaded, now = load_or_exit(fleet, as_json=as_json), datetime.now(UTC)
    with errors_in_words():
        signer, signed = read_signer(key, passphrase_file), signed_in(packages)
        party = read_anchor(root).verify_entry(signed.entry, now, AUTHORITY)
        wanted = PackageSet.open(signed.envelope, party.signing_public_key)
        try:
            hosts, without = part_by_set(read_found(found), wanted)
        except FoundError as error:
            refuse(str(error))
        action: Any = "uninstall" if uninstall else "install"
        if without:
            typer.echo(
                f"{len(without)} of the hosts looked at take no part: they have none of the set's packages", err=True
            )
        wish = LinuxWish(person, hosts, action, tuple(ring or ()), days, minutes, overdue)
        document = wanted, payload_sha256(signed.envelope)
        made = planned(wish, loaded, document, windows_by(loaded), uuid4(), now)
        held = keep_plan(ledger, made, signer, now, dry_run=dry_run)
    show_plan(made, held, kept=not dry_run, as_json=as_json)
