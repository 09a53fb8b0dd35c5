"""`renkei-agent first-boot`: makes a machine the terminal that its medium says; the screen is for who stands there."""

import logging
import sys
import tomllib
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from renkei.agent import platform
from renkei.agent.first_boot.installing import NotInstalled, OtherMachine, Place
from renkei.agent.first_boot.medium import Checked, MediumRefused, check
from renkei.agent.first_boot.running import Report, Runner, Step, write_report
from renkei.agent.first_boot.unpacking import PackageRefused
from renkei.agent.home import now, stamp
from renkei.cli.agent_shared import DEFAULT_CONFIG, NEEDS_PERSON, USAGE, AsJson, print_json, read_code, reported
from renkei.exchange.codes import normalize_code
from renkei.exchange.images import SIGNATURE

REPORT = "first-boot.json"
_WORDS = {
    Step.CHECK: "媒体とこの端末を確認しています。",
    Step.INSTALL: "連携ソフトウェアを導入しています。",
    Step.ENROL: "鍵を作成し、登録局に登録を申請しています。",
    Step.EXCHANGE: "初回の連携を行っています。",
}
log = logging.getLogger("renkei.agent")


def first_boot(  # noqa: PLR0913 - a parameter is an option of the command
    medium: Annotated[Path, typer.Option("--medium", help="The medium's top folder.", exists=True, file_okay=False)],
    number: Annotated[str, typer.Option(help="The number of the trust anchor (確認番号) on the sealed sheet.")],
    serial: Annotated[str, typer.Option(help="This machine's serial number, as its firmware gives it.")],
    programs: Annotated[Path, typer.Option(help="Where programs go.")],
    config: Annotated[Path, typer.Option(help="Where the settings go.")] = DEFAULT_CONFIG,
    signature: Annotated[
        Path | None, typer.Option(help="The image's signature.", show_default=f"{SIGNATURE} on the medium")
    ] = None,
    code_file: Annotated[
        Path | None, typer.Option(help='File with the one-time code; "-" reads it from standard input.')
    ] = None,
    wait: Annotated[float, typer.Option(min=0, max=86400, help="Seconds to wait for the authority's answer.")] = 300,
    *,
    check_only: Annotated[bool, typer.Option("--check-only", help="Check the medium and end.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check this medium, install from it, enrol with the one-time code, exchange, report.

    Nothing is installed from a medium that isn't this machine's, signed and
    whole. The code is never an argument: the process list would show it. Run it
    again after an interruption: it goes on, and needs no code once it was sent.

    Exit codes: 0 done, 1 refused or waiting for a person, 2 usage or settings,
    3 the hub can't be reached.
    """
    platform.log_to_service_manager()

    def tell(step: Step) -> None:
        if not as_json:
            print(_WORDS[step], flush=True)

    tell(Step.CHECK)
    try:
        checked = check(medium, signature or medium / SIGNATURE, number, serial, now())
    except MediumRefused as error:
        _refuse("この媒体は使用できません。何も導入していません。", error)
    if check_only:
        _show_checked(checked, as_json=as_json)
        return
    with reported():
        code = read_code(code_file)
        if code is not None:
            normalize_code(code)  # a typing error is found before anything is installed
    told = tomllib.loads(checked.settings)
    place = Place(programs, config, Path(told["trust_anchor"]), Path(told["home"]))
    try:
        report = Runner(place, wait, tell).run(checked, code, stamp())
    except (OtherMachine, MediumRefused, NotInstalled, PackageRefused) as error:
        _refuse("導入できません。", error)
    except OSError as error:
        print(f"renkei-agent: {error.filename}: can't be written ({error.strerror}); run this as root", file=sys.stderr)
        raise typer.Exit(USAGE) from error
    write_report(report, place.home / REPORT)
    _show(report, as_json=as_json)
    if report.code:
        raise typer.Exit(report.code)


def add_to(app: typer.Typer) -> None:
    """Add this command to a program."""
    app.command("first-boot")(first_boot)


def _refuse(words: str, error: Exception) -> NoReturn:
    """Say that it goes no further; in the machine's log it is an alarm."""
    print(words, file=sys.stderr)
    for line in str(error).splitlines():
        log.critical("first boot: %s", line)
    raise typer.Exit(NEEDS_PERSON)


def _show_checked(checked: Checked, *, as_json: bool) -> None:
    manifest = checked.manifest
    if as_json:
        print_json({"endpoint": manifest.endpoint, "terminal": manifest.terminal, "release": manifest.release.version})
    else:
        print(f"{manifest.endpoint}/{manifest.terminal}, {manifest.release.version}: 媒体に問題はありません。")


def _show(report: Report, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(report.to_json().decode())
        return
    if not report.failed:
        print(f"完了しました。{report.endpoint}/{report.terminal} は連携端末として稼働しています。")
        return
    print(f"「{_WORDS[Step(report.failed)].removesuffix('。')}」の途中で止まりました。", file=sys.stderr)
    print(report.why, file=sys.stderr)
