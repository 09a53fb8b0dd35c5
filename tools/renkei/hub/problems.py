"""What the hub answers when it doesn't do what was asked: RFC 9457 problem documents."""

import json
from collections.abc import Mapping
from http import HTTPStatus

from starlette.responses import Response

from renkei.store.hub.refusals import (
    MissingPartsRefusal,
    QuotaRefusal,
    ReceiptedRefusal,
    SequenceRefusal,
    StoreRefusal,
    UnknownRefusal,
)

_TYPE = "urn:renkei:problem:"


class Problem(Exception):
    """A request that ends with a problem document.

    Args:
        status: the HTTP status.
        kind: the last part of `type`, which programs look at.
        detail: what was wrong and what to do, for people; never a notice's content.
        members: further members of the document.
        headers: further response headers.
    """

    def __init__(
        self,
        status: int,
        kind: str,
        detail: str,
        members: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self.detail = detail
        self.members = dict(members or {})
        self.headers = dict(headers or {})

    def body(self) -> bytes:
        """Return the problem document."""
        document = {
            "type": _TYPE + self.kind,
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            **self.members,
        }
        return json.dumps(document, ensure_ascii=False).encode()

    def response(self) -> Response:
        """Return the answer."""
        return Response(self.body(), self.status, self.headers, media_type="application/problem+json")


def refused(refusal: StoreRefusal) -> Problem:
    """Say in HTTP why the store refused."""
    status, kind, members = _refusal(refusal)
    return Problem(status, kind, str(refusal), members)


def _refusal(refusal: StoreRefusal) -> tuple[int, str, dict[str, object]]:
    match refusal:
        case MissingPartsRefusal():
            answer: tuple[int, str, dict[str, object]] = (409, "missing-parts", {"missing": refusal.digests})
        case SequenceRefusal():
            answer = (409, "sequence", {"expected": refusal.expected})
        case ReceiptedRefusal():
            answer = (409, "receipted", {"receipt": json.loads(refusal.receipt)})
        case QuotaRefusal():
            answer = (507, "quota", {})
        case UnknownRefusal():
            answer = (404, "not-found", {})
        case _:
            answer = (409, "conflict", {})
    return answer
