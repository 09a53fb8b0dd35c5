"""A journal as a file, for who checks it elsewhere: lines of JSON.

    {"format": "renkei journal 1", "epoch": 1, "size": 1234}
    {"head": "ENVELOPE", "entry": {directory entry of its signer}, "number": 1}      each head that the hub kept
    {"position": 0, "entry": "ENTRY", "leaf": "HEX"}               each entry, with its leaf of the tree

Everything is as the database has it: what is missing there is missing here.
"""

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import IO, Any

from renkei.store.errors import StoreError
from renkei.store.hub.contract import HubStore, JournalPage, KeptHead

FORMAT = "renkei journal 1"
_PAGE = 2000
_HEADS = 500
_LINE = 256 * 1024


@dataclass(frozen=True, slots=True)
class Row:
    """What stands at a position: an entry and its leaf (32 bytes), one of which may be missing."""

    position: int
    entry: bytes | None
    leaf: bytes | None


async def heads_of(store: HubStore) -> list[KeptHead]:
    """Return all heads that the hub kept."""
    found: list[KeptHead] = []
    while page := await store.kept_heads(found[-1].number + 1 if found else 1, _HEADS):
        found += page
    return found


async def rows_of(store: HubStore, size: int) -> AsyncIterator[Row]:
    """Yield the first `size` positions of a journal."""
    for first in range(0, size, _PAGE):
        for row in rows_of_page(await store.journal_page(first, first + _PAGE - 1)):
            yield row


def rows_of_page(page: JournalPage) -> Iterator[Row]:
    """Yield the positions of a page, in order."""
    entries, leaves = dict(page.entries), dict(page.leaves)
    for position in sorted(entries.keys() | leaves.keys()):
        leaf = leaves.get(position)
        yield Row(position, entries.get(position), bytes.fromhex(leaf) if leaf is not None else None)


async def write(store: HubStore, stream: IO[str]) -> int:
    """Write a store's journal; return how many entries it has."""
    size = await store.journal_size()
    _write_line(stream, {"format": FORMAT, "epoch": await store.epoch(), "size": size})
    for head in await heads_of(store):
        entry = json.loads(head.entry)
        _write_line(stream, {"head": head.envelope.decode(), "entry": entry, "number": head.number})
    async for row in rows_of(store, size):
        entry = row.entry.decode("utf-8", "backslashreplace") if row.entry is not None else None
        leaf = row.leaf.hex() if row.leaf is not None else None
        _write_line(stream, {"position": row.position, "entry": entry, "leaf": leaf})
    return size


def read(stream: IO[str]) -> Iterator[dict[str, Any]]:
    """Yield a file's lines as objects; the first is its header.

    Raises:
        StoreError: it isn't such a file, or a line isn't one of it; the text names the line.
    """
    number = 0
    while line := stream.readline(_LINE + 1):
        number += 1
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict) or len(line) > _LINE:
            raise StoreError(f"line {number}: is no line of an exported journal; export it anew")
        if number == 1 and found.get("format") != FORMAT:
            raise StoreError(
                f"line 1: isn't the beginning of a journal ({FORMAT}); give a file of `renkei-hub journal`"
            )
        yield found
    if not number:
        raise StoreError("the file is empty; give a file of `renkei-hub journal export`")


def _write_line(stream: IO[str], value: dict[str, Any]) -> None:
    stream.write(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n")
