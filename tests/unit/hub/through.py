"""A client's line to a hub in this process, past the gateway."""

from collections.abc import Mapping
from typing import Any, Final

import httpx

from renkei.client.connection import Connection
from renkei.client.hub import HubClient
from unit.hub.conftest import Line, Speaker

URL: Final = "http://hub"


class Through(httpx.BaseTransport):
    """From a client to an application: `headers` are what the gateway would add."""

    def __init__(self, line: Line, headers: Mapping[str, str]) -> None:
        self._line, self._headers = line, headers

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        fields: dict[str, Any] = {"content-type": request.headers.get("content-type", ""), **self._headers}
        path = request.url.raw_path.decode()
        answer = self._line.request(request.method, path, content=request.read(), headers=fields)
        return httpx.Response(answer.status_code, headers=answer.headers, stream=httpx.ByteStream(answer.content))


def client_of(speaker: Speaker) -> HubClient:
    """A party's client."""
    return HubClient(Connection(URL, Through(speaker.client, speaker.machine.header)))
