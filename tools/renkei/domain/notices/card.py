"""特定在留カード交付通知 (入管法施行令3条の2第4項): a municipality has handed out a combined card; since 2026-06-14."""

from dataclasses import dataclass
from datetime import date
from typing import ClassVar

from renkei.domain.notices.base import CORRECTS, CORRECTS_ANOTHER, NUMBER, Notice, municipality
from renkei.domain.notices.rules import Rule, not_before
from renkei.domain.notices_items import Form, Item

_DECREE = "入管法施行令3条の2第4項"
_ISSUED = Item("issued_on", "交付日", Form.DATE, 10, _DECREE)
COMBINED_CARDS = "2026-06-14"
"""The day from which there are 特定在留カード (residence card and individual number card in one)."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class CardIssueNotice(Notice):
    """特定在留カード交付通知: a municipality has handed out a 特定在留カード (施行令3条の2第4項).

    Attributes:
        issued_on: the day on which it was handed out (交付日).
        card_number: its number (特定在留カードの番号).
        corrects: the number of an earlier notice that this one takes the place of.
    """

    NAME: ClassVar[str] = "card_issue_notice"
    TYPE: ClassVar[str] = "特定在留カード交付通知"
    ARTICLE: ClassVar[str] = _DECREE
    TO_MINISTRY: ClassVar[bool] = True
    TO_ENDPOINT: ClassVar[bool] = False
    SINCE: ClassVar[int] = 2
    ITEMS: ClassVar[tuple[Item, ...]] = (
        NUMBER,
        municipality(_DECREE),
        _ISSUED,
        Item("card_number", "特定在留カード番号", Form.CARD, 12, _DECREE),
        CORRECTS,
    )
    RULES: ClassVar[tuple[Rule, ...]] = (
        not_before(_ISSUED, COMBINED_CARDS, "特定在留カードの制度の施行日", _DECREE),
        CORRECTS_ANOTHER,
    )

    issued_on: date
    card_number: str
    corrects: str | None = None
