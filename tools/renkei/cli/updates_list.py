"""`renkei updates import|approve|decline|approvals`: the ministry's list of updates, before any of it is signed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from renkei.cli.inventory import DEFAULT_FLEET, FleetOption, load_or_exit, print_json
from renkei.cli.wave_common import JsonOption, Key, Passphrase, PeopleOption, Person, read_signer

if TYPE_CHECKING:
    from renkei.exchange.updates import Update
    from renkei.fleet.updates.importing import Arrival
    from renkei.fleet.updates.laying import Laying
    from renkei.store.update_list import Act, Issued, UpdateList

DEFAULT_LIST = Path("/var/lib/renkei/updates.db")
ListOption = Annotated[
    Path, typer.Option("--list", envvar="RENKEI_UPDATES", metavar="FILE", help="The ministry's list of updates.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="See whether it can be done, keep nothing.")]
Kbs = Annotated[list[str], typer.Argument(metavar="KB…", help="Updates of the list, such as KB5058411.")]


def import_packages(  # noqa: PLR0913 - a command has as many options as it needs
    packages: Annotated[list[Path], typer.Argument(metavar="FILE…", help="Packages (.msu, .cab), or folders of them.")],
    *,
    person: Person,
    key: Key,
    people: PeopleOption,
    passphrase_file: Passphrase = None,
    expect: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="JSON: [{kb, build, sha256?, size?, file?, urgency?, requires?}]."),
    ] = None,
    build: Annotated[str, typer.Option(metavar="BUILD", help="Of one package, without a list: 26100.4061.")] = "",
    urgent: Annotated[bool, typer.Option("--urgent", help="Of one package, without a list: it is urgent.")] = False,
    requires: Annotated[
        list[str] | None, typer.Option(metavar="KB", help="Of one package, without a list: what comes before it.")
    ] = None,
    into: Annotated[
        Path | None,
        typer.Option("--packages", envvar="RENKEI_PACKAGES", metavar="DIR", help="Copy them here, for media."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read and check, keep nothing.")] = False,
    book: ListOption = DEFAULT_LIST,
    as_json: JsonOption = False,
) -> None:
    """Bring packages: digest and size are read, the number from the file's name.

    What the list that came with them (--expect) says must fit; the build is said
    there, or by --build. Nothing is imported unless all of it is good. What was
    imported waits until somebody else approves it. A file of another digest takes
    the place of the one before and waits anew, unless a signed catalogue has that
    one under its name: then it needs a name of its own. The same file waits anew
    after a decline, or once a word for it counts no more, since its person has
    left or has another key. --packages is HOME/updates/packages of the
    ministry's agent, from where media are written.

    Exit codes: 0, 1 something doesn't fit (nothing is imported), 2 usage.
    """
    from renkei.fleet.updates import importing, laying, listing
    from renkei.fleet.waves.consents import read_people

    if (expect is None) == (not build):
        raise typer.BadParameter("give --expect, or for one package --build")
    with words_of_list():
        signer, others = read_signer(key, passphrase_file), read_people(people)
        if expect is not None:
            expected = importing.read_expected(expect)
        else:
            expected = importing.said_of(packages, build, requires or [], urgent=urgent)
        arrivals, missing = importing.find(packages, expected)
        with nullcontext() if dry_run or into is None else laying.laying(into) as place:
            updates, now = _bring(arrivals, place), datetime.now(UTC)

            def decide(acts: "list[Act]", issued: "list[Issued]") -> "list[Act]":
                signed = listing.signed_packages(issued)
                decided = listing.import_acts(acts, signed, updates, person, signer, others, now)
                if place is not None:
                    place.finish()
                return decided

            acts = _import(book, decide, dry_run=dry_run)
    new = [act.kb for act in acts]
    if as_json:
        rows = [{**each.model_dump(), "new": each.kb in new} for each in updates]
        print_json({"imported": not dry_run, "updates": rows, "missing": missing})
        return
    for each in updates:
        told = "waits for an approval" if each.kb in new else "known"
        typer.echo(f"{each.kb} {each.build} {each.size / 1e6:,.0f} MB sha256 {each.sha256[:16]}…: {told}")
    if missing:
        typer.echo(f"in the list, but no package of it: {', '.join(missing)}", err=True)
    if dry_run:
        typer.echo("nothing was kept (--dry-run)")


def approve(  # noqa: PLR0913 - a command has as many options as it needs
    kbs: Kbs,
    *,
    person: Person,
    key: Key,
    people: PeopleOption,
    ring: Annotated[
        list[str] | None, typer.Option(metavar="RING", help="WSUS offers it to this ring; repeat. Without: to all.")
    ] = None,
    passphrase_file: Passphrase = None,
    fleet: FleetOption = DEFAULT_FLEET,
    dry_run: DryRun = False,
    book: ListOption = DEFAULT_LIST,
    as_json: JsonOption = False,
) -> None:
    """Approve what somebody else has imported: it goes into the next catalogue.

    Another approval adds rings. Whoever imported an update approves it for none.

    Exit codes: 0, 1 you imported it yourself, aren't among the people, or it isn't
    in the list, 2 usage.
    """
    from renkei.fleet.updates import listing
    from renkei.fleet.waves.consents import read_people

    known = load_or_exit(fleet, as_json=False).settings.rings
    rings = tuple(ring or known)
    if strangers := [each for each in rings if each not in known]:
        raise typer.BadParameter(f"the fleet has no ring {', '.join(strangers)}; it has {', '.join(known)}")
    with words_of_list():
        signer, others, now = read_signer(key, passphrase_file), read_people(people), datetime.now(UTC)

        def decide(acts: "list[Act]") -> "list[Act]":
            return listing.approve_acts(acts, kbs, rings, person, signer, others, now)

        _write(book, decide, kbs, dry_run=dry_run, as_json=as_json)
    if not as_json:
        told = f"{', '.join(kbs)}: approved by {person} for {', '.join(rings)}"
        typer.echo(f"{told}; nothing was kept (--dry-run)" if dry_run else f"{told}; next: renkei updates sign")


def decline(
    kbs: Kbs,
    *,
    person: Person,
    why: Annotated[str, typer.Option("--why", min=1, help="The reason; it stays in the list.")],
    dry_run: DryRun = False,
    book: ListOption = DEFAULT_LIST,
    as_json: JsonOption = False,
) -> None:
    """Decline updates, waiting or approved: the next catalogue has them no more.

    WSUS offers them to nobody any more, once its playbook has run. Machines that
    have one keep it: `renkei wave plan --uninstall` takes it away.

    Exit codes: 0, 1 it isn't in the list, or an approved one requires it, 2 usage.
    """
    from renkei.fleet.updates import listing

    if not why.strip():
        raise typer.BadParameter("--why needs a reason")
    with words_of_list():
        now = datetime.now(UTC)

        def decide(acts: "list[Act]") -> "list[Act]":
            return listing.decline_acts(acts, kbs, why.strip(), person, now)

        _write(book, decide, kbs, dry_run=dry_run, as_json=as_json)
    if not as_json:
        following = "nothing was kept (--dry-run)" if dry_run else "next: renkei updates sign, and update_source.yml"
        typer.echo(f"{', '.join(kbs)}: declined; {following}")


def approvals(
    *,
    people: PeopleOption,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write it here instead of printing it.")] = None,
    fleet: FleetOption = DEFAULT_FLEET,
    book: ListOption = DEFAULT_LIST,
) -> None:
    """Write the variables of the role update_source, as JSON, from the same list.

    What is approved by ring, as far as the newest catalogue has it, and what is
    declined, for `ansible-playbook update_source.yml --extra-vars @FILE`.

    Exit codes: 0, 1 a word in the list doesn't hold, or an approval isn't signed
    yet, 2 usage.
    """
    import json

    from renkei.fleet.updates.rings import for_update_source
    from renkei.fleet.waves.consents import read_people
    from renkei.ministry.files import replace

    rings = load_or_exit(fleet, as_json=False).settings.rings
    with words_of_list():
        with opened_list(book) as opened:
            found = for_update_source(opened.acts(), opened.newest(), read_people(people), rings)
        if out is None:
            print_json(found)
        else:
            replace(out, json.dumps(found, indent=2).encode() + b"\n", 0o644)


def _import(book: Path, decide: "Callable[[list[Act], list[Issued]], list[Act]]", *, dry_run: bool) -> "list[Act]":
    """Write down what is decided, or only look whether it can be, though no list is there yet."""
    if dry_run and not book.exists():
        return decide([], [])
    with opened_list(book, make=not dry_run) as opened:
        if dry_run:
            return decide(opened.acts(), opened.issued())
        return opened.add(lambda acts: decide(acts, opened.issued()))


def _write(
    book: Path, decide: "Callable[[list[Act]], list[Act]]", kbs: list[str], *, dry_run: bool, as_json: bool
) -> None:
    """Write down what is decided, or only look whether it can be; as JSON print where the updates stand then."""
    from renkei.fleet.updates import listing

    with opened_list(book) as opened:
        if dry_run:
            acts = opened.acts()
            after = listing.read_list([*acts, *decide(acts)])
        else:
            opened.add(decide)
            after = listing.read_list(opened.acts())
    if as_json:
        print_json({"kept": not dry_run, "updates": [listing.as_json(after[kb]) for kb in dict.fromkeys(kbs)]})


def show_list(book: Path, *, as_json: bool) -> None:
    """Print the list, and the number of the newest catalogue of it."""
    from renkei.fleet.updates import listing

    with words_of_list(), opened_list(book) as opened:
        found, newest = listing.read_list(opened.acts()), opened.newest()
    if as_json:
        rows = [listing.as_json(each) for each in found.values()]
        print_json({"catalogue": newest.number if newest else None, "updates": rows})
        return
    table = Table("update", "build", "urgency", "MB", "imported by", "standing", box=None, pad_edge=False)
    for kb, each in found.items():
        standing = each.standing if each.standing == "waiting" else f"{each.standing} by {each.person}"
        if told := each.why or ", ".join(each.rings):
            standing += f": {told}"
        size = f"{each.update.size / 1e6:,.0f}"
        table.add_row(kb, each.update.build, each.update.urgency, size, each.importer, standing)
    Console(markup=False).print(table)
    typer.echo(f"newest catalogue: {newest.number if newest else 'none'}")


@contextmanager
def opened_list(book: Path, *, make: bool = False) -> "Iterator[UpdateList]":
    """Open the list, or make it where that is said; nothing else does.

    Raises:
        StoreError: it isn't there.
    """
    from renkei.store.errors import StoreError
    from renkei.store.update_list import UpdateList

    if not make and not book.exists():
        raise StoreError(f"{book}: no list is there; `renkei updates import` makes it")
    with UpdateList(book) as opened:
        yield opened


@contextmanager
def words_of_list() -> Iterator[None]:
    """Say what is wrong in words and end with 1."""
    from renkei.exchange.errors import ExchangeError
    from renkei.fleet.hosts.found import FoundError
    from renkei.fleet.updates.laying import PackagesError
    from renkei.fleet.updates.listing import ListError
    from renkei.fleet.waves.plan import PlanError
    from renkei.store.errors import StoreError

    try:
        yield
    except (ExchangeError, FoundError, ListError, PackagesError, PlanError, StoreError) as error:
        _refuse(str(error))
    except OSError as error:
        _refuse(f"{error.filename}: {error.strerror}")


def _refuse(text: str) -> NoReturn:
    for line in text.splitlines():
        Console(stderr=True).print(f"renkei updates: {line}", markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(1)


def _bring(arrivals: "list[Arrival]", place: "Laying | None") -> "list[Update]":
    """Read the packages with a bar on stderr; all that is wrong is said at once."""
    from renkei.fleet.updates import importing
    from renkei.fleet.updates.laying import PackagesError

    problems, updates = [], []
    with Progress(console=Console(stderr=True), transient=True) as bar:
        for each in arrivals:
            task = bar.add_task(each.path.name, total=each.path.stat().st_size)
            try:
                updates.append(importing.bring(each, place, partial(bar.advance, task)))
            except PackagesError as error:
                problems.append(str(error))
    if problems:
        raise PackagesError("\n".join(problems))
    return updates
