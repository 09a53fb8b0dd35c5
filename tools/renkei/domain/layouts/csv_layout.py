"""The CSV layout: RFC 4180, one notice a line, a header of Japanese names, in UTF-8 (a BOM is accepted) or Windows-31J.

The columns are 通知種別 and the items of that type and version by name, in any order. No item may hold a line break, so
a broken line never swallows the next: every bad line is rejected by itself, and the good ones go on. The last line has
its line end, too: without it nobody could tell a whole address from one that was cut off.

No value can begin as a formula (`notices_items`), so nothing that a spreadsheet would run is ever read or written.
"""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence

from renkei.domain.layouts.layout import (
    DESCRIBED,
    MAX_ROWS,
    VERSIONS,
    Charset,
    Format,
    InvalidLayout,
    Layout,
    Record,
    Rejection,
    too_many_rows,
)
from renkei.domain.notices import Notice
from renkei.domain.notices_items import Finding, mask

MAX_LINE = 8 * 1024
TYPE_COLUMN = "通知種別"
ARTICLE = "CSV様式"
_BOM = b"\xef\xbb\xbf"
_LONG = Finding("行", "row", ARTICLE, f"行が{MAX_LINE}バイトを超えています。1行に1件を記載してください。")
_OPEN = Finding("行", "row", ARTICLE, "最後の行に改行がありません。ファイルが途中で切れていないか確認してください。")
_UNREADABLE = "行を読み取れません。文字コード({charset})と引用符を確認してください。"
_WIDTH = "項目が{found}個あります。見出しと同じ{wanted}個にしてください。"


def header(notice_type: type[Notice], version: int) -> list[str]:
    """Return the columns of a type in a version of the layout."""
    return [TYPE_COLUMN, *(item.name for item in notice_type.items(version))]


class CsvReader:
    """A CSV file that is being read; see `Reader`."""

    def __init__(
        self,
        source: io.BufferedReader,
        expected: Sequence[type[Notice]],
        layout: Layout | None = None,
        *,
        reveal: bool = False,
    ) -> None:
        """Read the header.

        Args:
            source: at its beginning.
            expected: the types that may come.
            layout: the one that it must be in; None finds it out.
            reveal: whether rejections show personal values.

        Raises:
            InvalidLayout: an empty file, or a header that isn't that of a type and a version.
        """
        self._source, self._reveal = source, reveal
        line = source.readline(MAX_LINE + 1)
        self._columns, charset = _decode_header(line, None if layout is None else layout.charset)
        versions = VERSIONS if layout is None else (layout.version,)
        self.notice_type, version = _recognise(self._columns, expected, versions)
        self.layout = Layout(Format.CSV, version, charset)

    def __iter__(self) -> Iterator[Record | Rejection]:
        """Read line by line."""
        line_number, rejected = 1, 0
        while line := self._source.readline(MAX_LINE + 1):
            line_number += 1
            if line_number > MAX_ROWS + 1:
                raise too_many_rows()
            if len(line) > MAX_LINE:
                self._skip_line(line)
                read: Record | Rejection = _broken(line_number, _LONG)
            elif not line.strip(b"\r\n"):
                continue
            elif not line.endswith(b"\n"):
                read = _broken(line_number, _OPEN)
            else:
                read = self._read_line(line_number, line, describe=rejected < DESCRIBED)
            rejected += isinstance(read, Rejection)
            yield read

    def _read_line(self, number: int, line: bytes, *, describe: bool) -> Record | Rejection:
        fields = _split(line, self.layout.charset)
        if fields is None:
            return _broken(number, Finding("行", "row", ARTICLE, _UNREADABLE.format(charset=self.layout.charset.value)))
        if len(fields) != len(self._columns):
            text = _WIDTH.format(found=len(fields), wanted=len(self._columns))
            return _broken(number, Finding("行", "row", ARTICLE, text))
        row = dict(zip(self._columns, fields, strict=True))
        if row[TYPE_COLUMN] != self.notice_type.TYPE:
            text = f"{TYPE_COLUMN}は「{self.notice_type.TYPE}」と記載してください。"
            findings = [Finding(TYPE_COLUMN, "choice", ARTICLE, text)]
        else:
            notice, findings = self.notice_type.parse(row)
            if notice is not None:
                return Record(number - 1, number, notice)
        return Rejection(
            number - 1, number, tuple(findings), show(self.notice_type, row, self._reveal) if describe else {}
        )

    def _skip_line(self, line: bytes) -> None:
        while line and not line.endswith(b"\n"):
            line = self._source.readline(MAX_LINE + 1)


def show(notice_type: type[Notice], row: Mapping[str, str], reveal: bool) -> dict[str, str]:  # noqa: FBT001 - handed on
    """Return a row as it may be shown."""
    values = {item: row[item.name] for item in notice_type.ITEMS if row.get(item.name)}
    return {item.name: value if reveal else mask(item, value) for item, value in values.items()}


def write_csv_layout(notices: Sequence[Notice], notice_type: type[Notice], layout: Layout) -> bytes:
    """Write notices of one type.

    Raises:
        UnicodeEncodeError: a character that the character set doesn't hold.
    """
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, header(notice_type, layout.version), lineterminator="\r\n")
    writer.writeheader()
    writer.writerows({TYPE_COLUMN: notice_type.TYPE, **notice.to_row(layout.version)} for notice in notices)
    return text.getvalue().encode(layout.charset.codec)


def pick_lines(content: bytes, positions: set[int]) -> bytes:
    """Return the header and the lines of these records as they came, each with its line end."""
    lines = content.split(b"\n")
    return b"".join(lines[number].rstrip(b"\r") + b"\r\n" for number in [0, *sorted(positions)])


def _decode_header(line: bytes, charset: Charset | None) -> tuple[list[str], Charset]:
    """Take the header apart; its Japanese names tell the character set."""
    tried = tuple(Charset) if charset is None else (charset,)
    if line.startswith(_BOM) and Charset.UTF_8 in tried:
        line, tried = line.removeprefix(_BOM), (Charset.UTF_8,)
    if len(line) <= MAX_LINE:
        for each in tried:
            if (fields := _split(line, each)) is not None and TYPE_COLUMN in fields:
                return fields, each
    names = "又は".join(each.value for each in tried)
    raise InvalidLayout(
        "header",
        f"見出しがありません。1行目に「{TYPE_COLUMN}」から始まる項目名を、{names}で、コンマで区切って記載してください。",
    )


def _recognise(
    columns: Sequence[str], expected: Sequence[type[Notice]], versions: Sequence[int]
) -> tuple[type[Notice], int]:
    """Find the type and version whose columns these are."""
    known = [(each, version) for version in versions for each in expected if version >= each.SINCE]
    if not known:
        raise InvalidLayout("layout", "この様式の版には、ここで受け付ける通知種別がありません。")
    for notice_type, version in known:
        if sorted(columns) == sorted(header(notice_type, version)):
            return notice_type, version
    notice_type, version = max(known, key=lambda each: len(set(header(*each)) & set(columns)))
    wanted = header(notice_type, version)
    missing = [name for name in wanted if name not in columns]
    why = f"見出しに{'、'.join(missing)}がありません。" if missing else "見出しに余分な、又は重複する項目があります。"
    raise InvalidLayout("header", f"{why}{notice_type.TYPE}(様式{version})の見出しは次のとおりです: {','.join(wanted)}")


def _split(line: bytes, charset: Charset) -> list[str] | None:
    try:
        rows = list(csv.reader([line.decode(charset.codec).rstrip("\r\n")], strict=True))
    except (UnicodeDecodeError, csv.Error):
        return None
    return rows[0] if len(rows) == 1 else None


def _broken(number: int, finding: Finding) -> Rejection:
    return Rejection(number - 1, number, (finding,), {})
