from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from renkei.exchange.mailbox import Arrival, Cursor
from renkei.store.incoming import IncomingMessage, State
from renkei.store.outgoing import Draft
from renkei.store.spool import Peer, Spool
from unit.examples import examples
from unit.store.spool_steps import AT, draft, fetch, incoming, source, take

SENDERS = count()


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    opened = Spool(tmp_path / "state.db")
    yield opened
    opened.close()


def deliver_what_is_next(spool: Spool) -> list[int]:
    delivered = []
    while ready := spool.incoming.deliverable():
        for message in ready:
            spool.incoming.deliver(message, b"receipt", AT)
            delivered.append(message.sequence)
    return delivered


def offered(spool: Spool, epoch: int) -> list[int]:
    numbers = []
    while message := spool.outgoing.to_offer("ministry", "notices", epoch):
        numbers.append(message.sequence)
        spool.outgoing.accept(message.id, epoch, b"acceptance")
    return numbers


def test_numbers_have_no_gaps_in_each_stream(spool: Spool) -> None:
    assert take(spool, "a", 2) == [1, 2]
    assert take(spool, "b", 1, "131041") == [1]
    assert take(spool, "c", 1) == [3]


def test_a_file_is_taken_once(spool: Spool) -> None:
    take(spool, "a")
    assert take(spool, "a") == []
    assert take(spool, "b") == [2]


def test_a_message_that_cannot_be_built_leaves_nothing_of_its_file(spool: Spool) -> None:
    def fails(_number: int) -> Draft:
        raise ValueError("can't be sealed")

    with pytest.raises(ValueError, match="sealed"):
        spool.outgoing.take(source("a"), "ministry", "notices", [draft, fails])
    assert spool.outgoing.source("sha-a", "") is None
    assert spool.outgoing.unreceipted() == []
    assert take(spool, "b") == [1]


def test_what_was_committed_is_there_after_the_file_is_opened_again(tmp_path: Path) -> None:
    first = Spool(tmp_path / "state.db")
    take(first, "a")
    first.close()
    again = Spool(tmp_path / "state.db")
    assert [message.sequence for message in again.outgoing.unreceipted()] == [1]
    again.close()


def test_only_its_owner_can_read_the_file(tmp_path: Path) -> None:
    Spool(tmp_path / "state.db").close()
    assert (tmp_path / "state.db").stat().st_mode & 0o077 == 0


def test_messages_are_offered_in_order_and_not_again(spool: Spool) -> None:
    take(spool, "a", 3)
    assert offered(spool, 1) == [1, 2, 3]
    assert offered(spool, 1) == []


def test_a_new_epoch_gets_everything_without_a_receipt(spool: Spool) -> None:
    take(spool, "a", 3)
    offered(spool, 1)
    spool.outgoing.receipt("ministry-a-1", b"receipt", AT)
    assert offered(spool, 2) == [2, 3]


def test_a_hub_that_asks_for_an_earlier_number_gets_receipted_messages_too(spool: Spool) -> None:
    take(spool, "a", 3)
    offered(spool, 1)
    for number in (1, 2):
        spool.outgoing.receipt(f"ministry-a-{number}", b"receipt", AT)
    spool.outgoing.offer_from("ministry", "notices", 2)
    assert offered(spool, 2) == [2, 3]


def test_bytes_are_forgotten_only_after_acceptance_and_receipt(spool: Spool) -> None:
    take(spool, "a", 3)
    spool.outgoing.accept("ministry-a-1", 1, b"")
    spool.outgoing.accept("ministry-a-2", 1, b"")
    for number in (2, 3):
        spool.outgoing.receipt(f"ministry-a-{number}", b"receipt", AT)
    long_ago, after = "2020-01-01T00:00:00Z", "2026-12-31T00:00:00Z"
    assert spool.outgoing.forget(after, long_ago) == 1
    assert [spool.outgoing.held("ministry", "notices", n) is None for n in (1, 2, 3)] == [False, True, False]
    assert spool.outgoing.forget(after, after) == 1, "after the year also what went by medium alone"
    assert [spool.outgoing.held("ministry", "notices", n) is None for n in (1, 2, 3)] == [False, True, True]


def test_a_receipt_counts_once(spool: Spool) -> None:
    take(spool, "a")
    assert spool.outgoing.receipt("ministry-a-1", b"receipt", AT)
    assert not spool.outgoing.receipt("ministry-a-1", b"receipt", AT)
    assert spool.outgoing.counts()[0].receipts == 1


@settings(max_examples=examples(12), suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(order=st.permutations(range(1, 6)))
def test_messages_are_delivered_in_order_however_they_come(spool: Spool, order: list[int]) -> None:
    delivered: list[int] = []
    sender = f"sender {next(SENDERS)}"
    for sequence in order:
        fetch(spool, replace(incoming(sequence), sender=sender))
        delivered += deliver_what_is_next(spool)
    assert delivered == [1, 2, 3, 4, 5]


def test_a_gap_is_held_until_it_is_filled_or_voided(spool: Spool) -> None:
    for sequence in (1, 3, 5):
        fetch(spool, incoming(sequence))
    assert deliver_what_is_next(spool) == [1]
    spool.incoming.void("131041", "notices", 2, b"void")
    assert deliver_what_is_next(spool) == [3]
    fetch(spool, incoming(4))
    assert deliver_what_is_next(spool) == [4, 5]


def test_what_comes_from_before_a_machines_beginning_is_delivered_and_holds_up_nothing(spool: Spool) -> None:
    spool.incoming.announce(incoming(4))
    spool.incoming.begin()
    fetch(spool, incoming(3))
    spool.incoming.mark(incoming(3), State.QUARANTINED)
    fetch(spool, incoming(2))
    fetch(spool, incoming(4))
    assert deliver_what_is_next(spool) == [2, 4]
    fetch(spool, incoming(1))
    fetch(spool, incoming(6))
    assert deliver_what_is_next(spool) == [1]
    assert [(gap.first, gap.last) for gap in spool.gaps()] == [(5, 5)]
    fetch(spool, incoming(3, manifest=b"sealed anew"))
    fetch(spool, incoming(5))
    assert deliver_what_is_next(spool) == [3, 5, 6]


def test_what_comes_again_without_a_machine_before_is_never_delivered_again(spool: Spool) -> None:
    for sequence in (1, 2):
        fetch(spool, incoming(sequence))
    deliver_what_is_next(spool)
    spool.incoming.begin()
    spool.incoming.remove_settled("2099-01-01T00:00:00Z", unsent=True)
    fetch(spool, incoming(1))
    assert deliver_what_is_next(spool) == []


def test_a_void_ends_a_message_that_was_not_delivered(spool: Spool) -> None:
    fetch(spool, incoming(1))
    spool.incoming.mark(incoming(1), State.QUARANTINED)
    fetch(spool, incoming(2))
    spool.incoming.void("131041", "notices", 1, b"void")
    assert deliver_what_is_next(spool) == [2]
    assert spool.incoming.counts()[0].held == 0


def test_a_message_that_comes_after_its_void_is_not_held(spool: Spool) -> None:
    spool.incoming.void("131041", "notices", 1, b"void")
    assert spool.incoming.announce(incoming(1)) is Arrival.IGNORE
    assert spool.incoming.counts() == []


def test_a_repeated_message_is_receipted_again_and_not_delivered_again(spool: Spool) -> None:
    fetch(spool, incoming(1))
    deliver_what_is_next(spool)
    (delivered,) = spool.incoming.receipts_to_send()
    spool.incoming.receipt_sent(delivered, AT)
    assert spool.incoming.announce(incoming(1, manifest=b"sealed anew")) is Arrival.REPEAT_RECEIPT
    assert deliver_what_is_next(spool) == []
    assert [message.receipt for message in spool.incoming.receipts_to_send()] == [b"receipt"]


def test_a_message_sealed_anew_takes_the_place_of_the_old_one(spool: Spool) -> None:
    spool.incoming.announce(incoming(1))
    spool.incoming.add_piece(incoming(1), 0, b"old")
    assert spool.incoming.announce(incoming(1, manifest=b"new")) is Arrival.REPLACE
    (message,) = spool.incoming.in_state(State.ANNOUNCED)
    assert message.manifest == b"new"
    assert spool.incoming.fetched_bytes(message) == 0


@pytest.mark.parametrize("change", [{"id": "other"}, {"content_sha256": "other"}, {"sequence": 2}])
def test_two_messages_in_one_place_are_a_clash_and_the_first_stays(spool: Spool, change: dict[str, object]) -> None:
    first = incoming(1)
    spool.incoming.announce(first)
    fetch(spool, incoming(2))
    values = {name: getattr(first, name) for name in IncomingMessage.__slots__}
    assert spool.incoming.announce(IncomingMessage(**{**values, **change})) is Arrival.REFUSE
    assert spool.incoming.in_state(State.ANNOUNCED) == [first]


@pytest.mark.parametrize(("start", "piece"), [(5, b"x"), (0, b"x" * 11)])
def test_pieces_follow_each_other_and_stay_within_the_size(spool: Spool, start: int, piece: bytes) -> None:
    spool.incoming.announce(incoming(1))
    with pytest.raises(ValueError, match="don't follow"):
        spool.incoming.add_piece(incoming(1), start, piece)


def test_an_older_generation_does_not_take_the_place_of_a_newer_one(spool: Spool) -> None:
    assert spool.pin(Peer("131041", 2, "new", "{}", AT))
    assert not spool.pin(Peer("131041", 1, "old", "{}", AT))
    assert spool.peer("131041").certificate_sha256 == "new"


def test_an_alarm_is_new_once_and_counts_up_until_it_is_settled(spool: Spool) -> None:
    assert spool.alarm("hub", "identity", "not the hub", AT)
    assert not spool.alarm("hub", "identity", "still not", AT)
    assert [(alarm.text, alarm.times) for alarm in spool.alarms()] == [("still not", 2)]
    spool.settle("hub", "identity")
    assert spool.alarms() == []


def test_a_new_epoch_reads_the_inbox_from_its_beginning(spool: Spool) -> None:
    spool.enter_epoch(1)
    spool.move_cursor(Cursor(17, 16))
    assert (spool.epoch, spool.cursor) == (1, Cursor(17, 16))
    spool.enter_epoch(2)
    assert (spool.epoch, spool.cursor) == (2, Cursor())
