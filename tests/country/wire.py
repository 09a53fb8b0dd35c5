"""A party's line to a hub in this process: what the gateway would pass on, without TLS and HTTP."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from starlette.types import ASGIApp

from renkei.client.connection import ANSWER_LIMIT, Answer
from renkei.client.errors import refusal


@dataclass
class Tally:
    """What went to the hub: requests, words of terminals among them, and the hub's processor seconds."""

    requests: int = 0
    said: int = 0
    seconds: float = 0.0

    def note(self, method: str, path: str, seconds: float) -> None:
        self.requests += 1
        self.said += method == "PUT" and path.startswith("/v1/patch-states/")
        self.seconds += seconds


class Wire:
    """Requests of one party, as `renkei.client.connection.Connection` has them."""

    def __init__(self, loop: asyncio.AbstractEventLoop, application: ASGIApp, certificate: str, tally: "Tally") -> None:
        self._loop, self._application, self.tally = loop, application, tally
        self._certificate = quote(certificate, safe="").encode()

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | int] | None = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        patience: float = 0.0,
        limit: int = ANSWER_LIMIT,
    ) -> Answer:
        """Ask, and return the whole answer; raises what `Connection.request` raises for the hub's refusals."""
        del patience
        before = time.process_time()
        fields = {"content-type": "application/json"} if content is not None else {}
        fields |= {name.lower(): value for name, value in (headers or {}).items()}
        status, answered, body = self._loop.run_until_complete(self._ask(method, path, query, content or b"", fields))
        assert len(body) <= limit
        self.tally.note(method, path, time.process_time() - before)
        if not 200 <= status < 300:
            raise refusal(f"{method} {path}", status, body, answered.get("retry-after", ""))
        return Answer(status, body, answered.get("content-type", "").partition(";")[0])

    def close(self) -> None:
        """Nothing is open."""

    async def _ask(
        self, method: str, path: str, query: Mapping[str, str | int] | None, content: bytes, fields: Mapping[str, str]
    ) -> tuple[int, dict[str, str], bytes]:
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": urlencode(dict(query or {})).encode(),
            "headers": [
                (b"x-client-certificate", self._certificate),
                *((name.encode(), value.encode()) for name, value in fields.items()),
            ],
        }
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": content, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        await self._application(scope, receive, send)
        head, *rest = sent
        answered = {name.decode().lower(): value.decode() for name, value in head["headers"]}
        return head["status"], answered, b"".join(each.get("body", b"") for each in rest)
