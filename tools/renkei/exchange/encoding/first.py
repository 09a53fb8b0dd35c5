"""Version 1 of the canonical encoding: a column for each item, all compressed together.

    "RNK" | version (one byte) | zstd frame of deterministic CBOR (RFC 8949, 4.2): [type number, count, columns]

There is a column for each item of the notice type's table: null when no notice has it, else a value for each notice:
days as proleptic ordinals, choices as their place in the table, all else as text. It has the types and items of
version 1 of the layouts and refuses notices that hold more.
"""

from collections.abc import Callable, Sequence
from datetime import date

import cbor2
import zstandard

from renkei.domain.notices import TYPES, Notice
from renkei.domain.notices_items import Form, Item, Value
from renkei.exchange.encoding.bounds import (
    CBOR_FAULTS,
    MAGIC,
    EncodingError,
    check_size,
    make,
    only_type,
    unpack,
)
from renkei.exchange.payloads import MAX_NOTICES

VERSION = 1
_MAGIC = MAGIC + bytes([VERSION])
_LEVEL = 10
_DEPTH = 4
_FIELDS = 3

Column = list[object] | None


def encode(notices: Sequence[Notice]) -> bytes:
    """Encode notices of one type, in order.

    Returns:
        The content, at most `MAX_CONTENT` bytes.

    Raises:
        EncodingError: none, more than `MAX_NOTICES`, of several types, too large together, or with types or items that
            this version doesn't have.
    """
    notice_type = only_type(notices)
    _check_carried(notice_type, notices)
    items = notice_type.items(VERSION)
    columns = [_to_column(item, [getattr(notice, item.field) for notice in notices]) for item in items]
    body = cbor2.dumps([TYPES.index(notice_type), len(notices), columns], canonical=True)
    content = _MAGIC + zstandard.ZstdCompressor(level=_LEVEL).compress(body)
    check_size(body, content, len(notices))
    return content


def decode(content: bytes) -> list[Notice]:
    """Decode content that `encode` could have made.

    Raises:
        EncodingError: another version, a bound exceeded, not canonical, or a notice that breaks its type's rules.
    """
    if not content.startswith(_MAGIC):
        raise EncodingError(f"the content is not in version {VERSION} of the encoding")
    body = unpack(content[len(_MAGIC) :])
    try:
        value = cbor2.loads(body, max_depth=_DEPTH, allow_indefinite=False, allow_duplicate_keys=False)
        canonical = cbor2.dumps(value, canonical=True) == body
    except CBOR_FAULTS:
        raise EncodingError("the content is not well-formed CBOR") from None
    if not canonical:
        raise EncodingError("the content is not in deterministic form (RFC 8949, 4.2)")
    notice_type, count, columns = _check_shape(value)
    items = notice_type.items(VERSION)
    fields = {item.field: _from_column(item, column, count) for item, column in zip(items, columns, strict=True)}
    return make(notice_type, fields, count)


def carries(notice: Notice) -> bool:
    """Tell whether this version has the type and every item that a notice holds."""
    return notice.SINCE <= VERSION and not _beyond(notice)


def _check_carried(notice_type: type[Notice], notices: Sequence[Notice]) -> None:
    """Refuse what this version would lose: it never drops an item silently."""
    if notice_type.SINCE > VERSION:
        raise EncodingError(f"version {VERSION} of the encoding has no {notice_type.TYPE}")
    for notice in notices:
        for item in _beyond(notice):
            raise EncodingError(f"version {VERSION} of the encoding has no item {item.name} of {notice_type.TYPE}")


def _beyond(notice: Notice) -> list[Item]:
    return [item for item in notice.ITEMS if item.since > VERSION and getattr(notice, item.field) is not None]


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
