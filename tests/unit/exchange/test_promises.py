"""The promises against any interleaving: acknowledged is delivered once, in order, with receipt and journal entry."""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from hashlib import sha256

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from renkei.exchange.documents import peek
from renkei.exchange.errors import ExchangeError
from renkei.exchange.mailbox import Cursor
from renkei.exchange.parties import HUB, MINISTRY, Party
from renkei.exchange.payloads import Acceptance, Receipt
from unit.exchange.conftest import LIFETIME, NOW, Machine, status_notice
from unit.exchange.hub_at_play import ENDPOINT, WORLD, Hub, Item, Refused, backup
from unit.exchange.parties_at_play import Recipient, Sender

CLOCKS = (-timedelta(days=400), timedelta(), timedelta(days=30), LIFETIME + timedelta(days=1))
"""How far a clock is from the beginning: too early, right, a month later, after the certificates have ended."""

AT_SENDER, AT_HUB = WORLD.enrol(MINISTRY, "linkage"), WORLD.enrol(HUB, "asp-hub")
TERMINALS = [WORLD.enrol(Party(ENDPOINT), f"T-{number:04d}", number) for number in range(1, 5)]
PAGE = 3


class Stream(RuleBasedStateMachine):
    """The parties, the line between them, and whatever can happen to each."""

    def __init__(self) -> None:
        super().__init__()
        self.hub = Hub(AT_HUB, AT_SENDER)
        self.sender, self.recipient = Sender(AT_SENDER), Recipient(TERMINALS[0])
        self.saved = backup(self.hub)
        self.clocks = {"sender": timedelta(), "recipient": timedelta()}
        self.earlier: list[tuple[bytes, bytes | None]] = []
        self.acknowledged: set[int] = set()
        self.replaced: list[Recipient] = []
        self.restored = False
        self.safe_from_repetition: list[set[int]] = []
        self.proven: list[set[int]] = []
        self.voided: set[int] = set()

    @property
    def terminal(self) -> Machine:
        return self.recipient.machine

    def now(self, party: str) -> datetime:
        return NOW + self.clocks[party]

    # -- what the sender does

    @precondition(lambda self: len(self.sender.outgoing) < 8)
    @rule()
    def a_notice_is_queued(self) -> None:
        notice = status_notice(number=f"M-{len(self.sender.outgoing) + 1}", municipality=ENDPOINT)
        self.sender.queue(notice, self.terminal.verified, NOW)

    @rule(answered=st.booleans())
    def the_sender_offers(self, *, answered: bool) -> None:
        """Whether or not the answer comes back, the hub has it."""
        self.sender.enter(self.hub.epoch)
        self.sender.return_receipts(self.hub, TERMINALS, self.terminal, NOW)
        self.sender.reseal(self.terminal.verified)
        offered = self.sender.to_offer()
        taken = self.sender.offer(self.hub, [self.terminal], NOW)
        if offered is not None:
            self.earlier.append((offered.parcel.manifest_envelope, offered.parcel.sealed))
            if offered.void is not None:
                self.earlier.append((offered.void, None))
        if taken is not None and answered:
            self.sender.accepted(*taken, self.hub.epoch)
            self.acknowledged.add(taken[0])

    @rule(most=st.integers(2, 5), answered=st.booleans())
    def the_sender_offers_together(self, most: int, *, answered: bool) -> None:
        """Several in one request: its answer comes back whole or not at all, whatever the hub took of it."""
        self.sender.enter(self.hub.epoch)
        self.sender.return_receipts(self.hub, TERMINALS, self.terminal, NOW)
        self.sender.reseal(self.terminal.verified)
        taken = self.sender.offer_together(self.hub, [self.terminal], NOW, most)
        for number, acceptance in taken:
            parcel = self.sender.outgoing[number].parcel
            self.earlier.append((parcel.manifest_envelope, parcel.sealed))
            if answered:
                self.sender.accepted(number, acceptance, self.hub.epoch)
                self.acknowledged.add(number)

    @precondition(lambda self: self.earlier)
    @rule(data=st.data(), corrupt=st.booleans())
    def an_earlier_request_comes_again(self, data: st.DataObject, *, corrupt: bool) -> None:
        """Delayed, repeated, replayed, or with an altered byte: the hub's state must not suffer by it."""
        envelope, sealed = data.draw(st.sampled_from(self.earlier))
        before = backup(self.hub)
        try:
            if sealed is None:
                self.hub.put_void(altered(envelope) if corrupt else envelope, NOW)
            elif corrupt:
                self.hub.put_message(envelope, altered(sealed), [self.terminal], NOW)
            else:
                self.hub.put_message(envelope, sealed, [self.terminal], NOW)
        except (Refused, ExchangeError):
            corrupt = True
        assert not corrupt or self.hub == before, "what was refused has left something behind"
        assert self.hub.journal[: len(before.journal)] == before.journal

    @rule(count=st.integers(1, PAGE))
    def the_sender_reads_its_inbox(self, count: int) -> None:
        self.sender.enter(self.hub.epoch)
        self.sender.cursor = self.read("sender", self.sender.cursor, self.sender.take, count)

    @precondition(lambda self: self.sender.outgoing)
    @rule(data=st.data())
    def a_number_is_voided(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.sender.outgoing)))
        if self.sender.void(number, NOW):
            self.voided.add(number)

    @precondition(lambda self: any(each.receipted for each in self.sender.outgoing.values()))
    @rule(data=st.data())
    def the_bytes_of_a_receipted_message_go(self, data: st.DataObject) -> None:
        """Its time is over, a month after its receipt or a year."""
        receipted = [number for number, each in self.sender.outgoing.items() if each.receipted]
        self.sender.outgoing[data.draw(st.sampled_from(receipted))].forgotten = True

    # -- what the recipient does

    @rule(count=st.integers(1, PAGE))
    def the_recipient_reads_its_inbox(self, count: int) -> None:
        self.recipient.enter(self.hub.epoch)
        self.recipient.cursor = self.read("recipient", self.recipient.cursor, self.recipient.take, count)
        if not self.hub.inbox("recipient", self.recipient.cursor.read, 1):
            self.recipient.begin()

    @precondition(lambda self: self.recipient.incoming)
    @rule(data=st.data(), corrupt=st.booleans())
    def the_recipient_fetches(self, data: st.DataObject, *, corrupt: bool) -> None:
        number = data.draw(st.sampled_from(sorted(self.recipient.incoming)))
        self.recipient.fetch(self.hub, number, corrupt=corrupt)

    @precondition(lambda self: self.recipient.next() is not None)
    @rule(steps=st.integers(1, 3))
    def the_recipient_delivers(self, steps: int) -> None:
        """It may crash after each step."""
        each = self.recipient.next()
        assert each is not None
        for _ in zip(range(steps), self.recipient.deliver(each, self.now("recipient").replace(microsecond=0))):  # noqa: B905
            pass

    @rule()
    def the_recipient_asks_what_is_settled(self) -> None:
        self.recipient.begin_behind(self.hub, self.now("recipient"))

    @precondition(lambda self: self.recipient.receipts_to_send())
    @rule(answered=st.booleans())
    def the_recipient_sends_a_receipt(self, *, answered: bool) -> None:
        each = self.recipient.receipts_to_send()[0]
        assert each.receipt is not None
        with suppress(Refused):  # a restored hub may not have the message; it asks for the receipt when it has
            self.hub.put_receipt(each.receipt, self.terminal, NOW)
        if answered:
            each.receipt_sent = True

    # -- all of it, for a while without trouble

    @rule(stages=st.integers(1, 5))
    def everybody_gets_on(self, stages: int) -> None:
        """So that trouble meets streams that have come far, too; it may come after any stage."""
        steps = (self._offer_all, self._read_all, self._deliver_all, self._receipt_all, self._learn_all)
        for step in steps[:stages]:
            step()

    def _offer_all(self) -> None:
        for _ in range(2 * len(self.sender.outgoing) + 1):
            self.the_sender_offers(answered=True)

    def _read_all(self) -> None:
        for _ in range(self.hub.ends["recipient"] // PAGE + 2):
            self.the_recipient_reads_its_inbox(PAGE)

    def _deliver_all(self) -> None:
        for number in sorted(self.recipient.incoming):
            self.recipient.fetch(self.hub, number, corrupt=False)
        for _ in range(2):
            while self.recipient.next() is not None:
                self.the_recipient_delivers(3)
            self.the_recipient_asks_what_is_settled()

    def _receipt_all(self) -> None:
        while self.recipient.receipts_to_send():
            self.the_recipient_sends_a_receipt(answered=True)

    def _learn_all(self) -> None:
        for _ in range(self.hub.ends["sender"] // PAGE + 2):
            self.the_sender_reads_its_inbox(PAGE)

    # -- what happens to them

    @rule(party=st.sampled_from(["sender", "recipient"]), ahead=st.sampled_from(CLOCKS))
    def a_clock_jumps(self, party: str, ahead: timedelta) -> None:
        self.clocks[party] = ahead

    @rule()
    def the_hub_is_backed_up(self) -> None:
        self.saved = backup(self.hub)

    @rule()
    def the_hub_is_restored(self) -> None:
        epoch = self.hub.epoch + 1
        self.hub = backup(self.saved)
        self.hub.epoch = epoch
        self.restored = True
        self.safe_from_repetition = [set() for _ in self.safe_from_repetition]

    @precondition(lambda self: len(self.replaced) < len(TERMINALS) - 1)
    @rule()
    def the_terminal_is_replaced(self) -> None:
        """A new machine with new keys and nothing of the old one; what the hub has receipts for won't come again."""
        receipted = {number for number, message in self.hub.messages.items() if message.receipt is not None}
        self.replaced.append(self.recipient)
        self.safe_from_repetition.append(receipted)
        self.proven.append({number for number, each in self.sender.outgoing.items() if each.receipted})
        self.recipient = Recipient(TERMINALS[len(self.replaced)], took_over=True)

    # -- what always holds

    @invariant()
    def each_terminal_hands_on_each_number_once_in_order_and_as_it_was_sent(self) -> None:
        """What comes from before a terminal's beginning is out of order, and comes only once a hub was restored."""
        for terminal in (*self.replaced, self.recipient):
            numbers = [number for number, _ in terminal.handed_on]
            in_order = [number for number in numbers if number > terminal.began_first]
            assert in_order == sorted(in_order)
            assert len(numbers) == len(set(numbers))
            assert self.restored or in_order == numbers
            for number, content in terminal.handed_on:
                assert self.sender.outgoing[number].entry.content_sha256 == content

    @invariant()
    def what_an_earlier_terminal_receipted_does_not_come_again(self) -> None:
        """Not even once the hub was restored where its sender had the receipt before the machine was replaced."""
        for position, (safe, proven) in enumerate(zip(self.safe_from_repetition, self.proven, strict=True)):
            later = [*self.replaced[position + 1 :], self.recipient]
            assert not (safe | proven) & {number for terminal in later for number, _ in terminal.handed_on}

    @invariant()
    def only_a_void_is_passed_over(self) -> None:
        numbers = {number for number, _ in self.recipient.handed_on}
        missing = set(range(self.recipient.began_first + 1, max(numbers, default=0))) - numbers
        assert missing <= self.recipient.voids | self.recipient.passed
        assert self.recipient.voids <= self.voided
        assert all(self.sender.outgoing[number].receipted for number in self.recipient.passed)

    @invariant()
    def the_sender_lets_go_only_of_what_was_handed_on(self) -> None:
        handed_on = {each for terminal in (*self.replaced, self.recipient) for each in terminal.handed_on}
        for number, each in self.sender.outgoing.items():
            if each.receipted:
                assert (number, each.entry.content_sha256) in handed_on

    @invariant()
    def what_the_hub_answers_for_is_in_its_journal(self) -> None:
        for message in self.hub.messages.values():
            acceptance = Acceptance.open(message.acceptance, AT_HUB.verified.signing_public_key)
            assert self.hub.journal[acceptance.journal_index] == ("message", sha256(message.acceptance).hexdigest())
            if message.receipt is not None:
                assert ("receipt", sha256(message.receipt).hexdigest()) in self.hub.journal
        assert len(self.hub.journal) == self.hub.tree.size

    # -- and once the faults end

    def teardown(self) -> None:
        self.clocks = dict.fromkeys(self.clocks, timedelta())
        for _ in range(4):
            self.everybody_gets_on(5)
        assert self.sender.to_offer() is None
        handed_on = {number for each in (*self.replaced, self.recipient) for number, _ in each.handed_on}
        for number, each in self.sender.outgoing.items():
            if each.receipted:
                receipt = Receipt.read(payload_of(each.receipt))
                assert receipt.content_sha256 == each.entry.content_sha256
            else:
                assert each.void is not None, f"{number} has no receipt"
            assert number in handed_on | self.voided
        assert self.acknowledged <= handed_on | self.voided
        self.each_terminal_hands_on_each_number_once_in_order_and_as_it_was_sent()
        self.only_a_void_is_passed_over()

    # -- the line

    def read(self, party: str, cursor: Cursor, take: Callable[[Item, datetime], bool], count: int) -> Cursor:
        """Read a page; at the inbox' end begin again at what was doubtful."""
        try:
            page = self.hub.inbox(party, cursor.read, count)
            if not page:
                cursor = cursor.again()
                page = self.hub.inbox(party, cursor.read, count)
        except Refused:
            return Cursor()
        for place, item in page:
            cursor = cursor.passed(place, believed=take(item, self.now(party)))
        return cursor


def altered(content: bytes) -> bytes:
    """The same with one bit turned over."""
    return content[:-9] + bytes([content[-9] ^ 1]) + content[-8:]


def payload_of(envelope: bytes | None) -> dict[str, object]:
    assert envelope is not None
    return peek(envelope).payload


TestStream = pytest.mark.thorough(Stream.TestCase)
TestStream.settings = settings(
    max_examples=200, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)


@pytest.mark.parametrize("stages", [2, 3, 4])
def test_what_a_restored_hub_lost_the_receipt_of_comes_again_to_the_machine_that_replaced_its_signer(
    stages: int,
) -> None:
    """The machine began at 2; then 1 comes: before it has delivered 2, or after, or after it sent 2's receipt."""
    story = Stream()
    story.a_notice_is_queued()
    story.everybody_gets_on(4)  # the hub has the receipt, the sender hasn't
    story.a_notice_is_queued()
    story.the_terminal_is_replaced()
    story.everybody_gets_on(stages)
    assert story.recipient.began_after == 1
    story.the_hub_is_restored()
    story.teardown()
    came = [number for number, _ in story.recipient.handed_on]
    assert came == ([1, 2] if stages == 2 else [2, 1])


def test_a_restored_hub_offers_what_was_receipted_by_a_machine_that_is_gone() -> None:
    """The new machine can't open 1. Its sender has the receipt: it returns that, and the machine goes on with 2."""
    story = Stream()
    story.a_notice_is_queued()
    story.everybody_gets_on(1)
    story.the_hub_is_backed_up()
    story.everybody_gets_on(5)
    story.a_notice_is_queued()
    story.the_hub_is_restored()
    story.the_terminal_is_replaced()
    story.teardown()
    assert [number for number, _ in story.recipient.handed_on] == [2]


def test_the_machine_is_replaced_before_it_could_repeat_a_receipt_to_a_restored_hub() -> None:
    """The hub asks back what has a receipt, and gets it; only then is the terminal that gave the receipt gone."""
    story = Stream()
    story.a_notice_is_queued()
    story.everybody_gets_on(5)
    story.a_notice_is_queued()
    story.the_hub_is_restored()
    story.everybody_gets_on(1)
    story.the_terminal_is_replaced()
    story.teardown()
    assert [number for number, _ in story.recipient.handed_on] == [2]
