"""A small parcel whole: its manifest and its sealed bytes in one body, for one request and one commit instead of two.

    body = pack_whole(envelope, sealed)       # None: too large, its parts go first
    envelope, claimed, sealed = unpack_whole(body)

Deterministic CBOR (RFC 8949, 4.2): `[document, sealed]`, both byte strings; the document is the manifest in either form
(`compact`). Nothing in it is believed by that: the manifest's signature and digests say whether the bytes are right.
"""

import cbor2

from renkei.exchange.compact import pack, read
from renkei.exchange.documents import DocumentError, Outline

MEDIA_TYPE = "application/vnd.renkei.parcel"
LIMIT = 64 * 1024
"""Bytes of the whole body: what the gateway lets through in one request."""
_DEPTH = 2


def pack_whole(manifest: bytes, sealed: bytes) -> bytes | None:
    """Return the body of a parcel, or None when it is larger than one request may be."""
    if len(sealed) >= LIMIT:
        return None
    body = cbor2.dumps([pack(manifest), sealed], canonical=True)
    return body if len(body) <= LIMIT else None


def unpack_whole(body: bytes) -> tuple[bytes, Outline, bytes]:
    """Return (manifest envelope, what it claims, sealed bytes) of a body whose size is bounded already.

    Raises:
        DocumentError: it is none, or the manifest is malformed.
    """
    try:
        value = cbor2.loads(body, max_depth=_DEPTH, allow_indefinite=False)
        document, sealed = value
        faithful = type(document) is bytes and type(sealed) is bytes and cbor2.dumps(value, canonical=True) == body
    except (cbor2.CBORError, ValueError, TypeError, RecursionError, MemoryError):
        raise DocumentError("the parcel is not a manifest and its sealed bytes in CBOR") from None
    if not faithful:
        raise DocumentError("the parcel is not in deterministic form (RFC 8949, 4.2)")
    return (*read(document), sealed)
