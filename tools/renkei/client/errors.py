"""What can go wrong between a party and the hub, one exception a remedy.

HubError
├── HubUnreachable      no answer: try again later, nothing was lost
├── GatewayNotTrusted   somebody answered who is not the gateway: don't try harder, tell a person
├── BadAnswer           an answer that the protocol doesn't know
└── HubRefused          a problem document (RFC 9457)
    ├── NotAllowed, NotFound
    ├── MissingParts, WrongSequence, Conflict, Receipted, RecipientReplaced, CursorGone
    └── HubBusy         quota or rate: try again later
"""

import json
import re
from dataclasses import dataclass, field
from typing import Any

from renkei.exchange.text import printable

_DETAIL_LIMIT = 500


class HubError(Exception):
    """Any failure of a request to the hub; the message says what happened and what to do."""


class HubUnreachable(HubError):
    """No connection, no answer in time, or the line was cut; the request may be repeated as it is."""


class GatewayNotTrusted(HubError):
    """The other side has no certificate of the trust anchor for this name, or doesn't speak TLS 1.3."""


class BadAnswer(HubError):
    """The answer breaks the protocol: too large, not JSON, fields missing."""


@dataclass(frozen=True, slots=True)
class Problem:
    """An RFC 9457 problem document; `kind` is the last part of its `type`, `retry_after` in seconds."""

    status: int
    kind: str
    title: str
    detail: str
    members: dict[str, Any] = field(default_factory=dict)
    retry_after: float | None = None

    @classmethod
    def parse(cls, status: int, body: bytes, retry_after: str = "") -> "Problem":
        """Read a body; one that is no problem document gives a problem with the bare status."""
        try:
            document = json.loads(body)
        except (ValueError, RecursionError):
            document = None
        if not isinstance(document, dict):
            document = {}
        kind = re.split(r"[/:#]", str(document.get("type", "")).rstrip("/"))[-1]
        return cls(
            status=status,
            kind=plain(kind) or "unknown",
            title=plain(str(document.get("title", ""))),
            detail=plain(str(document.get("detail", ""))),
            members=document,
            retry_after=float(retry_after) if re.fullmatch(r"[0-9]{1,6}", retry_after, re.ASCII) else None,
        )

    def __str__(self) -> str:
        """One line for logs and screens."""
        text = ": ".join(part for part in (self.title, self.detail) if part) or "no reason given"
        return f"{self.status} {self.kind} ({text})"


class HubRefused(HubError):
    """The hub answered with a problem document."""

    def __init__(self, request: str, problem: Problem, advice: str) -> None:
        super().__init__(f"the hub refused {request}: {problem}. {advice}")
        self.problem = problem


class NotAllowed(HubRefused):
    """403: the certificate is not in the hub's allow-list, or not entitled to this."""


class NotFound(HubRefused):
    """404 or 410: the hub has no such thing, or no longer."""


class MissingParts(HubRefused):
    """409: the manifest came before some of its parts; `missing` are their digests."""

    @property
    def missing(self) -> tuple[str, ...]:
        """Digests of the parts to put, in the hub's order."""
        missing = self.problem.members.get("missing", [])
        return tuple(str(digest) for digest in missing) if isinstance(missing, list) else ()


class WrongSequence(HubRefused):
    """409: the stream has a gap; `expected` is the sequence number that the hub wants."""

    @property
    def expected(self) -> int:
        """The next sequence number in the hub's view, 0 when it didn't say."""
        expected = self.problem.members.get("expected")
        return expected if isinstance(expected, int) and expected > 0 else 0


class Conflict(HubRefused):
    """409: the same id or number with other content."""


class Receipted(HubRefused):
    """409: the recipient has the message already; its receipt is in the sender's inbox."""


class RecipientReplaced(HubRefused):
    """409: the message is sealed to a terminal that the recipient no longer has; seal it anew."""


class CursorGone(HubRefused):
    """409: the inbox ends before the cursor, because the hub was restored; begin with 0."""


class HubBusy(HubRefused):
    """429, 503 or 507: a limit of the hub; later the same request can pass."""


_BY_STATUS: dict[int, tuple[type[HubRefused], str]] = {
    **dict.fromkeys(
        (401, 403),
        (NotAllowed, "Check that this terminal's certificate is enrolled and not revoked (renkei-agent status)."),
    ),
    **dict.fromkeys((404, 410), (NotFound, "Check the party and the id.")),
    **dict.fromkeys((429, 502, 503, 504, 507), (HubBusy, "Try again later; nothing was lost.")),
}
_BY_KIND: dict[str, tuple[type[HubRefused], str]] = {
    "missing-parts": (MissingParts, "Put the missing parts and repeat."),
    "sequence": (WrongSequence, "Offer the stream from the expected number."),
    "receipted": (Receipted, "Nothing is to be sent."),
    "recipient": (RecipientReplaced, "Seal it anew to the newest entry of the directory."),
    "cursor": (CursorGone, "Read the inbox from its beginning."),
    "conflict": (Conflict, "Two messages claim one place: the ministry's support must look at it."),
}
_UNKNOWN = (HubRefused, "Report this to the ministry's support with the time of the request.")


def refusal(request: str, status: int, body: bytes, retry_after: str = "") -> HubRefused:
    """The exception for a problem document, with what to do about it."""
    problem = Problem.parse(status, body, retry_after)
    kind, advice = _BY_STATUS.get(status) or _BY_KIND.get(problem.kind) or _UNKNOWN
    return kind(request, problem, advice)


def plain(text: str) -> str:
    """Text from outside, fit for one line of a log."""
    return printable(text)[:_DETAIL_LIMIT]
