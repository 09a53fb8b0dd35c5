"""The people whose notices aren't in the register yet (未取込者一覧), of this endpoint and no other."""

from collections.abc import Sequence
from datetime import datetime

from pydantic import BaseModel, ConfigDict

from renkei.agent.home import Home, now
from renkei.agent.register.rows import notice_of
from renkei.domain.notices_items import MASK
from renkei.exchange.clock import parse_time
from renkei.store.standings import Import, Standing

STANDINGS = {
    Standing.UNCONFIRMED: "確認待ち",
    Standing.BEHIND: "先行通知待ち",
    Standing.READY: "引渡し待ち",
    Standing.HANDED: "取込結果待ち",
    Standing.FAILED: "エラー",
}
"""What a clerk reads of a notice that isn't in the register."""


class Pending(BaseModel):
    """A notice that isn't in the register; `days` since it came; names are masked unless they were asked for.

    `name`, `birth_date` and `card` are None where this terminal doesn't keep the notice.
    """

    model_config = ConfigDict(frozen=True)

    number: str
    type: str
    category: str
    noticed_on: str
    received_at: str
    standing: Standing
    standing_ja: str
    days: int
    error_item: str | None
    reason: str | None
    name: str | None
    birth_date: str | None
    card: str | None


def pending(home: Home, *, show_values: bool) -> list[Pending]:
    """List the notices that the register hasn't confirmed, in the order in which they came.

    Args:
        home: of the agent.
        show_values: show who they are about, for the person at the keyboard; otherwise what is personal is masked.
    """
    at = now()
    return [_pending(each, at, show_values=show_values) for each in home.spool.imports.unfinished()]


def summary(found: Sequence[Pending]) -> dict[str, int]:
    """How many notices stand where, by the standings' Japanese names, in their order."""
    return {name: count for name in STANDINGS.values() if (count := sum(each.standing_ja == name for each in found))}


def _pending(found: Import, at: datetime, *, show_values: bool) -> Pending:
    who: dict[str, str | None] = {"name": None, "birth_date": None, "card": None}
    if found.row is not None:
        notice = notice_of(found.type, found.row)
        fields = (("name", "kanji_name"), ("birth_date",), ("card_number", "certificate_number"))
        for key, names in zip(who, fields, strict=True):
            value = next((str(getattr(notice, name)) for name in names if getattr(notice, name, None)), None)
            who[key] = value if show_values or value is None else MASK
    reason = found.reason if show_values or found.reason is None else MASK
    return Pending(
        number=found.number,
        type=found.type,
        category=found.category,
        noticed_on=found.noticed_on,
        received_at=found.received_at,
        standing=found.standing,
        standing_ja=STANDINGS[found.standing],
        days=(at - parse_time(found.received_at)).days,
        error_item=found.error_item,
        reason=reason,
        **who,
    )
