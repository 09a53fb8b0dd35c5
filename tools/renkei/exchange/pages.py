"""A page of the inbox in compact form: documents packed, and each signer's directory entry once.

    page = pack_page(items, 17)
    items, following = unpack_page(page)

Deterministic CBOR (RFC 8949, 4.2): `[following cursor, [entry …], [[cursor, kind, place of its entry, document] …]]`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import cbor2

from renkei.exchange.compact import pack, pack_entry, unpack, unpack_entry
from renkei.exchange.documents import DocumentError

MEDIA_TYPE = "application/vnd.renkei.inbox"
KINDS = ("manifest", "receipt", "void")
_DEPTH = 4
_ENTRIES_KEPT = 512


@dataclass(frozen=True, slots=True)
class PageItem:
    """One item of an inbox: `entry` is its signer's directory entry, JSON."""

    cursor: int
    kind: str
    envelope: bytes
    entry: bytes


def pack_page(items: Sequence[PageItem], following: int) -> bytes:
    """Write a page."""
    entries = list(dict.fromkeys(item.entry for item in items))
    places = {entry: place for place, entry in enumerate(entries)}
    rows = [[item.cursor, KINDS.index(item.kind), places[item.entry], pack(item.envelope)] for item in items]
    return cbor2.dumps([following, [_entry(entry) for entry in entries], rows], canonical=True)


def unpack_page(page: bytes) -> tuple[list[PageItem], int]:
    """Read a page whose size is bounded already; nothing in it is believed by that.

    Raises:
        DocumentError: it is none.
    """
    try:
        value = cbor2.loads(page, max_depth=_DEPTH, allow_indefinite=False)
        if cbor2.dumps(value, canonical=True) != page:
            raise DocumentError("the page of the inbox is not in deterministic form (RFC 8949, 4.2)")
        following, packed, rows = value
        entries = [unpack_entry(entry) for entry in packed]
        items = [
            PageItem(_number(cursor), KINDS[_number(kind)], unpack(document), entries[_number(place)])
            for cursor, kind, place, document in rows
        ]
        return items, _number(following)
    except (cbor2.CBORError, ValueError, TypeError, IndexError, AttributeError, RecursionError, MemoryError) as error:
        if isinstance(error, DocumentError):
            raise
        raise DocumentError("the page of the inbox is not in compact form") from None


@lru_cache(_ENTRIES_KEPT)
def _entry(entry: bytes) -> bytes:
    return pack_entry(entry)


def _number(value: object) -> int:
    if type(value) is not int or value < 0:
        raise TypeError("not a number")
    return value
