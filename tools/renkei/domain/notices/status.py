"""法務省通知 (住基法30条の50): the ministry tells a municipality what has changed, or was wrong, about a resident."""

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
    MID_TO_LONG,
    PROVISIONAL,
    REFUGE,
    SPECIAL_PERMANENT,
    STATUSES,
    TABLE,
    UNLIMITED_STATUSES,
    only,
    some_name,
    unlimited,
)
from renkei.domain.notices.rules import Rule, Values, chosen, not_after
from renkei.domain.notices_items import UNLIMITED, Form, Item, When

_ACT = "住基法30条の50"
_LIMITS = "入管法2条の2第3項、施行規則別表第二"
CHANGEABLE = (
    *("氏名", "生年月日", "性別", "国籍・地域", "在留資格", "在留期間", "在留期間の満了の日", "在留カード番号"),
    *("特別永住者証明書番号", "上陸期間等の満了の日", "外国人住民区分"),
)
_OWN = {
    **dict.fromkeys(("在留資格", "在留期間", "在留期間の満了の日", "在留カード番号"), frozenset({MID_TO_LONG})),
    "特別永住者証明書番号": frozenset({SPECIAL_PERMANENT}),
    "上陸期間等の満了の日": frozenset({REFUGE, PROVISIONAL}),
}
"""Items that only some categories have (the table of 住基法30条の45)."""

_NOTIFIED = Item("notified_on", "通知日", Form.DATE, 10, _ACT)
_CHANGED = Item("changed_on", "変更日", Form.DATE, 10, _ACT)
_CHANGES = Item("changed_items", "変更項目", Form.CHOICES, 100, _ACT, choices=CHANGEABLE, personal=False)
_EXPIRES = Item(
    "expires_on", "在留期間の満了の日", Form.DATE, 10, TABLE, When("category", frozenset(), frozenset({MID_TO_LONG}))
)
_PERMIT = Item("permit_expires_on", "上陸期間等の満了の日", Form.DATE, 10, TABLE, only(REFUGE, PROVISIONAL))
_PERSON = person(_ACT, name_needed=LATIN_NAME)
_BIRTH = row_of(_PERSON, "birth_date")


def _last_day_amiss(values: Values) -> bool:
    return values.get("category") == MID_TO_LONG and unlimited(values) != (values.get("expires_on") is None)


def _period_amiss(values: Values) -> bool:
    return values.get("category") == MID_TO_LONG and unlimited(values) != (values.get("status") in UNLIMITED_STATUSES)


def _changes_of_another_category(values: Values) -> bool:
    changes = chosen(values.get("changed_items"))
    if CATEGORY.name in changes:  # then what the old category had may have gone
        return False
    return any(values.get("category") not in _OWN[item] for item in changes & _OWN.keys())


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class StatusNotice(Notice):
    """法務省通知: something that stands in a resident's record has changed or was wrong (住基法30条の50).

    Attributes:
        notified_on: the day of the notice (通知日).
        cause: 変更 or 誤り (通知事由).
        changed_items: which items, joined by 、 (変更項目).
        changed_on: the day of the change (変更日).
        category: the row of the table in 住基法30条の45 (外国人住民区分).
        status: 在留資格, period: 在留期間, expires_on: its last day; only for 中長期在留者.
        card_number: for 中長期在留者; certificate_number for 特別永住者.
        permit_expires_on: the last day of a landing permission or provisional stay (上陸期間等の満了日).
        kanji_original: the kanji name before it was put into 正字 (告示第582号).
        corrects: the number of an earlier notice that this one takes the place of.
    """

    NAME: ClassVar[str] = "status_notice"
    TYPE: ClassVar[str] = "法務省通知"
    ARTICLE: ClassVar[str] = _ACT
    TO_MINISTRY: ClassVar[bool] = False
    TO_ENDPOINT: ClassVar[bool] = True
    ITEMS: ClassVar[tuple[Item, ...]] = (
        NUMBER,
        municipality(_ACT),
        _NOTIFIED,
        Item("cause", "通知事由", Form.CHOICE, 2, _ACT, choices=("変更", "誤り"), personal=False),
        _CHANGES,
        _CHANGED,
        CATEGORY,
        *_PERSON,
        Item("status", "在留資格", Form.CHOICE, 20, TABLE, only(MID_TO_LONG), STATUSES),
        Item("period", "在留期間", Form.PERIOD, 20, TABLE, only(MID_TO_LONG)),
        _EXPIRES,
        CARD,
        CERTIFICATE,
        _PERMIT,
        KANJI_ORIGINAL,
        CORRECTS,
    )
    RULES: ClassVar[tuple[Rule, ...]] = (
        some_name(_ACT),
        Rule(
            frozenset({"category", "period", "expires_on"}),
            _EXPIRES.name,
            "required",
            TABLE,
            "在留期間の満了の日は、在留期間が無期限のときは空欄、それ以外のときは必須です。",
            _last_day_amiss,
        ),
        Rule(
            frozenset({"category", "status", "period"}),
            "在留期間",
            "conflict",
            _LIMITS,
            f"在留期間を{UNLIMITED}とするのは、在留資格が永住者又は高度専門職2号のときだけです。どちらかを直してください。",
            _period_amiss,
        ),
        Rule(
            frozenset({"category", "changed_items"}),
            _CHANGES.name,
            "conflict",
            TABLE,
            "変更項目に、この外国人住民区分にはない項目があります。変更項目又は外国人住民区分を直してください。",
            _changes_of_another_category,
        ),
        not_after(_CHANGED, _NOTIFIED, _ACT),
        not_after(_BIRTH, _CHANGED, _ACT),
        not_after(_BIRTH, _EXPIRES, _ACT),
        not_after(_BIRTH, _PERMIT, _ACT),
        ORIGINAL_WITH_NAME,
        CORRECTS_ANOTHER,
    )

    notified_on: date
    cause: str
    changed_items: str
    changed_on: date
    category: str
    name: str | None = None
    kanji_name: str | None = None
    birth_date: str
    sex: str
    nationality: str
    status: str | None = None
    period: str | None = None
    expires_on: date | None = None
    card_number: str | None = None
    certificate_number: str | None = None
    permit_expires_on: date | None = None
    kanji_original: str | None = None
    corrects: str | None = None
