"""`renkei notice`: check and convert files of notices, and print what the layouts are; for clerks and vendors."""

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, BinaryIO, NoReturn

import typer
from rich.console import Console

from renkei.domain.layouts import (
    VERSIONS,
    Charset,
    Format,
    InvalidLayout,
    Layout,
    Reader,
    Record,
    Rejection,
    Unwritable,
    left_out,
    open_reader,
    write,
)
from renkei.domain.layouts.documentation import interface_files, make_header, make_item_table, make_markdown
from renkei.domain.layouts.xsd import make_xsd
from renkei.domain.notices import TYPES, Notice

app = typer.Typer(no_args_is_help=True, help="Check and convert files of notices, and print what the layouts are.")

_KEPT = 10_000
"""Wrong notices that are told of a file at most; the others are counted."""

_TOLD_EVERY = 1000

_NAMES = {each.NAME: each for each in TYPES}
File = Annotated[Path, typer.Argument(metavar="FILE", help="A CSV or XML file of notices; - for standard input.")]
ShowValues = Annotated[
    bool, typer.Option("--show-values", help="Show what stands there, personal data too; only at your own screen.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Version = Annotated[int, typer.Option("--layout", metavar="N", help="Version of the layout.", min=VERSIONS[0])]


class SchemaFormat(StrEnum):
    """What `schema` prints."""

    XSD = "xsd"
    CSV = "csv"
    HEADER = "header"
    MARKDOWN = "markdown"


@app.command()
def validate(
    file: File,
    *,
    layout: Annotated[
        str | None, typer.Option(metavar="NAME", help="Accept this layout only, such as csv-2 or xml-1.")
    ] = None,
    show_values: ShowValues = False,
    as_json: JsonOption = False,
) -> None:
    """Check a file: print line, item, rule and what to do for each error.

    The layout and the type of the notices are found out. Personal values are
    masked.

    Exit 0: every notice is right. Exit 1: some are wrong, or the file can't be
    read at all. Exit 2: there is no such file or layout.
    """
    wanted = None if layout is None else _layout(layout)
    with _opened(file) as stream:
        report = _Report(str(file), show_values=show_values)
        report.read(stream, wanted)
    if as_json:
        typer.echo(json.dumps(report.to_json(), ensure_ascii=False, indent=1))
    else:
        for line in report.lines():
            typer.echo(line)
    raise typer.Exit(report.code)


@app.command()
def convert(
    file: File,
    *,
    to: Annotated[Format, typer.Option(help="The format to write.")],
    layout: Version = VERSIONS[-1],
    charset: Annotated[Charset, typer.Option(help="Characters of a CSV; XML is always UTF-8.")] = Charset.UTF_8,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where to write; standard output without it.")
    ] = None,
    show_values: ShowValues = False,
) -> None:
    """Write a file's notices in another layout.

    All or nothing: where a notice is wrong, or a character has no place in
    Windows-31J, the errors are printed as by validate and nothing is written.
    What an older version has no item for is left out, and that is said.

    Exit 0: written. Exit 1: errors. Exit 2: no such file or layout.
    """
    try:
        target = Layout(to, layout, charset)
    except ValueError as error:
        _fail(str(error))
    with _opened(file) as stream:
        report = _Report(str(file), show_values=show_values, keep=True)
        report.read(stream, None)
    content = b""
    if not report.code:
        try:
            content = write(report.notices, target)
        except Unwritable as error:
            report.add_unwritable(error)
        except ValueError as error:
            _fail(str(error) if report.notices else f"{file}: holds no notice")
    if report.code:
        for line in report.lines():
            typer.echo(line, err=True)
        raise typer.Exit(report.code)
    _put(content, out)
    for name, count in left_out(report.notices, target).items():
        typer.echo(f"left out: {name} of {count} notices; layout {target.version} has no such item", err=True)


@app.command()
def schema(
    *,
    form: Annotated[
        SchemaFormat,
        typer.Option(
            "--format", help="XML schema; table of all items as CSV; header of a type's CSV; reference of all rules."
        ),
    ] = SchemaFormat.XSD,
    layout: Version = VERSIONS[-1],
    notice_type: Annotated[
        str | None, typer.Option("--type", metavar="NAME", help=f"For header: {', '.join(_NAMES)}.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write all of them, for all versions, into this folder instead of printing."),
    ] = None,
) -> None:
    """Print what the layouts are, made from the same tables that check notices.

    Exit 0: printed. Exit 2: no such layout or type.
    """
    if layout not in VERSIONS:
        _fail(f"--layout {layout}: there are {' and '.join(map(str, VERSIONS))}")
    if out is not None:
        for name, content in interface_files().items():
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            (out / name).write_bytes(content)
            typer.echo(str(out / name))
        return
    match form:
        case SchemaFormat.XSD:
            content = make_xsd(layout)
        case SchemaFormat.CSV:
            content = make_item_table(layout)
        case SchemaFormat.MARKDOWN:
            content = make_markdown().encode()
        case SchemaFormat.HEADER:
            content = make_header(_type(notice_type, layout), layout)
    _put(content, None)


class _Report:
    """What is said of a file."""

    def __init__(self, file: str, *, show_values: bool, keep: bool = False) -> None:
        self._file, self._show_values, self._keep = file, show_values, keep
        self._refused: InvalidLayout | None = None
        self._reader: Reader | None = None
        self._good = self._more = 0
        self._rejections: list[Rejection] = []
        self.notices: list[Notice] = []

    @property
    def code(self) -> int:
        """The exit code."""
        return int(self._refused is not None or bool(self._rejections))

    def read(self, stream: BinaryIO, layout: Layout | None) -> None:
        """Read all of a file."""
        try:
            self._reader = open_reader(stream, TYPES, layout, reveal=self._show_values)
            for each in _watched(self._reader):
                if isinstance(each, Rejection):
                    if len(self._rejections) < _KEPT:
                        self._rejections.append(each)
                    else:
                        self._more += 1
                    continue
                self._good += 1
                if self._keep:
                    self.notices.append(each.notice)
        except InvalidLayout as error:
            self._refused = error

    def add_unwritable(self, error: Unwritable) -> None:
        """Add the notices with characters that can't be written."""
        self._good -= len(error.rejections)
        self._rejections += error.reveal() if self._show_values else error.rejections

    def to_json(self) -> dict[str, Any]:
        """Return all of it as JSON values."""
        refused = None if self._refused is None else {"rule": self._refused.rule, "message": str(self._refused)}
        return {
            "file": self._file,
            "layout": str(self._reader.layout) if self._reader else None,
            "type": self._reader.notice_type.NAME if self._reader else None,
            "good": self._good,
            "wrong": len(self._rejections) + self._more,
            "not_told": self._more,
            "refused": refused,
            "errors": [error for each in self._rejections for error in _errors(each)],
        }

    def lines(self) -> Iterator[str]:
        """Return all of it as text, an error a line."""
        for each in self._rejections:
            for error in _errors(each):
                value = f" [{error['value']}]" if error["value"] else ""
                article = f"({error['article']})"
                yield f"{self._file}:{each.line}: {error['item']}: {error['rule']}: {error['message']}{article}{value}"
        if self._more:
            yield f"{self._file}: {self._more:,} more wrong notices, not told here: correct these and look again"
        if self._refused is not None:
            yield f"{self._file}: {self._refused.rule}: {self._refused}"
            if self._good or self._rejections:
                yield f"{self._file}: nothing of it counts"
        elif self._reader is not None:
            what = f"{self._reader.layout}, {self._reader.notice_type.TYPE} ({self._reader.notice_type.NAME})"
            yield f"{self._file}: {what}: {self._good:,} right, {len(self._rejections) + self._more:,} wrong"


def _watched(reader: Reader) -> Iterator[Record | Rejection]:
    """Say how far a long file is, at a terminal."""
    with Console(stderr=True).status("reading") as status:
        for count, each in enumerate(reader, start=1):
            if count % _TOLD_EVERY == 0:
                status.update(f"{count:,} notices read")
            yield each


def _errors(rejection: Rejection) -> list[dict[str, Any]]:
    return [
        {
            "line": rejection.line,
            "notice": rejection.position,
            "item": found.item,
            "rule": found.rule,
            "article": found.article,
            "message": found.message,
            "value": rejection.shown.get(found.item),
        }
        for found in rejection.findings
    ]


def _layout(name: str) -> Layout:
    try:
        return Layout.parse(name)
    except ValueError as error:
        _fail(str(error))


def _type(name: str | None, version: int) -> type[Notice]:
    known = [each for each, notice_type in _NAMES.items() if version >= notice_type.SINCE]
    if name not in known:
        _fail(f"--type {name or 'is missing'}: layout {version} has {', '.join(known)}")
    return _NAMES[name]


@contextmanager
def _opened(file: Path) -> Iterator[BinaryIO]:
    if str(file) == "-":
        yield sys.stdin.buffer
        return
    try:
        stream = file.open("rb")
    except OSError as error:
        _fail(f"{file}: can't be read ({error.strerror}); check the name and your permission")
    with stream:
        yield stream


def _put(content: bytes, out: Path | None) -> None:
    """Print, or write a file whole and for its owner alone: notices are personal."""
    if out is None:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{out.name}.", dir=out.parent)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
        Path(name).replace(out)
    except OSError as error:
        _fail(f"{out}: can't be written ({error.strerror}); name a folder that is there and yours")


def _fail(text: str) -> NoReturn:
    typer.echo(text, err=True)
    raise typer.Exit(2)
