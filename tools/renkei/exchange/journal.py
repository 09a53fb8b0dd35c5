"""The journal's tree (RFC 9162, 2.1): a log that can grow but never change, provable to whoever kept an earlier head.

    tree = MerkleTree()
    tree, nodes = tree.append(entry)      # the caller stores the nodes
    proof = inclusion_proof(index, tree.size, read_node)
    verify_inclusion(entry, index, tree.size, proof, tree.root)

A tree's own state is its peaks, at most one hash for each bit of its size. Proofs need the stored nodes: a node at
(level, index) is the hash over the entries index·2^level … (index + 1)·2^level - 1, and never changes once written.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest

from renkei.exchange.errors import ExchangeError

EMPTY_ROOT = sha256().digest()
MAX_SIZE = 2**63 - 1
ReadNode = Callable[[int, int], bytes]
"""Returns the stored hash at (level, index)."""


class ProofError(ExchangeError):
    """A proof that doesn't prove what is claimed: the log was changed, or the proof is for something else."""


@dataclass(frozen=True, slots=True)
class Node:
    """The hash of a complete subtree of 2^level entries, the `index`-th of its level."""

    level: int
    index: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class MerkleTree:
    """A tree as it can be kept and continued: its size, and the hashes of its complete subtrees, largest first."""

    size: int = 0
    peaks: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a state that no tree has."""
        if self.size < 0 or len(self.peaks) != self.size.bit_count():
            raise ProofError(f"a tree of {self.size} entries has {max(self.size, 0).bit_count()} peaks")

    def append(self, entry: bytes) -> tuple["MerkleTree", tuple[Node, ...]]:
        """Return the tree with one more entry, and the nodes that came into being: the leaf first."""
        return self.append_leaf(leaf_hash(entry))

    def append_leaf(self, node: bytes) -> tuple["MerkleTree", tuple[Node, ...]]:
        """Return the tree with one more entry of which only the hash is known."""
        kept = len(self.peaks) - len(left_siblings(self.size))
        nodes = grow(self.size, node, self.peaks[kept:][::-1])
        return MerkleTree(self.size + 1, (*self.peaks[:kept], nodes[-1].hash)), nodes

    @property
    def root(self) -> bytes:
        """The root hash over all entries."""
        if not self.peaks:
            return EMPTY_ROOT
        root = self.peaks[-1]
        for peak in reversed(self.peaks[:-1]):
            root = node_hash(peak, root)
        return root


def left_siblings(index: int) -> list[tuple[int, int]]:
    """Return the (level, index) of the nodes that entry `index` completes larger ones with, the lowest first."""
    completed = (index ^ (index + 1)).bit_length() - 1
    return [(level, (index >> level) - 1) for level in range(completed)]


def grow(index: int, leaf: bytes, left: Sequence[bytes]) -> tuple[Node, ...]:
    """Return the nodes that come into being with entry `index`: the leaf first, then what it completes.

    Args:
        index: from 0.
        leaf: the entry's hash.
        left: the hashes at `left_siblings(index)`.
    """
    nodes = [Node(0, index, leaf)]
    for level, sibling in enumerate(left, 1):
        nodes.append(Node(level, index >> level, node_hash(sibling, nodes[-1].hash)))
    return tuple(nodes)


def leaf_hash(entry: bytes) -> bytes:
    """Return the hash of one entry."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash over two subtrees."""
    return sha256(b"\x01" + left + right).digest()


def root_at(size: int, read_node: ReadNode) -> bytes:
    """Return the root of the tree when it had `size` entries."""
    return _range_hash(0, size, read_node) if size else EMPTY_ROOT


def inclusion_proof(index: int, size: int, read_node: ReadNode) -> list[bytes]:
    """Return the proof that entry `index` is in the tree of `size` entries (RFC 9162, 2.1.3.1).

    Raises:
        ProofError: there is no such entry.
    """
    if not 0 <= index < size:
        raise ProofError(f"a tree of {size} entries has no entry {index}")
    begin, end = 0, size
    proof: list[bytes] = []
    while end - begin > 1:
        middle = begin + _largest_power_below(end - begin)
        if index < middle:
            proof.append(_range_hash(middle, end, read_node))
            end = middle
        else:
            proof.append(_range_hash(begin, middle, read_node))
            begin = middle
    return proof[::-1]


def consistency_proof(first: int, second: int, read_node: ReadNode) -> list[bytes]:
    """Return the proof that the tree of `second` entries continues that of `first` (RFC 9162, 2.1.4.1).

    Raises:
        ProofError: not 0 < first ≤ second.
    """
    if not 0 < first <= second:
        raise ProofError(f"no proof leads from a tree of {first} to one of {second} entries")
    begin, end, whole = 0, second, True
    proof: list[bytes] = []
    while first != end:
        middle = begin + _largest_power_below(end - begin)
        if first <= middle:
            proof.append(_range_hash(middle, end, read_node))
            end = middle
        else:
            proof.append(_range_hash(begin, middle, read_node))
            begin, whole = middle, False
    if not whole:
        proof.append(_range_hash(begin, end, read_node))
    return proof[::-1]


def verify_inclusion(entry: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Check that `entry` is the `index`-th (from 0) of the tree with this size and root.

    Raises:
        ProofError: it isn't.
    """
    refusal = ProofError(f"the journal of {size} entries doesn't hold this as entry {index}")
    if not 0 <= index < size <= MAX_SIZE:
        raise refusal
    rest = iter(proof)
    try:
        found = _replay_inclusion(leaf_hash(entry), index, size, rest)
    except StopIteration:
        raise refusal from None
    if next(rest, None) is not None or not compare_digest(found, root):
        raise refusal


def verify_consistency(first: int, first_root: bytes, second: int, second_root: bytes, proof: Sequence[bytes]) -> None:
    """Check that the tree of `second` entries only adds to that of `first`.

    A tree of no entries is continued by every tree, without a proof.

    Raises:
        ProofError: it changes something, or shrinks.
    """
    refusal = ProofError(f"the journal of {second} entries doesn't continue that of {first}: something was changed")
    if not 0 <= first <= second <= MAX_SIZE:
        raise refusal
    rest = iter(proof)
    old, new = EMPTY_ROOT, second_root
    if first > 0:
        try:
            old, new = _replay_consistency(first, second, first_root, rest)
        except StopIteration:
            raise refusal from None
    if next(rest, None) is not None or not (compare_digest(old, first_root) and compare_digest(new, second_root)):
        raise refusal


def _replay_inclusion(leaf: bytes, index: int, size: int, proof: Iterator[bytes]) -> bytes:
    """Compute the root that a proof leads to, going down the tree as its maker did."""
    if size == 1:
        return leaf
    middle = _largest_power_below(size)
    if index < middle:
        return node_hash(_replay_inclusion(leaf, index, middle, proof), next(proof))
    below = _replay_inclusion(leaf, index - middle, size - middle, proof)
    return node_hash(next(proof), below)


def _replay_consistency(first: int, second: int, whole: bytes | None, proof: Iterator[bytes]) -> tuple[bytes, bytes]:
    """Compute both roots that a proof leads to; `whole` is the older root while its tree is a subtree of the newer."""
    if first == second:
        known = next(proof) if whole is None else whole
        return known, known
    middle = _largest_power_below(second)
    if first <= middle:
        old, new = _replay_consistency(first, middle, whole, proof)
        return old, node_hash(new, next(proof))
    old, new = _replay_consistency(first - middle, second - middle, None, proof)
    left = next(proof)
    return node_hash(left, old), node_hash(left, new)


def _largest_power_below(size: int) -> int:
    """Return the largest power of two smaller than `size`, which is at least 2."""
    return 1 << ((size - 1).bit_length() - 1)


def _range_hash(begin: int, end: int, read_node: ReadNode) -> bytes:
    """Return the hash over a range that RFC 9162 splits off: complete subtrees are read, the rest is put together."""
    size = end - begin
    if size & (size - 1) == 0:
        level = size.bit_length() - 1
        return read_node(level, begin >> level)
    middle = begin + _largest_power_below(size)
    return node_hash(_range_hash(begin, middle, read_node), _range_hash(middle, end, read_node))
