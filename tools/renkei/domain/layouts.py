"""The CSV edge layout, version 1: UTF-8 (a BOM is accepted), RFC 4180, one notice a line, a header of Japanese names.

The columns are 通知種別 and the items of that type by name, in any order. No item may hold a line break, so a broken
line never swallows the next: every bad line is rejected by itself, and the good ones go on.
"""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO, TypeVar

from renkei.domain.notices import Notice
from renkei.domain.notices_items import Finding, mask

LAYOUT = 1
MAX_LINE = 8 * 1024
MAX_ROWS = 100_000
TYPE_COLUMN = "通知種別"
N = TypeVar("N", bound=Notice)
_BOM = b"\xef\xbb\xbf"
_LAYOUT_ARTICLE = "CSV様式1"


class InvalidLayout(ValueError):
    """The file as a whole can't be read: no or a wrong header, too many rows, or notices of several types."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """A line that isn't a notice.

    Attributes:
        line: its number in the file, from 1 (the header).
        findings: everything that is wrong with it.
        masked: its items by Japanese name, personal and doubtful values hidden; empty if the line can't be split.
    """

    line: int
    findings: list[Finding]
    masked: dict[str, str]


def read_csv(stream: BinaryIO, expected: type[N]) -> tuple[list[N], list[Rejection]]:
    """Read a file of notices of one type.

    Args:
        stream: binary, at its beginning; lines end in CRLF or LF.
        expected: the notice type that every line must be.

    Returns:
        The good notices in the file's order, and the lines that aren't.

    Raises:
        InvalidLayout: an empty file, a header that doesn't name exactly the items of the type, or too many rows.
    """
    columns = _read_header(stream, expected)
    notices: list[N] = []
    rejections: list[Rejection] = []
    number = 1
    while line := stream.readline(MAX_LINE + 1):
        number += 1
        if number > MAX_ROWS + 1:
            raise InvalidLayout(f"a file has at most {MAX_ROWS} rows; split it")
        if len(line) > MAX_LINE:
            _skip_line(stream, line)
            rejections.append(_broken(number, f"行が{MAX_LINE}バイトを超えています。"))
        elif line.strip(b"\r\n"):
            read = _read_line(number, line, columns, expected)
            if isinstance(read, Rejection):
                rejections.append(read)
            else:
                notices.append(read)
    return notices, rejections


def write_csv(notices: Sequence[Notice]) -> bytes:
    """Write notices of one type; `read_csv` reads them back the same.

    Raises:
        InvalidLayout: none, or of several types.
    """
    types = {type(notice) for notice in notices}
    if len(types) != 1:
        raise InvalidLayout(f"a file holds notices of one type, these are of {len(types)}")
    (notice_type,) = types
    text = io.StringIO(newline="")
    if notice_type.SINCE > LAYOUT:
        raise InvalidLayout(f"layout {LAYOUT} has no {notice_type.TYPE}")
    items = notice_type.items(LAYOUT)
    writer = csv.DictWriter(text, [TYPE_COLUMN, *(item.name for item in items)], lineterminator="\r\n")
    writer.writeheader()
    writer.writerows({TYPE_COLUMN: notice_type.TYPE, **notice.to_row(LAYOUT)} for notice in notices)
    return text.getvalue().encode()


def _read_header(stream: BinaryIO, expected: type[Notice]) -> list[str]:
    line = stream.readline(MAX_LINE + 1)
    fields = _split(line.removeprefix(_BOM)) if len(line) <= MAX_LINE else None
    if not fields:
        raise InvalidLayout("the file has no header: its first line names the items in UTF-8, separated by commas")
    wanted = [TYPE_COLUMN, *(item.name for item in expected.items(LAYOUT))]
    missing = [name for name in wanted if name not in fields]
    if missing:
        raise InvalidLayout(f"the header lacks {', '.join(missing)}; {expected.TYPE} has {', '.join(wanted)}")
    if len(fields) != len(wanted):
        raise InvalidLayout(f"the header has unknown or repeated columns; {expected.TYPE} has {', '.join(wanted)}")
    return fields


def _read_line(number: int, line: bytes, columns: list[str], expected: type[N]) -> N | Rejection:
    fields = _split(line)
    if fields is None:
        return _broken(number, "行を読み取れません。文字コード(UTF-8)と引用符を確認してください。")
    if len(fields) != len(columns):
        return _broken(number, f"項目が{len(fields)}個あります。見出しと同じ{len(columns)}個にしてください。")
    row = dict(zip(columns, fields, strict=True))
    shown = {item.name: mask(item, row[item.name]) for item in expected.items(LAYOUT)}
    if row[TYPE_COLUMN] != expected.TYPE:
        text = f"{TYPE_COLUMN}は「{expected.TYPE}」と記載してください。"
        return Rejection(number, [Finding(TYPE_COLUMN, "choice", _LAYOUT_ARTICLE, text)], shown)
    notice, findings = expected.parse(row)
    return Rejection(number, findings, shown) if notice is None else notice


def _split(line: bytes) -> list[str] | None:
    try:
        rows = list(csv.reader([line.decode().rstrip("\r\n")], strict=True))
    except (UnicodeDecodeError, csv.Error):
        return None
    return rows[0] if len(rows) == 1 else None


def _broken(number: int, message: str) -> Rejection:
    return Rejection(number, [Finding("行", "row", _LAYOUT_ARTICLE, message)], {})


def _skip_line(stream: BinaryIO, line: bytes) -> None:
    while line and not line.endswith(b"\n"):
        line = stream.readline(MAX_LINE + 1)
