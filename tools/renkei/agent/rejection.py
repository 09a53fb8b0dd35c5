"""Reason files: what is wrong with rejected rows, for the clerk who corrects them; personal data is masked."""

from collections.abc import Sequence

from renkei.domain.layouts import Rejection

_SHOWN = 1000
"""Rejections described in one reason file at most; the rows themselves are all beside it."""


class Refused(Exception):
    """A file as a whole can't be taken; the text, Japanese, is for the clerk."""


def reason_text(name: str, at: str, good: int, why: Refused | Sequence[Rejection]) -> bytes:
    """The reason file's content, UTF-8.

    Args:
        name: the file's name in the outbox.
        at: when it was taken, RFC 3339.
        good: how many notices of it went on.
        why: the refusal of the whole file, or the bad rows.
    """
    lines = [f"ファイル: {name}", f"受付時刻: {at}"]
    if isinstance(why, Refused):
        lines += ["結果: ファイル全体を受け付けませんでした。", "", str(why)]
    else:
        lines += [f"結果: {good}件を送信対象とし、{len(why)}件を受け付けませんでした。", ""]
        lines += ["受け付けなかった通知だけを同じ場所のファイルに残しました。訂正してoutboxに置き直してください。", ""]
        for rejection in why[:_SHOWN]:
            lines += _describe(rejection)
        if len(why) > _SHOWN:
            lines.append(f"ほか{len(why) - _SHOWN}件")
    return ("\r\n".join(lines) + "\r\n").encode()


def _describe(rejection: Rejection) -> list[str]:
    lines = [f"{rejection.line}行目"]
    lines += [f"  {finding.item}: {finding.message}({finding.article})" for finding in rejection.findings]
    if rejection.shown:
        lines.append("  " + " ".join(f"{item}={value}" for item, value in rejection.shown.items() if value))
    return lines
