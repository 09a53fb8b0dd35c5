"""The enrolment listener: the only thing that a machine without a certificate can talk to."""

from urllib.parse import quote

from renkei.client.answers import EnrolmentResult, Submitted, read
from renkei.client.connection import OverConnection
from renkei.exchange.enrolment import EnrolmentRequest


class EnrolmentClient(OverConnection):
    """A machine's way to its first certificate, over a connection that was made without credentials."""

    def submit(self, request: EnrolmentRequest) -> str:
        """Queue a request; the same request again gives the same id."""
        answer = self._line.request("POST", "/v1/enrolments", content=request.to_json())
        return read(Submitted, answer, "POST /v1/enrolments").id

    def result(self, enrolment_id: str) -> EnrolmentResult:
        """Where the request stands; the entry is to be verified against the trust anchor."""
        path = f"/v1/enrolments/{quote(enrolment_id, safe='')}"
        return read(EnrolmentResult, self._line.request("GET", path), f"GET {path}")
