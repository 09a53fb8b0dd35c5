"""The gateway's own line to the hub beside it: a Unix socket by which it asks for its next certificate."""

from pathlib import Path
from typing import Self
from urllib.parse import quote

import httpx

from renkei.client.answers import ServerResult, Submitted, read
from renkei.client.connection import Connection, OverConnection
from renkei.exchange.servers import ServerRequest


class GatewayClient(OverConnection):
    """A TLS server's way to its next certificate."""

    @classmethod
    def at(cls, socket: Path) -> Self:
        """Speak to the hub that listens at a Unix socket."""
        return cls(Connection("http://hub", httpx.HTTPTransport(uds=str(socket), trust_env=False)))

    def ask(self, request: ServerRequest) -> str:
        """Queue a request; the same request again gives the same id."""
        answer = self._line.request("POST", "/v1/servers", content=request.to_json())
        return read(Submitted, answer, "POST /v1/servers").id

    def result(self, asking_id: str) -> ServerResult:
        """Where the request stands; the chain is to be checked before it is used."""
        path = f"/v1/servers/{quote(asking_id, safe='')}"
        return read(ServerResult, self._line.request("GET", path), f"GET {path}")
