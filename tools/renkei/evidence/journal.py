"""The hub's journal, checked from outside: over the wire, from an exported file, or from the store itself.

    source = FileSource(Path("journal.jsonl"))
    verdict = verify(source, TrustAnchor(pem), seen=read_seen(Path("131041.json")), progress=print)

What the hub signed is verified from the root down; what is found wrong is named by its entry (`exchange.audit`).
"""

import asyncio
import json
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from renkei.client.errors import BadAnswer, HubRefused
from renkei.client.hub import HubClient
from renkei.exchange.audit import Audit, Finding, Seen
from renkei.exchange.bindings import DirectoryEntry, TrustAnchor
from renkei.exchange.clock import format_time
from renkei.exchange.documents import DocumentError, canonical, peek
from renkei.exchange.errors import ExchangeError
from renkei.exchange.parties import HUB
from renkei.exchange.payloads import TreeHead
from renkei.store.errors import StoreError
from renkei.store.hub import journal_file
from renkei.store.hub.contract import HubStore
from renkei.store.hub.journal_file import Row

_PAGE = 1000
_SEEN_LIMIT = 64 * 1024 * 1024
_DIGEST_BYTES = 32


class JournalUnreadable(Exception):
    """The source, or a file of heads, can't be read as what it is said to be; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A head that somebody kept, not yet verified: its envelope, its signer's entry, and who kept it."""

    envelope: bytes
    entry: DirectoryEntry
    keeper: str


class Source(Protocol):
    """Where a journal is read from."""

    def size(self) -> int:
        """Return how many entries it should have, for the progress."""

    def heads(self) -> Iterator[Claim]:
        """Yield the heads that came with it."""

    def rows(self) -> Iterator[Row]:
        """Yield what stands at each position, in order."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check found: `proven` entries are under a head that fits, `lost` heads are of what a restore lost."""

    entries: int
    proven: int
    heads: int
    lost: int
    findings: tuple[Finding, ...]

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings


def verify(
    source: Source, anchor: TrustAnchor, seen: Iterable[Claim] = (), progress: Callable[[int], None] = lambda _: None
) -> Verdict:
    """Check every entry, the tree, and every head.

    Args:
        source: the journal.
        anchor: the root, by which the hub's signature is believed.
        seen: heads that agents kept.
        progress: called with the number of entries that were read, now and then.

    Raises:
        JournalUnreadable, StoreError, HubError: the source can't be read.
    """
    heads: list[Seen] = []
    refused: list[Finding] = []
    for claim in (*source.heads(), *seen):
        try:
            heads.append(Seen(_verified(claim, anchor), claim.keeper))
        except ExchangeError as error:
            refused.append(Finding("head", None, None, f"{claim.keeper} can't be believed: {error}"))
    audit = Audit(heads)
    read = 0
    for row in source.rows():
        audit.feed(row.position, row.entry, row.leaf)
        read += 1
        if read % _PAGE == 0:
            progress(read)
    progress(read)
    findings = (*audit.finish(), *refused)
    return Verdict(audit.size, audit.proven, audit.checked, audit.lost, findings)


def _verified(claim: Claim, anchor: TrustAnchor) -> TreeHead:
    """Return a head signed by the hub, by an entry that was good when it was signed."""
    said = TreeHead.read(peek(claim.envelope).payload)
    hub = anchor.verify_entry(claim.entry, said.signed_at, HUB)
    return TreeHead.open(claim.envelope, hub.signing_public_key)


class WireSource:
    """A hub's journal over the line, as the ministry or the registration authority may read it."""

    def __init__(self, client: HubClient) -> None:
        """Read over a client's line."""
        self._client = client
        self._state = client.state()
        try:
            self._head = TreeHead.read(peek(self._state.tree_head).payload)
        except DocumentError as error:
            raise JournalUnreadable(f"the hub's head of now can't be read: {error}") from error

    def size(self) -> int:
        """See `Source`."""
        return self._head.size

    def heads(self) -> Iterator[Claim]:
        """Yield the kept heads, and the one of now."""
        number = 1
        while page := self._client.journal_heads(number):
            for head in page:
                yield Claim(head.envelope, head.entry, _kept(head.number, head.envelope))
            number = page[-1].number + 1
        yield Claim(self._state.tree_head, self._state.entry, "the hub's head of now")

    def rows(self) -> Iterator[Row]:
        """See `Source`."""
        first = 0
        while first < self._head.size:
            last = min(first + _PAGE, self._head.size) - 1
            yield from self._page(first, last)
            first = last + 1

    def _page(self, first: int, last: int) -> Iterator[Row]:
        """Yield a page; one with an entry that is no JSON is read in halves, down to that entry."""
        try:
            page = self._client.journal_page(first, last)
        except BadAnswer:
            if first == last:
                yield Row(first, b"", self._leaf(first))
                return
            yield from self._halves(first, last)
            return
        if first < last and not len(page.entries) == len(page.leaves) == last - first + 1:
            yield from self._halves(first, last)
        elif first == last:
            leaf = bytes.fromhex(page.leaves[0]) if page.leaves else None
            yield Row(first, _text(page.entries[0]) if page.entries else None, leaf)
        else:
            for offset, (entry, digest) in enumerate(zip(page.entries, page.leaves, strict=True)):
                yield Row(first + offset, _text(entry), bytes.fromhex(digest))

    def _leaf(self, position: int) -> bytes | None:
        """Find the leaf of an entry that isn't even JSON: it begins the audit path of the one beside it."""
        try:
            return bytes.fromhex(self._client.inclusion_proof(position ^ 1, self._head.size)[0])
        except (HubRefused, IndexError):
            return None

    def _halves(self, first: int, last: int) -> Iterator[Row]:
        middle = (first + last) // 2
        yield from self._page(first, middle)
        yield from self._page(middle + 1, last)


class StoreSource:
    """The store itself, whatever database is below."""

    def __init__(self, store: HubStore) -> None:
        """Read a store that stays open as long as this; `close` ends it."""
        self._store = store
        self._runner = asyncio.Runner()

    def close(self) -> None:
        """Let go of what runs the store's reads; the store is its opener's to close."""
        self._runner.close()

    def size(self) -> int:
        """See `Source`."""
        return self._runner.run(self._store.journal_size())

    def heads(self) -> Iterator[Claim]:
        """See `Source`."""
        for head in self._runner.run(journal_file.heads_of(self._store)):
            yield Claim(head.envelope, DirectoryEntry.from_json(head.entry), _kept(head.number, head.envelope))

    def rows(self) -> Iterator[Row]:
        """See `Source`."""
        size = self.size()
        for first in range(0, size, _PAGE):
            page = self._runner.run(self._store.journal_page(first, first + _PAGE - 1))
            yield from journal_file.rows_of_page(page)


class FileSource:
    """A file that `renkei-hub journal export` wrote."""

    def __init__(self, path: Path) -> None:
        """Name the file; its first line is read.

        Raises:
            JournalUnreadable: it isn't there.
            StoreError: it is no such file.
        """
        self._path = path
        with closing(self._lines()) as lines:
            self._header = next(lines)

    def size(self) -> int:
        """See `Source`."""
        size = self._header.get("size")
        return size if isinstance(size, int) else 0

    def heads(self) -> Iterator[Claim]:
        """See `Source`."""
        for line in self._lines():
            if "head" in line:
                envelope = str(line["head"]).encode()
                yield Claim(envelope, _entry(line.get("entry"), self._path), _kept(line.get("number"), envelope))

    def rows(self) -> Iterator[Row]:
        """See `Source`."""
        for line in self._lines():
            match line:
                case {"position": int(position), "entry": str() | None as entry, "leaf": str() | None as leaf}:
                    yield Row(position, entry.encode() if entry is not None else None, _leaf(leaf))
                case {"position": _}:
                    raise JournalUnreadable(f"{self._path}: a line of an entry isn't in its form; export it anew")

    def _lines(self) -> Generator[dict[str, object], None, None]:
        try:
            with self._path.open(encoding="utf-8") as stream:
                yield from journal_file.read(stream)
        except StoreError as error:
            raise StoreError(f"{self._path}: {error}") from error
        except (OSError, UnicodeDecodeError) as error:
            raise JournalUnreadable(f"{self._path}: can't be read ({error})") from error


def read_seen(path: Path) -> list[Claim]:
    """Read the heads that an agent kept, as `renkei-agent heads --json` wrote them.

    Raises:
        JournalUnreadable: it isn't such a file.
    """
    try:
        with path.open("rb") as stream:
            text = stream.read(_SEEN_LIMIT + 1)
        found = json.loads(text) if len(text) <= _SEEN_LIMIT else None
    except (OSError, ValueError, RecursionError) as error:
        raise JournalUnreadable(f"{path}: can't be read ({error})") from error
    match found:
        case {"party": str(party), "heads": list(heads)}:
            return [_seen_claim(each, party, path) for each in heads]
        case _:
            raise JournalUnreadable(f"{path}: holds no heads; write it with `renkei-agent heads --json`")


def _seen_claim(value: object, party: str, path: Path) -> Claim:
    match value:
        case {"envelope": str(envelope), "entry": dict(entry)}:
            raw = envelope.encode()
            return Claim(raw, _entry(entry, path), f"the head that {party[:16]} saw{_when(raw)}")
        case _:
            raise JournalUnreadable(f"{path}: has a head without envelope and entry; write it anew")


def _leaf(text: str | None) -> bytes | None:
    try:
        return bytes.fromhex(text) if text is not None else None
    except ValueError:
        return bytes(_DIGEST_BYTES)  # fits no entry


def _kept(number: object, envelope: bytes) -> str:
    return f"kept head {number}{_when(envelope)}"


def _when(envelope: bytes) -> str:
    try:
        head = TreeHead.read(peek(envelope).payload)
    except ExchangeError:
        return ""
    return f" (epoch {head.epoch}, {format_time(head.signed_at)})"


def _entry(value: object, path: Path) -> DirectoryEntry:
    try:
        return DirectoryEntry.read(value)
    except ExchangeError as error:
        raise JournalUnreadable(f"{path}: {error}") from error


def _text(entry: dict[str, object]) -> bytes:
    try:
        return canonical(entry)
    except DocumentError:
        return b""
