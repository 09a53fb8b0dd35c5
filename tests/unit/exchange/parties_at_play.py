"""A sender and a recipient as pure models, beside the hub's, of the project's own rules, documents and sealing.

Each keeps its state in dictionaries and does what `mailbox` decides; nothing here touches a disk or a network. What a
party has noted is durable at once: a crash is that nothing more comes of what it was doing.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice, takewhile
from uuid import UUID

from renkei.domain.notices import StatusNotice
from renkei.exchange.bindings import BindingError, VerifiedParty
from renkei.exchange.documents import DocumentError
from renkei.exchange.errors import ExchangeError
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
from renkei.exchange.parcels import Dispatch, Parcel, build_parcel, check_sealed, open_parcel, reseal, verify_manifest
from renkei.exchange.parties import MINISTRY
from renkei.exchange.payloads import Manifest, Receipt, Settlement, Void
from renkei.exchange.sealing import SealingError
from unit.exchange.conftest import Machine
from unit.exchange.hub_at_play import Hub, Item, Refused, verified


@dataclass
class Outgoing:
    """A number at the sender; `accepted_in` is of its void once there is one, `forgotten` when its bytes have gone."""

    entry: Entry
    parcel: Parcel
    accepted_in: int | None = None
    receipted: bool = False
    acceptance: bytes | None = None
    void: bytes | None = None
    receipt: bytes | None = None
    forgotten: bool = False


@dataclass
class Sender:
    """The ministry's side of the stream."""

    machine: Machine
    outgoing: dict[int, Outgoing] = field(default_factory=dict)
    epoch: int = 0
    returned_in: int = 0
    cursor: Cursor = field(default_factory=Cursor)

    def queue(self, notice: StatusNotice, recipient: VerifiedParty, now: datetime) -> None:
        number = len(self.outgoing) + 1
        dispatch = Dispatch(UUID(int=number), MINISTRY, "notices", number, "daily", now)
        parcel = build_parcel([notice], dispatch, self.machine.signer, recipient)
        entry = Entry("notices", number, str(parcel.manifest.id), parcel.manifest.content_sha256)
        self.outgoing[number] = Outgoing(entry, parcel)

    def void(self, number: int, now: datetime) -> bool:
        found = self.outgoing[number]
        if found.receipted or found.void is not None:
            return False
        found.void = Void(
            sender=MINISTRY,
            recipient=found.parcel.manifest.recipient,
            stream="notices",
            sequence=number,
            reason="test",
            voided_at=now,
        ).sign(self.machine.signer)
        found.accepted_in = None
        return True

    def reseal(self, live: VerifiedParty) -> None:
        """Seal anew what is sealed to a terminal that isn't there any more."""
        for each in self.outgoing.values():
            stale = each.parcel.manifest.recipient_certificate_sha256 != live.fingerprint
            if stale and not each.receipted and each.void is None:
                each.parcel = reseal(each.parcel.manifest, each.parcel.content, self.machine.signer, live)
                each.accepted_in = None

    def return_receipts(self, hub: Hub, terminals: list[Machine], live: Machine, now: datetime) -> None:
        """Give the hub the receipts that it has lost, and its recipient the word on them, where some may be."""
        if self.returned_in == self.epoch:
            return
        lost = [number for number, each in hub.messages.items() if each.receipt is None and not each.voided]
        for number in lost:
            if (receipt := self.outgoing[number].receipt) is not None:
                hub.return_receipt(receipt, terminals)
                self.settle(hub, live, 0, now)
        self.returned_in = self.epoch

    def settle(self, hub: Hub, live: Machine, asked: int, now: datetime) -> bool:
        """Say what has a receipt and can't be offered, or to nobody; whether the hub goes on behind `asked`."""
        others = [number for number, each in sorted(self.outgoing.items()) if not self._is_settled(each, live)]
        ranges = ranges_between(1, len(self.outgoing) + 1, others)
        if not ranges or (asked and first_unsettled(asked, ranges) == asked):
            return False
        recipient = live.verified.party
        envelope = Settlement(
            sender=MINISTRY, recipient=recipient, stream="notices", settled=[list(r) for r in ranges], signed_at=now
        ).sign(self.machine.signer)
        goes_on = hub.put_settlement(envelope, now)
        for number, each in self.outgoing.items():
            if number < goes_on and each.receipted and each.void is None and each.accepted_in in {None, ASKED_AGAIN}:
                each.accepted_in = self.epoch
        return goes_on > asked

    def to_offer(self) -> Outgoing | None:
        return next(self._due(), None)

    def _due(self) -> Iterator[Outgoing]:
        for _, each in sorted(self.outgoing.items()):
            if must_offer(each.accepted_in, self.epoch, receipted=each.receipted) and self._is_here(each):
                yield each

    def _is_settled(self, each: Outgoing, live: Machine) -> bool:
        stale = each.parcel.manifest.recipient_certificate_sha256 != live.verified.fingerprint
        return each.receipted and each.void is None and (each.forgotten or stale)

    def _is_here(self, each: Outgoing) -> bool:
        return not each.forgotten or each.void is not None

    def enter(self, epoch: int) -> None:
        if epoch != self.epoch:
            self.epoch, self.cursor = epoch, Cursor()

    def offer(self, hub: Hub, live: list[Machine], now: datetime) -> tuple[int, bytes | None] | None:
        """Give the hub the lowest number that it must have; what it answered, None where there was nothing to give."""
        if (each := self.to_offer()) is None:
            return None
        number = each.entry.sequence
        try:
            if each.void is not None:
                hub.put_void(each.void, now)
                return number, None
            return number, hub.put_message(each.parcel.manifest_envelope, each.parcel.sealed, live, now)
        except Refused as refused:
            if refused.kind == "receipted":
                return number, None
            self._answer(refused, each, hub, live[0], now)
            return None

    def offer_together(self, hub: Hub, live: list[Machine], now: datetime, most: int) -> list[tuple[int, bytes]]:
        """Give the hub several messages at once, up to a void; what it accepted. The rest is left to `offer`."""
        taken = []
        for each in islice(takewhile(lambda each: each.void is None, [*self._due()]), most):
            with suppress(Refused):
                answer = hub.put_message(each.parcel.manifest_envelope, each.parcel.sealed, live, now)
                taken.append((each.entry.sequence, answer))
        return taken

    def _answer(self, refused: Refused, each: Outgoing, hub: Hub, live: Machine, now: datetime) -> None:
        """Do what the hub's refusal asks for, so that the next offer goes further."""
        number = each.entry.sequence
        if refused.kind == "recipient":
            if not (each.receipted and self.settle(hub, live, number, now)):
                each.parcel = reseal(
                    each.parcel.manifest, each.parcel.content, self.machine.signer, verified(live, now)
                )
        elif refused.kind != "sequence" or refused.expected >= number:
            raise refused  # the hub never asks for what was never sent
        elif self._is_here(self.outgoing[refused.expected]):
            self._ask_back(refused.expected)
        elif not self.settle(hub, live, refused.expected, now):
            raise refused

    def accepted(self, number: int, acceptance: bytes | None, epoch: int) -> None:
        each = self.outgoing[number]
        each.accepted_in = epoch
        each.acceptance = acceptance or each.acceptance
        if each.receipted:
            self.returned_in = 0  # who could repeat its receipt may be gone before it reads its inbox

    def _ask_back(self, first: int) -> None:
        for number, each in self.outgoing.items():
            if number >= first and each.accepted_in is not None:
                each.accepted_in = ASKED_AGAIN

    def take(self, item: Item, now: datetime) -> bool:
        """Take a receipt; whether it can be believed now."""
        try:
            receipt = Receipt.open(item.envelope, verified(item.signer, now).signing_public_key)
        except (BindingError, DocumentError):
            return False
        said = Entry(receipt.stream, receipt.sequence, str(receipt.id), receipt.content_sha256)
        known = self.outgoing.get(receipt.sequence)
        match judge_receipt(known.entry if known else None, said, receipted=known is not None and known.receipted):
            case Receipting.SETTLE:
                assert known is not None
                known.receipted, known.receipt = True, item.envelope
            case Receipting.REPEATED:
                pass
            case other:
                raise AssertionError(f"an honest recipient's receipt was judged {other}")
        return True


@dataclass
class Incoming:
    """A message at the recipient."""

    entry: Entry
    manifest: bytes
    signer: Machine
    sealed: bytes | None = None
    stage: Stage = Stage.HELD
    quarantined: bool = False
    receipt: bytes | None = None
    receipt_sent: bool = False


@dataclass
class Recipient:
    """A terminal of the endpoint; `handed_on` is what the register got of it, as it came."""

    machine: Machine
    took_over: bool = False
    incoming: dict[int, Incoming] = field(default_factory=dict)
    voids: set[int] = field(default_factory=set)
    delivered: int | None = None
    began_after: int = 0
    began_first: int = 0
    passed: set[int] = field(default_factory=set)
    epoch: int = 0
    cursor: Cursor = field(default_factory=Cursor)
    handed_on: list[tuple[int, str]] = field(default_factory=list)

    def enter(self, epoch: int) -> None:
        if epoch != self.epoch:
            self.epoch, self.cursor = epoch, Cursor()

    def take(self, item: Item, now: datetime) -> bool:
        """Take a manifest or a void; whether it can be believed now."""
        try:
            sender = verified(item.signer, now)
            if item.kind == "void":
                self._void(Void.open(item.envelope, sender.signing_public_key))
            else:
                self._announce(verify_manifest(item.envelope, sender, self.machine.verified.party), item)
        except ExchangeError:
            return False
        return True

    def begin(self) -> None:
        """A machine before this one received what comes before the first message here."""
        if self.took_over and self.delivered is None and self.incoming and self.cursor.doubtful is None:
            self.delivered = self.began_after = self.began_first = min(self.incoming) - 1

    def fetch(self, hub: Hub, number: int, *, corrupt: bool) -> None:
        each, message = self.incoming[number], hub.messages.get(number)
        if message is None or message.envelope != each.manifest or message.voided or message.receipt is not None:
            return
        sealed = bytearray(message.sealed)
        if corrupt:
            sealed[len(sealed) // 2] ^= 1
        try:
            check_sealed(message.manifest, bytes(sealed))
        except ExchangeError:
            assert corrupt
            return
        assert not corrupt, "an altered byte went unnoticed"
        each.sealed = bytes(sealed)

    def next(self) -> Incoming | None:
        """What is to be delivered now: what a crash interrupted, what comes late, the stream's next number."""
        stopped = next((each for each in self.incoming.values() if each.stage is Stage.DELIVERING), None)
        if stopped is not None:
            return stopped
        ready = {
            number: each
            for number, each in self.incoming.items()
            if each.stage is Stage.HELD and each.sealed is not None and not each.quarantined
        }
        if ready and comes_late(lowest := min(ready), self.began_after):
            return ready[lowest]
        return ready.get(next_number(self.delivered or 0, self.voids.__contains__))

    def deliver(self, each: Incoming, now: datetime) -> Iterator[None]:
        """Deliver step by step; a crash may come after each."""
        number = each.entry.sequence
        if each.stage is Stage.HELD:
            assert each.sealed is not None
            sender = each.signer.verified  # as it was vouched for when the manifest came
            try:
                open_parcel(each.manifest, each.sealed, sender, self.machine.verified.party, self.machine.receiving)
            except SealingError:
                assert self.took_over, "sealed to this very terminal"
                each.quarantined = True  # it is for the terminal before this one; its sender seals it anew
                return
            each.stage = Stage.DELIVERING
            yield
        if (number, each.entry.content_sha256) not in self.handed_on:  # a file that is gone from staging was delivered
            self.handed_on.append((number, each.entry.content_sha256))
        yield
        each.receipt = Receipt(
            sender=MINISTRY,
            recipient=self.machine.verified.party,
            stream="notices",
            sequence=number,
            id=UUID(each.entry.id),
            content_sha256=each.entry.content_sha256,
            received_at=now,
        ).sign(self.machine.signer)
        each.stage, self.delivered = Stage.DELIVERED, max(self.delivered or 0, number)
        yield

    def begin_behind(self, hub: Hub, now: datetime) -> None:
        """Pass over what the machine before this one received, as the sender says who has its receipts."""
        waiting = [number for number, each in self.incoming.items() if each.stage is Stage.HELD]
        if not (self.took_over and waiting and hub.settlement) or self.delivered is None:
            return
        try:
            ranges = Settlement.open(hub.settlement, verified(hub.sender, now).signing_public_key).ranges
        except BindingError:
            return
        behind = received_before(self.delivered, ranges, self.voids.__contains__)
        self.passed |= set(range(self.delivered + 1, behind + 1)) - self.voids
        if behind > self.delivered:
            self.delivered = self.began_after = behind
        for number in waiting:
            if number <= behind and first_unsettled(number, ranges) > number:
                del self.incoming[number]

    def receipts_to_send(self) -> list[Incoming]:
        return [each for each in self.incoming.values() if each.receipt is not None and not each.receipt_sent]

    def _announce(self, manifest: Manifest, item: Item) -> None:
        entry = Entry(manifest.stream, manifest.sequence, str(manifest.id), manifest.content_sha256)
        here = self.incoming.get(manifest.sequence)
        known = [Known(here.entry, here.stage, here.manifest)] if here else []
        match judge_arrival(entry, item.envelope, known, voided=manifest.sequence in self.voids):
            case Arrival.HOLD | Arrival.REPLACE:
                self.incoming[manifest.sequence] = Incoming(entry, item.envelope, item.signer)
            case Arrival.REPEAT_RECEIPT:
                assert here is not None
                here.receipt_sent = False
            case Arrival.REFUSE:
                raise AssertionError("an honest sender's manifest was refused")
            case Arrival.IGNORE:
                pass

    def _void(self, void: Void) -> None:
        here = self.incoming.get(void.sequence)
        match judge_void(Known(here.entry, here.stage, here.manifest) if here else None):
            case Voiding.PASS_OVER:
                self.voids.add(void.sequence)
                if here is not None:
                    here.stage = Stage.VOIDED
            case Voiding.REPEAT_RECEIPT:
                assert here is not None
                here.receipt_sent = False
            case Voiding.TOO_LATE:
                pass
