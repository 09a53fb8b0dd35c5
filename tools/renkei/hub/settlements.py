"""Settlements: a sender says for which numbers it holds receipts; its recipient's new machine asks for that word."""

import logging

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from renkei.exchange.payloads import Settlement
from renkei.hub.access import SKEW, Caller, open_signed
from renkei.hub.bodies import path_party, path_stream, quoted, read_document
from renkei.hub.context import Hub
from renkei.hub.problems import Problem
from renkei.store.hub import words

log = logging.getLogger("renkei.hub")


async def put_settlement(hub: Hub, caller: Caller, request: Request) -> Response:
    """`PUT /v1/settlements/{recipient}/{stream}`."""
    place = path_party(request, "recipient"), path_stream(request)
    envelope, claimed = await read_document(request, hub.settings.limits.body_seconds)
    settlement, signer = await open_signed(hub, Settlement, claimed, caller)
    if (settlement.sender, settlement.recipient, settlement.stream) != (caller.party, *place):
        raise Problem(400, "mismatch", "the path or the certificate names another stream than the settlement")
    signed_at = int(settlement.signed_at.timestamp())
    if signed_at > hub.now() + SKEW:
        raise Problem(400, "clock", "the settlement is of a moment that hasn't come yet: set the sender's clock")
    kept = words.Settlement(
        sender=settlement.sender,
        recipient=settlement.recipient,
        stream=settlement.stream,
        settled=settlement.ranges,
        signed_at=signed_at,
        envelope=envelope,
        signer=signer,
    )
    next_sequence = await hub.store.settle(kept, hub.now())
    log.info("settled sender=%s recipient=%s stream=%s next=%d", caller.party, *place, next_sequence)
    return JSONResponse({"next_sequence": next_sequence})


async def settlement_of(hub: Hub, caller: Caller, request: Request) -> Response:
    """`GET /v1/settlements/{sender}/{stream}` for the asking recipient."""
    found = await hub.store.settlement(path_party(request, "sender"), caller.party, path_stream(request))
    if found is None:
        raise Problem(404, "not-found", "its sender has settled nothing of this stream")
    return Response(
        b'{"envelope":%s,"entry":%s}' % (quoted(found.envelope), found.entry),
        media_type="application/json",
    )
