"""A party's line to a hub in this process: a transport that passes on what the gateway would, without TLS and sockets.

HubClient(Connection(HUB, Wire(loop, application, certificate, tally)))
"""

import asyncio
import time
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import httpx
from starlette.types import ASGIApp

HUB: Final = "http://hub"


@dataclass
class Tally:
    """What went to the hub: requests, words of terminals among them, and the hub's processor seconds."""

    requests: int = 0
    said: int = 0
    seconds: float = 0.0

    def note(self, request: httpx.Request, seconds: float) -> None:
        self.requests += 1
        self.said += request.method == "PUT" and request.url.path.startswith("/v1/patch-states/")
        self.seconds += seconds


class Wire(httpx.BaseTransport):
    """One party's requests; `tally` has what all lines together had."""

    def __init__(self, loop: asyncio.AbstractEventLoop, application: ASGIApp, certificate: str, tally: Tally) -> None:
        self._loop, self._application, self.tally = loop, application, tally
        self._certificate = quote(certificate, safe="").encode()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Have the hub answer; its processor time is noted, the client's is not."""
        content = request.read()
        before = time.process_time()
        status, headers, body = self._loop.run_until_complete(self._ask(request, content))
        self.tally.note(request, time.process_time() - before)
        return httpx.Response(status, headers=headers, stream=httpx.ByteStream(body))

    async def _ask(self, request: httpx.Request, content: bytes) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        scope = {
            "type": "http",
            "method": request.method,
            "path": request.url.path,
            "raw_path": request.url.raw_path.partition(b"?")[0],
            "query_string": request.url.query,
            "headers": [
                (b"x-client-certificate", self._certificate),
                *((name.lower(), value) for name, value in request.headers.raw),
            ],
        }
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": content, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        await self._application(scope, receive, send)
        head, *rest = sent
        return head["status"], head["headers"], b"".join(each.get("body", b"") for each in rest)
