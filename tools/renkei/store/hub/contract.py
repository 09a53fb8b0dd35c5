"""What the hub asks of its store, whatever database is below.

Every method that writes returns after a durable commit and not before; each is one transaction, with its journal entry
in it. Times are whole seconds since 1970 in UTC, digests lower-case hex SHA-256, envelopes and entries the very bytes
that came. The store checks what only it can know (sequence, duplicates, missing parts, bounds) and refuses as
`refusals` says; signatures and entitlement are the hub's business before it calls.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from renkei.store.hub.exchanges import Exchanged, ExchangePage
from renkei.store.hub.patch_words import PatchStore
from renkei.store.hub.refusals import StoreRefusal
from renkei.store.hub.words import AskingState, Horizon, ServerQueue, Settlement, SignedWord

ItemKind = Literal["manifest", "receipt", "void"]
EnrolmentState = AskingState
EnrolmentKind = Literal["enrolment", "renewal"]

SignAcceptance = Callable[[int, int], bytes]
"""(journal index, epoch) → the acceptance envelope; called inside the transaction, so it must be quick and sure."""


Accepted = tuple[bytes, bool]
"""The acceptance of a message, and whether it is a new one."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message as its verified manifest tells it. `parts` are (digest, size in bytes) in order.

    `sealed` are the bytes of its only part where they came along; otherwise its parts were stored before.
    """

    id: str
    sender: str
    recipient: str
    stream: str
    sequence: int
    content_sha256: str
    manifest: bytes
    manifest_sha256: str
    parts: tuple[tuple[str, int], ...]
    signer: str
    sealed: bytes | None = None


@dataclass(frozen=True, slots=True)
class Content:
    """What there is to fetch of a message: `parts` are (digest, size) in order, none once it is receipted or voided."""

    recipient: str
    manifest_sha256: str
    parts: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """What the store knows of an accepted message; `size` in bytes of its sealed content."""

    id: str
    sender: str
    recipient: str
    stream: str
    sequence: int
    content_sha256: str
    manifest_sha256: str
    size: int
    acceptance: bytes
    receipted: bool
    voided: bool


@dataclass(frozen=True, slots=True)
class Receipt:
    """A verified receipt for the message `id` of `sender`; `returned` when it is the sender who hands it in again."""

    id: str
    sender: str
    recipient: str
    envelope: bytes
    signer: str
    returned: bool = False


@dataclass(frozen=True, slots=True)
class Void:
    """A verified void."""

    sender: str
    recipient: str
    stream: str
    sequence: int
    envelope: bytes
    signer: str


@dataclass(frozen=True, slots=True)
class Profile:
    """A verified profile; `declared_at` in seconds since 1970."""

    party: str
    declared_at: int
    envelope: bytes


@dataclass(frozen=True, slots=True)
class InboxItem:
    """One thing that waits for a party, and its signer's directory entry (JSON)."""

    cursor: int
    kind: ItemKind
    envelope: bytes
    entry: bytes


@dataclass(frozen=True, slots=True)
class InboxPage:
    """Items after a cursor, oldest first; `end` is the newest cursor the party ever got."""

    items: tuple[InboxItem, ...]
    end: int


@dataclass(frozen=True, slots=True)
class StreamState:
    """A sender's stream as the hub has it; `unreceipted` are (sequence, id)."""

    next_sequence: int
    unreceipted: tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True)
class Binding:
    """A verified binding: a line of the allow-list. `entry` is the directory entry (JSON)."""

    fingerprint: str
    party: str
    terminal: str
    generation: int
    not_before: int
    not_after: int
    entry: bytes = field(repr=False)
    revoked: bool = False

    def live(self, at: int) -> bool:
        """Whether its holder may speak at the time `at`."""
        return not self.revoked and self.not_before <= at < self.not_after


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A request in the queue (`request` is JSON), and its answer when there is one."""

    id: str
    kind: EnrolmentKind
    endpoint: str
    terminal: str
    request: bytes = field(repr=False)
    address: str = ""
    state: EnrolmentState = "pending"
    entry: bytes | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class TreeState:
    """The journal's tree: RFC 9162 root over `size` entries."""

    epoch: int
    size: int
    root: str


@dataclass(frozen=True, slots=True)
class JournalPage:
    """A piece of the journal: (position, entry) in order, and the digests that the tree has as these entries' leaves.

    Both are as the database has them: an entry may be missing, or not be the one of its leaf. `leaves` is hex.
    """

    entries: tuple[tuple[int, bytes], ...]
    leaves: tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True)
class KeptHead:
    """A signed tree head that the hub kept; `number` counts from 1, `entry` is its signer's directory entry (JSON)."""

    number: int
    epoch: int
    size: int
    signed_at: int
    envelope: bytes
    entry: bytes


@dataclass(frozen=True, slots=True)
class PartyCounts:
    """What one party did; bytes are of sealed content, `held_bytes` what it occupies now, contact 0 = never."""

    party: str
    sent: int
    sent_bytes: int
    received: int
    received_bytes: int
    receipts: int
    held_bytes: int
    waiting: int
    last_contact: int


@dataclass(frozen=True, slots=True)
class Bounds:
    """The bounds that the store keeps."""

    unreceipted_per_stream: int = 4096
    pending_enrolments: int = 4000
    pending_enrolments_per_address: int = 64


class HubStore(ServerQueue, PatchStore, Protocol):
    """The contract. Reads see one committed moment."""

    async def epoch(self) -> int:
        """Return the epoch: it rises when the store is restored from a backup."""

    def arrivals(self) -> AsyncIterator[str | None]:
        """Yield each party for whom another hub on this store took something; None: perhaps for any party."""

    async def missing_parts(self, sender: str, digests: Sequence[str]) -> list[str]:
        """Return those digests that the sender hasn't stored, in the given order, each once."""

    async def put_part(self, sender: str, digest: str, content: bytes, quota: int, at: int) -> bool:
        """Store a part; false when it was there.

        Raises:
            QuotaRefusal: the sender would hold more than `quota` bytes.
        """

    async def accept(self, message: Message, sign: SignAcceptance, quota: int, at: int) -> Accepted:
        """Accept a message; return its acceptance and whether this is a new one.

        The same manifest again gets the same acceptance. The same id, place and content sealed to another
        certificate takes the old one's place and gets a new acceptance.

        Raises:
            ConflictRefusal: the id is taken by another message.
            SequenceRefusal: it doesn't continue the stream.
            MissingPartsRefusal: parts are missing or have another size.
            ReceiptedRefusal: sealed anew, but the recipient has it.
            QuotaRefusal: the sender holds too much, or too many messages of the stream are unreceipted.
        """

    async def accept_together(
        self, offered: Sequence[tuple[Message, SignAcceptance]], quota: int, at: int
    ) -> list[Accepted | StoreRefusal]:
        """Accept messages in their order and by one commit; return for each what `accept` would return or raise.

        Of what is refused nothing is kept, whatever becomes of the others.
        """

    async def message(self, sender: str, message_id: str) -> StoredMessage | None:
        """Return what is known of a message."""

    async def content(self, sender: str, message_id: str) -> Content | None:
        """Return whose a message is and which parts its content has, or None when there is no such message."""

    async def part(self, sender: str, digest: str) -> bytes:
        """Return a part.

        Raises:
            UnknownRefusal: it isn't there (any more).
        """

    async def receipt(self, receipt: Receipt, at: int) -> bool:
        """Take a receipt, drop the content; false when there was one already.

        It goes into the sender's inbox, unless the sender returned it to a store that had lost it.

        Raises:
            UnknownRefusal: no such message.
        """

    async def void(self, void: Void, at: int) -> bool:
        """Take a void, put it into the recipient's inbox, drop the content if any; false for a repeat.

        Raises:
            SequenceRefusal: beyond the next number of the stream.
            ReceiptedRefusal: the recipient has that message.
        """

    async def stream(self, sender: str, recipient: str, stream: str) -> StreamState:
        """Return how far a stream is."""

    async def put_horizons(self, horizons: Sequence[Horizon]) -> list[tuple[int, int]]:
        """Keep horizons, each where it isn't older than the one that is there.

        Returns:
            (index, expected number) of those that promise more of their stream than the store has; these aren't kept.
        """

    async def horizon(self, sender: str, recipient: str, stream: str) -> SignedWord | None:
        """Return the newest horizon of a stream."""

    async def settle(self, settlement: Settlement, at: int) -> int:
        """Let a stream go on behind what its sender has receipts for; return its next number.

        The newest settlement is kept; one that lets the stream go on is an act of the journal.
        """

    async def settlement(self, sender: str, recipient: str, stream: str) -> SignedWord | None:
        """Return the newest settlement of a stream."""

    async def put_profile(self, profile: Profile, at: int) -> bool:
        """Keep a party's profile; false when one that was declared at the same time or later is there."""

    async def profile(self, party: str) -> bytes | None:
        """Return the envelope of a party's newest profile."""

    async def put_crl(self, number: int, document: bytes, by: str, at: int) -> bool:
        """Keep the list of revoked certificates; false when one with the same or a greater number is there."""

    async def crl(self) -> bytes | None:
        """Return the list of revoked certificates with the greatest number."""

    async def crl_number(self) -> int | None:
        """Return the number of that list."""

    async def inbox(self, party: str, after: int, limit: int, max_bytes: int) -> InboxPage:
        """Return up to `limit` items after a cursor, fewer if they exceed `max_bytes` (but at least one)."""

    async def binding(self, fingerprint: str) -> Binding | None:
        """Return a binding, live or not."""

    async def bindings(self, party: str, at: int | None) -> list[Binding]:
        """Return the party's bindings that are live at a time, or all that it ever had; newest generation first."""

    async def add_binding(self, binding: Binding, by: str, at: int) -> bool:
        """Add a binding; false when it was there.

        Raises:
            ConflictRefusal: another binding for the same certificate is there.
        """

    async def revoke(self, fingerprint: str, envelope: bytes, by: str, at: int) -> bool:
        """Revoke a certificate, known or not yet known; false when it was revoked."""

    async def enqueue(self, enrolment: Enrolment, at: int) -> bool:
        """Queue a request; false when it was there and not refused: who asks again after a refusal asks anew.

        Raises:
            QuotaRefusal: too many wait, in all or from that address.
        """

    async def enrolment(self, enrolment_id: str, kind: EnrolmentKind) -> Enrolment | None:
        """Return a request."""

    async def enrolments(self, state: EnrolmentState, limit: int) -> list[Enrolment]:
        """Return requests in a state, oldest first."""

    async def pending_enrolments(self) -> int:
        """Return how many requests wait for an answer."""

    async def approve(self, enrolment_id: str, binding: Binding, by: str, at: int) -> bool:
        """Answer a request by a binding, which becomes live with it; false for a repeat.

        Raises:
            UnknownRefusal: no such request.
            ConflictRefusal: it was answered otherwise.
        """

    async def refuse(self, enrolment_id: str, reason: str, by: str, at: int) -> bool:
        """Answer a request by a refusal; false for a repeat.

        Raises:
            UnknownRefusal: no such request.
            ConflictRefusal: it was answered otherwise.
        """

    async def tree(self) -> TreeState:
        """Return the journal's tree of now."""

    async def journal_entries(self, first: int, last: int) -> list[bytes]:
        """Return entries `first` to `last`, both included, as far as there are (canonical JSON, the tree's leaves)."""

    async def journal_size(self) -> int:
        """Return the number of positions that the journal or its tree has, for who checks it: `tree` believes both."""

    async def journal_page(self, first: int, last: int) -> JournalPage:
        """Return entries `first` to `last`, both included, with their leaves in the tree: for who checks them."""

    async def keep_head(self, tree: TreeState, envelope: bytes, signer: str, at: int) -> bool:
        """Keep a signed head for good; false when the newest one is as long, of the same epoch and as old or newer.

        Args:
            tree: what it says.
            envelope: the `tree-head`.
            signer: fingerprint of the hub's certificate.
            at: when it was signed.
        """

    async def newest_head(self) -> KeptHead | None:
        """Return the head that was kept last."""

    async def kept_heads(self, first: int, limit: int) -> list[KeptHead]:
        """Return up to `limit` kept heads from a number on, oldest first."""

    async def inclusion_proof(self, index: int, size: int) -> list[str]:
        """Return the RFC 9162 audit path of an entry in the tree of `size`.

        Raises:
            UnknownRefusal: not 0 ≤ index < size ≤ the tree's size.
        """

    async def consistency_proof(self, first: int, second: int) -> list[str]:
        """Return the RFC 9162 proof between two sizes.

        Raises:
            UnknownRefusal: not 0 < first ≤ second ≤ the tree's size.
        """

    async def expire(self, parts_before: int, enrolments_before: int, settled_before: int) -> int:
        """Delete some of what is older than the given times; return how much.

        Parts that no message took up; enrolments; what servers asked for; messages that were receipted or voided.

        One call deletes a bounded number, so that it never keeps others waiting: call until it returns 0.
        """

    async def touch(self, contacts: Mapping[str, int]) -> None:
        """Note when parties were last heard of."""

    async def note_exchanges(self, seen: Sequence[Exchanged]) -> None:
        """Add what was seen of terminals' requests, at most once a terminal, to what was seen before."""

    async def exchanges(self, after: int, limit: int) -> ExchangePage:
        """Return what was seen of terminals that were new, or failed, after a cursor."""

    async def prove_writable(self, at: int) -> None:
        """Commit something small; raises what a write would raise now."""

    async def counts(self) -> list[PartyCounts]:
        """Return what each party did, by party."""

    async def expiring(self, at: int, before: int) -> tuple[int, int]:
        """Return how many bindings are live at `at`, and how many of them end before `before`."""
