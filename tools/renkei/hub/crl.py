"""The list of revoked certificates: from the authority to everybody who can't see the hub's allow-list.

The hub itself goes by the allow-list, which a revocation changes at once.
"""

import logging

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from renkei.exchange.certificates import CertificateError
from renkei.exchange.crl import MAX_CRL
from renkei.hub.access import Caller
from renkei.hub.bodies import read_body
from renkei.hub.context import Hub
from renkei.hub.problems import Problem

MEDIA_TYPE = "application/x-pem-file"

log = logging.getLogger("renkei.hub")


async def put_crl(hub: Hub, caller: Caller, request: Request) -> Response:
    """`PUT /v1/crl`: the greatest number counts, an older list changes nothing."""
    body = await read_body(request, MAX_CRL, hub.settings.limits.body_seconds)
    try:
        crl = hub.anchor.verify_crl(body.decode("ascii", "replace"), hub.clock())
    except CertificateError as error:
        raise Problem(400, "document", str(error)) from error
    new = await hub.store.put_crl(crl.number, body, caller.party, hub.now())
    if new:
        log.info("crl number=%d revoked=%d", crl.number, len(crl.revoked))
    return JSONResponse({}, 201 if new else 200)


async def crl(hub: Hub, caller: Caller, request: Request) -> Response:
    """`GET /v1/crl`: the newest list, as the authority gave it."""
    del caller, request
    found = await hub.store.crl()
    if found is None:
        raise Problem(404, "not-found", "the authority has given the hub no list of revoked certificates yet")
    return Response(found, media_type=MEDIA_TYPE)
