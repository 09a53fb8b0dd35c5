"""The audit of a journal that was tampered with in memory: what is wrong is named, and nothing else."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from renkei.exchange.audit import Audit, Finding, Seen
from renkei.exchange.documents import canonical
from renkei.exchange.journal import MerkleTree, leaf_hash
from renkei.exchange.payloads import TreeHead

AT = "2026-11-26T00:00:00Z"


def entry(index: int, mark: str = "0") -> bytes:
    digest = f"{index:x}{mark}".rjust(64, "0")
    return canonical({"index": index, "act": "message", "at": AT, "party": "131041", "document_sha256": digest})


def head(entries: list[bytes], size: int, epoch: int = 1) -> TreeHead:
    tree = MerkleTree()
    for each in entries[:size]:
        tree, _ = tree.append(each)
    return TreeHead.read({"epoch": epoch, "size": size, "root": tree.root.hex(), "signed_at": AT})


def audit(
    entries: list[bytes | None], leaves: list[bytes | None], heads: list[TreeHead], others: list[TreeHead] | None = None
) -> list[Finding]:
    seen = [Seen(each, f"kept head {number}") for number, each in enumerate(heads, start=1)]
    seen += [Seen(each, "the head that 011011 saw") for each in others or []]
    made = Audit(seen)
    for position, (one, leaf) in enumerate(zip(entries, leaves, strict=True)):
        if one is not None or leaf is not None:
            made.feed(position, one, leaf)
    return made.finish()


def leaves_of(entries: list[bytes]) -> list[bytes | None]:
    return [leaf_hash(each) for each in entries]


GOOD = [entry(index) for index in range(20)]
HEADS = [head(GOOD, size) for size in (0, 4, 9, 16, 20)]


@given(st.integers(0, 60), st.sets(st.integers(0, 60)))
def test_a_whole_journal_has_no_finding(size: int, sizes: set[int]) -> None:
    entries = [entry(index) for index in range(size)]
    heads = [head(entries, each) for each in sizes if each <= size]
    assert audit([*entries], leaves_of(entries), heads) == []


@given(place=st.integers(0, 19), with_heads=st.booleans())
def test_any_changed_entry_is_named_exactly_while_the_tree_is_old(*, place: int, with_heads: bool) -> None:
    changed = [*GOOD]
    changed[place] = entry(place, "1")
    (found,) = audit([*changed], leaves_of(GOOD), HEADS if with_heads else [])
    assert (found.fault, found.first) == ("changed", place)


@given(st.integers(0, 19))
def test_a_change_with_a_new_tree_lies_between_two_heads(place: int) -> None:
    changed = [*GOOD]
    changed[place] = entry(place, "1")
    (found,) = audit([*changed], leaves_of(changed), HEADS)
    before = max(each.size for each in HEADS if each.size <= place)
    after = min(each.size for each in HEADS if each.size > place)
    assert (found.fault, found.first, found.last) == ("changed", before, after - 1)


@given(place=st.integers(0, 19), with_leaf=st.booleans())
def test_a_removed_entry_is_named(*, place: int, with_leaf: bool) -> None:
    gone: list[bytes | None] = [*GOOD]
    leaves = leaves_of(GOOD)
    gone[place] = None
    if with_leaf:
        leaves[place] = None
    found = audit(gone, leaves, HEADS)
    assert found[0].fault == ("missing" if place < 19 or not with_leaf else "shortened")
    assert found[0].first == (place if found[0].fault == "missing" else 16)


@given(st.integers(0, 18))
def test_a_removal_that_moves_the_rest_up_is_found_by_the_first_index(place: int) -> None:
    moved = GOOD[:place] + GOOD[place + 1 :]
    found = audit([*moved], leaves_of(moved), HEADS)
    assert ("inserted", place) in {(each.fault, each.first) for each in found}


@given(st.integers(0, 18))
def test_a_removal_that_renumbers_the_rest_and_makes_the_tree_anew_is_found_by_the_heads(place: int) -> None:
    moved = GOOD[:place] + GOOD[place + 1 :]
    renumbered = [canonical({**_read(each), "index": index}) for index, each in enumerate(moved)]
    found = audit([*renumbered], leaves_of(renumbered), HEADS)
    assert found
    first, last = found[0].first, found[0].last
    assert first is not None
    assert last is not None
    assert first <= place <= last


@given(st.integers(0, 20))
def test_an_insertion_is_found(place: int) -> None:
    put_in = [*GOOD[:place], entry(99), *GOOD[place:]]
    renumbered = [canonical({**_read(each), "index": index}) for index, each in enumerate(put_in)]
    found = audit([*renumbered], leaves_of(renumbered), HEADS)
    assert bool(found) == (place < 20)  # behind the last head nothing proves what was there
    assert all(each.first is not None and each.first <= place for each in found[:1])


def test_an_entry_without_a_place_in_the_tree_was_put_in() -> None:
    (found,) = audit([*GOOD, entry(20)], [*leaves_of(GOOD), None], HEADS)
    assert (found.fault, found.first) == ("tree", 20)


@pytest.mark.parametrize("size", [0, 3, 19])
def test_a_journal_whose_end_was_removed_is_shorter_than_a_head(size: int) -> None:
    found = audit([*GOOD[:size]], leaves_of(GOOD[:size]), HEADS)
    (finding,) = found
    assert finding.fault == "shortened"
    assert finding.first is not None
    assert finding.first <= size <= (finding.last or 0)


def test_a_hub_that_showed_somebody_another_journal_is_named_by_who_saw_it() -> None:
    other = [*GOOD[:12], entry(12, "1"), *GOOD[13:]]
    (found,) = audit([*GOOD], leaves_of(GOOD), HEADS, [head(other, 14)])
    assert (found.fault, found.first, found.last) == ("forked", 9, 13)
    assert "011011" in found.text


def test_a_changed_leaf_alone_is_a_fault_of_the_tree() -> None:
    leaves = leaves_of(GOOD)
    leaves[5] = leaf_hash(b"other")
    (found,) = audit([*GOOD], leaves, HEADS)
    assert (found.fault, found.first) == ("tree", 5)


@pytest.mark.parametrize("broken", [b"", b"{}", b"[1]", b"\xff", entry(7).replace(b'"act"', b'"acT"'), entry(7) + b" "])
def test_what_is_no_entry_is_named(broken: bytes) -> None:
    changed = [*GOOD]
    changed[7] = broken
    found = audit([*changed], leaves_of(changed), HEADS)
    assert ("changed", 7) in {(each.fault, each.first) for each in found}


def test_what_a_restore_lost_is_no_fault_but_what_it_kept_must_hold() -> None:
    begin = head(GOOD, 10, epoch=2)
    lost = head([*GOOD[:10], entry(10, "1"), entry(11, "1")], 12)
    assert audit([*GOOD], leaves_of(GOOD), [*HEADS[:3], begin], [lost]) == []
    changed = [*GOOD]
    changed[3] = entry(3, "1")
    (found, *_) = audit([*changed], leaves_of(changed), [*HEADS[:3], begin])
    assert found.first == 0


def _read(text: bytes) -> dict[str, object]:
    found: dict[str, object] = json.loads(text)
    return found
