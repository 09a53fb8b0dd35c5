"""`renkei terminal media|write-medium`: images that make bought machines the terminals of their endpoints."""

import os
import shlex
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from renkei.cli.inventory import (
    DEFAULT_FLEET,
    ROOT,
    FleetOption,
    JsonOption,
    fail,
    load_or_exit,
    print_json,
    report_and_exit,
)
from renkei.cli.terminal_spec import DEFAULT_SPECIFICATION, SpecificationOption

if TYPE_CHECKING:
    from renkei.fleet.model import Fleet
    from renkei.fleet.terminal.media.batch import Job, Result
    from renkei.fleet.terminal.media.contents import Kit

FAILED = 1
AnchorOption = Annotated[
    Path, typer.Option("--trust-anchor", help="The ministry's root certificate.", envvar="RENKEI_TRUST_ANCHOR")
]
_ANCHOR = Path("/etc/renkei/pki/root.pem")
_TERMINAL_FILES = ROOT / "inventory" / "terminal"
_AUTHORITY = "renkei ministry authority sign-images"


def media(  # noqa: PLR0913 - a parameter is an option of the command
    machine: Annotated[
        str | None,
        typer.Argument(metavar="[CODE]", help="The endpoint's code, its terminal's host, or a machine's asset number."),
    ] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="All endpoints, or those chosen below, instead of one.")] = False,
    ring: Annotated[list[str] | None, typer.Option(help="With --all: only this ring; may be repeated.")] = None,
    prefecture: Annotated[
        list[int] | None, typer.Option(min=1, max=47, help="With --all: only this prefecture; may be repeated.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="The image; with --all a folder.", show_default="build/media/FLEET/CODE.iso"),
    ] = None,
    package: Annotated[
        Path | None, typer.Option(help="The agent's package for Windows.", show_default="the one in build/releases")
    ] = None,
    anchor: AnchorOption = _ANCHOR,
    drivers: Annotated[
        Path | None, typer.Option(help="A folder with a folder of drivers for each model.", show_default="no drivers")
    ] = None,
    answers: Annotated[
        Path, typer.Option(help="The answer file's template.", show_default="inventory/terminal/answer-file.xml.j2")
    ] = _TERMINAL_FILES / "answer-file.xml.j2",
    signer: Annotated[
        str,
        typer.Option(
            help="The authority's command, such as: ssh moj-linkage renkei ministry authority sign-images",
            envvar="RENKEI_SIGNER",
        ),
    ] = _AUTHORITY,
    jobs: Annotated[
        int | None, typer.Option(min=1, max=64, help="How many at once.", show_default="one a core")
    ] = None,
    fleet: FleetOption = DEFAULT_FLEET,
    spec: SpecificationOption = DEFAULT_SPECIFICATION,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Render and check everything, write nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Build the image of one endpoint's terminal, or of many: an ISO, and its signature beside it as NAME.iso.sig.

    The same inventory and release give the same image, to the last byte.
    There is no code, key or password on it. What is built and unchanged is
    left alone: start an interrupted run again.

    Exit codes: 0 all are there, 1 some couldn't be built, 2 usage.
    """
    from renkei.fleet.terminal.media.batch import Outcome

    loaded = load_or_exit(fleet, as_json=as_json)
    wanted = _jobs(loaded, machine, out, every=every, rings=ring or [], prefectures=prefecture or [])
    kit = _kit(loaded, spec, package, anchor, drivers, answers, as_json=as_json)
    command = shlex.split(signer)
    results = _run(kit, wanted, command, jobs or os.cpu_count() or 1, dry_run=dry_run, quiet=as_json)
    failed = [each for each in results if each.outcome is Outcome.FAILED]
    if as_json:
        rows = [{**asdict(each), "image": str(each.image), "outcome": each.outcome.value} for each in results]
        counts = {outcome.value: sum(each.outcome is outcome for each in results) for outcome in Outcome}
        print_json({"release": kit.package.version, "at": kit.package.at.isoformat(), **counts, "images": rows})
    else:
        _summarise(kit, results)
    if failed:
        raise typer.Exit(FAILED)


def write_medium(
    image: Annotated[Path, typer.Argument(help="The image; its signature stands beside it as IMAGE.sig.")],
    folder: Annotated[Path | None, typer.Argument(help="An empty medium's folder.", show_default="only check")] = None,
    anchor: AnchorOption = _ANCHOR,
    *,
    as_json: JsonOption = False,
) -> None:
    """Check an image against its signature, and write it onto an empty medium.

    Do it on a machine that you trust: what is on the medium then is what the
    registration authority signed for, and is read back.

    Exit codes: 0 good, 1 refused or not written, 2 usage.
    """
    from renkei.exchange.bindings import TrustAnchor
    from renkei.exchange.certificates import CertificateError
    from renkei.fleet.terminal.media.building import MediaError
    from renkei.fleet.terminal.media.writing import check_image, write_medium

    try:
        trusted = TrustAnchor(anchor.read_text("ascii"))
    except (OSError, ValueError, CertificateError) as error:
        fail(f"--trust-anchor {anchor}: is no root certificate ({error}); take the file that every host has")
    try:
        checked = check_image(image, trusted, datetime.now(UTC))
        count = write_medium(checked, folder) if folder else 0
    except MediaError as error:
        Console(stderr=True).print(f"renkei: {error}", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(FAILED) from None
    manifest = checked.manifest
    facts = {"endpoint": manifest.endpoint, "terminal": manifest.terminal, "release": manifest.release.version}
    if as_json:
        print_json({**facts, "folder": folder and str(folder), "files": count})
        return
    done = f"{count} files written to {folder} and read back" if folder else "the image is the one that was signed"
    typer.echo(f"{manifest.endpoint}/{manifest.terminal}, release {manifest.release.version}: {done}")


def add_to(app: typer.Typer) -> None:
    """Add these commands to a program."""
    app.command()(media)
    app.command("write-medium")(write_medium)


def _jobs(
    fleet: "Fleet", machine: str | None, out: Path | None, *, every: bool, rings: list[str], prefectures: list[int]
) -> "list[Job]":
    """Choose the machines, and where each image goes."""
    from renkei.fleet.terminal.collected import NoSuchMachineError, find_machine

    folder = ROOT / "build" / "media" / fleet.settings.name
    if every == (machine is not None):
        fail("name one endpoint, or give --all")
    if machine is not None:
        if rings or prefectures:
            fail("--ring and --prefecture go with --all")
        try:
            found = find_machine(fleet, machine)
        except NoSuchMachineError as error:
            fail(str(error))
        return [(found, out or folder / f"{found.code.value}.iso")]
    if unknown := [ring for ring in rings if ring not in fleet.settings.rings]:
        fail(f"fleet {fleet.settings.name} has no ring {', '.join(unknown)}; it has {', '.join(fleet.settings.rings)}")
    numbers = {f"{number:02}" for number in prefectures}
    chosen = [
        (site.terminal, (out or folder) / f"{site.key}.iso")
        for site in fleet.sites.values()
        if site.endpoint and site.terminal
        if not rings or site.endpoint.ring in rings
        if not numbers or site.key[:2] in numbers
    ]
    if not chosen:
        fail("no endpoint is in all that was chosen; `renkei inventory list --group terminals` shows them")
    return chosen


def _kit(
    fleet: "Fleet",
    spec: Path,
    package: Path | None,
    anchor: Path,
    drivers: Path | None,
    answers: Path,
    *,
    as_json: bool,
) -> "Kit":
    """Read and check what all images have in common."""
    from renkei.exchange.certificates import CertificateError
    from renkei.exchange.images import anchor_number
    from renkei.fleet.problems import FleetError
    from renkei.fleet.terminal.media.answers import read_rules
    from renkei.fleet.terminal.media.contents import Kit
    from renkei.fleet.terminal.media.package import PackageError, find_package, read_package
    from renkei.fleet.terminal.specification import Source, read_specification

    try:
        specification = read_specification(spec)
        rules = read_rules(_TERMINAL_FILES / "answer-rules.yml")
    except FleetError as error:
        report_and_exit(error, as_json=as_json)
    software = next((each for each in specification.software if each.source is Source.RELEASE), None)
    if software is None:
        fail(f"{spec}: has no software of source release, so there is nothing to install")
    try:
        found = read_package(package or find_package(ROOT / "build" / "releases", software), software)
        anchor_number(anchor.read_text("ascii"))
    except PackageError as error:
        fail(str(error))
    except (OSError, ValueError, CertificateError) as error:
        fail(f"--trust-anchor {anchor}: is no root certificate ({error}); take the file that every host has")
    if drivers is not None and not drivers.is_dir():
        fail(f"--drivers {drivers}: is no folder")
    role = ROOT / "roles" / "agent"
    return Kit(fleet, specification, rules, answers, found, anchor, _TERMINAL_FILES, role, drivers)


def _run(
    kit: "Kit", wanted: "list[Job]", command: list[str], workers: int, *, dry_run: bool, quiet: bool
) -> "list[Result]":
    from renkei.fleet.terminal.media.batch import build_all
    from renkei.fleet.terminal.media.signing import Signer

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    results: list[Result] = []
    with Signer(command) as signer:
        coming = build_all(kit, wanted, None if dry_run else signer, min(workers, len(wanted)))
        first = next(coming)  # the workers are forked now, before the progress has its thread
        with Progress(*columns, console=console, disable=quiet or not console.is_terminal) as progress:
            task = progress.add_task("images", total=len(wanted), completed=1)
            results.append(first)
            for result in coming:
                results.append(result)
                progress.advance(task)
    return sorted(results, key=lambda each: (each.endpoint, each.terminal))


def _summarise(kit: "Kit", results: "list[Result]") -> None:
    from renkei.fleet.terminal.media.batch import Outcome

    console = Console(width=80 if not sys.stdout.isatty() else None, highlight=False)
    for each in results:
        if each.outcome is Outcome.FAILED:
            console.print(f"failed  {each.endpoint}  {each.terminal}: {each.why}", markup=False, soft_wrap=True)
        elif len(results) == 1:
            console.print(f"{each.outcome}: {each.image}", markup=False, soft_wrap=True)
    counts = ", ".join(
        f"{sum(each.outcome is outcome for each in results):,} {outcome}"
        for outcome in Outcome
        if any(each.outcome is outcome for each in results)
    )
    total = sum(each.size for each in results) / 1e6
    console.print(
        f"release {kit.package.version} of {kit.package.at:%Y-%m-%d}: {counts}; {total:,.1f} MB", markup=False
    )
