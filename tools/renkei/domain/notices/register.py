"""市町村通知 (入管法61条の7の2, 施行令24条): a municipality has touched a resident's record (住民票).

What a notice of the ministry (住基法30条の50) caused is not notified back (施行令24条1項).
"""

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
from renkei.domain.notices.residents import (
    CARD,
    CATEGORY,
    CERTIFICATE,
    LATIN_NAME,
    TRANSITIONAL,
    some_name,
)
from renkei.domain.notices.rules import (
    RESIDENCE_SYSTEM,
    Rule,
    Values,
    chosen,
    different,
    not_after,
    not_before,
    together,
)
from renkei.domain.notices_items import Form, Item, When, to_text

_ACT = "入管法61条の7の2"
_DECREE = "入管法施行令24条"
ENTRY, DELETION, AMENDMENT = "記載", "消除", "修正"
BIRTH, DEPARTURE, REMOVAL_WITHIN = "出生", "転出", "転居"
NEW_RESIDENT = ("国外転入", "中長期在留者等への該当")  # 住基法30条の46, 30条の47


@dataclass(frozen=True, slots=True)
class Cause:
    """A 処理事由: why a record was touched.

    Attributes:
        action: how (処理区分).
        filings: the articles of a filing (届出) that may have brought it; none where the municipality acted by itself.
        filed: whether there must have been a filing; that of a 戸籍 may have gone to another municipality.
        event: whether the day of the event must be told (出生, 死亡, 国籍, 失踪).
    """

    action: str
    filings: tuple[str, ...] = ()
    filed: bool = False
    event: bool = False


CAUSES: dict[str, Cause] = {
    "転入": Cause(ENTRY, ("住基法22条",), filed=True),
    NEW_RESIDENT[0]: Cause(ENTRY, ("住基法30条の46",), filed=True),
    NEW_RESIDENT[1]: Cause(ENTRY, ("住基法30条の47",), filed=True),
    BIRTH: Cause(ENTRY, ("戸籍法49条",), event=True),
    "国籍喪失": Cause(ENTRY, ("戸籍法103条",), event=True),
    "職権記載": Cause(ENTRY),
    DEPARTURE: Cause(DELETION, ("住基法24条",), filed=True),
    "死亡": Cause(DELETION, ("戸籍法86条",), event=True),
    "国籍取得": Cause(DELETION, ("戸籍法102条", "戸籍法102条の2"), event=True),
    "失踪宣告": Cause(DELETION, ("戸籍法94条",), event=True),
    "職権消除": Cause(DELETION),
    REMOVAL_WITHIN: Cause(AMENDMENT, ("住基法23条",), filed=True),
    "職権修正": Cause(AMENDMENT),
}
AMENDABLE = ("氏名", "生年月日", "性別", "国籍・地域", "住所")
_FILINGS = tuple(article for cause in CAUSES.values() for article in cause.filings)
_FILED_BY = When(
    "cause",
    frozenset(name for name, cause in CAUSES.items() if cause.filed),
    frozenset(name for name, cause in CAUSES.items() if cause.filings and not cause.filed),
)


_PROCESSED = Item("processed_on", "処理日", Form.DATE, 10, _DECREE)
_CHANGES = Item(
    "changed_items",
    "修正項目",
    Form.CHOICES,
    30,
    _DECREE,
    When("action", frozenset({AMENDMENT})),
    AMENDABLE,
    personal=False,
)
_ADDRESS = Item("address", "住所", Form.TEXT, 200, _DECREE)
_PREVIOUS = Item(
    "previous_address",
    "修正前の住所",
    Form.TEXT,
    200,
    _DECREE,
    When("action", frozenset(), frozenset({AMENDMENT})),
)
_BASIS = Item("basis", "届出条項", Form.CHOICE, 12, _DECREE, _FILED_BY, _FILINGS, personal=False)
_FILED = Item("filed_on", "届出日", Form.DATE, 10, _DECREE, _FILED_BY)
_DEPARTS = Item("departs_on", "転出予定日", Form.DATE, 10, _DECREE, When("cause", frozenset({DEPARTURE})))
_EVENT = Item(
    "event_on",
    "事由発生日",
    Form.DATE,
    10,
    _DECREE,
    When("cause", frozenset(name for name, cause in CAUSES.items() if cause.event)),
)
_PERSON = person(_DECREE, name_needed=LATIN_NAME)
_BIRTH = row_of(_PERSON, "birth_date")


def _cause(values: Values) -> Cause:
    return CAUSES[to_text(values["cause"])]


def _address_amended_by_halves(values: Values) -> bool:
    return (_ADDRESS.name in chosen(values.get("changed_items"))) != (values.get("previous_address") is not None)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class RegisterNotice(Notice):
    """市町村通知: a resident's record was entered, deleted or amended (入管法61条の7の2, 施行令24条).

    Attributes:
        action: 記載, 消除 or 修正 (処理区分).
        cause: why (処理事由): a key of `CAUSES`.
        processed_on: the day on which it was done (処理日).
        category: the row of the table in 住基法30条の45 (外国人住民区分).
        name, kanji_name, birth_date, sex, nationality: as in `ResidenceNotice`; a 特別永住者 and a 経過滞在者 may
            have a name in kanji (or the kana of a birth's filing) alone.
        address: 住所, of an amendment the new one.
        card_number: for 中長期在留者; certificate_number for 特別永住者.
        changed_items: of an amendment, which items, joined by 、 (修正項目).
        previous_address: the address before, where 住所 is one of them (修正前の住所).
        basis: the article of the filing (届出条項), with filed_on, its day (届出日).
        departs_on: of a 転出, the day for which it is planned (転出予定日); the notice is sent on that day.
        event_on: the day of a birth, a death, a change of nationality, or on which somebody counts as dead (民法31条).
        kanji_original: the kanji name before it was put into 正字 (告示第582号).
        corrects: the number of an earlier notice that this one takes the place of.
    """

    NAME: ClassVar[str] = "register_notice"
    TYPE: ClassVar[str] = "市町村通知"
    ARTICLE: ClassVar[str] = f"{_ACT}、{_DECREE}"
    TO_MINISTRY: ClassVar[bool] = True
    TO_ENDPOINT: ClassVar[bool] = False
    SINCE: ClassVar[int] = 2
    ITEMS: ClassVar[tuple[Item, ...]] = (
        NUMBER,
        municipality(_DECREE),
        Item("action", "処理区分", Form.CHOICE, 2, _ACT, choices=(ENTRY, DELETION, AMENDMENT), personal=False),
        Item("cause", "処理事由", Form.CHOICE, 12, _DECREE, choices=tuple(CAUSES), personal=False),
        _PROCESSED,
        CATEGORY,
        *_PERSON,
        _ADDRESS,
        CARD,
        CERTIFICATE,
        _CHANGES,
        _PREVIOUS,
        _BASIS,
        _FILED,
        _DEPARTS,
        _EVENT,
        KANJI_ORIGINAL,
        CORRECTS,
    )
    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            frozenset({"action", "cause"}),
            "処理事由",
            "conflict",
            _DECREE,
            "処理区分と処理事由が合いません。どちらかを直してください。",
            lambda values: values.get("action") != _cause(values).action,
        ),
        Rule(
            frozenset({"cause", "basis"}),
            _BASIS.name,
            "conflict",
            _DECREE,
            "届出条項が処理事由と合いません。処理事由に対応する届出の条項を記載してください。",
            lambda values: values.get("basis") is not None and values["basis"] not in _cause(values).filings,
        ),
        together(_BASIS, _FILED, _DECREE),
        Rule(
            frozenset({"category", "cause"}),
            CATEGORY.name,
            "conflict",
            "住基法30条の46・30条の47",
            "国外転入と中長期在留者等への該当は、経過滞在者にはない処理事由です。外国人住民区分又は処理事由を直してください。",
            lambda values: values.get("category") == TRANSITIONAL and values.get("cause") in NEW_RESIDENT,
        ),
        Rule(
            frozenset({"cause", "changed_items"}),
            _CHANGES.name,
            "conflict",
            "住基法23条",
            "転居のときは、修正項目に住所を含めてください。",
            lambda values: (
                values.get("cause") == REMOVAL_WITHIN and _ADDRESS.name not in chosen(values.get("changed_items"))
            ),
        ),
        Rule(
            frozenset({"changed_items", "previous_address"}),
            _PREVIOUS.name,
            "required",
            _DECREE,
            "修正前の住所は、修正項目に住所があるときは必須、ないときは空欄です。",
            _address_amended_by_halves,
        ),
        different(_PREVIOUS, _ADDRESS, _DECREE),
        Rule(
            frozenset({"cause", "event_on", "birth_date"}),
            _EVENT.name,
            "conflict",
            _DECREE,
            "出生のときは、事由発生日を生年月日と同じ日にしてください。",
            lambda values: (
                values.get("cause") == BIRTH and to_text(values.get("event_on")) != to_text(values.get("birth_date"))
            ),
        ),
        some_name(_DECREE),
        not_after(_FILED, _PROCESSED, _DECREE),
        not_after(_EVENT, _PROCESSED, _DECREE),
        not_after(_EVENT, _FILED, _DECREE),
        not_after(_BIRTH, _PROCESSED, _DECREE),
        not_after(_BIRTH, _EVENT, _DECREE),
        not_after(_BIRTH, _FILED, _DECREE),
        not_after(_BIRTH, _DEPARTS, _DECREE),
        not_before(_PROCESSED, RESIDENCE_SYSTEM, "外国人住民の住民基本台帳制度の施行日", "平成21年法律第77号附則1条"),
        ORIGINAL_WITH_NAME,
        CORRECTS_ANOTHER,
    )

    action: str
    cause: str
    processed_on: date
    category: str
    name: str | None = None
    kanji_name: str | None = None
    birth_date: str
    sex: str
    nationality: str
    address: str
    card_number: str | None = None
    certificate_number: str | None = None
    changed_items: str | None = None
    previous_address: str | None = None
    basis: str | None = None
    filed_on: date | None = None
    departs_on: date | None = None
    event_on: date | None = None
    kanji_original: str | None = None
    corrects: str | None = None
