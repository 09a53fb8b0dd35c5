"""What a standing is called, why a machine has it, and what a person does about it: Japanese and English."""

from datetime import datetime
from typing import Final

from renkei.domain.windows import JST
from renkei.exchange.text import printable
from renkei.exchange.update_problems import read
from renkei.fleet.endpoints import Link
from renkei.fleet.patching.standing import Judgement, Standing
from renkei.fleet.patching.survey import Row
from renkei.store.patch_states import Kept

Pair = tuple[str, str]
STANDINGS: Final[dict[Standing, Pair]] = {
    Standing.UP_TO_DATE: ("最新", "up to date"),
    Standing.EXCEPTED: ("例外承認", "excepted"),
    Standing.DUE: ("適用待ち", "due"),
    Standing.REBOOT: ("再起動待ち", "waiting for reboot"),
    Standing.LATE: ("期限超過", "late"),
    Standing.UNKNOWN: ("不明", "unknown"),
}
LINKS: Final[dict[Link, Pair]] = {
    Link.ONLINE: ("常時接続", "online"),
    Link.ON_DEMAND: ("必要時接続", "on demand"),
    Link.MEDIA: ("媒体", "media"),
}


def why(row: Row, now: datetime) -> Pair:
    """Say why a machine stands where it does; empty texts where the standing says it all."""
    if row.refused:
        return f"報告を信頼できません（{row.refused}）", f"its word can't be believed: {row.refused}"
    if row.said is None:
        return "報告が一度もありません", "it has never said anything"
    if row.standing is Standing.UNKNOWN:
        return _why_unknown(row, row.said, now)
    if row.standing is Standing.EXCEPTED and row.exception:
        until = row.exception.until.isoformat()
        return f"{until}まで例外：{row.exception.reason}", f"until {until}: {row.exception.reason}"
    if _is_for_patterns(row):
        return _why_old(row, row.said)
    return ("", "") if row.standing is Standing.UP_TO_DATE else _why_lacking(row.judgement, row.said)


def patterns_made(said: Kept | None) -> str:
    """Write when a machine's antivirus patterns were made, without the year, or a dash."""
    if said is None or said.patterns_made_at is None:
        return "–"
    return f"{datetime.fromtimestamp(said.patterns_made_at, JST):%m-%d %H:%M}"


def patterns(said: Kept | None) -> str:
    """Write the version of a machine's antivirus patterns and when they were made, or a dash."""
    if said is None or said.patterns is None or said.patterns_made_at is None:
        return "–"
    return f"{said.patterns} ({moment(datetime.fromtimestamp(said.patterns_made_at, JST))})"


def _is_for_patterns(row: Row) -> bool:
    """Tell whether it is late by its antivirus patterns."""
    judgement = row.judgement
    return (judgement.patterns_old or judgement.patterns_unsaid) and not row.machine.patterns_excepted


def _why_old(row: Row, said: Kept) -> Pair:
    """Say how old its patterns were; what it lacks beside them stands in the list."""
    allowed = _lasting(int(row.machine.patterns.total_seconds()))
    if row.judgement.patterns_unsaid:
        return (
            f"ウイルス対策ソフトから定義の版の報告がありません（{allowed[0]}まで）",
            f"its antivirus has said nothing of its patterns for longer than {allowed[1]}",
        )
    old = _lasting(said.said_at - (said.patterns_made_at or said.said_at))
    return (
        f"ウイルス定義が{old[0]}前のもの（{allowed[0]}まで）",
        f"its antivirus patterns were {old[1]} old, {allowed[1]} are allowed",
    )


def _lasting(seconds: int) -> Pair:
    """Write a time in whole hours, from two days on in days."""
    days, hours = divmod(seconds // 3600, 24)
    return (f"{days}日", f"{days} days") if days > 1 else (f"{24 * days + hours}時間", f"{24 * days + hours} hours")


def _why_unknown(row: Row, said: Kept, now: datetime) -> Pair:
    if row.judgement.unsupported:
        version = said.build.partition(".")[0]
        return (
            f"Windows {version} の更新がカタログにありません",
            f"no update of the catalogue is for Windows {version}",
        )
    days = (now - datetime.fromtimestamp(said.said_at, now.tzinfo)).days
    return f"{days}日間報告がありません", f"silent for {days} days"


def _why_lacking(judgement: Judgement, said: Kept) -> Pair:
    if judgement.restart:
        return "適用済み、再起動待ち", "installed but for the restart"
    if said.problem:
        told = read(said.problem)
        problem = printable(said.problem)
        return f"端末の報告：{told.sentence[0] if told else problem}", f"it says: {problem}"
    if not judgement.lacks:
        return "カタログにない更新が不足", "it misses what no catalogue names"
    return "未適用", "not installed"


def act(row: Row) -> Pair:
    """Say what a person does about a machine that is late or unknown."""
    by_medium, judgement, said = row.endpoint.link is Link.MEDIA, row.judgement, row.said
    silent, for_patterns = row.standing is Standing.UNKNOWN, _is_for_patterns(row)
    told = read(said.problem) if said and said.problem else None
    cases = (
        (row.refused, "端末の証明書を確認し、必要なら再登録する", "check its certificate; enrol it anew if need be"),
        (
            judgement.unsupported,
            "カタログに追加するか、端末を更改する",
            "add its version to the catalogue, or replace the machine",
        ),
        (
            silent and said is None,
            "登録と最初の連携を確認する",
            "see whether it is enrolled and has exchanged at all",
        ),
        (
            silent and by_medium,
            "媒体の返送を市区町村に確認する",
            "ask the endpoint for the medium on its way back",
        ),
        (silent, "電源と回線を市区町村に確認する", "ask the endpoint about power and line"),
        (
            for_patterns and judgement.patterns_unsaid,
            "ウイルス対策ソフトの動作と、連携ソフトの版を市区町村に確認する",
            "have the endpoint see whether its antivirus runs; an agent of an earlier release doesn't ask it",
        ),
        (
            for_patterns and by_medium,
            "ウイルス定義を載せた媒体を送る",
            "send a medium with patterns",
        ),
        (
            for_patterns,
            "更新サーバーへの接続を市区町村に確認する",
            "see why it doesn't reach the update service",
        ),
        (judgement.restart, "再起動を市区町村に依頼する", "have the endpoint restart it"),
        (told, *(told.act if told else ("", ""))),
        (said and said.problem, "端末が報告した問題を取り除く", "remove what the machine reports"),
        (by_medium, "更新を載せた媒体を送る", "send a medium with the updates"),
    )
    found = next(((ja, en) for holds, ja, en in cases if holds), None)
    return found or ("配布の状況を確認し、適用を手配する", "see why no wave has reached it, and let one")


def moment(at: datetime) -> str:
    """Write a moment in Japan's time."""
    return f"{at.astimezone(JST):%Y-%m-%d %H:%M}"


def said_at(row: Row) -> str:
    """Write when a machine last said something, or a dash."""
    return moment(datetime.fromtimestamp(row.said.said_at, JST)) if row.said else "–"
