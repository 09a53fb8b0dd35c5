"""What goes back to who sent bad rows: the rows as they came, and beside them why, with personal data masked."""

from collections.abc import Sequence

from renkei.domain.layouts import Rejection

_DESCRIBED = 1000
"""Rows that are described in one file at most; the rows themselves are all there."""


def reasons_for_rows(name: str, accepted: int, rejections: Sequence[Rejection]) -> bytes:
    """Return the text beside rejected rows (UTF-8, Japanese): line, item, reason and article, values masked."""
    lines = [f"ファイル: {name}", f"引渡し: {accepted}件", f"不受理: {len(rejections)}件", ""]
    for rejection in rejections[:_DESCRIBED]:
        lines.append(f"{rejection.line}行目 {rejection.shown.get('通知番号', '')}".rstrip())
        lines += [f"  {each.item}: {each.message}({each.article})" for each in rejection.findings]
        values = " ".join(f"{item}={value}" for item, value in rejection.shown.items() if value)
        lines += [f"  {values}"] if values else []
    if len(rejections) > _DESCRIBED:
        lines.append(f"ほか{len(rejections) - _DESCRIBED}件")
    return _text(lines)


def reasons_for_file(name: str, why: str) -> bytes:
    """Return the text beside a file that was refused as a whole (UTF-8)."""
    return _text([f"ファイル: {name}", "ファイル全体を受理しませんでした。", "", why])


def _text(lines: Sequence[str]) -> bytes:
    return ("\r\n".join(lines) + "\r\n").encode()
