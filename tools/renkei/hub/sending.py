"""What a sender asks: parts, messages, voids, how far a stream is."""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from renkei.exchange import compact, together
from renkei.exchange.documents import DocumentError, Outline, peek
from renkei.exchange.parties import MINISTRY, Party, may_send
from renkei.exchange.payloads import MAX_PARTS, PART_SIZE, Acceptance, Manifest, Void
from renkei.hub.access import SKEW, Caller, count_further, open_signed
from renkei.hub.bodies import (
    JSON_LIMIT,
    Digest,
    accepts,
    document,
    parse,
    path_digest,
    path_party,
    path_stream,
    path_uuid,
    read_body,
    read_document,
    read_offer,
    read_offers,
    require_digest,
)
from renkei.hub.context import Hub
from renkei.hub.identity import Identity
from renkei.hub.problems import Problem, refused
from renkei.store.hub import contract
from renkei.store.hub.refusals import StoreRefusal

log = logging.getLogger("renkei.hub")


class _Parts(BaseModel):
    model_config = ConfigDict(extra="forbid")
    parts: Annotated[list[Digest], Field(max_length=MAX_PARTS)]


async def missing_parts(hub: Hub, caller: Caller, request: Request) -> Response:
    """`POST /v1/parts/missing`."""
    asked = parse(_Parts, await read_body(request, JSON_LIMIT, hub.settings.limits.body_seconds))
    return JSONResponse({"missing": await hub.store.missing_parts(caller.party, asked.parts)})


async def put_part(hub: Hub, caller: Caller, request: Request) -> Response:
    """`PUT /v1/parts/{sha256}`."""
    hub.room.require()
    digest = path_digest(request)
    require_digest(request)
    content = await read_body(request, PART_SIZE, hub.settings.limits.body_seconds)
    if not content or sha256(content).hexdigest() != digest:
        raise Problem(400, "digest", "the body is not the part that the path names")
    new = await hub.store.put_part(caller.party, digest, content, _quota(hub, caller), hub.now())
    return Response(status_code=201 if new else 200)


async def put_message(hub: Hub, caller: Caller, request: Request) -> Response:
    """`PUT /v1/messages/{sender}/{id}`: a manifest whose parts are here, or a small parcel whole."""
    message_id = path_uuid(request)
    speaker = _speaker(hub, caller, request)
    offer = _Offer(*await read_offer(request, hub.settings.limits.body_seconds))
    checked = await _checked(hub, caller, offer, message_id)
    if isinstance(checked, bytes):
        return document(request, checked, 200)
    at = hub.now()
    acceptance, new = await hub.store.accept(checked, _sign(speaker, checked, at), _quota(hub, caller), at)
    _note(hub, checked)
    return document(request, acceptance, 201 if new else 200, own=new)


async def put_messages(hub: Hub, caller: Caller, request: Request) -> Response:
    """`PUT /v1/messages/{sender}`: small parcels, by one commit; each is answered as it would be alone."""
    speaker = _speaker(hub, caller, request)
    offers = await read_offers(request, hub.settings.limits.body_seconds)
    count_further(hub, caller, len(offers) - 1)
    checked = [await _checked_or_refused(hub, caller, *offer) for offer in offers]
    messages = [each for each in checked if isinstance(each, contract.Message)]
    at = hub.now()
    offered = [(message, _sign(speaker, message, at)) for message in messages]
    accepted = iter(await hub.store.accept_together(offered, _quota(hub, caller), at) if offered else ())
    packed = accepts(request, compact.MEDIA_TYPE)
    answers = []
    for each in checked:
        outcome = next(accepted) if isinstance(each, contract.Message) else each
        if isinstance(each, contract.Message) and isinstance(outcome, tuple):
            _note(hub, each)
        if isinstance(each, Problem):
            hub.exchanges.failed(caller.party, caller.binding.terminal, each, at)
        answers.append(_answer(hub, outcome, packed=packed))
    return Response(together.pack_answers(answers), media_type=together.ANSWERS_TYPE)


@dataclass(frozen=True, slots=True)
class _Offer:
    """A manifest's envelope, what it claims, and the sealed bytes where they came along."""

    envelope: bytes
    claimed: Outline
    sealed: bytes | None


def _speaker(hub: Hub, caller: Caller, request: Request) -> Identity:
    """Return who will sign the acceptances of a request in which the caller offers messages of its own."""
    if path_party(request, "sender") != caller.party:
        raise Problem(403, "not-yours", f"{caller.party} can't send in another's name")
    return hub.speaker()


async def _checked(hub: Hub, caller: Caller, offer: _Offer, message_id: str | None) -> contract.Message | bytes:
    """Return the message that may go to the store; or the acceptance that it got before, where it couldn't by now.

    Args:
        hub: which is asked.
        caller: who asks.
        offer: what was offered.
        message_id: of the path; None where the path names none.

    Raises:
        Problem: it is refused.
    """
    try:
        manifest, signer = await _open_manifest(hub, caller, message_id, offer.claimed)
        if offer.sealed is not None:
            hub.room.require()
            _check_whole(manifest, offer.sealed)
    except Problem:
        # What was accepted once stays accepted, whatever became of the keys since.
        known = await hub.store.message(caller.party, message_id or _claimed_id(offer.envelope))
        if known is None or known.manifest_sha256 != offer.claimed.payload_sha256:
            raise
        return known.acceptance
    return contract.Message(
        id=str(manifest.id),
        sender=manifest.sender,
        recipient=manifest.recipient,
        stream=manifest.stream,
        sequence=manifest.sequence,
        content_sha256=manifest.content_sha256,
        manifest=offer.envelope,
        manifest_sha256=offer.claimed.payload_sha256,
        parts=tuple((part.sha256, part.size) for part in manifest.parts),
        signer=signer,
        sealed=offer.sealed,
    )


async def _checked_or_refused(
    hub: Hub, caller: Caller, packed: bytes, sealed: bytes
) -> contract.Message | bytes | Problem:
    """Return what `_checked` says of one message of several: its refusal is its own."""
    try:
        envelope, claimed = compact.read(packed)
        return await _checked(hub, caller, _Offer(envelope, claimed, sealed), None)
    except DocumentError as error:
        return Problem(400, "document", str(error))
    except Problem as problem:
        return problem


def _sign(speaker: Identity, message: contract.Message, at: int) -> contract.SignAcceptance:
    """Return what signs a message's acceptance once its place in the journal is known."""

    def sign(index: int, epoch: int) -> bytes:
        return Acceptance(
            id=UUID(message.id),
            sender=Party(message.sender),
            manifest_sha256=message.manifest_sha256,
            accepted_at=datetime.fromtimestamp(at, UTC),
            journal_index=index,
            epoch=epoch,
        ).sign(speaker.signer)

    return sign


def _note(hub: Hub, message: contract.Message) -> None:
    """Log a message that the store has, and wake who waits for it."""
    log.info(
        "accepted sender=%s recipient=%s stream=%s sequence=%d bytes=%d id=%s",
        *(message.sender, message.recipient, message.stream, message.sequence),
        *(sum(size for _, size in message.parts), message.id),
    )
    hub.waiters.wake(message.recipient)


def _answer(hub: Hub, outcome: contract.Accepted | StoreRefusal | bytes | Problem, *, packed: bool) -> together.Answer:
    """Say what became of one message of several: `packed` acceptances go in compact form."""
    if isinstance(outcome, StoreRefusal):
        outcome = refused(outcome)
    if isinstance(outcome, Problem):
        hub.metrics.refused.labels(outcome.kind).inc()
        return together.Answer(outcome.status, outcome.body())
    acceptance, new = (outcome, False) if isinstance(outcome, bytes) else outcome
    return together.Answer(201 if new else 200, compact.pack(acceptance, own=new) if packed else acceptance)


def _claimed_id(envelope: bytes) -> str:
    """Return the id that a manifest claims, for a look at what is known of it; "" where it claims none."""
    try:
        return str(UUID(str(peek(envelope).payload.get("id"))))
    except (DocumentError, ValueError):
        return ""


async def put_void(hub: Hub, caller: Caller, request: Request) -> Response:
    """`PUT /v1/voids/{recipient}/{stream}/{sequence}`."""
    recipient, stream = path_party(request, "recipient"), path_stream(request)
    envelope, claimed = await read_document(request, hub.settings.limits.body_seconds)
    void, signer = await open_signed(hub, Void, claimed, caller)
    named = (caller.party, recipient, stream, request.path_params["sequence"])
    if (void.sender, void.recipient, void.stream, void.sequence) != named:
        raise Problem(400, "mismatch", "the path or the certificate names another stream or number than the void")
    kept = contract.Void(
        sender=void.sender,
        recipient=void.recipient,
        stream=void.stream,
        sequence=void.sequence,
        envelope=envelope,
        signer=signer,
    )
    new = await hub.store.void(kept, hub.now())
    log.info("voided sender=%s recipient=%s stream=%s sequence=%d", kept.sender, recipient, stream, kept.sequence)
    hub.waiters.wake(recipient)
    return JSONResponse({}, 201 if new else 200)


async def stream_state(hub: Hub, caller: Caller, request: Request) -> Response:
    """`GET /v1/streams/{recipient}/{stream}`."""
    recipient = path_party(request, "recipient")
    if not may_send(caller.party, recipient):
        raise Problem(403, "not-yours", f"nothing goes from {caller.party} to {recipient}")
    state = await hub.store.stream(caller.party, recipient, path_stream(request))
    unreceipted = [{"sequence": sequence, "id": id_} for sequence, id_ in state.unreceipted]
    return JSONResponse({"next_sequence": state.next_sequence, "unreceipted": unreceipted})


async def _open_manifest(hub: Hub, caller: Caller, message_id: str | None, claimed: Outline) -> tuple[Manifest, str]:
    """Return the manifest and its signer's fingerprint; refuse what the recipient couldn't open.

    Its sender seals it anew then, sooner than by the recipient's silence.
    """
    manifest, signer = await open_signed(hub, Manifest, claimed, caller)
    if (manifest.sender, message_id or str(manifest.id)) != (caller.party, str(manifest.id)):
        raise Problem(400, "mismatch", "the path names another message than the manifest")
    binding = await hub.store.binding(manifest.recipient_certificate_sha256)
    if binding is None or binding.party != manifest.recipient or not binding.live(hub.now() + SKEW):
        raise Problem(
            409, "recipient", f"sealed for no live certificate of {manifest.recipient}: seal to the directory's newest"
        )
    return manifest, signer


def _check_whole(manifest: Manifest, sealed: bytes) -> None:
    if [(part.sha256, part.size) for part in manifest.parts] != [(sha256(sealed).hexdigest(), len(sealed))]:
        raise Problem(400, "digest", "the sealed bytes are not the one part that the manifest names")


def _quota(hub: Hub, caller: Caller) -> int:
    return hub.settings.quota(ministry=caller.party == MINISTRY)
