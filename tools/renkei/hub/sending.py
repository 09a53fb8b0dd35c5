"""What a sender asks: parts, messages, voids, how far a stream is."""

import logging
from datetime import UTC, datetime
from hashlib import sha256
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from renkei.exchange.documents import Outline
from renkei.exchange.parties import MINISTRY, may_send
from renkei.exchange.payloads import MAX_PARTS, PART_SIZE, Acceptance, Manifest, Void
from renkei.hub.access import SKEW, Caller, open_signed
from renkei.hub.bodies import (
    JSON_LIMIT,
    Digest,
    document,
    parse,
    path_digest,
    path_party,
    path_stream,
    path_uuid,
    read_body,
    read_document,
    read_offer,
    require_digest,
)
from renkei.hub.context import Hub
from renkei.hub.problems import Problem
from renkei.store.hub import contract

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
    if path_party(request, "sender") != caller.party:
        raise Problem(403, "not-yours", f"{caller.party} can't send in another's name")
    speaker = hub.speaker()
    envelope, claimed, sealed = await read_offer(request, hub.settings.limits.body_seconds)
    try:
        manifest, signer = await _open_manifest(hub, caller, message_id, claimed)
        if sealed is not None:
            hub.room.require()
            _check_whole(manifest, sealed)
    except Problem:
        # What was accepted once stays accepted, whatever became of the keys since.
        known = await hub.store.message(caller.party, message_id)
        if known is None or known.manifest_sha256 != claimed.payload_sha256:
            raise
        return document(request, known.acceptance, 200)
    at = hub.now()

    def accept(index: int, epoch: int) -> bytes:
        return Acceptance(
            id=manifest.id,
            sender=manifest.sender,
            manifest_sha256=claimed.payload_sha256,
            accepted_at=datetime.fromtimestamp(at, UTC),
            journal_index=index,
            epoch=epoch,
        ).sign(speaker.signer)

    message = contract.Message(
        id=message_id,
        sender=manifest.sender,
        recipient=manifest.recipient,
        stream=manifest.stream,
        sequence=manifest.sequence,
        content_sha256=manifest.content_sha256,
        manifest=envelope,
        manifest_sha256=claimed.payload_sha256,
        parts=tuple((part.sha256, part.size) for part in manifest.parts),
        signer=signer,
        sealed=sealed,
    )
    acceptance, new = await hub.store.accept(message, accept, _quota(hub, caller), at)
    log.info(
        "accepted sender=%s recipient=%s stream=%s sequence=%d bytes=%d id=%s",
        *(message.sender, message.recipient, message.stream, message.sequence, manifest.envelope_size, message.id),
    )
    hub.waiters.wake(message.recipient)
    return document(request, acceptance, 201 if new else 200)


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


async def _open_manifest(hub: Hub, caller: Caller, message_id: str, claimed: Outline) -> tuple[Manifest, str]:
    """Return the manifest and its signer's fingerprint; refuse what the recipient couldn't open.

    Its sender seals it anew then, sooner than by the recipient's silence.
    """
    manifest, signer = await open_signed(hub, Manifest, claimed, caller)
    if (manifest.sender, str(manifest.id)) != (caller.party, message_id):
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
