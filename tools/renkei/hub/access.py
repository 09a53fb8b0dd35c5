"""Who is asking: from the certificate that the gateway passes on to the party that a live binding names.

The gateway has verified that the client holds the certificate's key, nothing more. Whether the certificate is good is
decided here, by the allow-list, at each request: a revocation acts on the next one.
"""

import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import TypeVar
from urllib.parse import unquote_to_bytes

from starlette.requests import Request

from renkei.exchange.bindings import DirectoryEntry
from renkei.exchange.certificates import certificate_from_pem, public_key_of
from renkei.exchange.documents import DocumentError, NamedKey, Outline
from renkei.exchange.parties import AUTHORITY, MINISTRY, Party
from renkei.exchange.payloads import Payload
from renkei.hub.context import Hub
from renkei.hub.limits import TokenBuckets
from renkei.hub.problems import Problem
from renkei.store.hub.contract import Binding

CERTIFICATE_HEADER = "x-client-certificate"
SKEW = 300
"""Seconds by which a party's clock may be ahead of the hub's: a binding is good this long before its beginning."""

_MAX_HEADER = 16 * 1024

Document = TypeVar("Document", bound=Payload)


@dataclass(frozen=True, slots=True)
class Caller:
    """The party that makes a request, by a binding that was live a moment ago."""

    party: Party
    binding: Binding

    @property
    def fingerprint(self) -> str:
        """Of its certificate."""
        return self.binding.fingerprint


async def identify(hub: Hub, request: Request) -> Caller:
    """Return who makes the request, and count it against the party's rate.

    Raises:
        Problem: 403 without a live binding, 429 above the rate.
    """
    values = request.headers.getlist(CERTIFICATE_HEADER)
    if len(values) != 1 or not values[0] or len(values[0]) > _MAX_HEADER:
        raise Problem(403, "certificate", "the gateway passed on no client certificate, or several")
    fingerprint = _fingerprint(values[0])
    now = hub.now()
    binding = await hub.store.binding(fingerprint)
    if binding is None or not binding.live(now + SKEW if now < binding.not_before else now):
        problem = Problem(
            403, "certificate", f"the certificate {fingerprint[:16]}… is not enrolled, expired or revoked"
        )
        if binding is not None:
            hub.exchanges.failed(binding.party, binding.terminal, problem, now)
        raise problem
    caller = Caller(Party(binding.party), binding)
    if wait := _rate(hub, caller).take(caller.party, time.monotonic()):
        raise Problem(429, "rate", "too many requests", headers={"Retry-After": str(int(wait) + 1)})
    hub.contacts[caller.party] = now
    return caller


def count_further(hub: Hub, caller: Caller, messages: int) -> None:
    """Count the messages that a request has beyond its first against the party's rate."""
    _rate(hub, caller).owe(caller.party, messages)


async def open_signed(hub: Hub, model: type[Document], claimed: Outline, caller: Caller) -> tuple[Document, str]:
    """Return a document once a live certificate of the caller's party signed it, and that certificate's fingerprint.

    A document may be older than the certificate of the connection it comes over, so each live one will do.

    Raises:
        Problem: 400, malformed or not signed so.
    """
    return _opened(model, claimed, await _signers(hub, caller, claimed), f"a live key of {caller.party}")


async def open_once_signed(hub: Hub, model: type[Document], claimed: Outline, party: Party) -> tuple[Document, str]:
    """Return a document once a certificate that a party has or ever had signed it, and that certificate's fingerprint.

    For who hands in another's document from before and answers for the time of its signature.

    Raises:
        Problem: 400, malformed or not signed so.
    """
    return _opened(model, claimed, await hub.store.bindings(party, None), f"a key that {party} has or had")


def _rate(hub: Hub, caller: Caller) -> TokenBuckets:
    return hub.ministry_rate if caller.party in {MINISTRY, AUTHORITY} else hub.endpoint_rate


def _opened(model: type[Document], claimed: Outline, signers: Sequence[Binding], whose: str) -> tuple[Document, str]:
    try:
        for binding in signers:
            key = _signing_key(binding.entry)
            if key.key_id == claimed.key_id:
                return model.open(claimed, key), binding.fingerprint
    except DocumentError as error:
        raise Problem(400, "document", str(error)) from error
    raise Problem(400, "document", f"the {model.KIND} is not signed by {whose}")


async def _signers(hub: Hub, caller: Caller, claimed: Outline) -> list[Binding]:
    """Return the live bindings of which one may have signed: nearly always the connection's alone, as it is by now."""
    at = hub.now() + SKEW
    if _signing_key(caller.binding.entry).key_id != claimed.key_id:
        return await hub.store.bindings(caller.party, at)
    binding = await hub.store.binding(caller.fingerprint)
    return [binding] if binding is not None and binding.live(at) else []


@lru_cache(maxsize=8192)
def _fingerprint(header: str) -> str:
    try:
        der = ssl.PEM_cert_to_DER_cert(unquote_to_bytes(header).decode("ascii"))
    except (ValueError, UnicodeDecodeError):
        raise Problem(403, "certificate", "the gateway passed on something that is no certificate") from None
    return sha256(der).hexdigest()


@lru_cache(maxsize=8192)
def _signing_key(entry: bytes) -> NamedKey:
    return NamedKey.of(public_key_of(certificate_from_pem(DirectoryEntry.from_json(entry).certificate)))
