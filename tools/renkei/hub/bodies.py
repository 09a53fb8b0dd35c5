"""What comes in with a request, bounded before it is read; and how envelopes go out in JSON."""

import asyncio
import json
import re
from base64 import b64decode
from binascii import Error as Base64Error
from hashlib import sha256
from typing import Annotated, TypeVar

from pydantic import BaseModel, StringConstraints, TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from renkei.exchange import compact, together, whole
from renkei.exchange.documents import MAX_ENVELOPE, DocumentError, Outline, outline
from renkei.exchange.errors import misfits
from renkei.exchange.parties import InvalidParty, Party
from renkei.hub.problems import Problem

JSON_LIMIT = 64 * 1024

Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Model = TypeVar("Model", bound=BaseModel)

_DIGEST = TypeAdapter(Digest)
_CONTENT_DIGEST = re.compile(r"(?:^|[,\s])sha-256=:([A-Za-z0-9+/=]{44}):\s*(?:$|,)", re.ASCII)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_STREAMS = {"notices", "results"}
_MAX_DIGITS = 15


async def read_body(request: Request, limit: int, seconds: int) -> bytes:
    """Return the request's body, which must arrive within `seconds` and be at most `limit` bytes.

    A `Content-Digest` (RFC 9530) that comes with it must hold.

    Raises:
        Problem: 413, 408, or 400 for a wrong digest.
    """
    declared = request.headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and int(declared[:_MAX_DIGITS]) > limit:
        raise _too_large(limit)
    body = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for piece in request.stream():
                body += piece
                if len(body) > limit:
                    raise _too_large(limit)
    except TimeoutError:
        raise Problem(408, "timeout", f"the body did not arrive within {seconds} s", headers=_CLOSE) from None
    content = bytes(body)
    _check_digest(request, content)
    return content


def claim(envelope: bytes) -> Outline:
    """Return what an envelope claims.

    Raises:
        Problem: 400, it is none.
    """
    try:
        return outline(envelope)
    except DocumentError as error:
        raise Problem(400, "document", str(error)) from error


async def read_document(request: Request, seconds: int) -> tuple[bytes, Outline]:
    """Return the envelope that a request brings, in JSON or, where its type says so, in compact form; and its claim.

    Raises:
        Problem: as `read_body`; 400 for what is no document.
    """
    body = await read_body(request, MAX_ENVELOPE, seconds)
    try:
        packed = request.headers.get("content-type") == compact.MEDIA_TYPE
        return compact.read(body) if packed else (body, outline(body))
    except DocumentError as error:
        raise Problem(400, "document", str(error)) from error


async def read_offer(request: Request, seconds: int) -> tuple[bytes, Outline, bytes | None]:
    """Return the manifest's envelope that a request brings, its claim and, of a whole parcel, the sealed bytes.

    Raises:
        Problem: as `read_document`.
    """
    if request.headers.get("content-type") != whole.MEDIA_TYPE:
        return (*await read_document(request, seconds), None)
    body = await read_body(request, whole.LIMIT, seconds)
    try:
        return whole.unpack_whole(body)
    except DocumentError as error:
        raise Problem(400, "document", str(error)) from error


async def read_offers(request: Request, seconds: int) -> list[tuple[bytes, bytes]]:
    """Return (manifest in either form, sealed bytes) of each parcel that a request brings, their documents unread.

    Raises:
        Problem: as `read_body`; 400 for what is no body of parcels.
    """
    body = await read_body(request, together.LIMIT, seconds)
    if request.headers.get("content-type") != together.MEDIA_TYPE:
        raise Problem(400, "document", f"several messages in one request come as {together.MEDIA_TYPE}")
    try:
        return together.unpack_offers(body)
    except DocumentError as error:
        raise Problem(400, "document", str(error)) from error


def document(request: Request, envelope: bytes, status: int, *, own: bool = False) -> Response:
    """Return an answer that is an envelope, `own` as `compact.pack` has it: in compact form for whoever accepts it."""
    if accepts(request, compact.MEDIA_TYPE):
        return Response(compact.pack(envelope, own=own), status, media_type=compact.MEDIA_TYPE)
    return Response(envelope, status, media_type="application/json")


def accepts(request: Request, media_type: str) -> bool:
    """Tell whether a request's `Accept` names a media type."""
    return media_type in {each.partition(";")[0].strip() for each in request.headers.get("accept", "").split(",")}


def require_digest(request: Request) -> None:
    """Refuse a request without a SHA-256 `Content-Digest`.

    Raises:
        Problem: 400.
    """
    if _CONTENT_DIGEST.search(request.headers.get("content-digest", "")) is None:
        raise Problem(400, "digest", "Content-Digest: sha-256=:…: (RFC 9530) is missing")


def parse(model: type[Model], body: bytes) -> Model:
    """Read a JSON body.

    Raises:
        Problem: 400, naming the members that don't fit, not their values.
    """
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise Problem(400, "body", f"the body doesn't fit: {misfits(error, 'body')}") from None


def path_party(request: Request, name: str) -> Party:
    """Return the party in the path.

    Raises:
        Problem: 404.
    """
    try:
        return Party(request.path_params[name])
    except InvalidParty as error:
        raise Problem(404, "not-found", str(error)) from None


def path_digest(request: Request) -> str:
    """Return the SHA-256 in the path.

    Raises:
        Problem: 404.
    """
    try:
        return _DIGEST.validate_python(request.path_params["sha256"])
    except ValidationError:
        raise Problem(404, "not-found", "a part is named by its SHA-256 in lower-case hex") from None


def path_uuid(request: Request) -> str:
    """Return the message id in the path.

    Raises:
        Problem: 404.
    """
    value: str = request.path_params["id"]
    if _UUID.fullmatch(value) is None:
        raise Problem(404, "not-found", "a message is named by a UUID in lower case")
    return value


def path_stream(request: Request) -> str:
    """Return the stream's name in the path.

    Raises:
        Problem: 404.
    """
    value: str = request.path_params["stream"]
    if value not in _STREAMS:
        raise Problem(404, "not-found", "a stream is notices or results")
    return value


def query_number(request: Request, name: str, low: int, high: int, default: int | None = None) -> int:
    """Return a number of the query.

    Raises:
        Problem: 400, missing without a default, no number, or out of its bounds.
    """
    text = request.query_params.get(name)
    if text is None and default is not None:
        return default
    if text is None or not (text.isascii() and text.isdigit()) or not low <= int(text[: _MAX_DIGITS + 1]) <= high:
        raise Problem(400, "query", f"{name} must be a number from {low} to {high}")
    return int(text)


def quoted(envelope: bytes) -> bytes:
    """Return an envelope as a JSON string: read back, it has the very bytes that were signed and are in the journal."""
    return json.dumps(envelope.decode()).encode()


def _too_large(limit: int) -> Problem:
    return Problem(413, "too-large", f"the body may have {limit} bytes", headers=_CLOSE)


def _check_digest(request: Request, content: bytes) -> None:
    found = _CONTENT_DIGEST.search(request.headers.get("content-digest", ""))
    if found is None:
        return
    try:
        holds = b64decode(found[1], validate=True) == sha256(content).digest()
    except Base64Error:
        holds = False
    if not holds:
        raise Problem(400, "digest", "the body is not that of its Content-Digest: send it again")


_CLOSE = {"Connection": "close"}
