"""What becomes of terminals' requests: when each was last served, and how many of its requests failed in which way.

The ministry holds it against its waves: where updated machines' exchanges fail more than others', a wave halts. It is
written down by terminal every few seconds with the contacts, and is no part of the journal: what the hub says it saw,
which nobody signs, and which can halt a wave and nothing more.

    refused     the certificate was enrolled, and has ended or is revoked
    signature   a document that is none, or not signed by a live key of the party
    cut         a body that ended early, didn't come in its time, or isn't that of its digest
    other       anything else that the terminal should not have asked

What the protocol's course brings (404, 409, 429) and what is the hub's own fault (5xx) is none. A handshake that fails
at the gateway names nobody, and isn't among them.
"""

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, get_args

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from renkei.exchange.clock import format_time
from renkei.exchange.parties import InvalidParty, Party
from renkei.hub.bodies import query_number
from renkei.hub.problems import Problem
from renkei.store.hub.exchanges import Exchanged, How

if TYPE_CHECKING:
    from renkei.hub.access import Caller
    from renkei.hub.context import Hub

MAX_EXCHANGES: Final = 500
_MAX_CURSOR: Final = 2**53 - 1
_HOW: Final[dict[str, How]] = {
    "certificate": "refused",
    "document": "signature",
    "digest": "cut",
    "timeout": "cut",
}
_IN_COURSE: Final = frozenset({404, 409, 410, 416, 429})
_OWN: Final = 500


class Exchanges:
    """What was seen since it was last written down. Only whom a binding names is seen, which bounds it."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._seen: dict[tuple[str, str], Exchanged] = {}

    def served(self, party: str, terminal: str, at: int) -> None:
        """Note that a request was done."""
        seen = self._of(party, terminal)
        if seen is not None and seen.exchanged_at != at:
            self._seen[party, terminal] = replace(seen, exchanged_at=at)

    def failed(self, party: str, terminal: str, error: Exception, at: int) -> None:
        """Note that a request failed, if it is the terminal's failure."""
        how, seen = how_of(error), self._of(party, terminal)
        if how is not None and seen is not None:
            counts = {how: getattr(seen, how) + 1}
            self._seen[party, terminal] = replace(seen, failed_at=at, **counts)

    def take(self) -> list[Exchanged]:
        """Return what was seen, and begin anew."""
        seen, self._seen = self._seen, {}
        return list(seen.values())

    def _of(self, party: str, terminal: str) -> Exchanged | None:
        if (seen := self._seen.get((party, terminal))) is not None:
            return seen
        try:
            known = Party(party)
        except InvalidParty:
            return None
        return Exchanged(party, terminal) if known.is_endpoint else None


def how_of(error: Exception) -> How | None:
    """Return how a terminal failed by which its request ended; None when it didn't."""
    if isinstance(error, ClientDisconnect):
        return "cut"
    if not isinstance(error, Problem) or error.status in _IN_COURSE or error.status >= _OWN:
        return None
    return _HOW.get(error.kind, "other")


async def exchanges(hub: "Hub", caller: "Caller", request: Request) -> Response:
    """`GET /v1/exchanges`: when terminals were last served, and how many of their requests failed how."""
    del caller
    after = query_number(request, "after", 0, _MAX_CURSOR, 0)
    page = await hub.store.exchanges(after, query_number(request, "limit", 1, MAX_EXCHANGES, MAX_EXCHANGES))
    if after > page.end:
        raise Problem(409, "cursor", "there is nothing so late: the hub was restored; begin with 0")
    items = [
        {
            "cursor": cursor,
            "endpoint": each.endpoint,
            "terminal": each.terminal,
            "exchanged_at": _time(each.exchanged_at),
            "failed_at": _time(each.failed_at),
            "failed": {how: getattr(each, how) for how in get_args(How)},
        }
        for cursor, each in page.items
    ]
    return JSONResponse({"items": items, "next": page.items[-1][0] if page.items else after})


def _time(seconds: int) -> str | None:
    return format_time(datetime.fromtimestamp(seconds, UTC)) if seconds else None
