"""CSV files written by hand or by Excel: read whole, checked for form, every row with its line."""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from renkei.fleet.problems import Problem

MAX_BYTES = 8 * 1024 * 1024
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f]|\{\{|\{%|\{#")


class _Reader(Protocol):
    """What `csv.reader` gives."""

    line_num: int

    def __next__(self) -> list[str]: ...


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a table: its line in the file, and the stripped cell of each column."""

    line: int
    cells: Mapping[str, str]

    def __getitem__(self, column: str) -> str:
        """Give the cell of a column; empty where the file has none."""
        return self.cells[column]


def read_table(file: Path, required: Sequence[str], optional: Sequence[str], problems: list[Problem]) -> list[Row]:
    """Read the rows of `file`, adding to `problems` what is wrong with its form.

    A byte order mark, CRLF and blank lines are accepted, columns may stand in any order. Refused are bytes that are not
    UTF-8, unknown, missing or repeated columns, rows of another length, control characters and template marks.
    """
    text = _decode(file, problems)
    if text is None:
        return []
    reader = csv.reader(text.splitlines(keepends=True), strict=True)
    records = _records(file, reader, problems)
    header_line, header = next(records, (1, []))
    if not _header_is_right(file, header_line, header, (required, optional), problems):
        return []
    empty = dict.fromkeys(optional, "")
    rows = []
    for line, record in records:
        if len(record) != len(header):
            what = f"the row has {len(record)} cells, the header {len(header)}"
            problems.append(Problem(file, line, what, "add or remove commas; quote a cell that holds a comma"))
            continue
        cells = [cell.strip() for cell in record]
        if bad := next((cell for cell in cells if cell and _FORBIDDEN.search(cell)), None):
            what = f"cell {bad!r} holds a control character or the mark of a template"
            problems.append(Problem(file, line, what, "write plain text on one line"))
            continue
        rows.append(Row(line, empty | dict(zip(header, cells, strict=True))))
    return rows


def _decode(file: Path, problems: list[Problem]) -> str | None:
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        problems.append(Problem(file, 1, f"can't be read ({error.strerror})", "put the file there, readable"))
        return None
    if len(data) > MAX_BYTES:
        problems.append(Problem(file, 1, f"is larger than {MAX_BYTES} bytes", "look whether this is the right file"))
        return None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        for line, content in enumerate(data.split(b"\n"), start=1):
            try:
                content.decode()
            except UnicodeDecodeError as error:
                what = f"byte {error.start + 1} of the line (0x{content[error.start]:02x}) is not UTF-8"
                problems.append(Problem(file, line, what, "save the file as `CSV UTF-8`"))
        return data.decode("utf-8-sig", errors="replace")


def _records(file: Path, reader: _Reader, problems: list[Problem]) -> Iterator[tuple[int, list[str]]]:
    """Yield line and cells of each record that isn't blank; a broken quote ends the file."""
    while True:
        line = reader.line_num + 1
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            problems.append(
                Problem(file, line, f"is not CSV ({error})", "close the quotes, double those inside a cell")
            )
            return
        if any(record):
            yield line, record


def _header_is_right(
    file: Path,
    line: int,
    header: list[str],
    columns: tuple[Sequence[str], Sequence[str]],
    problems: list[Problem],
) -> bool:
    header[:] = [name.strip() for name in header]
    required, optional = columns
    known = [*required, *optional]
    found: list[tuple[str, str]] = [
        (f"column {name!r} is missing", f"write the header {','.join(known)}")
        for name in required
        if name not in header
    ]
    for name in dict.fromkeys(header):
        if name not in known:
            found.append((f"column {name!r} is unknown", f"the columns are {', '.join(known)}"))
        elif header.count(name) > 1:
            found.append((f"column {name!r} stands twice", "remove one of them"))
    problems.extend(Problem(file, line, what, remedy) for what, remedy in found)
    return not found
