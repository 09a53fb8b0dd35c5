"""A random history of parcels at the hub's store, held against a simple model."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from renkei.exchange.journal import verify_consistency, verify_inclusion
from renkei.store.hub.contract import Content, Message
from renkei.store.hub.refusals import (
    ConflictRefusal,
    MissingPartsRefusal,
    ReceiptedRefusal,
    SequenceRefusal,
)
from unit.store.conftest import (
    PLENTY,
    RECIPIENT,
    SENDER,
    SIGNERS,
    Place,
    binding,
    digest,
    message,
    receipt,
    sign,
    void,
)


class History(RuleBasedStateMachine):
    """One stream through all that can happen to it, in any order; the model is a few dictionaries."""

    def __init__(self, place: Place) -> None:
        super().__init__()
        self.place = place
        self.runner = asyncio.Runner()
        self.store = place.open()
        for party, fingerprint in SIGNERS.items():
            self.run(self.store.add_binding(binding(party, fingerprint), "authority", 1))
        self.parts: dict[bytes, int] = {}  # loose parts and when they were stored
        self.next = 1
        self.number = 0
        self.accepted: dict[int, tuple[Message, bytes, list[bytes]]] = {}
        self.settled: set[int] = set()  # receipted or voided messages
        self.receipted: set[int] = set()
        self.voids: set[int] = set()
        self.heads = [self.tree()]
        self.clock = 1000
        self.inbox: list[tuple[str, bytes]] = []
        self.receipts: list[bytes] = []

    def run(self, work: Any) -> Any:
        return self.runner.run(work)

    def tree(self) -> Any:
        return self.run(self.store.tree())

    def teardown(self) -> None:
        self.store.close()
        self.runner.close()

    @rule(content=st.binary(min_size=1, max_size=40))
    def store_a_part(self, content: bytes) -> None:
        self.clock += 1
        there = content in self.parts or any(content in parts for parts in self._live_parts())
        assert self.run(self.store.put_part(SENDER, digest(content), content, PLENTY, self.clock)) is not there
        if not any(content in parts for parts in self._live_parts()):
            self.parts[content] = self.clock

    @rule(data=st.data(), skip=st.integers(0, 1))
    def offer_a_message(self, data: st.DataObject, skip: int) -> None:
        pool = sorted(self.parts)
        parts = data.draw(st.lists(st.sampled_from(pool), max_size=3, unique=True) if pool else st.just([]))
        lacking = data.draw(st.booleans()) if parts else True
        offered = [*parts, b"missing %d" % self.number] if lacking else parts
        new = message(self.number, self.next + skip, offered)
        work = self.store.accept(new, sign, PLENTY, self.clock)
        if skip:
            with pytest.raises(SequenceRefusal) as refusal:
                self.run(work)
            assert refusal.value.expected == self.next
        elif lacking:
            with pytest.raises(MissingPartsRefusal) as missing:
                self.run(work)
            assert missing.value.digests == [digest(offered[-1])]
        else:
            acceptance, fresh = self.run(work)
            assert fresh
            assert acceptance == sign(self.heads[-1].size, 1)
            self.accepted[self.number] = (new, acceptance, parts)
            self.inbox.append(("manifest", new.manifest))
            for part in parts:
                self.parts.pop(part)
            self.number += 1
            self.next += 1

    @rule(data=st.data(), content=st.binary(min_size=1, max_size=40), skip=st.integers(0, 1))
    def offer_a_message_whole(self, data: st.DataObject, content: bytes, skip: int) -> None:
        content = b"%d %b" % (self.number, content)  # what is sealed is never the same twice
        if self.parts and data.draw(st.booleans()):
            content = data.draw(st.sampled_from(sorted(self.parts)))  # its part was put before, after all
        new = replace(message(self.number, self.next + skip, [content]), sealed=content)
        work = self.store.accept(new, sign, PLENTY, self.clock)
        if skip:
            with pytest.raises(SequenceRefusal):
                self.run(work)
            return
        assert self.run(work) == (sign(self.heads[-1].size, 1), True)
        self.accepted[self.number] = (new, sign(self.heads[-1].size, 1), [content])
        self.inbox.append(("manifest", new.manifest))
        self.parts.pop(content, None)
        self.number += 1
        self.next += 1

    @rule(data=st.data(), steps=st.lists(st.sampled_from(["next", "gap", "again", "lacking"]), min_size=1, max_size=6))
    def offer_messages_together(self, data: st.DataObject, steps: list[str]) -> None:
        """Each is answered as if it were alone, whatever becomes of those before it."""
        offered, answers = [], []
        size = self.heads[-1].size
        for step in steps:
            content = b"%d whole" % self.number
            if step == "again" and self.accepted:
                known, acceptance, _ = self.accepted[data.draw(st.sampled_from(sorted(self.accepted)))]
                offered.append((known, sign))
                answers.append((acceptance, False))
                continue
            new = message(self.number, self.next + (step == "gap"), [content])
            whole = replace(new, sealed=None if step == "lacking" else content)
            offered.append((whole, sign))
            if step in {"gap", "lacking"}:
                answers.append(SequenceRefusal if step == "gap" else MissingPartsRefusal)
                continue
            answers.append((sign(size, 1), True))
            self.accepted[self.number] = (whole, sign(size, 1), [content])
            self.inbox.append(("manifest", whole.manifest))
            size, self.number, self.next = size + 1, self.number + 1, self.next + 1
        found = self.run(self.store.accept_together(offered, PLENTY, self.clock))
        assert [each if isinstance(each, tuple) else type(each) for each in found] == answers

    @precondition(lambda self: self.accepted)
    @rule(data=st.data())
    def offer_again(self, data: st.DataObject) -> None:
        known, acceptance, _ = self.accepted[data.draw(st.sampled_from(sorted(self.accepted)))]
        assert self.run(self.store.accept(known, sign, PLENTY, self.clock)) == (acceptance, False)

    @precondition(lambda self: self.accepted)
    @rule(data=st.data(), whole=st.booleans())
    def seal_anew(self, data: st.DataObject, *, whole: bool) -> None:
        number = data.draw(st.sampled_from(sorted(self.accepted)))
        old, _, _ = self.accepted[number]
        part = b"sealed anew at %d" % self.clock
        anew = message(number, old.sequence, [part], version=self.clock)
        if whole:
            anew = replace(anew, sealed=part)
        else:
            self.run(self.store.put_part(SENDER, digest(part), part, PLENTY, self.clock))
        work = self.store.accept(anew, sign, PLENTY, self.clock)
        if number in self.settled:
            with pytest.raises((ReceiptedRefusal, ConflictRefusal)):
                self.run(work)
            if not whole:
                self.parts[part] = self.clock
        else:
            acceptance, fresh = self.run(work)
            assert fresh
            self.accepted[number] = (anew, acceptance, [part])
            self.inbox.remove(("manifest", old.manifest))
            self.inbox.append(("manifest", anew.manifest))
        self.clock += 1

    @precondition(lambda self: self.accepted)
    @rule(data=st.data())
    def give_a_receipt(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.accepted)))
        new = number not in self.receipted
        assert self.run(self.store.receipt(receipt(number), self.clock)) is new
        if new:
            self._settle(number)
            self.receipted.add(number)
            self.receipts.append(receipt(number).envelope)

    @rule(back=st.integers(-2, 3))
    def void_a_number(self, back: int) -> None:
        sequence = max(1, self.next - back)
        held = {known.sequence: number for number, (known, _, _) in self.accepted.items()}
        work = self.store.void(void(sequence), self.clock)
        if sequence in self.voids:
            assert self.run(work) is False
        elif sequence > self.next:
            with pytest.raises(SequenceRefusal):
                self.run(work)
        elif held.get(sequence) in self.receipted:
            with pytest.raises(ReceiptedRefusal):
                self.run(work)
        else:
            assert self.run(work) is True
            self.voids.add(sequence)
            if sequence in held:
                self._settle(held[sequence])
            else:
                self.next += 1
            self.inbox.append(("void", void(sequence).envelope))

    @rule(age=st.integers(0, 10))
    def expire_parts(self, age: int) -> None:
        before = self.clock - age
        gone = {part for part, stored in self.parts.items() if stored < before}
        assert self.run(self.store.expire(before, 0, 0)) == len(gone)
        for part in gone:
            del self.parts[part]

    @rule()
    def restart(self) -> None:
        self.store.close()
        self.store = self.place.open()

    @invariant()
    def everything_is_as_the_model_says(self) -> None:
        state = self.run(self.store.stream(SENDER, RECIPIENT, "notices"))
        waiting = sorted((known.sequence, known.id) for number, (known, _, _) in self._live())
        assert (state.next_sequence, list(state.unreceipted)) == (self.next, waiting)
        page = self.run(self.store.inbox(RECIPIENT, 0, 1000, PLENTY))
        assert [(item.kind, item.envelope) for item in page.items] == self.inbox
        page = self.run(self.store.inbox(SENDER, 0, 1000, PLENTY))
        assert [item.envelope for item in page.items] == self.receipts
        for _, (known, _, parts) in self._live():
            listed = tuple((digest(part), len(part)) for part in parts)
            stored = self.run(self.store.content(SENDER, known.id))
            assert stored == Content(RECIPIENT, known.manifest_sha256, listed)
        for number in self.settled:
            gone = self.run(self.store.content(SENDER, f"id-{number}"))
            assert gone == Content(RECIPIENT, self.accepted[number][0].manifest_sha256, ())
        assert self.run(self.store.content(SENDER, f"id-{self.number}")) is None
        held = sum(len(part) for part in self.parts)
        held += sum(len(known.manifest) + sum(map(len, parts)) for _, (known, _, parts) in self._live())
        counts = {each.party: each for each in self.run(self.store.counts())}
        assert SENDER not in counts or counts[SENDER].held_bytes == held

    @invariant()
    def the_journal_only_grows(self) -> None:
        head, before = self.tree(), self.heads[-1]
        if head == before:
            return
        proof = [bytes.fromhex(step) for step in self.run(self.store.consistency_proof(before.size, head.size))]
        verify_consistency(before.size, bytes.fromhex(before.root), head.size, bytes.fromhex(head.root), proof)
        [entry] = self.run(self.store.journal_entries(head.size - 1, head.size - 1))
        path = [bytes.fromhex(step) for step in self.run(self.store.inclusion_proof(head.size - 1, head.size))]
        verify_inclusion(entry, head.size - 1, head.size, path, bytes.fromhex(head.root))
        self.heads.append(head)

    @invariant()
    def the_store_is_sound(self) -> None:
        assert self.run(self.store.check()) == []

    def _live(self) -> list[tuple[int, tuple[Message, bytes, list[bytes]]]]:
        return [(number, known) for number, known in self.accepted.items() if number not in self.settled]

    def _live_parts(self) -> list[list[bytes]]:
        return [parts for _, (_, _, parts) in self._live()]

    def _settle(self, number: int) -> None:
        if number not in self.settled:
            self.settled.add(number)
            self.inbox.remove(("manifest", self.accepted[number][0].manifest))
