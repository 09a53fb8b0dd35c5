"""When terminals last exchanged and how often that failed, as the hub saw it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from renkei.store.hub.transaction import Transaction

How = Literal["refused", "signature", "cut", "other"]


@dataclass(frozen=True, slots=True)
class Exchanged:
    """What a hub saw of a terminal: times in seconds since 1970, 0 for never; and how many requests failed how."""

    endpoint: str
    terminal: str
    exchanged_at: int = 0
    failed_at: int = 0
    refused: int = 0
    signature: int = 0
    cut: int = 0
    other: int = 0


@dataclass(frozen=True, slots=True)
class ExchangePage:
    """Terminals whose failures changed after a cursor, in that order; `end` is the newest cursor of all."""

    items: tuple[tuple[int, Exchanged], ...]
    end: int


def note(transaction: Transaction, seen: Sequence[Exchanged]) -> None:
    """Add to what was seen before. A terminal gets a new cursor when it is seen first, and when it fails."""
    before = transaction.count("SELECT max(change) FROM exchanges")
    transaction.execute_many(
        "INSERT INTO exchanges"
        " (endpoint, terminal, exchanged_at, failed_at, refused, signature, cut, other, change)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (endpoint, terminal) DO UPDATE SET"
        " exchanged_at = CASE WHEN excluded.exchanged_at > exchanges.exchanged_at"
        "  THEN excluded.exchanged_at ELSE exchanges.exchanged_at END,"
        " failed_at = CASE WHEN excluded.failed_at > exchanges.failed_at"
        "  THEN excluded.failed_at ELSE exchanges.failed_at END,"
        " refused = exchanges.refused + excluded.refused, signature = exchanges.signature + excluded.signature,"
        " cut = exchanges.cut + excluded.cut, other = exchanges.other + excluded.other,"
        " change = CASE WHEN excluded.failed_at > 0 THEN excluded.change ELSE exchanges.change END",
        [
            (
                *(each.endpoint, each.terminal, each.exchanged_at, each.failed_at),
                *(each.refused, each.signature, each.cut, each.other, before + place),
            )
            for place, each in enumerate(seen, 1)
        ],
    )


def page(transaction: Transaction, after: int, limit: int) -> ExchangePage:
    """Return what was seen of the terminals with a cursor after one."""
    rows = transaction.some(
        "SELECT change, endpoint, terminal, exchanged_at, failed_at, refused, signature, cut, other"
        " FROM exchanges WHERE change > ? ORDER BY change LIMIT ?",
        (after, limit),
    )
    items = tuple((int(change), Exchanged(*rest)) for change, *rest in rows)
    return ExchangePage(items, transaction.count("SELECT max(change) FROM exchanges"))
