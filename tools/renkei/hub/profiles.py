"""Profiles: each party says which encodings it reads; whoever asks the directory for it is told."""

import logging

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from renkei.exchange.clock import format_time
from renkei.exchange.parties import MINISTRY
from renkei.exchange.payloads import Profile
from renkei.hub.access import SKEW, Caller, open_signed
from renkei.hub.bodies import path_party, read_document
from renkei.hub.context import Hub
from renkei.hub.problems import Problem
from renkei.store.hub import contract

log = logging.getLogger("renkei.hub")


async def put_profile(hub: Hub, caller: Caller, request: Request) -> Response:
    """`PUT /v1/profiles/{party}`: the newest word counts, an older one changes nothing."""
    party = path_party(request, "party")
    if party != caller.party:
        raise Problem(403, "not-yours", f"{caller.party} can't declare what {party} reads")
    envelope, claimed = await read_document(request, hub.settings.limits.body_seconds)
    profile, _ = await open_signed(hub, Profile, claimed, caller)
    if profile.party != party:
        raise Problem(400, "mismatch", "the path names another party than the profile")
    declared_at = int(profile.declared_at.timestamp())
    if declared_at > hub.now() + SKEW:
        raise Problem(
            400, "clock", f"the profile is of the future, here it is {format_time(hub.clock())}: set the clock"
        )
    new = await hub.store.put_profile(contract.Profile(party, declared_at, envelope), hub.now())
    if new:
        hub.waiters.wake(MINISTRY)  # it may hold notices back until it knows what their recipient reads
        log.info("profile party=%s encodings=%s software=%s", party, profile.encodings, profile.software)
    return JSONResponse({}, 201 if new else 200)
