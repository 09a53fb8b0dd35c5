"""市町村伝達 (入管法施行令2条): a municipality passes on where a mid-to-long-term resident lives."""

from dataclasses import dataclass
from datetime import date
from typing import ClassVar

from renkei.domain.notices.base import (
    CORRECTS,
    CORRECTS_ANOTHER,
    KANJI_ORIGINAL,
    NUMBER,
    ORIGINAL_WITH_NAME,
    Notice,
    municipality,
    person,
    row_of,
)
from renkei.domain.notices.rules import RESIDENCE_SYSTEM, Rule, Values, different, not_after, not_before
from renkei.domain.notices_items import Form, Item, When

_DECREE = "入管法施行令2条"
SETTLED = ("入管法19条の7", "入管法19条の8", "住基法30条の47")
MOVED = ("入管法19条の9", "住基法22条", "住基法23条")
EITHER = ("住基法30条の46",)  # deemed one of 19条の7, 19条の8 and 19条の9 (their third paragraphs)
_SETTLING = When("basis", frozenset(SETTLED), frozenset(EITHER))
_MOVE = When("basis", frozenset(MOVED), frozenset(EITHER))

_FILED = Item("filed_on", "届出日", Form.DATE, 10, _DECREE)
_ADDRESS = Item("address", "住居地", Form.TEXT, 200, _DECREE)
_SETTLED = Item("settled_on", "住居地を定めた日", Form.DATE, 10, _DECREE, _SETTLING)
_MOVED = Item("moved_on", "移転日", Form.DATE, 10, _DECREE, _MOVE)
_PREVIOUS = Item("previous_address", "前住居地", Form.TEXT, 200, _DECREE, _MOVE)
_PERSON = person(_DECREE, name_needed=True)
_BIRTH = row_of(_PERSON, "birth_date")


def _told_by_halves(values: Values) -> bool:
    settled, moved, previous = (values.get(field) for field in ("settled_on", "moved_on", "previous_address"))
    return (settled is None) == (moved is None) or (moved is None) != (previous is None)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ResidenceNotice(Notice):
    """市町村伝達: a mid-to-long-term resident has told a municipality where he lives (入管法施行令2条).

    Attributes:
        basis: the article under which he did (届出区分): one of SETTLED, MOVED or EITHER.
        filed_on: the day on which he did (届出日).
        name: in the letters of the card (氏名); kanji_name beside it where the card has one.
        birth_date: `1990-01-31`, with 00 where month and day are unknown.
        settled_on: the day on which he settled (住居地を定めた日); or else
        moved_on: the day of the move (移転日), with `previous_address` (前住居地).
        kanji_original: the kanji name before it was put into 正字 (告示第582号).
        corrects: the number of an earlier notice that this one takes the place of.
    """

    NAME: ClassVar[str] = "residence_notice"
    TYPE: ClassVar[str] = "市町村伝達"
    ARTICLE: ClassVar[str] = _DECREE
    TO_MINISTRY: ClassVar[bool] = True
    TO_ENDPOINT: ClassVar[bool] = False
    ITEMS: ClassVar[tuple[Item, ...]] = (
        NUMBER,
        municipality(_DECREE),
        Item("basis", "届出区分", Form.CHOICE, 12, _DECREE, choices=SETTLED + MOVED + EITHER, personal=False),
        _FILED,
        *_PERSON,
        _ADDRESS,
        Item("card_number", "在留カード番号", Form.CARD, 12, _DECREE),
        _SETTLED,
        _MOVED,
        _PREVIOUS,
        KANJI_ORIGINAL,
        CORRECTS,
    )
    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            frozenset({"settled_on", "moved_on", "previous_address"}),
            _SETTLED.name,
            "required",
            _DECREE,
            "住居地を定めた日、又は移転日と前住居地のどちらか一方を記載してください。",
            _told_by_halves,
        ),
        not_after(_SETTLED, _FILED, _DECREE),
        not_after(_MOVED, _FILED, _DECREE),
        not_after(_BIRTH, _SETTLED, _DECREE),
        not_after(_BIRTH, _MOVED, _DECREE),
        not_before(_FILED, RESIDENCE_SYSTEM, "在留管理制度の施行日", "平成21年法律第79号附則1条"),
        different(_PREVIOUS, _ADDRESS, _DECREE),
        ORIGINAL_WITH_NAME,
        CORRECTS_ANOTHER,
    )

    basis: str
    filed_on: date
    name: str
    kanji_name: str | None = None
    birth_date: str
    sex: str
    nationality: str
    address: str
    card_number: str
    settled_on: date | None = None
    moved_on: date | None = None
    previous_address: str | None = None
    kanji_original: str | None = None
    corrects: str | None = None
