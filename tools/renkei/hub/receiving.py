"""What a recipient asks: its inbox, a message's content; and its receipts."""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Sequence
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from renkei.exchange import pages
from renkei.exchange.parties import Party
from renkei.exchange.payloads import PART_SIZE, Receipt
from renkei.hub.access import Caller, identify, open_once_signed, open_signed
from renkei.hub.bodies import accepts, path_party, path_uuid, query_number, quoted, read_document
from renkei.hub.context import Hub
from renkei.hub.problems import Problem
from renkei.store.hub import contract

MAX_ITEMS = 100
MAX_WAIT = 55
_MAX_CURSOR = 2**53 - 1
_PAGE_BYTES = 1024 * 1024
_BINARY = "application/octet-stream"

Found = TypeVar("Found", contract.Content, contract.StoredMessage)

log = logging.getLogger("renkei.hub")
_RANGE = re.compile(r"bytes=(\d{0,15})-(\d{0,15})", re.ASCII)


async def inbox(hub: Hub, caller: Caller, request: Request) -> Response:
    """`GET /v1/inbox`: a request with `wait` is held until something comes, the time is over, or the hub stops."""
    after = query_number(request, "after", 0, _MAX_CURSOR, 0)
    limit = query_number(request, "limit", 1, MAX_ITEMS, MAX_ITEMS)
    wait = query_number(request, "wait", 0, MAX_WAIT, 0)
    page = await _page(hub, caller, after, limit)
    if not page.items and wait:
        with hub.waiters.place(caller.party) as something:
            # What came between the first look and the place in the queue has woken nobody.
            page = await _page(hub, caller, after, limit)
            if not page.items:
                try:
                    async with asyncio.timeout(wait):
                        await something.wait()
                except TimeoutError:
                    pass
                await identify(hub, request)  # the certificate may have been revoked meanwhile
                page = await _page(hub, caller, after, limit)
    end = page.items[-1].cursor if page.items else after
    if accepts(request, pages.MEDIA_TYPE):
        packed = pages.pack_page([pages.PageItem(i.cursor, i.kind, i.envelope, i.entry) for i in page.items], end)
        return Response(packed, media_type=pages.MEDIA_TYPE)
    items = [
        b'{"cursor":%d,"kind":"%s","envelope":%s,"entry":%s}'
        % (item.cursor, item.kind.encode(), quoted(item.envelope), item.entry)
        for item in page.items
    ]
    body = b'{"items":[%s],"next":%d}' % (b",".join(items), end)
    return Response(body, media_type="application/json")


async def content(hub: Hub, caller: Caller, request: Request) -> Response:
    """`GET /v1/messages/{sender}/{id}/content`: the sealed bytes, or one range of them."""
    sender, message_id = path_party(request, "sender"), path_uuid(request)
    found = _for_caller(await hub.store.content(sender, message_id), caller)
    if not (parts := found.parts):
        raise Problem(410, "gone", "the message was receipted or voided, its content is gone")
    size = sum(part_size for _, part_size in parts)
    span = _span(request.headers.get("range"), size)
    headers = {"Accept-Ranges": "bytes", "ETag": f'"{found.manifest_sha256}"'}
    if span is None:
        status, (first, end) = 200, (0, size)
    else:
        status, (first, end) = 206, span
        headers["Content-Range"] = f"bytes {first}-{end - 1}/{size}"
    pieces = _pieces(hub.store, sender, [digest for digest, _ in parts], first, end)
    if end - first <= PART_SIZE:
        # nearly all parcels: whole, they go out by one write
        return Response(b"".join([piece async for piece in pieces]), status, headers, media_type=_BINARY)
    headers["Content-Length"] = str(end - first)
    return StreamingResponse(pieces, status, headers, media_type=_BINARY)


async def put_receipt(hub: Hub, caller: Caller, request: Request) -> Response:
    """`PUT /v1/receipts/{sender}/{id}`: by the recipient, or returned by the sender to a hub that has lost it."""
    sender, message_id = path_party(request, "sender"), path_uuid(request)
    returned = caller.party == sender
    found = await hub.store.message(sender, message_id)
    message = _existing(found) if returned else _for_caller(found, caller)
    envelope, claimed = await read_document(request, hub.settings.limits.body_seconds)
    if returned:
        receipt, signer = await open_once_signed(hub, Receipt, claimed, Party(message.recipient))
    else:
        receipt, signer = await open_signed(hub, Receipt, claimed, caller)
    said = (str(receipt.id), receipt.sender, receipt.recipient, receipt.stream, receipt.sequence)
    if said != (message.id, message.sender, message.recipient, message.stream, message.sequence):
        raise Problem(400, "mismatch", "the receipt is for another message than the path names")
    if receipt.content_sha256 != message.content_sha256:
        raise Problem(409, "conflict", "the receipt is for other content than the sender's manifest says")
    kept = contract.Receipt(
        id=message.id,
        sender=message.sender,
        recipient=message.recipient,
        envelope=envelope,
        signer=signer,
        returned=returned,
    )
    new = await hub.store.receipt(kept, hub.now())
    what = (sender, message.recipient, message.sequence, message.id)
    log.info("receipted sender=%s recipient=%s sequence=%d id=%s", *what)
    if not returned:
        hub.waiters.wake(message.sender)
    return JSONResponse({}, 201 if new else 200)


def _existing(found: Found | None) -> Found:
    if found is None:
        raise Problem(404, "not-found", "there is no such message")
    return found


def _for_caller(found: Found | None, caller: Caller) -> Found:
    """Return what the store has of a message, for its recipient alone."""
    found = _existing(found)
    if found.recipient != caller.party:
        raise Problem(403, "not-yours", f"the message is not for {caller.party}")
    return found


async def _page(hub: Hub, caller: Caller, after: int, limit: int) -> contract.InboxPage:
    page = await hub.store.inbox(caller.party, after, limit, _PAGE_BYTES)
    if after > page.end:
        detail = f"the inbox ends at {page.end}: the hub was restored; begin with after=0"
        raise Problem(409, "cursor", detail, {"end": page.end})
    return page


def _span(header: str | None, size: int) -> tuple[int, int] | None:
    """Return (first, end) of a `Range` of one span (RFC 9110, 14.2), or None where the whole is to be sent.

    Raises:
        Problem: 416, it lies beyond the end.
    """
    found = _RANGE.fullmatch(header or "")
    if found is None or found[1] == found[2] == "":
        return None
    if not found[1]:
        first, end = max(0, size - int(found[2])), size
    else:
        first, end = int(found[1]), min(size, int(found[2]) + 1) if found[2] else size
    if first >= size or end <= first:
        headers = {"Content-Range": f"bytes */{size}"}
        raise Problem(416, "range", f"the content has {size} bytes", headers=headers)
    return first, end


async def _pieces(
    store: contract.HubStore, sender: str, digests: Sequence[str], first: int, end: int
) -> AsyncIterator[bytes]:
    """Yield bytes `first` to `end` - 1 of the content, one part in memory at a time; all but the last are full."""
    for index in range(first // PART_SIZE, (end - 1) // PART_SIZE + 1):
        part = await store.part(sender, digests[index])
        start = index * PART_SIZE
        yield part[max(0, first - start) : end - start]
