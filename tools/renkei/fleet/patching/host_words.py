"""Why a Linux host or network device stands where it does, and what a person does about it: Japanese and English."""

from datetime import datetime
from typing import Final

from renkei.fleet.patching.hosts import HostRow
from renkei.fleet.patching.standing import Standing
from renkei.fleet.patching.words import Pair

PARTS: Final[dict[str, Pair]] = {
    "router": ("ルーター", "router"),
    "firewall": ("ファイアウォール", "firewall"),
    "register": ("住基側", "register"),
    "hub": ("ハブ", "hub"),
    "hub-2": ("ハブ2", "second hub"),
    "mirror": ("配布サーバー", "mirror"),
    "linkage": ("連携サーバー", "linkage"),
    "immigration": ("入管システム", "immigration"),
}
_SHOWN: Final = 3


def host_why(row: HostRow, at: datetime) -> Pair:
    """Say why a host stands where it does; empty texts where the standing says it all."""
    if row.seen.refused:
        return f"記録を信頼できません（{row.seen.refused}）", f"what was signed can't be believed: {row.seen.refused}"
    state = row.seen.state
    if state is None:
        return "一度も確認されていません", "nobody has looked at it"
    if row.standing is Standing.UNKNOWN:
        days = (at - state.seen_at).days
        return f"{days}日間確認されていません", f"nobody has looked at it for {days} days"
    if row.standing is Standing.EXCEPTED and row.exception:
        until = row.exception.until.isoformat()
        return f"{until}まで例外：{row.exception.reason}", f"until {until}: {row.exception.reason}"
    said: list[Pair] = []
    if row.asked:
        names = _some([each.id for each in row.asked])
        said.append((f"{names}が{row.fix}以降を求めています", f"{names} asks for {row.fix}"))
    if row.lacks:
        names = _some(list(row.lacks))
        said.append((f"未適用：{names}", f"not installed: {names}"))
    if state.restart:
        said.append(("再起動が必要です", "it needs a restart"))
    if row.unlisted:
        said.append(
            (
                f"{state.device.model} {state.device.version}は一覧にありません",
                f"inventory/firmware.yml doesn't know {state.device.model} {state.device.version}",
            )
        )
    elif row.newest and not row.asked:
        said.append((f"新しい版{row.newest}があります", f"there is a newer {row.newest}"))
    return "、".join(each[0] for each in said), "; ".join(each[1] for each in said)


def host_act(row: HostRow) -> Pair:
    """Say what a person does about a host that is late or unknown."""
    if row.seen.refused:
        return "署名と認証局の証明書を確認する", "see who signed it, and by which certificate"
    if row.standing is Standing.UNKNOWN:
        return "電源と管理回線を確認し、look.ymlを実行する", "see to its power and management line, then run look.yml"
    if row.asked and row.seen.state and not row.seen.state.packages:
        if row.unlisted:
            japanese = "修正済みの版ならfirmware.ymlに載せ、そうでなければ装置のファームウェアを更新する"
            return japanese, "enter its version in firmware.yml if it has the fix, else bring the firmware to that one"
        return "装置のファームウェアを更新する", "bring the device's firmware to that version"
    return "更新ウェーブを計画する", "plan a wave with the package set"


def _some(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (" …" if len(names) > _SHOWN else "")
