"""Version 2 of the canonical encoding: each item in a form of its own, columns with numbers that never change.

    "RNK" | 2 | zstd frame, with the dictionary of this version, of deterministic CBOR (RFC 8949, 4.2):
    [type number, count, [column number, critical (0 or 1), how many streams, …], stream …]

`plans` has the columns of each type in the order in which they stand. A later version adds columns at the end under
new numbers. Who doesn't know a column passes over it and counts it, unless it is critical: one that a notice can't be
understood without, which is refused. Columns that hold nothing aren't there. An item that not every notice has begins
with who has it: a number whose bits stand for the values of what decides it, in the order in which they occur, or a
byte string with a bit for every notice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import cast

import cbor2
import zstandard

from renkei.domain.notices import TYPES, Notice
from renkei.domain.notices_items import Item, Value
from renkei.exchange.encoding.bounds import MAGIC, EncodingError, check_size, make, only_type, unpack
from renkei.exchange.encoding.forms import FORMS, Fields, Given, texts
from renkei.exchange.encoding.names import read_names, write_names
from renkei.exchange.encoding.plans import PLANS, Column, Kind
from renkei.exchange.encoding.streams import Reader, Written, read_items
from renkei.exchange.payloads import MAX_NOTICES

VERSION = 2
DICTIONARY = "second.dict"
_MAGIC = MAGIC + bytes([VERSION])
_LEVEL = 19
_DEPTH = 2
_HEAD = 3
_TRIPLE = 3
_MOST_COLUMNS = 64
_MOST_STREAMS = 1024
_BITS = 53
_APART = (16, 64, 256, 2**30)
"""From how many bytes on a stream gets a block of its own; the best of these is taken."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """Notices, and how many columns they came with that this version doesn't know."""

    notices: list[Notice]
    ignored: int = 0


def encode(notices: Sequence[Notice]) -> bytes:
    """Encode notices of one type, in order.

    Raises:
        EncodingError: none, more than `MAX_NOTICES`, of several types, or too large together.
    """
    pieces = to_pieces(notices)
    body = b"".join(pieces)
    content = _MAGIC + min((_compress(pieces, apart) for apart in _APART), key=len)
    check_size(body, content, len(notices))
    return content


def decode(content: bytes) -> Decoded:
    """Decode content that `encode`, or that of a later release, could have made.

    Raises:
        EncodingError: another version, a bound exceeded, not canonical, a critical column that isn't known, or a
            notice that breaks its type's rules.
    """
    if not content.startswith(_MAGIC):
        raise EncodingError(f"the content is not in version {VERSION} of the encoding")
    notice_type, count, found, streams = _check_shape(read_items(unpack(content[len(_MAGIC) :], _dictionary()), _DEPTH))
    plan = PLANS[notice_type]
    reader = Reader(streams)
    fields: dict[str, list[Value]] = {item.field: [None] * count for item in notice_type.ITEMS}
    ignored = 0
    for number, critical, parts in found:
        if number < len(plan):
            fields.update(_read_column(reader, notice_type, plan[number], fields, count))
        elif critical:
            raise EncodingError(
                f"{notice_type.TYPE} comes with the column {number}, without which it can't be understood, and which "
                "this software doesn't know; install the newest release"
            )
        else:
            reader.skip(parts)
            ignored += 1
    reader.end()
    return Decoded(make(notice_type, fields, count), ignored)


def to_pieces(notices: Sequence[Notice]) -> list[bytes]:
    """Return what `encode` compresses, cut where one kind of bytes ends and another begins.

    Raises:
        EncodingError: as `encode`.
    """
    notice_type = only_type(notices)
    fields = {item.field: [getattr(notice, item.field) for notice in notices] for item in notice_type.ITEMS}
    table: list[int] = []
    written: list[Written] = []
    for number, column in enumerate(PLANS[notice_type]):
        if all(value is None for field in column.fields for value in fields[field]):
            continue
        out = Written()
        _write_column(out, notice_type, column, fields)
        critical = any(_item(notice_type, field).needed is not False for field in column.fields)
        table += [number, int(critical), out.parts]
        written.append(out)
    head: list[object] = [TYPES.index(notice_type), len(notices), table]
    streams = sum(out.parts for out in written)
    opening = cbor2.dumps([*head, *[0] * streams], canonical=True)
    return [opening[: len(opening) - streams], *(piece for out in written for piece in out.pieces)]


def _compress(pieces: Sequence[bytes], apart: int) -> bytes:
    """Compress to one frame, each piece of `apart` bytes or more in a block of its own."""
    parameters = zstandard.ZstdCompressionParameters.from_level(
        _LEVEL, source_size=sum(map(len, pieces)), write_content_size=True, write_dict_id=False
    )
    compressor = zstandard.ZstdCompressor(dict_data=_dictionary(), compression_params=parameters)
    stream = compressor.compressobj(size=sum(map(len, pieces)))
    out, pending = [], False
    for piece in pieces:
        large = len(piece) >= apart
        if large and pending:
            out.append(stream.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK))
        out.append(stream.compress(piece))
        if large:
            out.append(stream.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK))
        pending = not large
    out.append(stream.flush())
    return b"".join(out)


@cache
def _dictionary() -> zstandard.ZstdCompressionDict:
    return zstandard.ZstdCompressionDict(files(__package__).joinpath(DICTIONARY).read_bytes())


def _check_shape(items: Sequence[object]) -> tuple[type[Notice], int, list[tuple[int, int, int]], Sequence[object]]:
    if len(items) < _HEAD:
        raise EncodingError("the content has no type, count and columns")
    number, count, table = items[:_HEAD]
    if type(number) is not int or not 0 <= number < len(TYPES):
        raise EncodingError(
            "the content holds a notice type that this software doesn't know; install the newest release"
        )
    if type(count) is not int or not 1 <= count <= MAX_NOTICES:
        raise EncodingError(f"the content holds other than 1 to {MAX_NOTICES} notices")
    if not isinstance(table, list) or len(table) % _TRIPLE or len(table) > _MOST_COLUMNS * _TRIPLE:
        raise EncodingError("the content's table of columns is none")
    if any(type(each) is not int or not 0 <= each <= _MOST_STREAMS for each in table):
        raise EncodingError("the content's table of columns holds something else than small numbers")
    found = list(zip(table[::_TRIPLE], table[1::_TRIPLE], table[2::_TRIPLE], strict=True))
    numbers = [column for column, _, _ in found]
    if sorted(set(numbers)) != numbers or any(critical > 1 for _, critical, _ in found):
        raise EncodingError("the content's columns don't stand in the order of their numbers")
    return TYPES[number], count, found, items[_HEAD:]


def _item(notice_type: type[Notice], field: str) -> Item:
    return next(item for item in notice_type.ITEMS if item.field == field)


def _write_column(out: Written, notice_type: type[Notice], column: Column, fields: Fields) -> None:
    if column.kind is Kind.NAMES:
        name, kanji = (cast("list[str | None]", list(fields[field])) for field in column.fields)
        write_names(out, (name, kanji), texts(fields["nationality"]), texts(fields["sex"]))
        return
    (field,) = column.fields
    rows = [row for row, value in enumerate(fields[field]) if value is not None]
    _write_presence(out, column, fields, rows)
    FORMS[column.kind].write(out, Given(_item(notice_type, field), column, fields, rows))


def _read_column(
    reader: Reader, notice_type: type[Notice], column: Column, fields: Fields, count: int
) -> dict[str, list[Value]]:
    if column.kind is Kind.NAMES:
        read = read_names(reader, texts(fields["nationality"]), texts(fields["sex"]))
        return {field: list(values) for field, values in zip(column.fields, read, strict=True)}
    (field,) = column.fields
    rows = _read_presence(reader, column, fields, count)
    values: list[Value] = [None] * count
    read_values = FORMS[column.kind].read(reader, Given(_item(notice_type, field), column, fields, rows))
    for row, value in zip(rows, read_values, strict=True):
        values[row] = value
    return {field: values}


def _write_presence(out: Written, column: Column, fields: Fields, rows: Sequence[int]) -> None:
    """Write which notices have the item: by what decides it where it does, else one by one."""
    deciding = _deciding(column, fields)
    present = set(rows)
    order = list(dict.fromkeys(deciding))
    having = {each for row, each in enumerate(deciding) if row in present}
    lacking = {each for row, each in enumerate(deciding) if row not in present}
    if len(order) <= _BITS and not having & lacking:
        out.put(sum(1 << place for place, each in enumerate(order) if each in having))
    else:
        bits = sum(1 << row for row in rows)
        out.put(bits.to_bytes((len(deciding) + 7) // 8, "little"))


def _read_presence(reader: Reader, column: Column, fields: Fields, count: int) -> list[int]:
    part = reader.part()
    if isinstance(part, int):
        deciding = _deciding(column, fields)
        order = {each: place for place, each in enumerate(dict.fromkeys(deciding))}
        rows = [row for row, each in enumerate(deciding) if part >> order[each] & 1]
        surplus = part >> len(order)
    else:
        bits = int.from_bytes(part, "little")
        rows = [row for row in range(count) if bits >> row & 1]
        surplus = bits >> count or len(part) != (count + 7) // 8
    if surplus or not rows:
        raise EncodingError("a column of the content doesn't say which notices it is of")
    return rows


def _deciding(column: Column, fields: Fields) -> list[tuple[Value, ...]]:
    count = len(next(iter(fields.values())))
    return [tuple(fields[field][row] for field in column.decided_by) for row in range(count)]
