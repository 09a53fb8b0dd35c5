"""Orders and permits on their way to terminals; what these say of their updates, and what was seen of hosts, back.

The hub carries and believes nobody for it: a terminal believes the authority's signature, the ministry the machine's.
"""

import logging
from typing import Final, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from renkei.exchange.clock import format_time
from renkei.exchange.documents import Kind, Outline
from renkei.exchange.packages import HostState
from renkei.exchange.parties import AUTHORITY, MINISTRY, Party
from renkei.exchange.updates import Order, PatchState, Permit
from renkei.hub.access import SKEW, Caller, open_once_signed, open_signed
from renkei.hub.bodies import parse, path_party, query_number, quoted, read_body, read_document
from renkei.hub.context import Hub
from renkei.hub.problems import Problem
from renkei.store.hub import patch_words as words

MAX_STATES: Final = 200
MAX_HOST_STATES: Final = 50
"""A host's can be as long as an envelope may be."""
_MAX_CURSOR: Final = 2**53 - 1
_MAX_WITHDRAWAL: Final = 1024

log = logging.getLogger("renkei.hub")


class _Withdrawal(BaseModel):
    model_config = ConfigDict(extra="forbid")
    order: UUID


async def put_order(hub: Hub, caller: Caller, request: Request) -> Response:
    """`PUT /v1/orders/{endpoint}/{terminal}`: an order, or a permit for it; of two the one of later counts."""
    place = path_party(request, "endpoint"), request.path_params["terminal"]
    envelope, claimed = await read_document(request, hub.settings.limits.body_seconds)
    kind: Literal["order", "permit"]
    addressed: Order | Permit
    if claimed.kind is Kind.PERMIT:
        permit, signer = await open_signed(hub, Permit, claimed, caller)
        kind, number, addressed, issued_at = "permit", permit.order, permit, permit.given_at
    else:
        order, signer = await open_signed(hub, Order, claimed, caller)
        kind, number, addressed, issued_at = "order", order.id, order, order.issued_at
    if (addressed.endpoint, addressed.terminal) != place:
        raise Problem(400, "mismatch", f"the path names another terminal than the {kind}")
    kept = words.Order(*place, kind, str(number), int(issued_at.timestamp()), envelope, signer)
    new = await hub.store.put_order(kept, hub.now())
    if new:
        log.info("%s endpoint=%s terminal=%s id=%s", kind, *place, number)
    return JSONResponse({}, 201 if new else 200)


async def withdraw(hub: Hub, caller: Caller, request: Request) -> Response:
    """`POST /v1/orders/{endpoint}/{terminal}/withdrawal`: no terminal finds this order here any more."""
    del caller
    place = path_party(request, "endpoint"), request.path_params["terminal"]
    asked = parse(_Withdrawal, await read_body(request, _MAX_WITHDRAWAL, hub.settings.limits.body_seconds))
    if await hub.store.withdraw_order(*place, str(asked.order)):
        log.info("withdrawn endpoint=%s terminal=%s id=%s", *place, asked.order)
    return JSONResponse({})


async def orders(hub: Hub, caller: Caller, request: Request) -> Response:
    """`GET /v1/orders`: what waits for the terminal that asks."""
    del request
    return _waiting(await hub.store.orders(caller.party, caller.binding.terminal))


async def orders_of(hub: Hub, caller: Caller, request: Request) -> Response:
    """`GET /v1/orders/{endpoint}`, for the ministry, which takes it along on media."""
    del caller
    return _waiting(await hub.store.orders(path_party(request, "endpoint"), None))


async def put_state(hub: Hub, caller: Caller, request: Request) -> Response:
    """`PUT /v1/patch-states/{endpoint}/{terminal}`: by the endpoint, or by who hands in what came on another way.

    That is the ministry for media, the authority for files.
    """
    place = path_party(request, "endpoint"), request.path_params["terminal"]
    envelope, claimed = await read_document(request, hub.settings.limits.body_seconds)
    state, signer = await _said(hub, claimed, caller, place[0])
    if (state.endpoint, state.terminal) != place:
        raise Problem(400, "mismatch", "the path names another terminal than the patch state")
    checked_at = int(state.checked_at.timestamp())
    kept = words.PatchState(*place, state.stage, checked_at, envelope, signer)
    new = await hub.store.put_patch_state(kept, hub.now())
    if abs(checked_at - hub.now()) > SKEW and caller.party == place[0]:
        log.warning("clock endpoint=%s terminal=%s off=%ds", *place, checked_at - hub.now())
    return JSONResponse({}, 201 if new else 200)


async def states(hub: Hub, caller: Caller, request: Request) -> Response:
    """`GET /v1/patch-states`: what terminals have said after a cursor."""
    del caller
    after = query_number(request, "after", 0, _MAX_CURSOR, 0)
    limit = query_number(request, "limit", 1, MAX_STATES, MAX_STATES)
    return _page(await hub.store.patch_states(after, limit), after)


async def put_host_state(hub: Hub, caller: Caller, request: Request) -> Response:
    """`PUT /v1/host-states/{host}`: what the authority saw on a host, by the authority itself.

    One that lies ahead would stand above all that is seen until then, so it isn't taken.
    """
    envelope, claimed = await read_document(request, hub.settings.limits.body_seconds)
    state, signer = await open_once_signed(hub, HostState, claimed, caller.party)
    if state.host != request.path_params["host"]:
        raise Problem(400, "mismatch", "the path names another host than the host state")
    seen_at = int(state.seen_at.timestamp())
    if seen_at > hub.now() + SKEW:
        raise Problem(400, "clock", f"{state.host} was seen at {format_time(state.seen_at)}, which has not come yet")
    new = await hub.store.put_host_state(
        words.HostState(state.host, seen_at, caller.party, envelope, signer), hub.now()
    )
    return JSONResponse({}, 201 if new else 200)


async def host_states(hub: Hub, caller: Caller, request: Request) -> Response:
    """`GET /v1/host-states`: what was seen on hosts after a cursor."""
    del caller
    after = query_number(request, "after", 0, _MAX_CURSOR, 0)
    limit = query_number(request, "limit", 1, MAX_HOST_STATES, MAX_HOST_STATES)
    return _page(await hub.store.host_states(after, limit), after)


def _page(page: words.StatePage, after: int) -> Response:
    if after > page.end:
        raise Problem(409, "cursor", "there is nothing so late: the hub was restored; begin with 0")
    items = [
        b'{"cursor":%d,"envelope":%s,"entry":%s}' % (item.cursor, quoted(item.envelope), item.entry)
        for item in page.items
    ]
    end = page.items[-1].cursor if page.items else after
    return Response(b'{"items":[%s],"next":%d}' % (b",".join(items), end), media_type="application/json")


async def _said(hub: Hub, claimed: Outline, caller: Caller, endpoint: Party) -> tuple[PatchState, str]:
    if caller.party in {AUTHORITY, MINISTRY}:
        return await open_once_signed(hub, PatchState, claimed, endpoint)
    if caller.party != endpoint:
        raise Problem(403, "not-yours", f"{caller.party} can't say what a terminal of {endpoint} has")
    return await open_signed(hub, PatchState, claimed, caller)


def _waiting(found: list[words.Waiting]) -> Response:
    items = [
        b'{"terminal":"%s","kind":"%s","envelope":%s,"entry":%s}'
        % (each.terminal.encode(), each.kind.encode(), quoted(each.word.envelope), each.word.entry)
        for each in found
    ]
    return Response(b'{"items":[%s]}' % b",".join(items), media_type="application/json")
