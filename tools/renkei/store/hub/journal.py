"""The journal: what the hub did, as the leaves of an RFC 9162 tree whose complete subtrees are stored.

An entry is canonical JSON of `{index, act, at, party, document_sha256}`, the digest being of the document that came
with the act (for a message its acceptance, so that a sender can rebuild the entry from what it holds). Node (level,
position) is the root over the leaves position·2^level … (position + 1)·2^level - 1: with these a root or a proof takes
O(log n) rows.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256

from renkei.exchange import journal
from renkei.exchange.clock import format_time
from renkei.exchange.documents import canonical
from renkei.store.hub.contract import JournalPage, TreeState
from renkei.store.hub.refusals import UnknownRefusal
from renkei.store.hub.transaction import Transaction


class Journal:
    """The journal on within the caller's transaction."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def next_index(self) -> int:
        """Return the index that the next entry gets."""
        return self._transaction.count("SELECT max(position) + 1 FROM journal")

    def next_place(self) -> tuple[int, int]:
        """Return (index, epoch) that the next entry gets."""
        row = self._transaction.some("SELECT (SELECT max(position) + 1 FROM journal), epoch FROM hub")[0]
        return row[0] or 0, row[1]

    def append(self, act: str, party: str, document: bytes, at: int, index: int | None = None) -> None:
        """Add an entry, at the next index if none is given; the caller's transaction makes it durable with the act."""
        size = self.next_index() if index is None else index
        entry = journal_entry(size, act, party, document, at)
        self._transaction.execute("INSERT INTO journal VALUES (?, ?)", (size, entry))
        left = self._nodes(journal.left_siblings(size))
        nodes = journal.grow(size, journal.leaf_hash(entry), left)
        self._transaction.execute_many(
            "INSERT INTO tree_nodes VALUES (?, ?, ?)", [(node.level, node.index, node.hash) for node in nodes]
        )

    def tree(self) -> TreeState:
        """Return the tree of now."""
        size = self.next_index()
        return TreeState(self._transaction.count("SELECT epoch FROM hub"), size, self._tree(size).root.hex())

    def entries(self, first: int, last: int) -> list[bytes]:
        """Return entries `first` to `last`, both included."""
        rows = self._transaction.some(
            "SELECT entry FROM journal WHERE position BETWEEN ? AND ? ORDER BY position",
            (first, last),
        )
        return [row[0] for row in rows]

    def positions(self) -> int:
        """Return how many positions entries or leaves take, whether they fit together or not."""
        leaves = self._transaction.count("SELECT max(position) + 1 FROM tree_nodes WHERE level = 0")
        return max(leaves, self.next_index())

    def page(self, first: int, last: int) -> JournalPage:
        """Return entries and leaves `first` to `last` as they stand, for who checks them."""
        between = "position BETWEEN ? AND ? ORDER BY position"
        entries = self._transaction.some(
            f"SELECT position, entry FROM journal WHERE {between}",  # noqa: S608 (a constant)
            (first, last),
        )
        leaves = self._transaction.some(
            f"SELECT position, digest FROM tree_nodes WHERE level = 0 AND {between}",  # noqa: S608 (a constant)
            (first, last),
        )
        return JournalPage(
            tuple((position, bytes(entry)) for position, entry in entries),
            tuple((position, bytes(digest).hex()) for position, digest in leaves),
        )

    def inclusion_proof(self, index: int, size: int) -> list[str]:
        """Return the audit path of an entry, from leaf to root."""
        self._check_size(size)
        try:
            return [step.hex() for step in journal.inclusion_proof(index, size, self._node)]
        except journal.ProofError as error:
            raise UnknownRefusal(str(error)) from error

    def consistency_proof(self, first: int, second: int) -> list[str]:
        """Return the proof that the tree of `second` entries continues that of `first`."""
        self._check_size(second)
        try:
            return [step.hex() for step in journal.consistency_proof(first, second, self._node)]
        except journal.ProofError as error:
            raise UnknownRefusal(str(error)) from error

    def _check_size(self, size: int) -> None:
        if size > (present := self.next_index()):
            raise UnknownRefusal(f"the journal has {present} entries, not yet {size}")

    def _tree(self, size: int) -> journal.MerkleTree:
        levels = [level for level in range(size.bit_length() - 1, -1, -1) if size >> level & 1]
        places = [(level, (size >> level) - 1) for level in levels]
        return journal.MerkleTree(size, tuple(self._nodes(places)))

    def _node(self, level: int, index: int) -> bytes:
        return self._nodes([(level, index)])[0]

    def _nodes(self, places: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return the nodes at some (level, position), by one statement: on another machine each takes a round trip."""
        if not places:
            return []
        where = " OR ".join(["level = ? AND position = ?"] * len(places))
        found = {
            (level, position): digest
            for level, position, digest in self._transaction.some(
                f"SELECT level, position, digest FROM tree_nodes WHERE {where}",  # noqa: S608 (of question marks)
                tuple(number for place in places for number in place),
            )
        }
        if missing := [place for place in places if place not in found]:
            level, position = missing[0]
            raise UnknownRefusal(f"the journal's tree has no node {level}/{position}; run renkei-hub check-store")
        return [found[place] for place in places]


def journal_entry(index: int, act: str, party: str, document: bytes, at: int) -> bytes:
    """Return an entry's bytes, the leaf of the tree."""
    entry: dict[str, object] = {
        "index": index,
        "act": act,
        "at": format_time(datetime.fromtimestamp(at, UTC)),
        "party": party,
        "document_sha256": sha256(document).hexdigest(),
    }
    return canonical(entry)
