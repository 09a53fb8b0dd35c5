"""The rules of a stream, one by one; `test_promises` has them together."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from renkei.exchange.mailbox import (
    ASKED_AGAIN,
    Arrival,
    Cursor,
    Entry,
    Known,
    Receipting,
    Stage,
    Voiding,
    comes_late,
    first_unsettled,
    judge_arrival,
    judge_receipt,
    judge_void,
    must_offer,
    next_number,
    ranges_between,
    received_before,
)

ENTRY = Entry("notices", 3, "id-3", "content")
OTHERS = [
    Entry("notices", 3, "id-3", "other content"),
    Entry("notices", 3, "other id", "content"),
    Entry("notices", 4, "id-3", "content"),
    Entry("results", 3, "id-3", "content"),
]


@pytest.mark.parametrize(
    ("accepted_in", "receipted", "offered"),
    [
        (None, False, True),
        (1, False, True),
        (2, False, False),
        (ASKED_AGAIN, False, True),
        (1, True, False),
        (2, True, False),
        (None, True, True),
        (ASKED_AGAIN, True, True),
    ],
)
def test_the_hub_is_given_what_it_does_not_have_in_its_epoch(
    accepted_in: int | None, *, receipted: bool, offered: bool
) -> None:
    assert must_offer(accepted_in, epoch=2, receipted=receipted) is offered


def test_a_receipt_settles_once_and_only_what_it_is_for() -> None:
    assert judge_receipt(ENTRY, ENTRY, receipted=False) is Receipting.SETTLE
    assert judge_receipt(ENTRY, ENTRY, receipted=True) is Receipting.REPEATED
    assert judge_receipt(None, ENTRY, receipted=False) is Receipting.UNKNOWN
    for other in OTHERS:
        assert judge_receipt(ENTRY, other, receipted=False) is Receipting.OTHER_CONTENT


@pytest.mark.parametrize(
    ("stage", "anew", "same"),
    [
        (Stage.HELD, Arrival.REPLACE, Arrival.IGNORE),
        (Stage.DELIVERING, Arrival.IGNORE, Arrival.IGNORE),
        (Stage.DELIVERED, Arrival.REPEAT_RECEIPT, Arrival.REPEAT_RECEIPT),
        (Stage.VOIDED, Arrival.IGNORE, Arrival.IGNORE),
    ],
)
def test_a_manifest_that_comes_again(stage: Stage, anew: Arrival, same: Arrival) -> None:
    known = [Known(ENTRY, stage, b"manifest")]
    assert judge_arrival(ENTRY, b"sealed anew", known, voided=stage is Stage.VOIDED) is anew
    assert judge_arrival(ENTRY, b"manifest", known, voided=stage is Stage.VOIDED) is same
    for other in OTHERS:
        assert judge_arrival(other, b"manifest", known, voided=False) is Arrival.REFUSE


def test_a_new_manifest_is_held_unless_its_number_was_voided_before_it_came() -> None:
    assert judge_arrival(ENTRY, b"manifest", [], voided=False) is Arrival.HOLD
    assert judge_arrival(ENTRY, b"manifest", [], voided=True) is Arrival.IGNORE


def test_one_manifest_for_two_places_is_refused() -> None:
    known = [Known(ENTRY, Stage.HELD, b"manifest"), Known(OTHERS[1], Stage.HELD, b"manifest")]
    assert judge_arrival(ENTRY, b"manifest", known, voided=False) is Arrival.REFUSE


@pytest.mark.parametrize(
    ("stage", "voiding"),
    [
        (Stage.HELD, Voiding.PASS_OVER),
        (Stage.DELIVERING, Voiding.TOO_LATE),
        (Stage.DELIVERED, Voiding.REPEAT_RECEIPT),
        (Stage.VOIDED, Voiding.PASS_OVER),
    ],
)
def test_a_void_stops_what_was_not_handed_on(stage: Stage, voiding: Voiding) -> None:
    assert judge_void(Known(ENTRY, stage, b"manifest")) is voiding


def test_a_void_of_what_never_came_passes_over_its_number() -> None:
    assert judge_void(None) is Voiding.PASS_OVER
    assert next_number(0, {1, 2, 5}.__contains__) == 3
    assert next_number(3, {1, 2, 5}.__contains__) == 4
    assert next_number(4, {1, 2, 5}.__contains__) == 6


def test_only_what_is_from_before_a_machines_beginning_comes_late() -> None:
    assert [number for number in range(1, 6) if comes_late(number, 3)] == [1, 2, 3]
    assert not comes_late(1, 0)


@given(st.sets(st.integers(1, 30)), st.integers(1, 30), st.integers(1, 32))
def test_ranges_are_all_numbers_but_some(but: set[int], first: int, end: int) -> None:
    ranges = ranges_between(first, end, sorted(but))
    held = [number for low, high in ranges for number in range(low, high + 1)]
    assert held == [number for number in range(first, end) if number not in but]
    assert all(before + 1 < after for (_, before), (after, _) in itertools.pairwise(ranges)), "they touch"
    for number in range(1, 35):
        assert first_unsettled(number, ranges) == next(n for n in range(number, 40) if n not in held)


@given(st.integers(0, 10), st.sets(st.integers(1, 30)), st.sets(st.integers(1, 30)))
def test_a_machine_in_anothers_place_passes_over_what_is_settled_or_void_and_stops_at_the_rest(
    delivered: int, settled: set[int], voids: set[int]
) -> None:
    ranges = ranges_between(1, 31, [number for number in range(1, 31) if number not in settled])
    behind = received_before(delivered, ranges, voids.__contains__)
    assert behind == delivered or behind in settled
    assert all(number in settled | voids for number in range(delivered + 1, behind + 1))
    assert next_number(behind, voids.__contains__) not in settled


def test_what_is_doubtful_is_passed_but_looked_at_again() -> None:
    cursor = Cursor().passed(1, believed=True).passed(2, believed=False).passed(3, believed=True)
    assert cursor == Cursor(read=3, doubtful=2)
    again = cursor.again()
    assert again == Cursor(read=1)
    assert again.passed(2, believed=True).passed(3, believed=True) == Cursor(read=3)
    assert Cursor(5).again() == Cursor(5)
