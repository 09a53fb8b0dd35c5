"""What stands in the way of an update, as machines say it: a code, and one sentence in English and Japanese.

    say("disk-full", free=812, needed=10240)      → the sentence that a machine signs (`PatchState.problem`)
    read("the system's volume has 812 MiB …")     → Told("disk-full", {"free": "812", …}), None for what is not of these

A machine signs the English sentence alone, as every release did; who reads it finds code and values in it by the same
table. So what older machines say has its code and its Japanese, too, and what a newer one says and isn't known here is
shown as it stands.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

from renkei.exchange.text import printable

_FIELD = re.compile(r"\{([a-z]+)\}")
_FORMS: Final = {
    "free": r"\d+", "needed": r"\d+", "bytes": r"\d+", "days": r"\d+", "times": r"\d+", "kb": r"KB[0-9]+",
    "kbs": r"KB[0-9]+(?:, KB[0-9]+)*", "build": r"[0-9.]+", "wanted": r"[0-9.]+", "exit": r"-?[0-9A-Fx]+",
}  # fmt: skip
_REST: Final = "rest"
"""The field that may be a problem itself."""

_OPEN: Final = frozenset({_REST, "detail"})
"""Fields in which anything may stand."""

SENTENCES: Final[Mapping[str, tuple[str, str]]] = {
    "disk-full": (
        "the system's volume has {free} MiB free, {needed} are needed",
        "システムドライブの空きが{free} MiBです（{needed} MiB必要）",
    ),
    "on-battery": (
        "the machine runs on its battery; plug it in",
        "バッテリーで動いています。電源ケーブルをつないでください",
    ),
    "no-exchange": ("no exchange has worked for {days} days", "{days}日間、連携が成功していません"),
    "package-missing": (
        "{file}: not here; bring a medium that has it",
        "更新パッケージ{file}がありません。載せた媒体が必要です",
    ),
    "package-cut": (
        "{file}: has {bytes} bytes, {name} has {needed}; copy it anew",
        "{name}のパッケージ{file}が{bytes}バイトです（正しくは{needed}バイト）",
    ),
    "package-wrong": (
        "{file}: isn't the package of {name} that was signed; fetch it anew",
        "{file}は署名された{name}のパッケージではありません",
    ),
    "no-room": (
        "{file}: no room for {bytes} bytes in {folder}",
        "{folder}に{bytes}バイトの空きがなく、{file}を置けません",
    ),
    "ended-blocked": ("the order ended, and until then: {rest}", "指示の期限が過ぎました。それまでの状況：{rest}"),
    "no-permit": ("the order ended; no permit came", "開始の許可が届かないまま、指示の期限が過ぎました"),
    "ended-early": ("the order ended before it could begin", "開始できないまま、指示の期限が過ぎました"),
    "no-restart-in-time": (
        "the order ended before the machine could restart",
        "再起動できないまま、指示の期限が過ぎました",
    ),
    "did-not-restart": ("the machine didn't restart, asked {times} times", "{times}回求めても再起動しませんでした"),
    "restart-pending": ("Windows still waits for a restart", "Windowsがまだ再起動を待っています"),
    "cut-off": ("the installation was cut off", "更新の作業が途中で止まりました"),
    "still-installed": ("{kbs} is still installed", "{kbs}が残っています"),
    "build-stays": (
        "the build is {build}, the order's is {wanted}: it isn't installed",
        "ビルドが{build}のままです（指示は{wanted}）",
    ),
    "not-removable": (
        "{kb}: Windows lists it, but has no package of it that can be removed",
        "{kb}を削除できるパッケージがWindowsにありません",
    ),
    "dism": ("{kb}: dism, code {exit}: {detail}", "{kb}：DISMが失敗しました（{exit}）"),
    "update-source": ("update source, code {exit}: {detail}", "更新サーバーからの取得に失敗しました（{exit}）"),
    "shutdown": ("shutdown, code {exit}: {detail}", "再起動を始められませんでした（{exit}）"),
    "refused": ("refused: {rest}", "更新の処理が断りました：{rest}"),
}
"""By code, in English and Japanese; values in braces."""

_ACTS: Final[Mapping[str, tuple[str, str]]] = {
    "disk-full": ("空き容量を増やすよう市区町村に依頼する", "have the endpoint make room on the system's volume"),
    "on-battery": ("電源ケーブルをつなぐよう市区町村に依頼する", "have the endpoint plug it in"),
    "no-exchange": ("回線を市区町村に確認する", "ask the endpoint about its line"),
    "package-missing": ("更新を載せた媒体を送る", "send a medium with the updates"),
    "package-cut": ("媒体を作り直して送る", "write the medium anew and send it"),
    "package-wrong": ("媒体を作り直して送る", "write the medium anew and send it"),
    "no-room": ("空き容量を増やすよう市区町村に依頼する", "have the endpoint make room"),
    "ended-blocked": (
        "それまでの問題を取り除き、次のウェーブに入れる",
        "remove what stood in its way; plan it again",
    ),
    "ended-early": ("次のウェーブに入れる", "plan it again, with longer windows"),
    "no-restart-in-time": ("次のウェーブに入れる", "plan it again, with longer windows"),
    "cut-off": ("電源を確認し、次のウェーブに入れる", "see to its power; plan it again"),
    "still-installed": ("端末の更新履歴を確認する", "see in the machine's update history why it stays"),
    "build-stays": ("端末の更新履歴を確認する", "see in the machine's update history why it isn't installed"),
    "not-removable": ("端末を作り直すか、この更新を残す", "set the machine up anew, or let it keep this update"),
    "dism": ("端末の修復を手配する", "have the machine's component store repaired (DISM /RestoreHealth)"),
    "shutdown": ("再起動を市区町村に依頼する", "have the endpoint restart it"),
    "refused": ("指示と端末の時計を確認する", "see whether the order is for it, and its clock right"),
    "no-permit": ("ウェーブの状況を確認し、次のウェーブに入れる", "see why its wave gave no permit; plan it again"),
    "did-not-restart": ("再起動を市区町村に依頼する", "have the endpoint restart it"),
    "restart-pending": ("再起動を市区町村に依頼する", "have the endpoint restart it"),
    "update-source": ("更新サーバーの承認と回線を確認する", "see whether WSUS has approved it, and the line"),
}


@dataclass(frozen=True, slots=True)
class Told:
    """A problem: its code, and its sentence and what to do about it, in Japanese and English."""

    code: str
    sentence: tuple[str, str]
    act: tuple[str, str]


def say(code: str, **values: object) -> str:
    """Write a problem's sentence in English, as a machine signs it.

    Raises:
        KeyError: there is no such problem, or a value is missing.
    """
    return SENTENCES[code][0].format_map(values)


def read(text: str) -> Told | None:
    """Read a problem's sentence, as it is shown; None for one that isn't of these."""
    text = printable(text)
    for code, (_, japanese) in SENTENCES.items():
        found = _form(code).fullmatch(text)
        if found is None:
            continue
        values, act = found.groupdict(), _ACTS[code]
        inner = read(values[_REST]) if _REST in values else None
        if inner is not None:
            values[_REST], act = inner.sentence[0], inner.act
        return Told(code, (japanese.format_map(values), text), act)
    return None


@cache
def _form(code: str) -> re.Pattern[str]:
    parts = _FIELD.split(SENTENCES[code][0])
    written = (
        re.escape(part) if place % 2 == 0 else f"(?P<{part}>{_FORMS.get(part, '.*' if part in _OPEN else '.+?')})"
        for place, part in enumerate(parts)
    )
    return re.compile("".join(written), re.DOTALL)
