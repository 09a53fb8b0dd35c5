"""Layouts (様式): how notices are written down at the edges, where registers and the immigration system read and write.

    contents = read(stream, expected)                  # the layout is found out
    content = write(contents.notices, Layout(Format.XML, 2))

CSV and XML are interchangeable: what is read from one can be written as the other. Versions 1 and 2 of both are read
and written; an item that is newer than a version isn't written in it, and nothing that is required is ever new
(docs/interface/README.md). A file holds notices of one type.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import BinaryIO

from renkei.domain.layouts.characters import Unwritable, check_characters
from renkei.domain.layouts.csv_layout import CsvReader, pick_lines, write_csv_layout
from renkei.domain.layouts.layout import (
    MAX_BYTES,
    MAX_ROWS,
    VERSIONS,
    Charset,
    Format,
    InvalidLayout,
    Layout,
    Reader,
    Record,
    Rejection,
    bounded,
)
from renkei.domain.layouts.xml_layout import XmlReader, pick_elements, write_xml_layout
from renkei.domain.notices import Notice

__all__ = [
    "MAX_BYTES",
    "MAX_ROWS",
    "VERSIONS",
    "Charset",
    "Contents",
    "Format",
    "InvalidLayout",
    "Layout",
    "Reader",
    "Record",
    "Rejection",
    "Unwritable",
    "left_out",
    "open_reader",
    "read",
    "rejected_part",
    "write",
    "write_anyway",
]

_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Contents:
    """What a file holds.

    Attributes:
        layout: the one that it is in.
        notice_type: the type of its notices.
        records: the good notices with their places, in order.
        rejections: the records that aren't notices, in order.
    """

    layout: Layout
    notice_type: type[Notice]
    records: list[Record]
    rejections: list[Rejection]

    @property
    def notices(self) -> list[Notice]:
        """The good notices in the file's order."""
        return [record.notice for record in self.records]


def open_reader(
    stream: BinaryIO, expected: Collection[type[Notice]], layout: Layout | None = None, *, reveal: bool = False
) -> Reader:
    """Read the head of a file of notices; iterating goes on, record by record, in bounded memory.

    Args:
        stream: binary, at its beginning.
        expected: the types that may come; a file holds one of them.
        layout: the one that it must be in; None finds it out.
        reveal: whether rejections show personal values: only for who sits at the keyboard.

    Raises:
        InvalidLayout: the file can't be read in a layout that is known (or in the given one).
    """
    source = bounded(stream)
    head = source.peek(1).removeprefix(_BOM).lstrip()
    is_xml = head.startswith(b"<")
    if layout is not None and is_xml is not (layout.format is Format.XML):
        raise InvalidLayout("layout", f"ファイルが様式{layout}ではありません。")
    types = tuple(expected)
    reader = XmlReader if is_xml else CsvReader
    return reader(source, types, layout, reveal=reveal)


def read(stream: BinaryIO, expected: Collection[type[Notice]], layout: Layout | None = None) -> Contents:
    """Read a file of notices; see `open_reader`.

    Returns:
        All of it: the good notices, and every record that is none with all that is wrong with it.

    Raises:
        InvalidLayout: the file as a whole can't be used: then nothing of it counts.
    """
    reader = open_reader(stream, expected, layout)
    contents = Contents(reader.layout, reader.notice_type, [], [])
    for each in reader:
        if isinstance(each, Record):
            contents.records.append(each)
        else:
            contents.rejections.append(each)
    return contents


def write(notices: Sequence[Notice], layout: Layout) -> bytes:
    """Write notices of one type; `read` reads them back, less the items that the layout doesn't have (`left_out`).

    Raises:
        Unwritable: characters that the layout's character set doesn't hold, all of them told; never a question mark.
        ValueError: no notice, of several types, or of a type that the layout doesn't have.
    """
    types = {type(notice) for notice in notices}
    if len(types) != 1:
        raise ValueError(f"a file holds notices of one type, these are of {len(types)}")
    (notice_type,) = types
    if layout.version < notice_type.SINCE:
        raise ValueError(f"layout {layout} has no {notice_type.TYPE}: it came with version {notice_type.SINCE}")
    if layout.format is Format.XML:
        return write_xml_layout(notices, notice_type, layout)
    check_characters(notices, layout)
    return write_csv_layout(notices, notice_type, layout)


def write_anyway(notices: Sequence[Notice], layout: Layout) -> tuple[bytes, Unwritable | None]:
    """Write notices that must reach somebody whatever their layout can hold.

    A type that is newer than the layout is written in the first version that has it. Characters that the character set
    doesn't hold put the whole file into UTF-8.

    Returns:
        The file, and what made it UTF-8.
    """
    layout = replace(layout, version=max(layout.version, *(notice.SINCE for notice in notices[:1])))
    try:
        return write(notices, layout), None
    except Unwritable as why:
        return write(notices, replace(layout, charset=Charset.UTF_8)), why


def left_out(notices: Sequence[Notice], layout: Layout) -> dict[str, int]:
    """Return how often an item has a value that the layout has no place for, by Japanese name."""
    counts: dict[str, int] = {}
    for notice in notices:
        for item in notice.ITEMS:
            if item.since > layout.version and getattr(notice, item.field) is not None:
                counts[item.name] = counts.get(item.name, 0) + 1
    return counts


def rejected_part(content: bytes, layout: Layout, rejections: Sequence[Rejection]) -> bytes:
    """Return a file of the rejected records alone, as they came, to be corrected and sent again.

    Args:
        content: what was read, to its end.
        layout: as found.
        rejections: of it.
    """
    positions = {rejection.position for rejection in rejections}
    return pick_elements(content, layout, positions) if layout.format is Format.XML else pick_lines(content, positions)
