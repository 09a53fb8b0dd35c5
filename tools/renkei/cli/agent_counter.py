"""`renkei-agent`: what a clerk asks at the counter: a card, a notice's fate, a notice once more."""

import sys
import unicodedata
from datetime import timedelta
from typing import Annotated

import typer

from renkei.agent.contact import HubNotGenuine
from renkei.agent.exchange import alone, exchange
from renkei.agent.home import Home, open_home
from renkei.agent.intake import Watch
from renkei.agent.register import answers, fates
from renkei.agent.register.checking import Check, Verdict, check
from renkei.agent.settings import JST, Link, SettingsError
from renkei.cli.agent_shared import (
    DEFAULT_CONFIG,
    NEEDS_PERSON,
    UNREACHABLE,
    AsJson,
    Config,
    columns,
    print_json,
    reported,
    settings_of,
)
from renkei.client.errors import HubError, NotAllowed
from renkei.domain.cards import InvalidCardNumber, ResidenceCardNumber
from renkei.domain.notices import InvalidNotice
from renkei.exchange.clock import parse_time
from renkei.store.standings import IN_REGISTER

CONTRADICTION, WAITING = 4, 5
_CODES = {
    Verdict.CURRENT: 0,
    Verdict.AS_OF: UNREACHABLE,
    Verdict.CONTRADICTION: CONTRADICTION,
    Verdict.WAITING: WAITING,
}
_INPUT_LIMIT = 256
_PATIENCE = 300.0


def add_to(app: typer.Typer) -> None:
    """Add the commands to the program."""
    for command in (check_card, inquire, results):
        app.command(name=command.__name__.partition("_")[0])(command)


def check_card(
    card: Annotated[
        str, typer.Argument(help='Only "-": the number is read from standard input or asked for.', metavar="[-]")
    ] = "-",
    config: Config = DEFAULT_CONFIG,
    max_age: Annotated[
        int, typer.Option(min=1, max=86400, help="Seconds that the ministry's horizon may be old to count as now.")
    ] = 900,
    *,
    as_json: AsJson = False,
) -> None:
    """Exchange now, then say what is known of a card and up to which moment.

    The card's number is never an argument: the process list would show it to every user of the machine.

    Exit codes: 0 current: the register has all that was published; 1 this machine can't ask (not enrolled, busy);
    2 usage; 3 as of an earlier moment: the hub can't be reached or the ministry has published nothing newer; 4 the hub
    withholds what the ministry signed for, or isn't the hub: alarmed; 5 a notice about this person isn't in the
    register yet.
    """
    with reported(), settings_of(config) as settings:
        number = _read_card(card)
        if settings.is_ministry:
            raise SettingsError("endpoint: cards are checked at an endpoint's terminal")
        with open_home(settings) as home, alone(home, _PATIENCE):
            reached = _exchanged(home)
            found = check(home, number, reached=reached, max_age=timedelta(seconds=max_age))
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        _show(found)
    if code := _CODES[found.verdict]:
        raise typer.Exit(code)


def inquire(
    number: Annotated[str, typer.Argument(help="The notice's number (通知番号).", metavar="NUMBER")],
    config: Config = DEFAULT_CONFIG,
    *,
    resend: Annotated[
        bool, typer.Option("--resend", help="Ask for a notice of the ministry once more (再送依頼).")
    ] = False,
) -> None:
    """Ask the ministry what became of a notice sent from here (状態照会); the answer is among the results.

    With --resend ask for one of the ministry's notices again. Its copy bears the same number and goes to the register
    only if this terminal has no word that it was imported. Exit codes: 0 the inquiry goes with the next exchange, 2
    usage.
    """
    with reported(), settings_of(config) as settings, open_home(settings) as home, alone(home, _PATIENCE):
        if settings.is_ministry:
            raise SettingsError("endpoint: inquiries are made at an endpoint's terminal")
        try:
            made = answers.ask(home, number, resend=resend)
        except InvalidNotice as error:
            raise SettingsError(str(error)) from error
        settings.request_file.touch()
    print(f"{made.kind} {made.number} (対象 {number}) を次の連携で送ります。")


def results(
    config: Config = DEFAULT_CONFIG,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Show the newest so many.")] = 100,
    *,
    as_json: AsJson = False,
    open_only: Annotated[bool, typer.Option("--open", help="Leave out what was imported (取込済).")] = False,
    show_values: Annotated[bool, typer.Option("--show-values", help="Show reasons; otherwise masked.")] = False,
) -> None:
    """List what became of the notices sent from here, what waits for its day, and what isn't sent and why.

    Exit codes: 0 all well, 1 the ministry reported errors.
    """
    with reported(), settings_of(config) as settings, open_home(settings) as home:
        found = fates.fates(home, limit, open_only=open_only, show_values=show_values)
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        _show_fates(found)
    if found.errors:
        raise typer.Exit(NEEDS_PERSON)


def _read_card(given: str) -> ResidenceCardNumber:
    if given != "-":
        raise SettingsError(
            "the card's number is no argument: every user sees arguments in the process list; "
            "call check without one and type it, or give it on standard input"
        )
    typed = typer.prompt("カード番号", err=True) if sys.stdin.isatty() else sys.stdin.read(_INPUT_LIMIT)
    plain = "".join(unicodedata.normalize("NFKC", str(typed)).upper().split())
    try:
        return ResidenceCardNumber(plain)
    except InvalidCardNumber as error:
        raise SettingsError(str(error)) from error


def _exchanged(home: Home) -> bool:
    """Exchange now; false when that didn't come through, with the reason on standard error."""
    if home.settings.link is Link.MEDIA:
        return False
    try:
        with home.connect() as client:
            exchange(home, client, Watch(home.settings.exchange.stable_seconds))
    except NotAllowed:
        raise
    except (HubError, HubNotGenuine) as error:
        print(f"renkei-agent: {error}", file=sys.stderr)
        return False
    return True


def _show(found: Check) -> None:
    moment = _japanese(found.published_up_to) if found.published_up_to else None
    waiting = sum(each.standing not in IN_REGISTER for each in found.notices)
    match found.verdict:
        case Verdict.CURRENT:
            text = "最新です。このカードの人について、住民記録に未反映の通知はありません。"
        case Verdict.WAITING if found.unopened or found.missing:
            parcels = found.unopened + len(found.missing)
            text = f"未着又は未開封の通知が{parcels}通あります。このカードの人の通知かもしれません。"
        case Verdict.WAITING:
            text = f"カードの方が新しい可能性があります。住民記録に未反映の通知が{waiting}件あります。"
        case Verdict.AS_OF:
            text = "現在の状況は確認できません。次の時点までは、未反映の通知はありません。"
        case Verdict.CONTRADICTION:
            text = "連携先(ハブ)の異常です。届いていない通知があるおそれがあります。法務省の窓口に連絡してください。"
    print(f"判定: {text}")
    print(f"法務省の公表時点: {f'{moment} まで' if moment else '不明'}")
    if found.notices:
        rows = [("通知番号", "通知日", "状態")]
        rows += [(each.number, each.noticed_on, each.standing_ja) for each in found.notices]
        print("\n".join(columns(rows)))


def _show_fates(found: fates.Fates) -> None:
    rows = [("通知番号", "種別", "送信", "受領", "結果", "エラー項目")]
    for each in found.notices:
        sent = _japanese(each.sent_at) if each.sent_at else f"{_japanese(each.waits_until or '')} 以降"
        receipted = _japanese(each.receipted_at) if each.receipted_at else ""
        rows.append((each.number, each.type, sent, receipted, each.result or "", each.error_item or ""))
    for line, fate in zip(columns(rows), [None, *found.notices], strict=True):
        print(line)
        if fate is not None and fate.reason:
            print(f"    {fate.reason}")
    for echo in found.suppressed:
        print(f"{echo.number}  送信しません(施行令24条1項): 法務省通知 {echo.because_of} による修正({echo.items})")


def _japanese(time: str) -> str:
    return f"{parse_time(time).astimezone(JST):%Y-%m-%d %H:%M}" if time else ""
