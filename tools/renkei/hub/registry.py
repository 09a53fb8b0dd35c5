"""Directory, enrolments, bindings and revocations.

The registration authority alone may change them, and even its word counts only with the issuing CA's signature.
"""

import json
import logging
from hashlib import sha256
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from renkei.exchange import compact, together, whole
from renkei.exchange.bindings import BindingError, DirectoryEntry
from renkei.exchange.certificates import certificate_from_pem, public_key_of
from renkei.exchange.clock import format_time
from renkei.exchange.documents import MAX_ENVELOPE, DocumentError, Kind, key_id, peek
from renkei.exchange.enrolment import MAX_REQUEST, EnrolmentError, EnrolmentRequest
from renkei.exchange.errors import ExchangeError
from renkei.exchange.parties import MINISTRY
from renkei.exchange.payloads import Revocation
from renkei.hub.access import SKEW, Caller
from renkei.hub.bodies import parse, path_party, quoted, read_body
from renkei.hub.context import Hub
from renkei.hub.identity import verified_binding
from renkei.hub.journal import signed_head
from renkei.hub.problems import Problem
from renkei.store.hub.contract import Binding, Enrolment, EnrolmentKind, EnrolmentState

log = logging.getLogger("renkei.hub")
_ANSWER_LIMIT = 2 * MAX_ENVELOPE
_ID_LENGTH = 32
_QUEUE_PAGE = 500
_READS = (
    compact.MEDIA_TYPE,
    whole.MEDIA_TYPE,
    together.MEDIA_TYPE,
    Kind.SETTLEMENT.payload_type,
    Kind.ORDER.payload_type,
    Kind.PATTERNS.payload_type,
    Kind.HOST_STATE.payload_type,
)
_STATES: tuple[EnrolmentState, ...] = ("pending", "approved", "refused")


class _Approval(BaseModel):
    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)
    state: Literal["approved"]
    entry: DirectoryEntry


class _Refusal(BaseModel):
    model_config = ConfigDict(extra="forbid")
    state: Literal["refused"]
    reason: Annotated[str, StringConstraints(min_length=1, max_length=500)]


class _Answer(BaseModel):
    model_config = ConfigDict(extra="allow")
    state: Literal["approved", "refused"]


async def hub_state(hub: Hub, caller: Caller, request: Request) -> Response:
    """`GET /v1/hub`."""
    del caller, request
    speaker = hub.speaker()
    head = await signed_head(hub)
    epoch, crl = await hub.store.epoch(), await hub.store.crl_number()
    listed = b"null" if crl is None else b"%d" % crl
    body = b'{"epoch":%d,"entry":%s,"tree_head":%s,"time":"%s","reads":%s,"crl":%s}'
    time, reads = format_time(hub.clock()).encode(), json.dumps(_READS).encode()
    return Response(body % (epoch, speaker.entry, quoted(head), time, reads, listed), media_type="application/json")


async def roots(hub: Hub, caller: Caller, request: Request) -> Response:
    """`GET /v1/roots`: the hub's trust anchor, PEM. A party believes a new root in it by the old one's signature."""
    del caller, request
    return Response(hub.anchor.to_pem(), media_type="application/x-pem-file")


async def directory(hub: Hub, caller: Caller, request: Request) -> Response:
    """`GET /v1/directory/{party}`."""
    del caller
    party = path_party(request, "party")
    entries = b",".join(binding.entry for binding in await hub.store.bindings(party, hub.now() + SKEW))
    profile = await hub.store.profile(party)
    declared = b"null" if profile is None else quoted(profile)
    return Response(b'{"entries":[%s],"profile":%s}' % (entries, declared), media_type="application/json")


async def enrol(hub: Hub, address: str, request: Request) -> Response:
    """`POST /v1/enrolments` on the enrolment listener: into the queue, the same request under the same id."""
    asked = await _request(hub, request)
    return await _enqueue(hub, asked, "enrolment", address)


async def enrolment_result(hub: Hub, address: str, request: Request) -> Response:
    """`GET /v1/enrolments/{id}` on the enrolment listener."""
    del address
    return await _result(hub, request, "enrolment")


async def renew(hub: Hub, caller: Caller, request: Request) -> Response:
    """`POST /v1/renewals`: like an enrolment, from a party that is known, in its own name.

    The ministry also hands in what came by medium from endpoints, proven by their own keys.
    """
    asked = await _request(hub, request)
    if caller.party == MINISTRY and asked.endpoint.is_endpoint:
        replaced = await hub.store.bindings(asked.endpoint, hub.now() + SKEW)
    else:
        old = await hub.store.binding(caller.fingerprint)
        replaced = [] if old is None else [old]
    replaced = [each for each in replaced if (each.party, each.terminal) == (asked.endpoint, asked.terminal)]
    if not replaced:
        raise Problem(403, "not-yours", "a certificate is renewed for the same endpoint and terminal only")
    _check_renewal(asked, replaced)
    return await _enqueue(hub, asked, "renewal", asked.endpoint)


async def renewal_result(hub: Hub, caller: Caller, request: Request) -> Response:
    """`GET /v1/renewals/{id}`."""
    found = await hub.store.enrolment(request.path_params["id"], "renewal")
    if found is not None and caller.party not in {found.endpoint, MINISTRY}:
        raise Problem(403, "not-yours", f"the renewal is not one of {caller.party}")
    return await _result(hub, request, "renewal")


async def enrolments(hub: Hub, caller: Caller, request: Request) -> Response:
    """`GET /v1/enrolments?state=pending`: enrolments and renewals, oldest first, a page at most."""
    del caller
    state = request.query_params.get("state", "pending")
    if state not in _STATES:
        raise Problem(400, "query", "state is pending, approved or refused")
    found = await hub.store.enrolments(state, _QUEUE_PAGE)
    items = [
        b'{"id":"%s","kind":"%s","state":"%s","request":%s}'
        % (each.id.encode(), each.kind.encode(), each.state.encode(), each.request)
        for each in found
    ]
    return Response(b'{"enrolments":[%s]}' % b",".join(items), media_type="application/json")


async def answer(hub: Hub, caller: Caller, request: Request) -> Response:
    """`PUT /v1/enrolments/{id}`: the authority's answer; an approval makes the binding live at once."""
    body = await read_body(request, _ANSWER_LIMIT, hub.settings.limits.body_seconds)
    asked_id = request.path_params["id"]
    if parse(_Answer, body).state == "refused":
        reason = parse(_Refusal, body).reason
        new = await hub.store.refuse(asked_id, reason, caller.party, hub.now())
        log.info("refused enrolment=%s", asked_id[:_ID_LENGTH])
        return JSONResponse({}, 201 if new else 200)
    binding = _verified(hub, parse(_Approval, body).entry)
    asked = None
    for kind in ("enrolment", "renewal"):
        asked = asked or await hub.store.enrolment(asked_id, kind)
    if asked is None:
        raise Problem(404, "not-found", f"there is no enrolment {asked_id[:_ID_LENGTH]}")
    if (binding.party, binding.terminal) != (asked.endpoint, asked.terminal):
        raise Problem(400, "mismatch", f"the entry is for {binding.party}/{binding.terminal}, not for who asked")
    new = await hub.store.approve(asked.id, binding, caller.party, hub.now())
    hub.waiters.wake(MINISTRY)
    log.info("approved enrolment=%s endpoint=%s terminal=%s", asked.id, binding.party, binding.terminal)
    return JSONResponse({}, 201 if new else 200)


async def put_binding(hub: Hub, caller: Caller, request: Request) -> Response:
    """`PUT /v1/bindings`."""
    body = await read_body(request, MAX_ENVELOPE, hub.settings.limits.body_seconds)
    binding = _verified(hub, parse(DirectoryEntry, body))
    new = await hub.store.add_binding(binding, caller.party, hub.now())
    hub.waiters.wake(MINISTRY)  # it may hold notices back for want of a terminal
    log.info("bound endpoint=%s terminal=%s generation=%d", binding.party, binding.terminal, binding.generation)
    return JSONResponse({}, 201 if new else 200)


async def put_revocation(hub: Hub, caller: Caller, request: Request) -> Response:
    """`PUT /v1/revocations`: acts on the next request, and on those that wait."""
    envelope = await read_body(request, MAX_ENVELOPE, hub.settings.limits.body_seconds)
    revocation = await _verified_revocation(hub, caller, envelope)
    digest = revocation.certificate_sha256
    new = await hub.store.revoke(digest, envelope, caller.party, hub.now())
    hub.waiters.wake(revocation.endpoint)
    log.info("revoked endpoint=%s terminal=%s certificate=%s", revocation.endpoint, revocation.terminal, digest)
    return JSONResponse({}, 201 if new else 200)


def _check_renewal(asked: EnrolmentRequest, replaced: list[Binding]) -> None:
    """See that a request is signed by the key of one of the certificates that it may replace."""
    for each in replaced:
        try:
            asked.check_renewal(public_key_of(certificate_from_pem(DirectoryEntry.from_json(each.entry).certificate)))
        except EnrolmentError as error:
            fault = error
        else:
            return
    raise Problem(400, "document", str(fault)) from fault


def queued(kind: EnrolmentKind, asked: EnrolmentRequest, address: str) -> Enrolment:
    """Return a request as it stands in the queue: the same one always has the same id."""
    text = asked.to_json()
    return Enrolment(
        id=sha256(kind.encode() + text).hexdigest()[:_ID_LENGTH],
        kind=kind,
        endpoint=asked.endpoint,
        terminal=asked.terminal,
        request=text,
        address=address,
    )


async def _request(hub: Hub, request: Request) -> EnrolmentRequest:
    body = await read_body(request, MAX_REQUEST, hub.settings.limits.body_seconds)
    try:
        return EnrolmentRequest.from_json(body)
    except EnrolmentError as error:
        raise Problem(400, "document", str(error)) from error


async def _enqueue(hub: Hub, asked: EnrolmentRequest, kind: EnrolmentKind, address: str) -> Response:
    place = queued(kind, asked, address)
    if await hub.store.enqueue(place, hub.now()):
        log.info(
            "queued %s=%s endpoint=%s terminal=%s from=%s", kind, place.id, asked.endpoint, asked.terminal, address
        )
    return JSONResponse({"id": place.id}, 202)


async def _result(hub: Hub, request: Request, kind: EnrolmentKind) -> Response:
    found = await hub.store.enrolment(request.path_params["id"], kind)
    if found is None:
        raise Problem(404, "not-found", f"there is no such {kind}; ask anew")
    if found.entry is not None:
        return Response(b'{"state":"approved","entry":%s}' % found.entry, media_type="application/json")
    refused = {"state": found.state, "reason": found.reason}
    return JSONResponse(refused if found.state == "refused" else {"state": found.state})


def _verified(hub: Hub, entry: DirectoryEntry) -> Binding:
    try:
        return verified_binding(hub.anchor, entry, hub.clock())[0]
    except ExchangeError as error:
        raise Problem(400, "document", str(error)) from error


async def _verified_revocation(hub: Hub, caller: Caller, envelope: bytes) -> Revocation:
    """Verify a revocation by the CA that issued what it revokes, or else by the one that issued the authority's own."""
    try:
        claimed = peek(envelope)
        for fingerprint in (str(claimed.payload.get("certificate_sha256")), caller.fingerprint):
            binding = await hub.store.binding(fingerprint)
            if binding is None:
                continue
            issuer = DirectoryEntry.from_json(binding.entry).issuer
            if key_id(public_key_of(certificate_from_pem(issuer))) == claimed.key_id:
                return hub.anchor.verify_revocation(envelope, issuer, hub.clock())
    except (BindingError, DocumentError) as error:
        raise Problem(400, "document", str(error)) from error
    raise Problem(400, "document", "the revocation is not signed by an issuing CA that the hub knows")
