from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from renkei.exchange.journal import (
    EMPTY_ROOT,
    MerkleTree,
    ProofError,
    consistency_proof,
    inclusion_proof,
    root_at,
    verify_consistency,
    verify_inclusion,
)
from unit.examples import examples

ENTRIES = st.lists(st.binary(max_size=8), min_size=1, max_size=70)


# RFC 9162, 2.1, word for word: hashes, paths and subproofs over whole lists


def split(count: int) -> int:
    power = 1
    while power * 2 < count:
        power *= 2
    return power


def mth(entries: list[bytes]) -> bytes:
    if not entries:
        return sha256(b"").digest()
    if len(entries) == 1:
        return sha256(b"\x00" + entries[0]).digest()
    middle = split(len(entries))
    return sha256(b"\x01" + mth(entries[:middle]) + mth(entries[middle:])).digest()


def path(index: int, entries: list[bytes]) -> list[bytes]:
    if len(entries) == 1:
        return []
    middle = split(len(entries))
    if index < middle:
        return [*path(index, entries[:middle]), mth(entries[middle:])]
    return [*path(index - middle, entries[middle:]), mth(entries[:middle])]


def subproof(first: int, entries: list[bytes], *, known: bool) -> list[bytes]:
    if first == len(entries):
        return [] if known else [mth(entries)]
    middle = split(len(entries))
    if first <= middle:
        return [*subproof(first, entries[:middle], known=known), mth(entries[middle:])]
    return [*subproof(first - middle, entries[middle:], known=False), mth(entries[:middle])]


def grow(entries: list[bytes]) -> tuple[list[bytes], Callable[[int, int], bytes]]:
    """Every root on the way, and the stored nodes."""
    tree, nodes, roots = MerkleTree(), dict[tuple[int, int], bytes](), [EMPTY_ROOT]
    for entry in entries:
        tree, made = tree.append(entry)
        for node in made:
            assert (node.level, node.index) not in nodes, "a node is written once"
            nodes[node.level, node.index] = node.hash
        roots.append(tree.root)
    return roots, lambda level, index: nodes[level, index]


@given(ENTRIES)
def test_the_growing_tree_has_the_roots_of_the_rfc(entries: list[bytes]) -> None:
    roots, read = grow(entries)
    for size, root in enumerate(roots):
        assert root == mth(entries[:size]) == root_at(size, read)


@given(ENTRIES, st.data())
def test_inclusion_proofs_are_those_of_the_rfc_and_hold(entries: list[bytes], data: st.DataObject) -> None:
    roots, read = grow(entries)
    size = data.draw(st.integers(1, len(entries)))
    index = data.draw(st.integers(0, size - 1))
    proof = inclusion_proof(index, size, read)
    assert proof == path(index, entries[:size])
    verify_inclusion(entries[index], index, size, proof, roots[size])


@given(ENTRIES, st.data())
def test_consistency_proofs_are_those_of_the_rfc_and_hold(entries: list[bytes], data: st.DataObject) -> None:
    roots, read = grow(entries)
    second = data.draw(st.integers(1, len(entries)))
    first = data.draw(st.integers(1, second))
    proof = consistency_proof(first, second, read)
    assert proof == subproof(first, entries[:second], known=True)
    verify_consistency(first, roots[first], second, roots[second], proof)


@settings(max_examples=examples(200))
@given(ENTRIES, st.data())
def test_a_changed_past_is_found(entries: list[bytes], data: st.DataObject) -> None:
    """The hub rewrites one entry that somebody has seen, and computes everything anew."""
    roots, _ = grow(entries)
    first = data.draw(st.integers(1, len(entries)))
    place = data.draw(st.integers(0, first - 1))
    forged = [*entries[:place], entries[place] + b"!", *entries[place + 1 :]]
    forged_roots, read = grow(forged)
    proof = consistency_proof(first, len(forged), read)
    with pytest.raises(ProofError):
        verify_consistency(first, roots[first], len(forged), forged_roots[-1], proof)
    inclusion = inclusion_proof(place, len(forged), read)
    with pytest.raises(ProofError):
        verify_inclusion(entries[place], place, len(forged), inclusion, forged_roots[-1])


@given(ENTRIES, st.data())
def test_an_altered_longer_shorter_or_misplaced_proof_is_refused(entries: list[bytes], data: st.DataObject) -> None:
    entries = [b"%d" % number + entry for number, entry in enumerate(entries)]
    roots, read = grow([*entries, b"last"])
    size = len(roots) - 1
    index = data.draw(st.integers(0, size - 1))
    first = data.draw(st.integers(1, size))
    entry = [*entries, b"last"][index]
    inclusion, consistency = inclusion_proof(index, size, read), consistency_proof(first, size, read)
    for wrong in (inclusion[:-1], [*inclusion, roots[-1]], [*inclusion[:-1], roots[0]]):
        with pytest.raises(ProofError):
            verify_inclusion(entry, index, size, wrong, roots[size])
    for wrong in (
        [*consistency, roots[-1]],
        *([consistency[:-1], [*consistency[:-1], roots[0]]] if consistency else []),
    ):
        with pytest.raises(ProofError):
            verify_consistency(first, roots[first], size, roots[size], wrong)
    other = (index + 1) % size
    with pytest.raises(ProofError):
        verify_inclusion(entry, other, size, inclusion, roots[size])


def test_a_journal_that_shrank_or_forked_is_found() -> None:
    roots, _ = grow([b"a", b"b", b"c"])
    forked, _ = grow([b"a", b"b", b"x"])
    with pytest.raises(ProofError):
        verify_consistency(3, roots[3], 2, roots[2], [])
    with pytest.raises(ProofError):
        verify_consistency(3, roots[3], 3, forked[3], [])
    verify_consistency(3, roots[3], 3, roots[3], [])


def test_every_journal_continues_the_empty_one() -> None:
    roots, _ = grow([b"a", b"b"])
    verify_consistency(0, EMPTY_ROOT, 2, roots[2], [])
    for first_root, proof in ((roots[1], []), (EMPTY_ROOT, [roots[1]])):
        with pytest.raises(ProofError):
            verify_consistency(0, first_root, 2, roots[2], proof)


@pytest.mark.parametrize(("index", "size"), [(-1, 2), (2, 2), (0, 0), (0, 2**64), (5, 2**5000)])
def test_an_entry_that_cannot_be_there_is_refused(index: int, size: int) -> None:
    with pytest.raises(ProofError):
        verify_inclusion(b"a", index, size, [EMPTY_ROOT] * 64, EMPTY_ROOT)


@pytest.mark.parametrize(("first", "second"), [(0, 1), (2, 1), (-1, 1)])
def test_a_consistency_proof_leads_forward_only(first: int, second: int) -> None:
    _, read = grow([b"a", b"b"])
    with pytest.raises(ProofError):
        consistency_proof(first, second, read)
    with pytest.raises(ProofError):
        inclusion_proof(second, second, read)


def test_a_leaf_is_never_taken_for_an_inner_node() -> None:
    roots, _ = grow([b"a", b"b"])
    leaves = sha256(b"\x00a").digest() + sha256(b"\x00b").digest()
    with pytest.raises(ProofError):
        verify_inclusion(leaves, 0, 1, [], roots[2])


def test_a_trees_state_is_logarithmic_and_checked() -> None:
    tree = MerkleTree()
    for number in range(1000):
        tree, _ = tree.append(b"%d" % number)
    assert len(tree.peaks) == (1000).bit_count()
    assert MerkleTree(tree.size, tree.peaks).root == tree.root
    with pytest.raises(ProofError):
        replace(tree, size=1001)
