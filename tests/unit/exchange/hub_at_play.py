"""The hub as a pure model of one stream, made of the project's own rules, documents and journal tree; and its world."""

from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import sha256

from renkei.exchange.bindings import VerifiedParty
from renkei.exchange.documents import payload_sha256, peek
from renkei.exchange.journal import MerkleTree
from renkei.exchange.mailbox import (
    first_unsettled,
)
from renkei.exchange.parcels import check_sealed, verify_manifest
from renkei.exchange.payloads import Acceptance, Manifest, Receipt, Settlement, Void
from unit.exchange.conftest import Machine, World

ENDPOINT = "131041"
WORLD = World()


def verified(machine: Machine, now: datetime) -> VerifiedParty:
    """What the trust anchor says of a machine at this moment.

    Raises:
        BindingError: its certificate isn't good then.
    """
    return WORLD.anchor.verify_entry(machine.entry, now)


class Refused(Exception):
    """The hub's answer to what it can't take; `kind` as in docs/protocol.md, `expected` a sequence number."""

    def __init__(self, kind: str, expected: int = 0) -> None:
        super().__init__(kind)
        self.kind, self.expected = kind, expected


@dataclass(frozen=True)
class Item:
    """What waits in an inbox: a document and its signer."""

    kind: str
    envelope: bytes
    signer: Machine
    sequence: int


@dataclass
class Message:
    """A message at the hub."""

    manifest: Manifest
    envelope: bytes
    sealed: bytes
    acceptance: bytes
    receipt: bytes | None = None
    voided: bool = False


@dataclass
class Hub:
    """The hub's rules for one stream, from the ministry to the endpoint."""

    machine: Machine
    sender: Machine
    epoch: int = 1
    next_sequence: int = 1
    messages: dict[int, Message] = field(default_factory=dict)
    voids: dict[int, bytes] = field(default_factory=dict)
    settlement: bytes | None = None
    inboxes: dict[str, list[tuple[int, Item]]] = field(default_factory=lambda: {"recipient": [], "sender": []})
    ends: dict[str, int] = field(default_factory=lambda: {"recipient": 0, "sender": 0})
    journal: list[tuple[str, str]] = field(default_factory=list)
    tree: MerkleTree = field(default_factory=MerkleTree)

    def __deepcopy__(self, memo: dict[int, object]) -> "Hub":
        """A backup: documents and machines never change, so the containers are copied and no more."""
        return replace(
            self,
            messages={number: replace(message) for number, message in self.messages.items()},
            voids=dict(self.voids),
            inboxes={party: list(items) for party, items in self.inboxes.items()},
            ends=dict(self.ends),
            journal=list(self.journal),
        )

    def put_message(self, envelope: bytes, sealed: bytes, recipients: list[Machine], now: datetime) -> bytes:
        sender = verified(self.sender, now)
        manifest = verify_manifest(envelope, sender)
        check_sealed(manifest, sealed)
        known = self.messages.get(manifest.sequence)
        if known is not None and payload_sha256(known.envelope) == payload_sha256(envelope):
            return known.acceptance
        if manifest.recipient_certificate_sha256 not in {each.verified.fingerprint for each in recipients}:
            raise Refused("recipient")
        if known is None:
            self._advance(manifest.sequence)
        elif known.voided or (known.manifest.id, known.manifest.content_sha256) != (
            manifest.id,
            manifest.content_sha256,
        ):
            raise Refused("conflict")
        elif known.receipt is not None:
            raise Refused("receipted")
        acceptance = Acceptance(
            id=manifest.id,
            sender=manifest.sender,
            manifest_sha256=payload_sha256(envelope),
            accepted_at=now,
            journal_index=self.tree.size,
            epoch=self.epoch,
        ).sign(self.machine.signer)
        self._drop("recipient", manifest.sequence)
        self.messages[manifest.sequence] = Message(manifest, envelope, sealed, acceptance)
        self._note("message", acceptance)
        self._deliver("recipient", Item("manifest", envelope, self.sender, manifest.sequence))
        return acceptance

    def put_void(self, envelope: bytes, now: datetime) -> None:
        void = Void.open(envelope, verified(self.sender, now).signing_public_key)
        if void.sequence in self.voids:
            return
        message = self.messages.get(void.sequence)
        if message is None:
            self._advance(void.sequence)
        elif message.receipt is not None:
            raise Refused("receipted")
        else:
            message.voided = True
            self._drop("recipient", void.sequence)
        self.voids[void.sequence] = envelope
        self._note("void", envelope)
        self._deliver("recipient", Item("void", envelope, self.sender, void.sequence))

    def return_receipt(self, envelope: bytes, recipients: list[Machine]) -> None:
        """Take a receipt from the sender, who has it by a machine that the recipient has or had."""
        signer = next(each for each in recipients if each.signer.key_id == peek(envelope).key_id)
        receipt = Receipt.open(envelope, signer.verified.signing_public_key)
        message = self.messages[receipt.sequence]
        if message.receipt is None:
            assert (message.manifest.id, message.manifest.content_sha256) == (receipt.id, receipt.content_sha256)
            message.receipt = envelope
            self._drop("recipient", receipt.sequence)
            self._note("receipt", envelope)

    def put_settlement(self, envelope: bytes, now: datetime) -> int:
        settlement = Settlement.open(envelope, verified(self.sender, now).signing_public_key)
        number = first_unsettled(self.next_sequence, settlement.ranges)
        if number > self.next_sequence:
            self.next_sequence = number
            self._note("settlement", envelope)
        self.settlement = envelope
        return number

    def put_receipt(self, envelope: bytes, recipient: Machine, now: datetime) -> None:
        receipt = Receipt.open(envelope, verified(recipient, now).signing_public_key)
        message = self.messages.get(receipt.sequence)
        if message is None or message.manifest.id != receipt.id:
            raise Refused("not-found")
        if message.receipt is not None:
            return
        if message.manifest.content_sha256 != receipt.content_sha256:
            raise Refused("conflict")
        message.receipt = envelope
        self._drop("recipient", receipt.sequence)
        self._note("receipt", envelope)
        self._deliver("sender", Item("receipt", envelope, recipient, receipt.sequence))

    def inbox(self, party: str, after: int, limit: int) -> list[tuple[int, Item]]:
        if after > self.ends[party]:
            raise Refused("cursor")
        return [each for each in self.inboxes[party] if each[0] > after][:limit]

    def _advance(self, sequence: int) -> None:
        if sequence != self.next_sequence:
            raise Refused("sequence", self.next_sequence)
        self.next_sequence += 1

    def _note(self, act: str, document: bytes) -> None:
        entry = (act, sha256(document).hexdigest())
        self.journal.append(entry)
        self.tree, _ = self.tree.append(repr(entry).encode())

    def _deliver(self, party: str, item: Item) -> None:
        self.ends[party] += 1
        self.inboxes[party].append((self.ends[party], item))

    def _drop(self, party: str, sequence: int) -> None:
        kept = [each for each in self.inboxes[party] if (each[1].kind, each[1].sequence) != ("manifest", sequence)]
        self.inboxes[party] = kept


def backup(hub: Hub) -> Hub:
    return deepcopy(hub)
