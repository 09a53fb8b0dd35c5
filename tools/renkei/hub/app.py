"""The hub's listeners as ASGI applications: routes, who may use them, and what surrounds each request.

`exchange` and `enrolment` stand behind the gateway, each on its own Unix socket; `gateway` and `health` never do.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import chain

from prometheus_client import Counter, Histogram
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from renkei.exchange.parties import AUTHORITY, HUB, MINISTRY, Party
from renkei.hub import (
    crl,
    exchanges,
    horizons,
    journal,
    patching,
    profiles,
    receiving,
    registry,
    sending,
    servers,
    settlements,
)
from renkei.hub.access import Caller, identify
from renkei.hub.context import Hub
from renkei.hub.problems import Problem, refused
from renkei.store.errors import StoreError
from renkei.store.hub.refusals import StoreRefusal

Handler = Callable[[Hub, Caller, Request], Awaitable[Response]]
EnrolmentHandler = Callable[[Hub, str, Request], Awaitable[Response]]
Entitled = Callable[[Party], bool]

ADDRESS_HEADER = "x-forwarded-for"
_COMMIT_SECONDS = 5
_MAX_HEADERS = 32 * 1024
_MAX_TARGET = 4096

log = logging.getLogger("renkei.hub")


def exchange(hub: Hub) -> ASGIApp:
    """Return the exchange listener's application."""

    def route(method: str, path: str, handler: Handler, entitled: Entitled) -> Route:
        return Route(path, _Exchange(hub, handler, entitled), methods=[method])

    # They are tried in this order: what every parcel asks for comes first.
    routes = [
        route("PUT", "/v1/messages/{sender}/{id}", sending.put_message, _exchanges),
        route("PUT", "/v1/messages/{sender}", sending.put_messages, _exchanges),
        route("GET", "/v1/messages/{sender}/{id}/content", receiving.content, _exchanges),
        route("PUT", "/v1/receipts/{sender}/{id}", receiving.put_receipt, _exchanges),
        route("GET", "/v1/inbox", receiving.inbox, _exchanges),
        route("PUT", "/v1/parts/{sha256}", sending.put_part, _exchanges),
        route("GET", "/v1/hub", registry.hub_state, _anybody),
        route("GET", "/v1/roots", registry.roots, _anybody),
        route("GET", "/v1/crl", crl.crl, _anybody),
        route("PUT", "/v1/crl", crl.put_crl, _registers),
        route("GET", "/v1/directory/{party}", registry.directory, _anybody),
        route("POST", "/v1/parts/missing", sending.missing_parts, _exchanges),
        route("PUT", "/v1/voids/{recipient}/{stream}/{sequence:int}", sending.put_void, _exchanges),
        route("GET", "/v1/streams/{recipient}/{stream}", sending.stream_state, _exchanges),
        route("PUT", "/v1/horizons", horizons.put_horizons, _exchanges),
        route("PUT", "/v1/horizons/{recipient}/{stream}", horizons.put_horizon, _exchanges),
        route("GET", "/v1/horizons/{sender}/{stream}", horizons.horizon_of, _exchanges),
        route("PUT", "/v1/settlements/{recipient}/{stream}", settlements.put_settlement, _exchanges),
        route("GET", "/v1/settlements/{sender}/{stream}", settlements.settlement_of, _exchanges),
        route("PUT", "/v1/profiles/{party}", profiles.put_profile, _exchanges),
        route("GET", "/v1/orders", patching.orders, _patches),
        route("GET", "/v1/orders/{endpoint}", patching.orders_of, _oversees),
        route("PUT", "/v1/orders/{endpoint}/{terminal}", patching.put_order, _registers),
        route("POST", "/v1/orders/{endpoint}/{terminal}/withdrawal", patching.withdraw, _registers),
        route("PUT", "/v1/patch-states/{endpoint}/{terminal}", patching.put_state, _hands_in),
        route("GET", "/v1/patch-states", patching.states, _oversees),
        route("PUT", "/v1/host-states/{host}", patching.put_host_state, _registers),
        route("GET", "/v1/host-states", patching.host_states, _oversees),
        route("GET", "/v1/exchanges", exchanges.exchanges, _oversees),
        route("GET", "/v1/journal/head", journal.head, _anybody),
        route("GET", "/v1/journal/entries", journal.entries, _oversees),
        route("GET", "/v1/journal/heads", journal.heads, _anybody),
        route("GET", "/v1/journal/proofs/inclusion", journal.inclusion, _anybody),
        route("GET", "/v1/journal/proofs/consistency", journal.consistency, _anybody),
        route("GET", "/v1/enrolments", registry.enrolments, _registers),
        route("PUT", "/v1/enrolments/{id}", registry.answer, _registers),
        route("PUT", "/v1/bindings", registry.put_binding, _registers),
        route("PUT", "/v1/revocations", registry.put_revocation, _registers),
        route("GET", "/v1/servers", servers.pending, _registers),
        route("PUT", "/v1/servers/{id}", servers.answer, _registers),
        route("POST", "/v1/renewals", registry.renew, _anybody),
        route("GET", "/v1/renewals/{id}", registry.renewal_result, _anybody),
    ]
    return _Surroundings(hub, "exchange", routes)


def enrolment(hub: Hub) -> ASGIApp:
    """Return the enrolment listener's application: into the queue and out of it, nothing else."""

    def route(method: str, path: str, handler: EnrolmentHandler) -> Route:
        return Route(path, _Enrolment(hub, handler), methods=[method])

    routes = [
        route("POST", "/v1/enrolments", registry.enrol),
        route("GET", "/v1/enrolments/{id}", registry.enrolment_result),
    ]
    return _Surroundings(hub, "enrolment", routes)


def gateway(hub: Hub) -> ASGIApp:
    """Return the application by which the gateway itself asks for its next certificate."""

    async def ask(request: Request) -> Response:
        return await servers.ask(hub, request)

    async def result(request: Request) -> Response:
        return await servers.result(hub, request)

    routes = [Route("/v1/servers", ask, methods=["POST"]), Route("/v1/servers/{id}", result)]
    return _Surroundings(hub, "gateway", routes)


def health(hub: Hub) -> ASGIApp:
    """Return the health listener's application."""

    async def healthz(request: Request) -> Response:
        del request
        try:
            async with asyncio.timeout(_COMMIT_SECONDS):
                await hub.store.prove_writable(hub.now())
        except StoreError as error:
            return PlainTextResponse(f"cannot commit: {error}\n", 503)
        except TimeoutError:
            text = f"a commit takes longer than {_COMMIT_SECONDS} s: where the store has a standby, is it there?\n"
            return PlainTextResponse(text, 503)
        if short := hub.room.shortage():
            return PlainTextResponse(f"takes no parcels: {short}\n", 503)
        if hub.identity is None:
            return PlainTextResponse("waiting: the hub has no directory entry yet (renkei-hub install-entry)\n", 503)
        return PlainTextResponse("ok\n")

    async def metrics(request: Request) -> Response:
        del request
        hub.metrics.polls.set(len(hub.waiters))
        return Response(hub.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return _Surroundings(hub, "health", [Route("/healthz", healthz), Route("/metrics", metrics)])


@dataclass(frozen=True, slots=True)
class _Exchange:
    """A route of the exchange listener: who asks, whether he may, what he gets. Errors are the surroundings' matter."""

    hub: Hub
    handler: Handler
    entitled: Entitled

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send)
        caller = await identify(self.hub, request)
        place = caller.party, caller.binding.terminal
        try:
            response = await self._answer(caller, request)
            await response(scope, receive, send)
        except (Problem, ClientDisconnect) as error:
            self.hub.exchanges.failed(*place, error, self.hub.now())
            raise
        self.hub.exchanges.served(*place, self.hub.now())

    async def _answer(self, caller: Caller, request: Request) -> Response:
        if not self.entitled(caller.party):
            raise Problem(403, "not-entitled", f"{caller.party} may not do this")
        return await self.handler(self.hub, caller, request)


@dataclass(frozen=True, slots=True)
class _Enrolment:
    """A route of the enrolment listener: strangers, whose number is bounded by their address."""

    hub: Hub
    handler: EnrolmentHandler

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send)
        # The gateway sets this header; without one all strangers share one allowance.
        address = request.headers.get(ADDRESS_HEADER, "unknown")[:64]
        if wait := self.hub.enrolment_rate.take(address, time.monotonic()):
            raise Problem(429, "rate", "too many requests", headers={"Retry-After": str(int(wait) + 1)})
        response = await self.handler(self.hub, address, request)
        await response(scope, receive, send)


def _anybody(party: Party) -> bool:
    del party
    return True


def _exchanges(party: Party) -> bool:
    return party == MINISTRY or party.is_endpoint


def _hands_in(party: Party) -> bool:
    return party == AUTHORITY or _exchanges(party)


def _patches(party: Party) -> bool:
    return party.is_endpoint


def _registers(party: Party) -> bool:
    return party == AUTHORITY


def _oversees(party: Party) -> bool:
    return party in {AUTHORITY, MINISTRY, HUB}


@dataclass(slots=True)
class _Answered:
    """What became of a request, as seen from outside the routes."""

    status: int = 0


class _Surroundings:
    """Every request's bounds, problem documents, metrics and log line."""

    def __init__(self, hub: Hub, listener: str, routes: list[Route]) -> None:
        self._hub = hub
        self._listener = listener
        self._router = Router(routes, redirect_slashes=False, default=_nowhere)
        self._meters: dict[tuple[str, int], tuple[Counter, Histogram]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        scope["app"] = self
        began = time.perf_counter()
        answered = _Answered()

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start":
                answered.status = message["status"]
            await send(message)

        try:
            try:
                _check_size(scope)
                await self._router(scope, receive, watched)
            except Exception as error:
                if answered.status:
                    raise
                problem = _problem(error)
                self._hub.metrics.refused.labels(problem.kind).inc()
                await problem.response()(scope, receive, watched)
        except ClientDisconnect:
            answered.status = answered.status or 499
        finally:
            self._note(scope, answered.status, time.perf_counter() - began)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        route = scope.get("route")
        path = route.path if isinstance(route, Route) else "none"
        if (meters := self._meters.get((path, status))) is None:
            metrics = self._hub.metrics
            meters = metrics.requests.labels(self._listener, path, str(status)), metrics.seconds.labels(path)
            self._meters[path, status] = meters
        meters[0].inc()
        meters[1].observe(seconds)
        log.debug("request listener=%s route=%s status=%d ms=%.1f", self._listener, path, status, seconds * 1000)


async def _nowhere(scope: Scope, receive: Receive, send: Send) -> None:
    del scope, receive, send
    raise Problem(404, "not-found", "the hub has nothing at this path")


def _check_size(scope: Scope) -> None:
    headers = sum(map(len, chain.from_iterable(scope["headers"])))
    if headers > _MAX_HEADERS or len(scope["raw_path"]) + len(scope["query_string"]) > _MAX_TARGET:
        raise Problem(431, "too-large", f"headers may have {_MAX_HEADERS} bytes, path and query {_MAX_TARGET}")


def _problem(error: Exception) -> Problem:
    """Say what went wrong; what nobody foresaw is logged here and told to nobody else."""
    match error:
        case Problem():
            return error
        case StoreRefusal():
            return refused(error)
        case ClientDisconnect():
            raise error
        case HTTPException(status_code=405):
            return Problem(405, "method", "the path knows other methods", headers=error.headers)
        case HTTPException():
            return Problem(error.status_code, "http", error.detail)
        case StoreError():
            log.error("store failed: %s", error)
            return Problem(503, "store", "the hub can't store anything now", headers={"Retry-After": "30"})
        case _:
            log.error("unforeseen error", exc_info=error)
            return Problem(500, "error", "the hub failed; its log says why")
