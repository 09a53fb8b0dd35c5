"""The audit of a whole journal: every entry, the tree that was made of them, and every signed head anybody kept.

    audit = Audit(heads)
    for position, entry, leaf in rows:  # in order, as they are stored
        audit.feed(position, entry, leaf)
    findings = audit.finish()

Two trees are grown side by side: of the entries as they are, and of the leaves that the hub has in its own tree. A head
that fits the leaves proves them, so that an entry that doesn't fit its leaf is named exactly. Where the hub's tree was
made anew after a change, no head after it fits either, and the change lies between the last head that fits and the
first that doesn't.

After a restore the journal goes on from what the backup had, in a new epoch: heads of an older epoch hold up to the
first head of the next one, and what they saw beyond it was lost by the restore.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from hmac import compare_digest
from typing import Literal

from renkei.exchange.documents import DocumentError, canonical
from renkei.exchange.journal import MerkleTree, leaf_hash
from renkei.exchange.payloads import TreeHead

Fault = Literal["changed", "missing", "inserted", "tree", "shortened", "forked", "head"]

_FIELDS = frozenset({"index", "act", "at", "party", "document_sha256"})
_MOST_FINDINGS = 100


@dataclass(frozen=True, slots=True)
class Seen:
    """A verified head, and who kept it, in words."""

    head: TreeHead
    keeper: str


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong. It is entry `first`, or one from `first` to `last`; none where it is a head."""

    fault: Fault
    first: int | None
    last: int | None
    text: str


@dataclass(slots=True)
class Audit:
    """See the module; feed entries from 0 on, then `finish`.

    Attributes:
        heads: all that anybody kept; the hub's own in the order in which it signed them.
        checked: heads that the journal was found to fit or not to fit.
        lost: heads of older epochs whose entries a restore lost.
        proven: the size of the largest head that fits, with all before it.
    """

    heads: Iterable[Seen]
    checked: int = 0
    lost: int = 0
    proven: int = 0
    findings: list[Finding] = field(default_factory=list)
    _due: list[Seen] = field(init=False)
    _entries: MerkleTree = field(default_factory=MerkleTree)
    _leaves: MerkleTree = field(default_factory=MerkleTree)
    _wrong: list[int] = field(default_factory=list)
    _moment: dict[Seen, tuple[datetime, int]] = field(init=False)
    _fitting: list[Seen] = field(default_factory=list)
    _misfits: list[Seen] = field(default_factory=list)
    _broken: bool = False

    def __post_init__(self) -> None:
        """Put the heads into the order in which the journal comes to them."""
        given = list(self.heads)
        self._moment = {each: (each.head.signed_at, place) for place, each in enumerate(given)}
        seen = sorted(given, key=lambda each: (each.head.size, each.head.epoch, each.keeper))
        begins: dict[int, int] = {}
        for each in seen:
            begins.setdefault(each.head.epoch, each.head.size)
        held = [each for each in seen if not _beyond_restore(each.head, begins)]
        self.lost = len(seen) - len(held)
        self._due = held[::-1]
        self._check_heads()

    @property
    def size(self) -> int:
        """How many entries were fed."""
        return self._entries.size

    def feed(self, position: int, entry: bytes | None, leaf: bytes | None) -> None:
        """Take what stands at a position: an entry and its leaf, one of which may be missing.

        Raises:
            ValueError: positions don't rise.
        """
        if position < self.size:
            raise ValueError(f"position {position} comes after {self.size - 1}")
        if position > self.size and not self._broken:
            self._note("missing", self.size, position - 1, _missing(self.size, position - 1))
            self._broken = True  # nothing behind a hole can be proven
        if entry is None:
            self._note("missing", position, position, _missing(position, position))
        elif wrong := _fault(entry, position):
            self._note("inserted" if "index" in wrong else "changed", position, position, wrong)
        if leaf is None:
            self._note("tree", position, position, f"entry {position} has no place in the hub's tree: it was put in")
        elif entry is not None and not compare_digest(leaf_hash(entry), leaf):
            self._wrong.append(position)
        found = leaf_hash(entry) if entry is not None else leaf
        if found is None or self._broken:
            self._broken = True
            return
        self._entries = self._entries.append_leaf(found)[0]
        self._leaves = self._leaves.append_leaf(leaf or found)[0]
        self._check_heads()

    def finish(self) -> list[Finding]:
        """Return what is wrong: first the entries that are known exactly, in their order, then ranges, then heads."""
        for position in self._wrong:
            text = f"entry {position} isn't the one of which the hub's tree was made: it was changed"
            self._note("changed", position, position, text)
        if self._misfits:
            seen = self._misfits[0]
            begin = self._known(seen)
            text = (
                f"{seen.keeper} doesn't fit the first {seen.head.size} entries: one from {begin} to "
                f"{seen.head.size - 1} was changed, removed or put in, and the hub's tree was made anew"
            )
            self._note("changed", begin, seen.head.size - 1, text)
        if self._due and not self._broken:
            seen = self._due[-1]
            begin = self._known(seen)
            text = (
                f"{seen.keeper} is of {seen.head.size} entries, the journal ends after {self.size}: "
                f"the end of it was removed, or some of entry {begin} and those after it"
            )
            self._note("shortened", begin, seen.head.size - 1, text)
        order = sorted(self.findings, key=lambda each: (each.first is None, each.first != each.last, each.first or 0))
        return order[:_MOST_FINDINGS]

    def _check_heads(self) -> None:
        here: list[Seen] = []
        while self._due and self._due[-1].head.size == self.size:
            here.append(self._due.pop())
        if not here:
            return
        self.checked += len(here)
        root, leaves = self._entries.root.hex(), self._leaves.root.hex()
        fitting = [each for each in here if each.head.root in {root, leaves}]
        self._misfits += [each for each in here if each not in fitting]
        if not fitting:
            return
        for seen in self._misfits:
            begin = self._known(seen)
            text = (
                f"{seen.keeper} is of another journal than {fitting[0].keeper}: one of the entries {begin} to "
                f"{seen.head.size - 1} was changed, removed or put in since, or the hub shows two journals"
            )
            self._note("forked", begin, seen.head.size - 1, text)
        self._misfits.clear()
        self.proven = self.size
        self._fitting += fitting
        if root != leaves and fitting[0].head.root == root:
            first = self._wrong[0] if self._wrong else None
            self._note("tree", first, None, f"the hub's tree doesn't fit the entries, which {fitting[0].keeper} proves")
            self._wrong.clear()
            self._leaves = self._entries

    def _known(self, seen: Seen) -> int:
        """Return how many entries are as they were when a head was signed: those of the heads up to then that fit."""
        moment = self._moment[seen]
        return max((each.head.size for each in self._fitting if self._moment[each] < moment), default=0)

    def _note(self, fault: Fault, first: int | None, last: int | None, text: str) -> None:
        if len(self.findings) < _MOST_FINDINGS:
            self.findings.append(Finding(fault, first, last, text))


def _beyond_restore(head: TreeHead, begins: dict[int, int]) -> bool:
    later = [size for epoch, size in begins.items() if epoch > head.epoch]
    return bool(later) and head.size > min(later)


def _missing(first: int, last: int) -> str:
    return f"entry {first} is missing" if first == last else f"entries {first} to {last} are missing"


def _fault(entry: bytes, position: int) -> str:
    """Say what is wrong with an entry by itself; nothing when it has its form and says its own place."""
    try:
        found = json.loads(entry)
        if not isinstance(found, dict) or found.keys() != _FIELDS or canonical(found) != entry:
            return f"entry {position} isn't in the form of an entry: it was changed"
    except (ValueError, RecursionError, DocumentError):
        return f"entry {position} isn't in the form of an entry: it was changed"
    if found["index"] != position:
        return f"entry {position} says that its index is {found['index']}: one before it was removed or put in"
    return ""
