"""What the hub is held against: a bare ASGI application on the same store, without authority, signature and gateway.

    python _raw_app.py SOCKET FOLDER

`PUT /v1/parts/…` and `PUT /v1/messages/…`, a manifest or a parcel whole, believe what comes and make the hub's store
keep it, with the same statements and the same commits as the hub's; `GET …/content` gives it back. `PUT /bare/…` only
inserts the body into a table of one column in a database with the same settings: the least that a durable write can be.
"""

import asyncio
import hashlib
import json
import sys
from base64 import b64decode
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import apsw
import cbor2
import uvicorn

from renkei.store.hub.contract import Message
from renkei.store.hub.sqlite import SqliteHubStore
from renkei.store.sqlite import Database

_TABLE = "CREATE TABLE bodies (path TEXT PRIMARY KEY, body BLOB NOT NULL) STRICT;"
_PLENTY = 2**40
MEDIA_TYPE = b"application/vnd.renkei.parcel"
_UNSIGNED = b"{}"


class Raw:
    """The application.

    Args:
        folder: of `hub.db`, which the bench has filled with the parties, and of `bare.db`.
    """

    def __init__(self, folder: Path) -> None:
        self._store = SqliteHubStore(folder / "hub.db")
        self._bare = Database(folder / "bare.db", (_TABLE,))

    async def __call__(
        self,
        scope: dict[str, Any],
        receive: Callable[[], Awaitable[dict[str, Any]]],
        send: Callable[[dict[str, Any]], Awaitable[None]],
    ) -> None:
        """Answer a request."""
        path: str = scope["path"]
        _, place, *rest = path.removeprefix("/v1").split("/")
        answer = b""
        if scope["method"] == "GET":
            answer = await self._read(*rest)
        else:
            body = await _body(receive)
            if place == "bare":
                await asyncio.wrap_future(self._bare.submit(lambda connection: _insert(connection, path, body)))
            elif place == "parts":
                sender = dict(scope["headers"])[b"x-sender"].decode()
                await self._store.put_part(sender, rest[0], body, _PLENTY, 0)
            else:
                whole = dict(scope["headers"])[b"content-type"] == MEDIA_TYPE
                envelope, sealed = cbor2.loads(body) if whole else (body, None)
                await self._store.accept(_message(envelope, sealed), lambda _index, _epoch: _UNSIGNED, _PLENTY, 0)
        headers = [(b"content-length", str(len(answer)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    async def _read(self, sender: str, message_id: str, _content: str) -> bytes:
        found = await self._store.content(sender, message_id)
        return b"".join([await self._store.part(sender, digest) for digest, _ in found.parts]) if found else b""


async def _body(receive: Callable[[], Awaitable[dict[str, Any]]]) -> bytes:
    pieces, more = [], True
    while more:
        message = await receive()
        pieces.append(message["body"])
        more = message["more_body"]
    return b"".join(pieces)


def _insert(connection: apsw.Connection, path: str, body: bytes) -> None:
    connection.execute("INSERT INTO bodies VALUES (?, ?)", (path, body))


def _message(envelope: bytes, sealed: bytes | None) -> Message:
    payload = b64decode(json.loads(envelope)["payload"])
    said = json.loads(payload)
    return Message(
        id=said["id"],
        sender=said["sender"],
        recipient=said["recipient"],
        stream=said["stream"],
        sequence=said["sequence"],
        content_sha256=said["content_sha256"],
        manifest=envelope,
        manifest_sha256=hashlib.sha256(payload).hexdigest(),
        parts=tuple((part["sha256"], part["size"]) for part in said["parts"]),
        signer=said["recipient_certificate_sha256"],  # any that the store knows
        sealed=sealed,
    )


def main(socket: str, folder: str) -> None:
    """Serve until SIGTERM."""
    uvicorn.run(
        Raw(Path(folder)),
        uds=socket,
        loop="uvloop",
        http="httptools",
        lifespan="off",
        access_log=False,
        log_level="warning",
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
