"""`renkei-agent`: a clerk's commands on the way into the resident register; what clerks read is Japanese."""

from typing import Annotated

import typer

from renkei.agent.exchange import alone, take_offline
from renkei.agent.home import open_home
from renkei.agent.intake import Watch
from renkei.agent.register import bridge, confirmation, share
from renkei.agent.register import pending as pending_list
from renkei.agent.settings import SettingsError
from renkei.cli.agent_shared import (
    DEFAULT_CONFIG,
    NEEDS_PERSON,
    AsJson,
    Config,
    columns,
    print_json,
    reported,
    settings_of,
)
from renkei.store.standings import Standing

_PATIENCE = 300.0

register_app = typer.Typer(no_args_is_help=True, help="The folder between this terminal and the register system.")

Number = Annotated[str, typer.Argument(help="The notice's number (通知番号).", metavar="NUMBER")]


def add_to(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.add_typer(register_app, name="register")
    for command in (confirm, pending):
        app.command()(command)


@register_app.command(name="init")
def register_init(config: Config = DEFAULT_CONFIG) -> None:
    """Prepare the bridge's folder once, while the share or the medium is mounted.

    It makes to-register/ and from-register/ and a sign that says whose folder it is; without the sign the agent writes
    nothing, so that an empty mount point is never taken for the share.
    """
    with reported(), settings_of(config) as settings, open_home(settings) as home, alone(home, _PATIENCE):
        before = share.is_prepared(home)
        prepared = share.prepare(home)
        take_offline(home, Watch(settings.exchange.stable_seconds))  # a medium may be exported right after
        print(f"{prepared.root}: {'was prepared' if before else 'prepared'} for {home.party}{' before' * before}")


def confirm(
    number: Number,
    config: Config = DEFAULT_CONFIG,
    reason: Annotated[
        str, typer.Option(help="With --refuse: why, for the ministry; up to 200 characters, nothing personal.")
    ] = "",
    *,
    refuse: Annotated[bool, typer.Option("--refuse", help="Keep the notice out of the register.")] = False,
) -> None:
    """Decide on a notice about a 特別永住者: let it into the register, or refuse it with a reason.

    The sheet to decide by lies in the agent's folder confirm/, named by the notice's number. Exit codes: 0 done, 1 the
    notice isn't here or waits for nobody's word, 2 usage.
    """
    with reported(), settings_of(config) as settings, open_home(settings) as home, alone(home, _PATIENCE):
        if refuse is not bool(reason.strip()):
            raise SettingsError("--refuse and --reason belong together: a refusal tells the ministry why")
        if refuse:
            confirmation.refuse(home, number, reason.strip())
            print(f"{number}: 取り込みません。理由を次の連携で法務省に送ります。")
        else:
            found = confirmation.confirm(home, number)
            behind = found.standing is Standing.BEHIND
            print(f"{number}: {'同じ人の先の通知の後に取り込みます。' if behind else '取り込みます。'}")
        bridge.tend(home)


def pending(
    config: Config = DEFAULT_CONFIG,
    *,
    as_json: AsJson = False,
    show_values: Annotated[
        bool, typer.Option("--show-values", help="Show names, days of birth and card numbers; otherwise masked.")
    ] = False,
) -> None:
    """List the people whose notices aren't in the register yet, of this municipality or ward only.

    Exit codes: 0 nobody waits for a decision or a correction, 1 somebody does.
    """
    with reported(), settings_of(config) as settings, open_home(settings) as home:
        if settings.is_ministry:
            raise SettingsError("endpoint: the ministry's agent has no register; ask at an endpoint's terminal")
        found = pending_list.pending(home, show_values=show_values)
    if as_json:
        print_json({"endpoint": settings.endpoint, "pending": [each.model_dump(mode="json") for each in found]})
    else:
        _show_pending(str(settings.endpoint), found, show_values=show_values)
    if any(each.standing in {Standing.UNCONFIRMED, Standing.FAILED} for each in found):
        raise typer.Exit(NEEDS_PERSON)


def _show_pending(endpoint: str, found: list[pending_list.Pending], *, show_values: bool) -> None:
    counts = "、".join(f"{name} {count}件" for name, count in pending_list.summary(found).items())
    print(f"未取込者一覧 市区町村コード {endpoint}: {len(found)}件{f'({counts})' if counts else ''}")
    rows = [("通知番号", "通知日", "経過", "区分", "状態")]
    for each in found:
        state = f"{each.standing_ja}: {each.error_item}" if each.error_item else each.standing_ja
        rows.append((each.number, each.noticed_on or each.received_at[:10], f"{each.days}日", each.category, state))
    header, *lines = columns(rows)
    if found:
        print(header)
    for line, each in zip(lines, found, strict=True):
        print(line)
        if show_values:
            print(f"    {each.name or '(通知の保管なし)'}  {each.birth_date or ''}  {each.card or ''}".rstrip())
