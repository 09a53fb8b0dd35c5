"""Every request of the exchange listener, as a method.

    with HubClient(Connection.to_gateway(url, trust_anchor, Credentials(chain, key))) as hub:
        state = hub.state()
        for item in hub.inbox(after=0).items:
            ...

Each method may raise what `Connection.request` raises. All requests are idempotent: after
`HubUnreachable` the same call may be made again.
"""

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from renkei.client.answers import (
    Directory,
    EnrolmentQueue,
    EnrolmentResult,
    ExchangesSeen,
    HorizonAhead,
    HorizonsKept,
    HubState,
    InboxPage,
    JournalPage,
    KeptHead,
    KeptHeads,
    Missing,
    Proof,
    QueuedEnrolment,
    QueuedServer,
    ServerQueue,
    Settled,
    SignedWord,
    States,
    StreamState,
    Submitted,
    WaitingOrder,
    WaitingOrders,
    read,
    read_page,
)
from renkei.client.connection import Answer, Connection, OverConnection
from renkei.client.errors import BadAnswer, HubRefused, NotFound, refusal
from renkei.exchange import compact, pages, together, whole
from renkei.exchange.bindings import DirectoryEntry
from renkei.exchange.crl import MAX_CRL
from renkei.exchange.documents import DocumentError, Kind
from renkei.exchange.enrolment import EnrolmentRequest

HORIZONS_AT_ONCE = 128
"""So many fit into a body that the gateway lets through (64 KiB)."""

LONG_POLL_LIMIT = 55
"""Seconds that the hub holds `inbox` at most."""

_ENVELOPE_LIMIT = 64 * 1024
_ACCEPTS = {"Accept": f"{compact.MEDIA_TYPE}, application/json"}
_CREATED = 201


class HubClient(OverConnection):
    """One party's line to the hub."""

    def __init__(self, connection: Connection) -> None:
        """Speak over a connection, which this client closes."""
        super().__init__(connection)
        self._reads: tuple[str, ...] = ()

    # -- who is there

    def state(self) -> HubState:
        """The hub's epoch, directory entry and signed tree head."""
        state = read(HubState, self._line.request("GET", "/v1/hub"), "GET /v1/hub")
        self._reads = state.reads
        return state

    def directory(self, party: str) -> Directory:
        """A party's live entries, newest generation first, and its profile; verify each before use."""
        path = f"/v1/directory/{_part(party)}"
        return read(Directory, self._line.request("GET", path), f"GET {path}")

    def put_profile(self, party: str, profile: bytes) -> None:
        """Declare what this party reads; the newest word counts."""
        self._line.request("PUT", f"/v1/profiles/{_part(party)}", content=profile)

    def roots(self) -> str:
        """The hub's trust anchor (PEM); believe of it what a root that is trusted already has signed.

        Raises:
            NotFound: a hub that hands none on.
        """
        return self._line.request("GET", "/v1/roots", limit=_ENVELOPE_LIMIT).body.decode("ascii", "replace")

    def crl(self) -> str:
        """The hub's list of revoked certificates (PEM); verify it before use.

        Raises:
            NotFound: it has none yet.
        """
        return self._line.request("GET", "/v1/crl", limit=MAX_CRL).body.decode("ascii", "replace")

    # -- sending

    def missing_parts(self, digests: Sequence[str]) -> tuple[str, ...]:
        """Those of the parts that the hub hasn't got."""
        answer = self._line.request("POST", "/v1/parts/missing", content=_json({"parts": list(digests)}))
        return read(Missing, answer, "POST /v1/parts/missing").missing

    def put_part(self, part: bytes) -> bool:
        """Put a part of at most 64 KiB; true when the hub didn't have it."""
        digest = hashlib.sha256(part)
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Digest": f"sha-256=:{base64.b64encode(digest.digest()).decode()}:",
        }
        return self._line.request("PUT", f"/v1/parts/{digest.hexdigest()}", content=part, headers=headers).status == (
            _CREATED
        )

    def put_message(self, sender: str, message_id: str, manifest: bytes) -> bytes:
        """Offer a message whose parts are there; answers the hub's acceptance envelope."""
        path = f"/v1/messages/{_part(sender)}/{_part(message_id)}"
        return self._acceptance(path, self._put(path, manifest, _ACCEPTS))

    def put_whole(self, sender: str, message_id: str, manifest: bytes, sealed: bytes) -> bytes | None:
        """Offer a small parcel, manifest and sealed bytes in one request; answers the hub's acceptance envelope.

        None: it is too large for that, or the hub is an older one; its parts have to be put first.
        """
        body = whole.pack_whole(manifest, sealed) if whole.MEDIA_TYPE in self._reads else None
        if body is None:
            return None
        path = f"/v1/messages/{_part(sender)}/{_part(message_id)}"
        fields = {"Content-Type": whole.MEDIA_TYPE, **_ACCEPTS}
        return self._acceptance(
            path, self._line.request("PUT", path, content=body, headers=fields, limit=_ENVELOPE_LIMIT)
        )

    @property
    def takes_together(self) -> bool:
        """Whether the hub, as its state said, takes several parcels in one request."""
        return together.MEDIA_TYPE in self._reads

    def put_together(self, sender: str, batch: together.Batch) -> list[bytes | HubRefused]:
        """Offer small parcels in one request, to a hub that `takes_together`.

        Returns:
            for each in its order the hub's acceptance envelope, or why the hub refuses this one.
        """
        path = f"/v1/messages/{_part(sender)}"
        accept = f"{together.ANSWERS_TYPE}, {compact.MEDIA_TYPE}"
        fields = {"Content-Type": together.MEDIA_TYPE, "Accept": accept}
        answer = self._line.request("PUT", path, content=batch.body(), headers=fields)
        name = f"PUT {path}"
        try:
            answers = [
                compact.unpack(each.body) if each.is_good else refusal(name, each.status, each.body)
                for each in together.unpack_answers(answer.body)
            ]
        except DocumentError as error:
            raise BadAnswer(f"the answer to {name} breaks the protocol: {error}") from error
        if len(answers) != len(batch):
            raise BadAnswer(f"the answer to {name} breaks the protocol: it is of {len(answers)} parcels")
        return answers

    def _acceptance(self, path: str, answer: Answer) -> bytes:
        if answer.media_type != compact.MEDIA_TYPE:
            return answer.body
        try:
            return compact.unpack(answer.body)
        except DocumentError as error:
            raise BadAnswer(f"the answer to PUT {path} breaks the protocol: {error}") from error

    def put_receipt(self, sender: str, message_id: str, receipt: bytes) -> None:
        """Hand in the receipt of a message from `sender`; a sender returns one to a hub that `takes_settlements`."""
        self._put(f"/v1/receipts/{_part(sender)}/{_part(message_id)}", receipt)

    def put_void(self, recipient: str, stream: str, sequence: int, void: bytes) -> None:
        """Void a number of a stream of ours."""
        self._put(f"/v1/voids/{_part(recipient)}/{_part(stream)}/{sequence}", void)

    def stream(self, recipient: str, stream: str) -> StreamState:
        """How far the hub has a stream of ours."""
        path = f"/v1/streams/{_part(recipient)}/{_part(stream)}"
        return read(StreamState, self._line.request("GET", path), f"GET {path}")

    def put_horizons(self, horizons: Sequence[bytes]) -> tuple[HorizonAhead, ...]:
        """Publish up to `HORIZONS_AT_ONCE` horizons of ours; answers those that the hub can't bear out."""
        document = {"horizons": [envelope.decode() for envelope in horizons]}
        return read(
            HorizonsKept, self._line.request("PUT", "/v1/horizons", content=_json(document)), "PUT /v1/horizons"
        ).ahead

    @property
    def takes_settlements(self) -> bool:
        """Whether the hub, as its state said, knows settlements and receipts that their senders return."""
        return Kind.SETTLEMENT.payload_type in self._reads

    def put_settlement(self, recipient: str, stream: str, settlement: bytes) -> int:
        """Say for what of a stream of ours we hold receipts; answers the number with which the hub goes on."""
        path = f"/v1/settlements/{_part(recipient)}/{_part(stream)}"
        return read(Settled, self._put(path, settlement), f"PUT {path}").next_sequence

    # -- patching

    @property
    def carries_orders(self) -> bool:
        """Whether the hub, as its state said, knows orders, permits and patch states."""
        return Kind.ORDER.payload_type in self._reads

    @property
    def knows_patterns(self) -> bool:
        """Whether the hub, as its state said, reads patch states that have antivirus patterns in them."""
        return Kind.PATTERNS.payload_type in self._reads

    def orders(self, endpoint: str | None = None) -> tuple[WaitingOrder, ...]:
        """What waits for this terminal; for the ministry, what waits for those of an endpoint."""
        path = "/v1/orders" if endpoint is None else f"/v1/orders/{_part(endpoint)}"
        return read(WaitingOrders, self._line.request("GET", path), f"GET {path}").items

    def put_order(self, endpoint: str, terminal: str, envelope: bytes) -> None:
        """Leave an order or a permit for a terminal."""
        self._put(f"/v1/orders/{_part(endpoint)}/{_part(terminal)}", envelope)

    def withdraw_order(self, endpoint: str, terminal: str, order: str) -> None:
        """Take an order and its permit back, by the order's id."""
        path = f"/v1/orders/{_part(endpoint)}/{_part(terminal)}/withdrawal"
        self._line.request("POST", path, content=_json({"order": order}))

    def put_patch_state(self, endpoint: str, terminal: str, envelope: bytes) -> None:
        """Say what a terminal has and lacks."""
        self._put(f"/v1/patch-states/{_part(endpoint)}/{_part(terminal)}", envelope)

    def patch_states(self, after: int, limit: int = 200) -> States:
        """What terminals have said after a cursor.

        Raises:
            CursorGone: the hub was restored; begin with 0.
        """
        query = {"after": after, "limit": limit}
        return read(States, self._line.request("GET", "/v1/patch-states", query=query), "GET /v1/patch-states")

    @property
    def keeps_host_states(self) -> bool:
        """Whether the hub, as its state said, knows host states."""
        return Kind.HOST_STATE.payload_type in self._reads

    def put_host_state(self, host: str, envelope: bytes) -> bool:
        """Hand in what the authority saw on a host; false when the hub has that, or something newer."""
        return self._put(f"/v1/host-states/{_part(host)}", envelope).status == _CREATED

    def host_states(self, after: int, limit: int = 50) -> States:
        """What the authority has seen on hosts after a cursor.

        Raises:
            CursorGone: the hub was restored; begin with 0.
        """
        query = {"after": after, "limit": limit}
        return read(States, self._line.request("GET", "/v1/host-states", query=query), "GET /v1/host-states")

    def exchanges(self, after: int, limit: int = 500) -> ExchangesSeen | None:
        """What the hub saw of the exchanges of terminals that were new, or failed, after a cursor.

        Returns:
            None: the hub is of an earlier release and doesn't say.

        Raises:
            CursorGone: the hub was restored; begin with 0.
        """
        query = {"after": after, "limit": limit}
        try:
            return read(ExchangesSeen, self._line.request("GET", "/v1/exchanges", query=query), "GET /v1/exchanges")
        except NotFound:
            return None

    # -- receiving

    def settlement(self, sender: str, stream: str) -> SignedWord:
        """The newest settlement of a stream to us; verify it before use.

        Raises:
            NotFound: there is none.
        """
        path = f"/v1/settlements/{_part(sender)}/{_part(stream)}"
        return read(SignedWord, self._line.request("GET", path), f"GET {path}")

    def horizon(self, sender: str, stream: str) -> SignedWord:
        """The newest horizon of a stream to us; verify it before use.

        Raises:
            NotFound: none was published yet.
        """
        path = f"/v1/horizons/{_part(sender)}/{_part(stream)}"
        return read(SignedWord, self._line.request("GET", path), f"GET {path}")

    def inbox(self, after: int, limit: int = 100, wait: int = 0) -> InboxPage:
        """What came after a cursor; the hub holds the request up to `wait` seconds until something does."""
        query = {"after": after, "limit": limit, "wait": min(wait, LONG_POLL_LIMIT)}
        headers = {"Accept": f"{pages.MEDIA_TYPE}, application/json"}
        answer = self._line.request("GET", "/v1/inbox", query=query, headers=headers, patience=float(wait))
        if answer.media_type == pages.MEDIA_TYPE:
            return read_page(answer, "GET /v1/inbox")
        return read(InboxPage, answer, "GET /v1/inbox")

    def content(self, sender: str, message_id: str, size: int, start: int = 0) -> Iterator[bytes]:
        """The sealed bytes of a message from `start` on, piece by piece as they come.

        What was yielded before an error is good; go on with `start` raised by its length.

        Raises:
            BadAnswer: the hub sends another range, or more than the `size` that the manifest says.
        """
        path = f"/v1/messages/{_part(sender)}/{_part(message_id)}/content"
        headers = {"Range": f"bytes={start}-"} if start else {}
        for status, fields, piece in self._line.stream(path, headers=headers, limit=size - start):
            if start and (status != 206 or not fields.get("Content-Range", "").startswith(f"bytes {start}-")):  # noqa: PLR2004
                raise BadAnswer(f"GET {path}: asked for bytes from {start} on, the hub sends another range")
            if piece:
                yield piece

    def _put(self, path: str, envelope: bytes, headers: Mapping[str, str] | None = None) -> Answer:
        """Put a document, in compact form where the hub said that it reads it."""
        document = compact.pack(envelope) if compact.MEDIA_TYPE in self._reads else envelope
        kind = compact.MEDIA_TYPE if document.startswith(compact.FORM) else "application/json"
        fields = {"Content-Type": kind, **(headers or {})}
        return self._line.request("PUT", path, content=document, headers=fields, limit=_ENVELOPE_LIMIT)

    # -- the journal

    def journal_head(self) -> bytes:
        """The signed tree head of now."""
        return self._line.request("GET", "/v1/journal/head", limit=_ENVELOPE_LIMIT).body

    def journal_entries(self, start: int, end: int) -> list[dict[str, Any]]:
        """Entries `start` to `end`, both included, as far as there are."""
        answer = self._line.request("GET", "/v1/journal/entries", query={"from": start, "to": end})
        document = answer.json()
        entries = document.get("entries") if isinstance(document, dict) else None
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise BadAnswer("the answer to GET /v1/journal/entries has no list of entries")
        return entries

    def journal_page(self, start: int, end: int) -> JournalPage:
        """Entries `start` to `end`, both included, as far as there are, with their leaves in the hub's tree."""
        answer = self._line.request("GET", "/v1/journal/entries", query={"from": start, "to": end})
        return read(JournalPage, answer, "GET /v1/journal/entries")

    def journal_heads(self, start: int) -> tuple[KeptHead, ...]:
        """A page of the heads that the hub kept, from number `start` on; empty beyond the last."""
        answer = self._line.request("GET", "/v1/journal/heads", query={"from": start})
        return read(KeptHeads, answer, "GET /v1/journal/heads").heads

    def inclusion_proof(self, index: int, size: int) -> tuple[str, ...]:
        """The audit path of an entry in the tree of a size."""
        path = "/v1/journal/proofs/inclusion"
        return read(Proof, self._line.request("GET", path, query={"index": index, "size": size}), path).proof

    def consistency_proof(self, first: int, second: int) -> tuple[str, ...]:
        """The proof that the tree of size `second` only adds to that of size `first`."""
        path = "/v1/journal/proofs/consistency"
        return read(Proof, self._line.request("GET", path, query={"from": first, "to": second}), path).proof

    # -- renewal

    def renew(self, request: EnrolmentRequest) -> str:
        """Queue a renewal proven by the old key; answers its id."""
        answer = self._line.request("POST", "/v1/renewals", content=request.to_json())
        return read(Submitted, answer, "POST /v1/renewals").id

    def renewal(self, renewal_id: str) -> EnrolmentResult:
        """Where a renewal stands."""
        path = f"/v1/renewals/{_part(renewal_id)}"
        return read(EnrolmentResult, self._line.request("GET", path), f"GET {path}")

    # -- the registration authority's requests

    def enrolments(self, state: str = "pending") -> tuple[QueuedEnrolment, ...]:
        """The queue of enrolments and renewals."""
        answer = self._line.request("GET", "/v1/enrolments", query={"state": state}, limit=32 * 1024 * 1024)
        return read(EnrolmentQueue, answer, "GET /v1/enrolments").enrolments

    def approve(self, enrolment_id: str, entry: DirectoryEntry) -> None:
        """Answer a queued enrolment with its directory entry."""
        answer = {"state": "approved", "entry": entry.model_dump()}
        self._line.request("PUT", f"/v1/enrolments/{_part(enrolment_id)}", content=_json(answer))

    def refuse(self, enrolment_id: str, reason: str) -> None:
        """Answer a queued enrolment with a refusal that the terminal's operator can act on."""
        answer = {"state": "refused", "reason": reason}
        self._line.request("PUT", f"/v1/enrolments/{_part(enrolment_id)}", content=_json(answer))

    def servers(self) -> tuple[QueuedServer, ...]:
        """What TLS servers ask for; nothing at a hub of an earlier release."""
        try:
            answer = self._line.request("GET", "/v1/servers")
        except NotFound:
            return ()
        return read(ServerQueue, answer, "GET /v1/servers").servers

    def approve_server(self, asking_id: str, chain: str) -> None:
        """Answer a server with its new certificate and the issuing CA's (PEM)."""
        answer = {"state": "approved", "chain": chain}
        self._line.request("PUT", f"/v1/servers/{_part(asking_id)}", content=_json(answer))

    def refuse_server(self, asking_id: str, reason: str) -> None:
        """Answer a server with a refusal that the ASP's operator can act on."""
        answer = {"state": "refused", "reason": reason}
        self._line.request("PUT", f"/v1/servers/{_part(asking_id)}", content=_json(answer))

    def put_binding(self, entry: DirectoryEntry) -> None:
        """Make a binding live in the hub's directory and allow-list."""
        self._line.request("PUT", "/v1/bindings", content=entry.to_json())

    def put_revocation(self, revocation: bytes) -> None:
        """End a binding at once."""
        self._line.request("PUT", "/v1/revocations", content=revocation)

    def put_crl(self, crl: str) -> None:
        """Hand in the list of revoked certificates (PEM); the hub keeps the newest."""
        headers = {"Content-Type": "application/x-pem-file"}
        self._line.request("PUT", "/v1/crl", content=crl.encode("ascii"), headers=headers)


def _part(value: str) -> str:
    return quote(value, safe="")


def _json(document: object) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode()
