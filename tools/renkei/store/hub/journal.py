"""The journal: what the hub did, as the leaves of an RFC 9162 tree whose complete subtrees are stored.

An entry is canonical JSON of `{index, act, at, party, document_sha256}`, the digest being of the document that came
with the act (for a message its acceptance, so that a sender can rebuild the entry from what it holds). Node (level,
position) is the root over the leaves position·2^level … (position + 1)·2^level - 1: with these a root or a proof takes
O(log n) rows.
"""

from datetime import UTC, datetime
from hashlib import sha256

import apsw

from renkei.exchange import journal
from renkei.exchange.clock import format_time
from renkei.exchange.documents import canonical
from renkei.store.hub.contract import TreeState
from renkei.store.hub.refusals import UnknownRefusal
from renkei.store.hub.rows import count, one, some


class Journal:
    """The journal on one connection, within the caller's transaction."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    def next_index(self) -> int:
        """Return the index that the next entry gets."""
        return count(self._connection, "SELECT max(position) + 1 FROM journal")

    def append(self, act: str, party: str, document: bytes, at: int) -> None:
        """Add an entry; the caller's transaction makes it durable along with the act."""
        size = self.next_index()
        entry = journal_entry(size, act, party, document, at)
        self._connection.execute("INSERT INTO journal VALUES (?, ?)", (size, entry))
        _, nodes = self._tree(size).append(entry)
        self._connection.executemany(
            "INSERT INTO tree_nodes VALUES (?, ?, ?)", [(node.level, node.index, node.hash) for node in nodes]
        )

    def tree(self) -> TreeState:
        """Return the tree of now."""
        size = self.next_index()
        return TreeState(count(self._connection, "SELECT epoch FROM hub"), size, self._tree(size).root.hex())

    def entries(self, first: int, last: int) -> list[bytes]:
        """Return entries `first` to `last`, both included."""
        rows = some(
            self._connection,
            "SELECT entry FROM journal WHERE position BETWEEN ? AND ? ORDER BY position",
            (first, last),
        )
        return [row[0] for row in rows]

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
        return journal.MerkleTree(size, tuple(self._node(level, (size >> level) - 1) for level in levels))

    def _node(self, level: int, index: int) -> bytes:
        row = one(self._connection, "SELECT digest FROM tree_nodes WHERE level = ? AND position = ?", (level, index))
        if row is None:
            raise UnknownRefusal(f"the journal's tree has no node {level}/{index}; run renkei-hub check-store")
        digest: bytes = row[0]
        return digest


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
