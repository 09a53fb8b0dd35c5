"""The journal as parties read it: signed heads, proofs, and for those who oversee, the entries."""

import json
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from renkei.exchange.payloads import TreeHead
from renkei.hub.access import Caller
from renkei.hub.bodies import query_number, quoted
from renkei.hub.context import Hub, LastHead
from renkei.hub.identity import Identity
from renkei.store.hub.contract import TreeState

_MAX_INDEX = 2**53 - 1
_PAGE = 1000
_HEADS = 500

_SAME_SECONDS = 10
HEAD_SECONDS = 3600
"""How often the hub signs a head that it keeps."""


async def signed_head(hub: Hub) -> bytes:
    """Return the signed head of the tree of now; while nothing is added, one that is some seconds old says the same.

    Raises:
        Problem: 503, the hub has no identity yet.
    """
    speaker, tree, now = hub.speaker(), await hub.store.tree(), hub.now()
    last = hub.last_head
    if last is None or (last.tree, last.signer) != (tree, speaker.signer) or not 0 <= now - last.at < _SAME_SECONDS:
        last = hub.last_head = LastHead(tree, speaker.signer, now, _sign(speaker, tree, now))
    return last.envelope


async def keep_head(hub: Hub) -> bool:
    """Keep a signed head when the last one is an hour old, or of another epoch; return whether one was kept.

    The first head of an epoch stands right after what was restored.
    """
    if (speaker := hub.identity) is None:
        return False
    now, last, tree = hub.now(), await hub.store.newest_head(), await hub.store.tree()
    if last is not None and last.epoch == tree.epoch and now - last.signed_at < HEAD_SECONDS:
        return False
    return await hub.store.keep_head(tree, _sign(speaker, tree, now), speaker.fingerprint, now)


def _sign(speaker: Identity, tree: TreeState, now: int) -> bytes:
    at = datetime.fromtimestamp(now, UTC)
    return TreeHead(epoch=tree.epoch, size=tree.size, root=tree.root, signed_at=at).sign(speaker.signer)


async def head(hub: Hub, caller: Caller, request: Request) -> Response:
    """`GET /v1/journal/head`."""
    del caller, request
    return Response(await signed_head(hub), media_type="application/json")


async def entries(hub: Hub, caller: Caller, request: Request) -> Response:
    """`GET /v1/journal/entries?from=&to=`: a page of them, both ends included, with the leaves of the tree."""
    del caller
    first = query_number(request, "from", 0, _MAX_INDEX)
    last = query_number(request, "to", first, _MAX_INDEX)
    page = await hub.store.journal_page(first, min(last, first + _PAGE - 1))
    found = b",".join(entry for _, entry in page.entries)
    leaves = json.dumps([digest for _, digest in page.leaves]).encode()
    return Response(b'{"entries":[%s],"leaves":%s}' % (found, leaves), media_type="application/json")


async def heads(hub: Hub, caller: Caller, request: Request) -> Response:
    """`GET /v1/journal/heads?from=`: the heads that the hub kept, from a number on, oldest first."""
    del caller
    first = query_number(request, "from", 1, _MAX_INDEX)
    found = [
        b'{"number":%d,"envelope":%s,"entry":%s}' % (each.number, quoted(each.envelope), each.entry)
        for each in await hub.store.kept_heads(first, _HEADS)
    ]
    return Response(b'{"heads":[%s]}' % b",".join(found), media_type="application/json")


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
