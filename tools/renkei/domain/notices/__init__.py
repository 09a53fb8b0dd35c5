"""Notices (通知): one class a type, as tables of items and rules, and notices that can't exist unless they are right.

`parse` reads one from text and returns all findings at once. The types:

| number | class | what | from whom | stream |
|---|---|---|---|---|
| 0 | `ResidenceNotice` | 市町村伝達, 入管法施行令2条 | municipality | notices |
| 1 | `StatusNotice` | 法務省通知, 住基法30条の50 | ministry | notices |
| 2 | `RegisterNotice` | 市町村通知, 入管法61条の7の2 | municipality | notices |
| 3 | `CardIssueNotice` | 特定在留カード交付通知, 施行令3条の2第4項 | municipality | notices |
| 4 | `ImportResult` | 取込結果 | either | results |
| 5 | `Inquiry` | 照会 | either | results |
"""

from renkei.domain.notices.base import LATEST, InvalidNotice, Notice, Stream, find
from renkei.domain.notices.card import CardIssueNotice
from renkei.domain.notices.register import RegisterNotice
from renkei.domain.notices.residence import EITHER, MOVED, SETTLED, ResidenceNotice
from renkei.domain.notices.residents import (
    MID_TO_LONG,
    PROVISIONAL,
    REFUGE,
    SPECIAL_PERMANENT,
    STATUSES,
    TRANSITIONAL,
)
from renkei.domain.notices.results import ImportResult, Inquiry
from renkei.domain.notices.status import StatusNotice
from renkei.domain.notices_items import UNLIMITED

TYPES: tuple[type[Notice], ...] = (
    ResidenceNotice,
    StatusNotice,
    RegisterNotice,
    CardIssueNotice,
    ImportResult,
    Inquiry,
)
"""All notice types; a type's place here is its number in the canonical encoding and never changes."""

__all__ = [
    "EITHER",
    "LATEST",
    "MID_TO_LONG",
    "MOVED",
    "PROVISIONAL",
    "REFUGE",
    "SETTLED",
    "SPECIAL_PERMANENT",
    "STATUSES",
    "TRANSITIONAL",
    "TYPES",
    "UNLIMITED",
    "CardIssueNotice",
    "ImportResult",
    "Inquiry",
    "InvalidNotice",
    "Notice",
    "RegisterNotice",
    "ResidenceNotice",
    "StatusNotice",
    "Stream",
    "find",
]
