"""The enrolment listener: the only thing that a machine without a certificate can talk to."""

from types import TracebackType
from typing import Self
from urllib.parse import quote

from renkei.client.answers import EnrolmentResult, Submitted, read
from renkei.client.connection import Connection
from renkei.exchange.enrolment import EnrolmentRequest


class EnrolmentClient:
    """A machine's way to its first certificate."""

    def __init__(self, connection: Connection) -> None:
        """Speak over a connection (made without credentials), which this client closes."""
        self._line = connection

    def __enter__(self) -> Self:
        """Nothing is sent before the first request."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the line."""
        self._line.close()

    def submit(self, request: EnrolmentRequest) -> str:
        """Queue a request; the same request again gives the same id."""
        answer = self._line.request("POST", "/v1/enrolments", content=request.to_json())
        return read(Submitted, answer, "POST /v1/enrolments").id

    def result(self, enrolment_id: str) -> EnrolmentResult:
        """Where the request stands; the entry is to be verified against the trust anchor."""
        path = f"/v1/enrolments/{quote(enrolment_id, safe='')}"
        return read(EnrolmentResult, self._line.request("GET", path), f"GET {path}")
