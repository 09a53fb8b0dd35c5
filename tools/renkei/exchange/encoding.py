"""The canonical encoding of notices, version 1: what is digested, sealed and carried, by line and on media alike.

    "RNK" | version (one byte) | zstd frame of deterministic CBOR (RFC 8949, 4.2): [type number, count, columns]

There is a column for each item of the notice type's table: null when no notice has it, else a value for each notice:
days as proleptic ordinals, choices as their place in the table, all else as text. It has the types and items of
version 1 of the layouts and refuses notices that hold more.
"""

from collections.abc import Callable, Sequence
from datetime import date

import cbor2
import zstandard

from renkei.domain.notices import TYPES, InvalidNotice, Notice
from renkei.domain.notices_items import Form, Item, Value
from renkei.exchange.errors import ExchangeError
from renkei.exchange.payloads import MAX_NOTICES, MAX_SEALED

VERSION = 1
MAX_CONTENT = MAX_SEALED - 64  # leaves room for salt and tag
MAX_DECODED = 32 * 1024 * 1024
_MAGIC = b"RNK" + bytes([VERSION])
_LEVEL = 10
_DEPTH = 4
_FIELDS = 3

Column = list[object] | None


class EncodingError(ExchangeError):
    """Content that isn't notices in this encoding, or is beyond a bound; the text holds no part of a notice."""


def encode(notices: Sequence[Notice]) -> bytes:
    """Encode notices of one type, in order.

    Returns:
        The content, at most `MAX_CONTENT` bytes.

    Raises:
        EncodingError: none, more than `MAX_NOTICES`, of several types, too large together, or with types or items that
            this version doesn't have.
    """
    types = {type(notice) for notice in notices}
    if not 1 <= len(notices) <= MAX_NOTICES or len(types) != 1:
        raise EncodingError(
            f"a parcel holds 1 to {MAX_NOTICES} notices of one type; these are {len(notices)} of {len(types)} types"
        )
    (notice_type,) = types
    _check_carried(notice_type, notices)
    items = notice_type.items(VERSION)
    columns = [_to_column(item, [getattr(notice, item.field) for notice in notices]) for item in items]
    body = cbor2.dumps([TYPES.index(notice_type), len(notices), columns], canonical=True)
    content = _MAGIC + zstandard.ZstdCompressor(level=_LEVEL).compress(body)
    if len(body) > MAX_DECODED or len(content) > MAX_CONTENT:
        raise EncodingError(f"the {len(notices)} notices are too large for one parcel; split them")
    return content


def decode(content: bytes) -> list[Notice]:
    """Decode content that `encode` could have made.

    Raises:
        EncodingError: another version, a bound exceeded, not canonical, or a notice that breaks its type's rules.
    """
    if not content.startswith(_MAGIC):
        raise EncodingError(f"the content is not in version {VERSION} of the encoding")
    body = _decompress(content[len(_MAGIC) :])
    try:
        value = cbor2.loads(body, max_depth=_DEPTH, allow_indefinite=False, allow_duplicate_keys=False)
        canonical = cbor2.dumps(value, canonical=True) == body
    except (cbor2.CBORError, ValueError, TypeError, OverflowError, MemoryError, RecursionError):
        raise EncodingError("the content is not well-formed CBOR") from None
    if not canonical:
        raise EncodingError("the content is not in deterministic form (RFC 8949, 4.2)")
    notice_type, count, columns = _check_shape(value)
    values = [
        _from_column(item, column, count) for item, column in zip(notice_type.items(VERSION), columns, strict=True)
    ]
    names = [item.field for item in notice_type.items(VERSION)]
    try:
        return [notice_type(**dict(zip(names, row, strict=True))) for row in zip(*values, strict=True)]
    except InvalidNotice as error:
        items = ", ".join(f"{finding.item} ({finding.rule})" for finding in error.findings)
        raise EncodingError(f"a notice in the content breaks the rules of {notice_type.TYPE}: {items}") from None


def _check_carried(notice_type: type[Notice], notices: Sequence[Notice]) -> None:
    """Refuse what this version would lose: it never drops an item silently."""
    if notice_type.SINCE > VERSION:
        raise EncodingError(f"version {VERSION} of the encoding has no {notice_type.TYPE}")
    for item in notice_type.ITEMS:
        if item.since > VERSION and any(getattr(notice, item.field) is not None for notice in notices):
            raise EncodingError(f"version {VERSION} of the encoding has no item {item.name} of {notice_type.TYPE}")


def _decompress(frame: bytes) -> bytes:
    """Decompress one frame that says its size beforehand: a bomb is refused before anything is unpacked."""
    try:
        size = zstandard.get_frame_parameters(frame).content_size
        if not 0 < size <= MAX_DECODED:
            raise EncodingError(f"the content would unpack to other than 1 to {MAX_DECODED} bytes")
        decompressor = zstandard.ZstdDecompressor(max_window_size=MAX_DECODED)
        return decompressor.decompress(frame, max_output_size=MAX_DECODED, allow_extra_data=False)
    except zstandard.ZstdError:
        raise EncodingError("the content is not one whole zstd frame") from None


def _check_shape(value: object) -> tuple[type[Notice], int, list[Column]]:
    if not isinstance(value, list) or len(value) != _FIELDS:
        raise EncodingError("the content is not [type, count, columns]")
    number, count, columns = value
    if type(number) is not int or not 0 <= number < len(TYPES) or TYPES[number].SINCE > VERSION:
        raise EncodingError("the content holds a notice type that this version doesn't know")
    if type(count) is not int or not 1 <= count <= MAX_NOTICES:
        raise EncodingError(f"the content holds other than 1 to {MAX_NOTICES} notices")
    items = TYPES[number].items(VERSION)
    if not isinstance(columns, list) or len(columns) != len(items):
        raise EncodingError(f"the content doesn't have the {len(items)} columns of {TYPES[number].TYPE}")
    return TYPES[number], count, columns


def _to_column(item: Item, values: Sequence[Value]) -> Column:
    if all(value is None for value in values):
        return None
    write = _WRITERS.get(item.form, _write_text)
    return [None if value is None else write(item, value) for value in values]


def _from_column(item: Item, column: object, count: int) -> list[Value]:
    if column is None:
        return [None] * count
    if not isinstance(column, list) or len(column) != count or all(value is None for value in column):
        raise EncodingError(f"the column {item.name} doesn't have {count} values")
    read = _READERS.get(item.form, _read_text)
    return [None if value is None else read(item, value) for value in column]


def _write_text(_item: Item, value: Value) -> object:
    return value


def _write_date(_item: Item, value: Value) -> object:
    return value.toordinal() if isinstance(value, date) else value


def _write_choice(item: Item, value: Value) -> object:
    return item.choices.index(str(value))


def _read_text(item: Item, value: object) -> Value:
    if not isinstance(value, str) or not value:
        raise EncodingError(f"the column {item.name} holds something else than text")
    return value


def _read_date(item: Item, value: object) -> Value:
    if type(value) is not int or not 1 <= value <= date.max.toordinal():
        raise EncodingError(f"the column {item.name} holds something else than days")
    return date.fromordinal(value)


def _read_choice(item: Item, value: object) -> Value:
    if type(value) is not int or not 0 <= value < len(item.choices):
        raise EncodingError(f"the column {item.name} holds something else than its choices")
    return item.choices[value]


_WRITERS: dict[Form, Callable[[Item, Value], object]] = {Form.DATE: _write_date, Form.CHOICE: _write_choice}
_READERS: dict[Form, Callable[[Item, object], Value]] = {Form.DATE: _read_date, Form.CHOICE: _read_choice}
