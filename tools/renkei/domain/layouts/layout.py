"""What a layout (様式) is, what is wrong with a file, and how much of one is read."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import BinaryIO, Protocol, Self

from renkei.domain.notices import Notice
from renkei.domain.notices_items import Finding

VERSIONS = (1, 2)
"""The versions that are read and written: the newest and the one before."""
MAX_BYTES = 64 * 1024 * 1024
MAX_ROWS = 100_000
DESCRIBED = 1000
"""So many rejections of a file say their values (masked); beyond, line and findings alone are kept."""


class Format(StrEnum):
    """How notices are written down."""

    CSV = "csv"
    XML = "xml"


class Charset(StrEnum):
    """In which characters; Windows-31J is for register systems that know nothing else."""

    UTF_8 = "utf-8"
    WINDOWS_31J = "windows-31j"

    @property
    def codec(self) -> str:
        """What Python calls it."""
        return "cp932" if self is Charset.WINDOWS_31J else "utf-8"


@dataclass(frozen=True, slots=True)
class Layout:
    """How a file of notices is written; its name (`csv-2`, `csv-1-windows-31j`, `xml-2`) is what settings say.

    The default's version is a number, not "the newest": a newer layout reaches an endpoint when its settings name it,
    not before.

    Attributes:
        format: CSV or XML.
        version: one of `VERSIONS`.
        charset: for CSV; XML is always UTF-8.

    Raises:
        ValueError: an unknown version, or XML in other characters.
    """

    format: Format = Format.CSV
    version: int = 2
    charset: Charset = Charset.UTF_8

    def __post_init__(self) -> None:
        """Refuse what there is not."""
        if self.version not in VERSIONS:
            raise ValueError(f"layout {self.version}: there are {' and '.join(map(str, VERSIONS))}")
        if self.format is Format.XML and self.charset is not Charset.UTF_8:
            raise ValueError("XML is always UTF-8; Windows-31J is for CSV")

    @classmethod
    def parse(cls, name: str) -> Self:
        """Return the layout of a name.

        Raises:
            ValueError: there is none of that name; the text lists all names.
        """
        for layout in cls.every():
            if str(layout) == name:
                return layout
        raise ValueError(f"there is no layout {name!r}; there are {', '.join(map(str, cls.every()))}")

    @classmethod
    def every(cls) -> list[Self]:
        """Return all layouts that there are."""
        kinds = [(Format.CSV, Charset.UTF_8), (Format.CSV, Charset.WINDOWS_31J), (Format.XML, Charset.UTF_8)]
        return [cls(form, version, charset) for form, charset in kinds for version in VERSIONS]

    @property
    def suffix(self) -> str:
        """The ending of a file's name."""
        return f".{self.format.value}"

    def __str__(self) -> str:
        """Name it."""
        name = f"{self.format.value}-{self.version}"
        return name if self.charset is Charset.UTF_8 else f"{name}-{self.charset.value}"


class InvalidLayout(ValueError):
    """A file as a whole can't be read; the text, Japanese, says why and what to do, and holds no value.

    Attributes:
        rule: `header`, `type`, `rows`, `size`, `encoding`, `syntax`, `truncated`, `depth`, `dtd`, or `layout`.
    """

    def __init__(self, rule: str, message: str) -> None:
        """Keep both."""
        super().__init__(message)
        self.rule = rule


@dataclass(frozen=True, slots=True)
class Record:
    """A notice where it stands.

    Attributes:
        position: its place among the records of the file, from 1; a blank line of a CSV has a place, too.
        line: the line in the file on which it begins, from 1.
        notice: what stands there.
    """

    position: int
    line: int
    notice: Notice


@dataclass(frozen=True, slots=True)
class Rejection:
    """A record that is no notice.

    Attributes:
        position: as of a `Record`.
        line: as of a `Record`.
        findings: everything that is wrong with it.
        shown: its items by Japanese name, personal and doubtful values hidden (unless `reveal` was asked for); empty if
            it can't be taken apart, or if `DESCRIBED` came before it.
    """

    position: int
    line: int
    findings: tuple[Finding, ...]
    shown: dict[str, str]


class Reader(Protocol):
    """A file that is being read: what its head says, and then its records, once, in order.

    What has been read counts only when the iteration has ended: a file may turn out to be cut off.
    """

    layout: Layout
    notice_type: type[Notice]

    def __iter__(self) -> Iterator[Record | Rejection]:
        """Read on.

        Raises:
            InvalidLayout: the rest can't be read.
        """


class _Bounded(io.RawIOBase):
    """No more than `MAX_BYTES` of a stream."""

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__()
        self._stream, self._left = stream, MAX_BYTES

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # what BufferedReader hands over
        chunk = self._stream.read(len(buffer))
        self._left -= len(chunk)
        if self._left < 0:
            raise InvalidLayout("size", f"ファイルが{MAX_BYTES // 2**20}MiBを超えています。分割してください。")
        buffer[: len(chunk)] = chunk
        return len(chunk)


def bounded(stream: BinaryIO) -> io.BufferedReader:
    """Wrap a stream so that reading it ends in `InvalidLayout` beyond `MAX_BYTES`."""
    return io.BufferedReader(_Bounded(stream), 64 * 1024)


def too_many_rows() -> InvalidLayout:
    """Make the error for a file with more than `MAX_ROWS` records."""
    return InvalidLayout("rows", f"1つのファイルに記載できる通知は{MAX_ROWS}件までです。分割してください。")
