"""What the gateway asks the registration authority for: the hub carries it there, and the answer back.

The gateway asks over a Unix socket of its own, which no listener leads to; what it asks for is proven by the key of the
certificate that it shows to everybody. Nothing of this touches the allow-list.
"""

import logging
from hashlib import sha256
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from renkei.exchange.certificates import CertificateError
from renkei.exchange.servers import MAX_CHAIN, MAX_SERVER_REQUEST, ServerRequest, names_of
from renkei.hub.access import Caller
from renkei.hub.bodies import parse, read_body
from renkei.hub.context import Hub
from renkei.hub.problems import Problem
from renkei.store.hub.words import ServerAsking

log = logging.getLogger("renkei.hub")
_ID_LENGTH = 32
_PAGE = 64


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    state: Literal["approved", "refused"]
    chain: Annotated[str, StringConstraints(max_length=MAX_CHAIN)] = ""
    reason: Annotated[str, StringConstraints(max_length=500)] = ""


async def ask(hub: Hub, request: Request) -> Response:
    """`POST /v1/servers` on the gateway's socket: into the queue, the same request under the same id."""
    asked = _believed(hub, await read_body(request, MAX_SERVER_REQUEST, hub.settings.limits.body_seconds))
    text = asked.to_json()
    place = ServerAsking(sha256(text).hexdigest()[:_ID_LENGTH], text)
    if await hub.store.enqueue_server(place, hub.now()):
        log.info("queued server=%s", place.id)
    return JSONResponse({"id": place.id}, 202)


async def result(hub: Hub, request: Request) -> Response:
    """`GET /v1/servers/{id}` on the gateway's socket."""
    found = await hub.store.server(request.path_params["id"])
    if found is None:
        raise Problem(404, "not-found", "no server asked for anything under this id; ask anew")
    document: dict[str, str] = {"state": found.state}
    if found.chain is not None:
        document["chain"] = found.chain.decode()
    if found.state == "refused":
        document["reason"] = found.reason
    return JSONResponse(document)


async def pending(hub: Hub, caller: Caller, request: Request) -> Response:
    """`GET /v1/servers`: what servers ask for and nobody has answered yet, oldest first."""
    del caller, request
    found = await hub.store.servers("pending", _PAGE)
    items = [b'{"id":"%s","request":%s}' % (each.id.encode(), each.request) for each in found]
    return Response(b'{"servers":[%s]}' % b",".join(items), media_type="application/json")


async def answer(hub: Hub, caller: Caller, request: Request) -> Response:
    """`PUT /v1/servers/{id}`: the authority's answer; even its word counts only for the names that the server has."""
    told = parse(_Answer, await read_body(request, MAX_SERVER_REQUEST, hub.settings.limits.body_seconds))
    asked_id = request.path_params["id"]
    if told.state == "refused":
        new = await hub.store.answer_server(asked_id, None, told.reason, caller.party, hub.now())
        log.info("refused server=%s", asked_id[:_ID_LENGTH])
        return JSONResponse({}, 201 if new else 200)
    found = await hub.store.server(asked_id)
    if found is None:
        raise Problem(404, "not-found", f"no server asked for anything under {asked_id[:_ID_LENGTH]}")
    try:
        asked = ServerRequest.from_json(found.request)
        certificate = asked.check_answer(told.chain, hub.anchor.anchors, hub.clock())
    except CertificateError as error:
        raise Problem(400, "document", str(error)) from error
    new = await hub.store.answer_server(found.id, told.chain.encode(), "", caller.party, hub.now())
    log.info("approved server=%s names=%s", found.id, ",".join(names_of(certificate).dns))
    return JSONResponse({}, 201 if new else 200)


def _believed(hub: Hub, body: bytes) -> ServerRequest:
    try:
        asked = ServerRequest.from_json(body)
        asked.check(hub.anchor.anchors, hub.clock())
    except CertificateError as error:
        raise Problem(400, "document", str(error)) from error
    return asked
