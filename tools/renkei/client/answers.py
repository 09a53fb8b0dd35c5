"""The hub's answers, as types. Unknown members are passed over: a newer hub may say more.

Nothing here is believed: envelopes and entries are verified by who uses them.
"""

import json
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from renkei.client.connection import Answer
from renkei.client.errors import BadAnswer, plain
from renkei.exchange.bindings import DirectoryEntry
from renkei.exchange.clock import Time
from renkei.exchange.documents import DocumentError
from renkei.exchange.enrolment import EnrolmentRequest
from renkei.exchange.pages import unpack_page
from renkei.exchange.servers import MAX_CHAIN, ServerRequest

_DIGEST = r"^[0-9a-f]{64}$"
_KIND = r"^[a-z-]{1,16}$"


def _envelope(value: object) -> object:
    """An envelope stands in an answer as text, so that its bytes stay as signed; documents are opened from bytes."""
    return value.encode() if isinstance(value, str) else value


def _entry(value: object) -> object:
    if isinstance(value, dict) and isinstance(value.get("binding"), dict):
        return {**value, "binding": json.dumps(value["binding"], ensure_ascii=False)}
    return value


Envelope = Annotated[bytes, BeforeValidator(_envelope)]
Entry = Annotated[DirectoryEntry, BeforeValidator(_entry)]
Digest = Annotated[str, Field(pattern=_DIGEST)]
Cursor = Annotated[int, Field(ge=0, lt=2**63)]


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", arbitrary_types_allowed=True)


class HubState(_Answer):
    """`GET /v1/hub`: who the hub is, how far its journal goes, which forms of documents it reads beside JSON.

    `crl` is the number of its list of revoked certificates, None when it has none or is of an earlier release.
    """

    epoch: Annotated[int, Field(ge=0, lt=2**63)]
    entry: Entry
    tree_head: Envelope
    time: Annotated[str, Field(max_length=20)]
    reads: Annotated[tuple[str, ...], Field(max_length=16)] = ()
    crl: Annotated[int, Field(ge=1, lt=2**63)] | None = None


class Directory(_Answer):
    """`GET /v1/directory/{party}`: live entries, newest generation first, and the party's profile if it has one."""

    entries: Annotated[tuple[Entry, ...], Field(max_length=16)]
    profile: Envelope | None = None


class Missing(_Answer):
    """`POST /v1/parts/missing`."""

    missing: Annotated[tuple[Digest, ...], Field(max_length=4096)]


class InboxItem(_Answer):
    """Something for this party: a signed document and the directory entry of its signer."""

    cursor: Cursor
    kind: Literal["manifest", "receipt", "void"]
    envelope: Envelope
    entry: Entry


class InboxPage(_Answer):
    """`GET /v1/inbox`: items after the cursor, and the cursor to go on from."""

    items: Annotated[tuple[InboxItem, ...], Field(max_length=1000)]
    next: Cursor


class Unreceipted(_Answer):
    """A message of ours that the hub holds and the recipient hasn't acknowledged."""

    sequence: Annotated[int, Field(ge=1, lt=2**63)]
    id: str


class StreamState(_Answer):
    """`GET /v1/streams/{recipient}/{stream}` for the asking sender."""

    next_sequence: Annotated[int, Field(ge=1, lt=2**63)]
    unreceipted: Annotated[tuple[Unreceipted, ...], Field(max_length=100_000)]


class SignedWord(_Answer):
    """`GET /v1/horizons/…`, `GET /v1/settlements/…`: the sender's signed word on a stream and its directory entry."""

    envelope: Envelope
    entry: Entry


class WaitingOrder(_Answer):
    """An order or permit that waits for a terminal, and its signer's directory entry; verify before use."""

    terminal: Annotated[str, Field(max_length=64)]
    kind: Literal["order", "permit"]
    envelope: Envelope
    entry: Entry


class WaitingOrders(_Answer):
    """`GET /v1/orders`, `GET /v1/orders/{endpoint}`."""

    items: Annotated[tuple[WaitingOrder, ...], Field(max_length=64)]


class StateItem(_Answer):
    """A patch or host state, and its signer's directory entry; verify before use."""

    cursor: Annotated[int, Field(ge=1, lt=2**53)]
    envelope: Envelope
    entry: Entry


class States(_Answer):
    """`GET /v1/patch-states`, `GET /v1/host-states`: oldest first."""

    items: Annotated[tuple[StateItem, ...], Field(max_length=1000)]
    next: Annotated[int, Field(ge=0, lt=2**53)]


class TerminalExchanges(_Answer):
    """What the hub says it saw of a terminal: when it was last served and last failed, and how often, by kind."""

    cursor: Annotated[int, Field(ge=1, lt=2**53)]
    endpoint: Annotated[str, Field(max_length=16)]
    terminal: Annotated[str, Field(max_length=64)]
    exchanged_at: Time | None
    failed_at: Time | None
    failed: Annotated[
        dict[Annotated[str, Field(pattern=_KIND)], Annotated[int, Field(ge=0, lt=2**63)]], Field(max_length=16)
    ]


class ExchangesSeen(_Answer):
    """`GET /v1/exchanges`: in the order of their cursors."""

    items: Annotated[tuple[TerminalExchanges, ...], Field(max_length=1000)]
    next: Annotated[int, Field(ge=0, lt=2**53)]


class HorizonAhead(_Answer):
    """A horizon that promises more of its stream than the hub has; `index` is its place in the batch."""

    index: Annotated[int, Field(ge=0, lt=1000)]
    expected: Annotated[int, Field(ge=1, lt=2**63)]


class HorizonsKept(_Answer):
    """`PUT /v1/horizons`: the ones that weren't kept."""

    ahead: Annotated[tuple[HorizonAhead, ...], Field(max_length=1000)]


class Settled(_Answer):
    """`PUT /v1/settlements/{recipient}/{stream}`: the number with which the stream goes on."""

    next_sequence: Annotated[int, Field(ge=1, lt=2**63)]


class Proof(_Answer):
    """An RFC 9162 proof: digests from leaf to root."""

    proof: Annotated[tuple[Digest, ...], Field(max_length=128)]


class KeptHead(_Answer):
    """A tree head that the hub kept, and its signer's directory entry."""

    number: Annotated[int, Field(ge=1, lt=2**63)]
    envelope: Envelope
    entry: Entry


class KeptHeads(_Answer):
    """`GET /v1/journal/heads`: oldest first."""

    heads: Annotated[tuple[KeptHead, ...], Field(max_length=1000)]


class JournalPage(_Answer):
    """`GET /v1/journal/entries`: entries, and the leaves that the hub's tree has for them."""

    entries: Annotated[tuple[dict[str, object], ...], Field(max_length=1000)]
    leaves: Annotated[tuple[Digest, ...], Field(max_length=1000)] = ()


class QueuedEnrolment(_Answer):
    """An enrolment that waits for the registration authority."""

    id: Annotated[str, Field(max_length=64)]
    kind: Literal["enrolment", "renewal"] = "enrolment"
    request: EnrolmentRequest


class EnrolmentQueue(_Answer):
    """`GET /v1/enrolments?state=pending`."""

    enrolments: Annotated[tuple[QueuedEnrolment, ...], Field(max_length=10_000)]


class QueuedServer(_Answer):
    """What a TLS server asks the registration authority for."""

    id: Annotated[str, Field(max_length=64)]
    request: ServerRequest


class ServerQueue(_Answer):
    """`GET /v1/servers`."""

    servers: Annotated[tuple[QueuedServer, ...], Field(max_length=1000)]


class ServerResult(_Answer):
    """Where a server's request stands; `chain` (PEM) when approved, `reason` when refused."""

    state: Literal["pending", "approved", "refused"]
    chain: Annotated[str, Field(max_length=MAX_CHAIN)] = ""
    reason: Annotated[str, Field(max_length=500)] = ""


class Submitted(_Answer):
    """The id under which an enrolment, a renewal or what a server asks for is queued."""

    id: Annotated[str, Field(max_length=64, pattern=r"^[0-9A-Za-z-]+$")]


class EnrolmentResult(_Answer):
    """Where an enrolment stands; `entry` when approved, `reason` when refused."""

    state: Literal["pending", "approved", "refused"]
    entry: Entry | None = None
    reason: Annotated[str, Field(max_length=500)] = ""


Shape = TypeVar("Shape", bound=_Answer)


def read(shape: type[Shape], answer: Answer, request: str) -> Shape:
    """The answer in its shape.

    Raises:
        BadAnswer: it doesn't fit; the message names the first member that doesn't.
    """
    return _shaped(shape, answer.json(), request)


def read_page(answer: Answer, request: str) -> InboxPage:
    """The page of an inbox in compact form.

    Raises:
        BadAnswer: it is none.
    """
    try:
        items, following = unpack_page(answer.body)
        listed = [
            {"cursor": item.cursor, "kind": item.kind, "envelope": item.envelope, "entry": json.loads(item.entry)}
            for item in items
        ]
    except (DocumentError, ValueError, RecursionError) as error:
        raise BadAnswer(f"the answer to {request} breaks the protocol: {error}") from error
    return _shaped(InboxPage, {"items": listed, "next": following}, request)


def _shaped(shape: type[Shape], value: object, request: str) -> Shape:
    try:
        return shape.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        place = plain(".".join(str(part) for part in first["loc"])) or "answer"
        raise BadAnswer(f"the answer to {request} breaks the protocol at {place}: {first['msg']}") from error
