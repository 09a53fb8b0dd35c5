from collections.abc import Callable
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from renkei.exchange.mailbox import (
    WINDOW,
    Accepted,
    Arrived,
    Ask,
    Connected,
    Deliver,
    Entry,
    Forget,
    Incoming,
    Offer,
    Outgoing,
    PassOver,
    Queued,
    Receipted,
    ReceiveEvent,
    Refuse,
    RepeatReceipt,
    SendEvent,
    Voided,
    receive,
    send,
)


def entry(sequence: int, content: str = "a") -> Entry:
    return Entry(sequence, UUID(int=sequence), content)


class Stream(RuleBasedStateMachine):
    """A sender, a hub that can be restored from a backup, a recipient, and a line that loses, repeats and reorders.

    What the sender or the recipient decides is durable at once; whatever they then say may be lost, as by a crash.
    """

    def __init__(self) -> None:
        super().__init__()
        self.outgoing, self.incoming = Outgoing(), Incoming()
        self.sent: dict[int, Entry] = {}
        self.voided: set[int] = set()
        self.forgotten: set[int] = set()
        self.delivered: list[Entry] = []
        self.passed: set[int] = set()
        self.receipts: dict[int, Entry] = {}
        self.epoch = 1
        self.to_hub: list[Offer] = []
        self.hub: dict[int, Offer] = {}
        self.hub_receipts: dict[int, Entry] = {}
        self.backup: tuple[dict[int, Offer], dict[int, Entry]] = ({}, {})

    def at_sender(self, event: SendEvent, *, crash: bool = False) -> None:
        self.outgoing, actions = send(self.outgoing, event)
        for action in actions:
            match action:
                case Forget(entry=gone):
                    self.forgotten.add(gone.sequence)
                case Offer() if not crash:
                    self.to_hub.append(action)
                case Refuse():
                    assert isinstance(event, Voided), f"refused {event}: {action.reason}"

    def at_recipient(self, event: ReceiveEvent, *, crash: bool = False) -> None:
        known = {each.sequence: each for each in self.delivered}
        self.incoming, actions = receive(self.incoming, event, known.get)
        for action in actions:
            match action:
                case Deliver(entry=arrived):
                    assert arrived.sequence not in self.receipts
                    self.delivered.append(arrived)
                    self.receipts[arrived.sequence] = arrived
                    if not crash:
                        self.hub_receipts[arrived.sequence] = arrived
                case PassOver(sequence=sequence):
                    self.passed.add(sequence)
                case RepeatReceipt(entry=repeated):
                    assert repeated == self.receipts[repeated.sequence]
                    if not crash:
                        self.hub_receipts[repeated.sequence] = repeated
                case Ask(first=first, last=last):
                    assert first == self.incoming.delivered + 1
                    assert first <= last
                    assert not set(range(first, last + 1)) & set(self.incoming.held)
                case Refuse(sequence=sequence):
                    assert sequence in self.voided, f"refused {event}: {action.reason}"

    def offered(self, offer: Offer) -> None:
        """The hub keeps one thing a number; a void takes the parcel's place."""
        if offer.void or offer.entry.sequence not in self.hub:
            self.hub[offer.entry.sequence] = offer

    def shown(self, offer: Offer, *, crash: bool = False) -> None:
        self.at_recipient(Voided(offer.entry.sequence) if offer.void else Arrived(offer.entry), crash=crash)

    @rule(crash=st.booleans())
    def the_sender_makes_a_parcel(self, *, crash: bool) -> None:
        sequence = self.outgoing.next_sequence
        self.sent[sequence] = entry(sequence)
        self.at_sender(Queued(UUID(int=sequence), "a"), crash=crash)

    @rule(crash=st.booleans())
    def the_sender_connects(self, *, crash: bool) -> None:
        self.at_sender(Connected(self.epoch), crash=crash)

    @precondition(lambda self: self.to_hub)
    @rule(data=st.data(), repeat=st.booleans(), answered=st.booleans())
    def the_hub_takes_any_offer_on_the_line(self, *, data: st.DataObject, repeat: bool, answered: bool) -> None:
        place = data.draw(st.integers(0, len(self.to_hub) - 1))
        offer = self.to_hub[place] if repeat else self.to_hub.pop(place)
        self.offered(offer)
        if answered:
            self.at_sender(Accepted(offer.entry.sequence, self.epoch, offer.void))

    @precondition(lambda self: self.to_hub)
    @rule(data=st.data())
    def the_line_loses_an_offer(self, data: st.DataObject) -> None:
        self.to_hub.pop(data.draw(st.integers(0, len(self.to_hub) - 1)))

    @precondition(lambda self: self.hub)
    @rule(data=st.data(), crash=st.booleans())
    def the_recipient_sees_anything_at_the_hub(self, *, data: st.DataObject, crash: bool) -> None:
        self.shown(self.hub[data.draw(st.sampled_from(sorted(self.hub)))], crash=crash)

    @precondition(lambda self: self.hub_receipts)
    @rule(data=st.data())
    def the_sender_sees_any_receipt(self, data: st.DataObject) -> None:
        self.at_sender(Receipted(self.hub_receipts[data.draw(st.sampled_from(sorted(self.hub_receipts)))]))

    @precondition(lambda self: self.outgoing.waiting)
    @rule(data=st.data(), crash=st.booleans())
    def a_person_voids_a_number(self, *, data: st.DataObject, crash: bool) -> None:
        sequence = data.draw(st.sampled_from(sorted(self.outgoing.waiting)))
        self.voided.add(sequence)
        self.at_sender(Voided(sequence), crash=crash)

    @rule()
    def the_hub_is_backed_up(self) -> None:
        self.backup = (dict(self.hub), dict(self.hub_receipts))

    @rule()
    def the_hub_is_restored(self) -> None:
        hub, receipts = self.backup
        self.hub, self.hub_receipts, self.epoch = dict(hub), dict(receipts), self.epoch + 1

    @invariant()
    def each_number_is_delivered_once_in_order_and_as_it_was_sent(self) -> None:
        numbers = [each.sequence for each in self.delivered]
        assert numbers == sorted(set(numbers))
        assert set(numbers) | self.passed == set(range(1, self.incoming.delivered + 1))
        assert all(each == self.sent[each.sequence] for each in self.delivered)
        assert self.passed <= self.voided

    @invariant()
    def the_sender_forgets_only_what_was_delivered(self) -> None:
        assert self.forgotten <= set(self.receipts)
        lost = set(self.sent) - set(self.outgoing.waiting) - set(self.receipts)
        assert lost <= self.passed

    def teardown(self) -> None:
        """Once the line holds, everything arrives, whatever came before."""
        self.to_hub.clear()
        for _ in range(3):
            self.at_sender(Connected(self.epoch))
            while self.to_hub:
                offer = self.to_hub.pop()
                self.offered(offer)
                self.at_sender(Accepted(offer.entry.sequence, self.epoch, offer.void))
            for offer in list(self.hub.values()):
                self.shown(offer)
            for receipt in list(self.hub_receipts.values()):
                self.at_sender(Receipted(receipt))
            assert self.incoming.delivered == len(self.sent)
            self.the_hub_is_restored()
        assert {each.sequence for each in self.delivered} >= set(self.sent) - self.voided
        assert all(each.void for each in self.outgoing.waiting.values())
        self.each_number_is_delivered_once_in_order_and_as_it_was_sent()


TestStream = Stream.TestCase
TestStream.settings = settings(max_examples=60, stateful_step_count=40, suppress_health_check=list(HealthCheck))


def past(*entries: Entry) -> Callable[[int], Entry | None]:
    return {each.sequence: each for each in entries}.get


def test_a_gap_is_held_and_asked_for() -> None:
    state, actions = receive(Incoming(), Arrived(entry(3)), past())
    assert actions == [Ask(1, 2)]
    state, actions = receive(state, Arrived(entry(1)), past())
    assert actions == [Deliver(entry(1)), Ask(2, 2)]
    state, actions = receive(state, Arrived(entry(2)), past(entry(1)))
    assert actions == [Deliver(entry(2)), Deliver(entry(3))]
    assert state == Incoming(3, {})


def test_a_duplicate_gets_the_same_receipt() -> None:
    state, actions = receive(Incoming(1), Arrived(entry(1)), past(entry(1)))
    assert (state, actions) == (Incoming(1), [RepeatReceipt(entry(1))])


@pytest.mark.parametrize("state", [Incoming(1), Incoming(0, {1: entry(1), 2: entry(2)})])
def test_other_content_under_a_known_number_is_refused_and_changes_nothing(state: Incoming) -> None:
    after, actions = receive(state, Arrived(entry(1, "other")), past(entry(1)))
    assert after == state
    assert [type(action) for action in actions] == [Refuse]


def test_only_a_void_passes_over_a_gap() -> None:
    state, _ = receive(Incoming(), Arrived(entry(2)), past())
    state, actions = receive(state, Voided(1), past())
    assert actions == [PassOver(1), Deliver(entry(2))]
    _, actions = receive(state, Arrived(entry(1)), past(entry(2)))
    assert actions == [Refuse(1, "its sender voided this number")]


def test_a_void_that_comes_too_late_gets_the_receipt() -> None:
    assert receive(Incoming(1), Voided(1), past(entry(1))) == (Incoming(1), [RepeatReceipt(entry(1))])


def test_what_lies_too_far_ahead_is_not_held_but_the_gap_is_asked_for() -> None:
    state, actions = receive(Incoming(), Arrived(entry(WINDOW + 1)), past())
    assert (state.held, actions) == ({}, [Ask(1, WINDOW)])
    state, _ = receive(Incoming(), Arrived(entry(WINDOW)), past())
    assert set(state.held) == {WINDOW}


def test_a_new_epoch_has_everything_without_a_receipt_offered_again_in_order() -> None:
    state = Outgoing()
    for number in (1, 2, 3):
        state, actions = send(state, Queued(UUID(int=number), "a"))
        assert actions == [Offer(entry(number))]
        state, _ = send(state, Accepted(number, 1))
    state, actions = send(state, Receipted(entry(2)))
    assert actions == [Forget(entry(2))]
    assert send(state, Connected(1))[1] == []
    assert send(state, Connected(2))[1] == [Offer(entry(1)), Offer(entry(3))]


def test_the_hubs_acceptance_does_not_let_the_sender_forget() -> None:
    state, _ = send(Outgoing(), Queued(UUID(int=1), "a"))
    state, actions = send(state, Accepted(1, 1))
    assert actions == []
    assert set(state.waiting) == {1}


def test_a_late_acceptance_of_the_parcel_does_not_stand_for_its_void() -> None:
    state, _ = send(Outgoing(), Queued(UUID(int=1), "a"))
    state, _ = send(state, Voided(1))
    state, _ = send(state, Accepted(1, 1))
    assert send(state, Connected(1))[1] == [Offer(entry(1), void=True)]
    state, _ = send(state, Accepted(1, 1, void=True))
    assert send(state, Connected(1))[1] == []


def test_a_receipt_for_other_content_or_for_nothing_sent_is_refused() -> None:
    state, _ = send(Outgoing(), Queued(UUID(int=1), "a"))
    for wrong in (entry(1, "other"), entry(2)):
        after, actions = send(state, Receipted(wrong))
        assert after == state
        assert [type(action) for action in actions] == [Refuse]


def test_a_repeated_receipt_changes_nothing() -> None:
    state, _ = send(Outgoing(), Queued(UUID(int=1), "a"))
    state, _ = send(state, Receipted(entry(1)))
    assert send(state, Receipted(entry(1))) == (state, [])


def test_a_receipt_also_settles_the_voids_before_it() -> None:
    state = Outgoing()
    for number in (1, 2, 3):
        state, _ = send(state, Queued(UUID(int=number), "a"))
    state, actions = send(state, Voided(1))
    assert actions == [Offer(entry(1), void=True)]
    state, _ = send(state, Receipted(entry(3)))
    assert set(state.waiting) == {2}


def test_what_has_its_receipt_cannot_be_voided() -> None:
    state, _ = send(Outgoing(), Queued(UUID(int=1), "a"))
    state, _ = send(state, Receipted(entry(1)))
    assert [type(action) for action in send(state, Voided(1))[1]] == [Refuse]
