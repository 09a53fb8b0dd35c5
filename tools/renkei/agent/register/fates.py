"""What became of the notices sent from here: sent, received, imported or not; what waits; what isn't sent and why."""

from pydantic import BaseModel, ConfigDict

from renkei.agent.home import Home
from renkei.domain.notices.results import FAILED
from renkei.domain.notices_items import MASK


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True)


class NoticeFate(_Model):
    """One notice; `waits_until` of one that isn't sent yet, `reason` masked unless it was asked for."""

    number: str
    type: str
    sent_at: str | None
    accepted: bool
    receipted_at: str | None
    result: str | None
    error_item: str | None
    reason: str | None
    processed_on: str | None
    waits_until: str | None


class NotSent(_Model):
    """A notice that isn't sent, because the ministry's own notice had caused it (施行令24条1項)."""

    number: str
    because_of: str
    items: str
    noted_at: str


class Fates(_Model):
    """All of it; `errors` counts notices that the ministry couldn't import."""

    notices: tuple[NoticeFate, ...]
    suppressed: tuple[NotSent, ...]
    errors: int


def fates(home: Home, limit: int, *, open_only: bool, show_values: bool) -> Fates:
    """List the newest `limit` notices; `open_only` leaves out those that the ministry has imported."""
    found = home.spool.dispatches.fates(limit, open_only=open_only)
    return Fates(
        notices=tuple(
            NoticeFate(
                number=each.number,
                type=each.type,
                sent_at=each.sent_at,
                accepted=each.accepted,
                receipted_at=each.receipted_at,
                result=each.result,
                error_item=each.error_item,
                reason=each.reason if show_values or each.reason is None else MASK,
                processed_on=each.processed_on,
                waits_until=each.waits_until,
            )
            for each in found
        ),
        suppressed=tuple(
            NotSent(number=each.number, because_of=each.because_of, items=each.items, noted_at=each.noted_at)
            for each in home.spool.dispatches.suppressed()[:limit]
        ),
        errors=sum(each.result == FAILED for each in found),
    )
