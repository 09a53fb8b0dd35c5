"""The journal as parties read it: signed heads, proofs, and for those who oversee, the entries."""

from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from renkei.exchange.payloads import TreeHead
from renkei.hub.access import Caller
from renkei.hub.bodies import query_number
from renkei.hub.context import Hub

_MAX_INDEX = 2**53 - 1
_PAGE = 1000


async def signed_head(hub: Hub) -> bytes:
    """Return the signed head of the tree of now.

    Raises:
        Problem: 503, the hub has no identity yet.
    """
    speaker = hub.speaker()
    tree = await hub.store.tree()
    at = datetime.fromtimestamp(hub.now(), UTC)
    return TreeHead(epoch=tree.epoch, size=tree.size, root=tree.root, signed_at=at).sign(speaker.signer)


async def head(hub: Hub, caller: Caller, request: Request) -> Response:
    """`GET /v1/journal/head`."""
    del caller, request
    return Response(await signed_head(hub), media_type="application/json")


async def entries(hub: Hub, caller: Caller, request: Request) -> Response:
    """`GET /v1/journal/entries?from=&to=`: a page of them, both ends included."""
    del caller
    first = query_number(request, "from", 0, _MAX_INDEX)
    last = query_number(request, "to", first, _MAX_INDEX)
    found = await hub.store.journal_entries(first, min(last, first + _PAGE - 1))
    return Response(b'{"entries":[%s]}' % b",".join(found), media_type="application/json")


async def inclusion(hub: Hub, caller: Caller, request: Request) -> Response:
    """`GET /v1/journal/proofs/inclusion?index=&size=`."""
    del caller
    index, size = query_number(request, "index", 0, _MAX_INDEX), query_number(request, "size", 1, _MAX_INDEX)
    return JSONResponse({"proof": await hub.store.inclusion_proof(index, size)})


async def consistency(hub: Hub, caller: Caller, request: Request) -> Response:
    """`GET /v1/journal/proofs/consistency?from=&to=`."""
    del caller
    first, second = query_number(request, "from", 1, _MAX_INDEX), query_number(request, "to", 1, _MAX_INDEX)
    return JSONResponse({"proof": await hub.store.consistency_proof(first, second)})
