"""What the signed documents say, one model each. Field names and forms are those of docs/protocol.md."""

from base64 import b64decode, b64encode
from typing import Annotated, ClassVar, Literal, Self
from uuid import UUID

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    ValidationError,
    model_validator,
)

from renkei.exchange.clock import Time
from renkei.exchange.documents import DocumentError, Kind, Outline, Signer, VerifyingKey, canonical, open_document
from renkei.exchange.errors import misfits
from renkei.exchange.parties import Party, TerminalName, may_send

PART_SIZE = 64 * 1024
MAX_PARTS = 256
MAX_SEALED = MAX_PARTS * PART_SIZE
MAX_NOTICES = 10_000
MAX_RANGES = 512
SEALING_LABEL = b"renkei parcel v1\n"
_POINT = 65  # 0x04, x, y


def _from_base64(value: object) -> object:
    return b64decode(value, validate=True) if isinstance(value, str) else value


def _to_uuid(value: object) -> object:
    if not isinstance(value, str):
        return value
    parsed = UUID(value)
    if str(parsed) != value:
        raise ValueError("a UUID is written in lower case with hyphens")
    return parsed


Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Identifier = Annotated[UUID, BeforeValidator(_to_uuid), PlainSerializer(str, return_type=str, when_used="json")]
Point = Annotated[
    bytes,
    BeforeValidator(_from_base64),
    Field(min_length=_POINT, max_length=_POINT),
    PlainSerializer(lambda value: b64encode(value).decode(), return_type=str, when_used="json"),
]
"""An uncompressed P-256 point, base64 in JSON."""
Stream = Literal["notices", "results"]
Mode = Literal["daily", "immediate"]
Sequence = Annotated[int, Field(ge=1, le=2**53 - 1)]
Count = Annotated[int, Field(ge=0, le=2**53 - 1)]
Reason = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$")]


class Payload(BaseModel):
    """What is common to all payloads: strict types, no unknown fields, unchangeable, and the way into an envelope."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", hide_input_in_errors=True)
    KIND: ClassVar[Kind]

    def to_json(self) -> dict[str, object]:
        """Return the payload as JSON values."""
        return self.model_dump(mode="json")

    def sign(self, signer: Signer) -> bytes:
        """Return the signed envelope.

        Raises:
            DocumentError: the envelope would exceed its bound.
        """
        return signer.sign(self.KIND, self.to_json())

    @classmethod
    def open(cls, document: bytes | Outline, public_key: VerifyingKey) -> Self:
        """Return the payload of an envelope, or of one read already, once the signature and every field hold.

        Raises:
            DocumentError: see `open_document`; or a field is missing, unknown or wrong.
        """
        return cls.read(open_document(document, cls.KIND, public_key))

    @classmethod
    def read(cls, payload: object) -> Self:
        """Return the payload that JSON values describe.

        Raises:
            DocumentError: a field is missing, unknown or wrong; the text names each one.
        """
        try:
            return cls.model_validate(payload)
        except ValidationError as error:
            raise DocumentError(f"the {cls.KIND} is not as the protocol has it: {misfits(error, cls.KIND)}") from None


class Binding(Payload):
    """The issuing CA's word: this endpoint is served by this terminal with this certificate and this receiving key."""

    KIND = Kind.BINDING
    endpoint: Party
    terminal: TerminalName
    certificate_sha256: Digest
    receiving_key: Point
    generation: Sequence
    not_before: Time
    not_after: Time

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.not_before >= self.not_after:
            raise ValueError("not_before is not earlier than not_after")
        return self


class Revocation(Payload):
    """The issuing CA's word: this certificate is no longer good, from `revoked_at`."""

    KIND = Kind.REVOCATION
    endpoint: Party
    terminal: TerminalName
    certificate_sha256: Digest
    reason: Reason
    revoked_at: Time


class Part(BaseModel):
    """One piece of the sealed bytes; all but the last have `PART_SIZE` bytes."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", hide_input_in_errors=True)
    sha256: Digest
    size: Annotated[int, Field(ge=1, le=PART_SIZE)]


class _Between(Payload):
    sender: Party
    recipient: Party

    @model_validator(mode="after")
    def _permitted(self) -> Self:
        if not may_send(self.sender, self.recipient):
            raise ValueError(f"nothing goes from {self.sender} to {self.recipient}")
        return self


class _Way(_Between):
    stream: Stream


class _Place(_Way):
    sequence: Sequence


class Header(_Place):
    """What a manifest says of a parcel before it is sealed; sealing binds it."""

    id: Identifier
    count: Annotated[int, Field(ge=1, le=MAX_NOTICES)]
    layout: Annotated[int, Field(ge=1, le=999)]
    mode: Mode
    content_sha256: Digest
    recipient_certificate_sha256: Digest
    created_at: Time

    def sealing_info(self) -> bytes:
        """Return what sealing binds: a label and these fields in canonical form, whatever else a subclass has."""
        return SEALING_LABEL + canonical(self.model_dump(mode="json", include=set(Header.model_fields)))


class Manifest(Header):
    """The sender's word on a parcel: from whom, to whom, which place in the stream, what exactly."""

    KIND = Kind.MANIFEST
    envelope_sha256: Digest
    envelope_size: Annotated[int, Field(ge=1, le=MAX_SEALED)]
    parts: Annotated[list[Part], Field(min_length=1, max_length=MAX_PARTS)]
    encapsulated_key: Point

    @model_validator(mode="after")
    def _parts_make_up_the_whole(self) -> Self:
        sizes = [part.size for part in self.parts]
        if sum(sizes) != self.envelope_size or any(size != PART_SIZE for size in sizes[:-1]):
            raise ValueError("the parts don't make up the sealed bytes")
        return self


class Acceptance(Payload):
    """The hub's word: this manifest and its parts are durably stored."""

    KIND = Kind.ACCEPTANCE
    id: Identifier
    sender: Party
    manifest_sha256: Digest
    accepted_at: Time
    journal_index: Count
    epoch: Sequence


class Receipt(_Place):
    """The recipient's word: this content is durably here. It alone lets the sender forget."""

    KIND = Kind.RECEIPT
    id: Identifier
    content_sha256: Digest
    received_at: Time


class Void(_Place):
    """The sender's word: nothing comes under this sequence number; the stream goes on past it."""

    KIND = Kind.VOID
    reason: Reason
    voided_at: Time


class Horizon(_Way):
    """The sender's word on a stream: all below `next_sequence` is with the hub, and that is all up to a moment.

    Whoever holds it can tell a hub that withholds (a number below `next_sequence` that never came) from a sender that
    had nothing to send, and can say up to which moment it knows everything: `published_up_to`.
    """

    KIND = Kind.HORIZON
    next_sequence: Sequence
    published_up_to: Time


class Settlement(_Way):
    """The sender's word on a stream: it holds the recipient's receipts for these numbers, and won't offer them again.

    `settled` are ranges, first and last number, rising and apart. What it says stays true for ever, so an old one does
    no harm. A hub that never had these numbers, or has forgotten them, goes on behind them; a machine that took
    another's place doesn't wait for them.
    """

    KIND = Kind.SETTLEMENT
    settled: Annotated[
        list[Annotated[list[Sequence], Field(min_length=2, max_length=2)]], Field(min_length=1, max_length=MAX_RANGES)
    ]
    signed_at: Time

    @model_validator(mode="after")
    def _rising_and_apart(self) -> Self:
        behind = 0
        for first, last in self.settled:
            if not behind < first <= last:
                raise ValueError("the ranges don't rise, or touch")
            behind = last + 1
        return self

    @property
    def ranges(self) -> tuple[tuple[int, int], ...]:
        """First and last number of each range."""
        return tuple((first, last) for first, last in self.settled)


class Profile(Payload):
    """A party's word on itself: which versions of the encoding it reads, and what software says so."""

    KIND = Kind.PROFILE
    party: Party
    encodings: Annotated[list[Annotated[int, Field(ge=1, le=255)]], Field(min_length=1, max_length=16)]
    software: Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z][0-9A-Za-z.+-]{0,63}$")]
    declared_at: Time

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if sorted(set(self.encodings)) != self.encodings:
            raise ValueError("encodings don't rise, or one stands twice")
        return self


class Medium(Payload):
    """A party's word on a removable medium: it may carry what goes between the ministry and one endpoint.

    `volume` is the identifier of the medium's file system where it has one: a file that was copied to another medium
    doesn't register that one.
    """

    KIND = Kind.MEDIUM
    id: Identifier
    registrar: Party
    endpoint: Party
    label: Annotated[str, StringConstraints(min_length=1, max_length=60, pattern=r"^[^\x00-\x1f\x7f]*$")]
    volume: Annotated[str, StringConstraints(max_length=64, pattern=r"^[0-9A-Za-z-]*$")]
    registered_at: Time

    @model_validator(mode="after")
    def _of_one_exchange(self) -> Self:
        entitled = self.registrar == self.endpoint or may_send(self.registrar, self.endpoint)
        if not self.endpoint.is_endpoint or not entitled:
            raise ValueError(f"{self.registrar} registers no medium for the exchange of {self.endpoint}")
        return self


class Cover(_Between):
    """The sender's word on one export onto a medium: used once, on this medium, with exactly these files.

    `files_sha256` is the digest of the listing of all files and their digests; `bytes` is what they have together.
    """

    KIND = Kind.COVER
    id: Identifier
    medium: Identifier
    created_at: Time
    files_sha256: Digest
    files: Count
    bytes: Count
    parcels: Count
    notices: Count
    receipts: Count
    voids: Count


class TreeHead(Payload):
    """The hub's word on its journal: this many entries with this root (RFC 9162)."""

    KIND = Kind.TREE_HEAD
    epoch: Sequence
    size: Count
    root: Digest
    signed_at: Time
