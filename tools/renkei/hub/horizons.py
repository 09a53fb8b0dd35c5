"""Horizons: a sender says up to which moment a stream is with the hub, its recipient asks for that word."""

import asyncio
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from renkei.exchange.documents import MAX_ENVELOPE, Outline
from renkei.exchange.payloads import Horizon
from renkei.hub.access import SKEW, Caller, open_signed
from renkei.hub.bodies import claim, parse, path_party, path_stream, quoted, read_body, read_document
from renkei.hub.context import Hub
from renkei.hub.problems import Problem
from renkei.store.hub import words
from renkei.store.hub.refusals import SequenceRefusal

MAX_BATCH = 128
_BATCH_LIMIT = 64 * 1024


class _Batch(BaseModel):
    model_config = ConfigDict(extra="forbid")
    horizons: Annotated[list[Annotated[str, Field(max_length=MAX_ENVELOPE)]], Field(min_length=1, max_length=MAX_BATCH)]


async def put_horizon(hub: Hub, caller: Caller, request: Request) -> Response:
    """`PUT /v1/horizons/{recipient}/{stream}`."""
    place = path_party(request, "recipient"), path_stream(request)
    envelope, claimed = await read_document(request, hub.settings.limits.body_seconds)
    horizon = await _verified(hub, caller, envelope, claimed)
    if (horizon.recipient, horizon.stream) != place:
        raise Problem(400, "mismatch", "the path names another stream than the horizon")
    for _, expected in await hub.store.put_horizons([horizon]):
        raise SequenceRefusal(expected, horizon.next_sequence)
    return JSONResponse({})


async def put_horizons(hub: Hub, caller: Caller, request: Request) -> Response:
    """`PUT /v1/horizons`: many at once; those that run ahead of their streams are named and not kept."""
    batch = parse(_Batch, await read_body(request, _BATCH_LIMIT, hub.settings.limits.body_seconds))
    horizons = []
    for text in batch.horizons:
        envelope = text.encode()
        horizons.append(await _verified(hub, caller, envelope, claim(envelope)))
        await asyncio.sleep(0)  # a batch of signatures takes a while: others' requests go on in between
    ahead = await hub.store.put_horizons(horizons)
    return JSONResponse({"ahead": [{"index": index, "expected": expected} for index, expected in ahead]})


async def horizon_of(hub: Hub, caller: Caller, request: Request) -> Response:
    """`GET /v1/horizons/{sender}/{stream}` for the asking recipient."""
    found = await hub.store.horizon(path_party(request, "sender"), caller.party, path_stream(request))
    if found is None:
        raise Problem(404, "not-found", "no horizon was published for this stream yet")
    return Response(
        b'{"envelope":%s,"entry":%s}' % (quoted(found.envelope), found.entry),
        media_type="application/json",
    )


async def _verified(hub: Hub, caller: Caller, envelope: bytes, claimed: Outline) -> words.Horizon:
    horizon, signer = await open_signed(hub, Horizon, claimed, caller)
    if horizon.sender != caller.party:
        raise Problem(403, "not-yours", f"{caller.party} can't publish a horizon in another's name")
    moment = int(horizon.published_up_to.timestamp())
    if moment > hub.now() + SKEW:
        raise Problem(400, "clock", "the horizon is of a moment that hasn't come yet: set the sender's clock")
    return words.Horizon(
        sender=horizon.sender,
        recipient=horizon.recipient,
        stream=horizon.stream,
        next_sequence=horizon.next_sequence,
        published_up_to=moment,
        envelope=envelope,
        signer=signer,
    )
