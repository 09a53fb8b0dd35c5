"""Notices (通知): one type in each direction, as tables of items, and notices that can't exist unless they are right.

`ResidenceNotice` (市町村伝達, 入管法施行令2条) goes from a municipality to the ministry, `StatusNotice` (法務省通知,
住基法30条の50) from the ministry to a municipality. `parse` reads one from text and returns all findings at once.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date
from typing import ClassVar, Self

from renkei.domain.notices_items import Finding, Form, Item, Value, When, check, from_text, to_text

_DECREE = "入管法施行令2条"
_ACT = "住基法30条の50"
_TABLE = "住基法30条の45"

SETTLED = ("入管法19条の7", "入管法19条の8", "住基法30条の47")
MOVED = ("入管法19条の9", "住基法22条", "住基法23条")
EITHER = ("住基法30条の46",)  # deemed one of 19条の7, 19条の8 and 19条の9 (their third paragraphs)
MID_TO_LONG, SPECIAL_PERMANENT = "中長期在留者", "特別永住者"
REFUGE, PROVISIONAL = "一時庇護許可者", "仮滞在許可者"
TRANSITIONAL = "経過滞在者"
UNLIMITED = "無期限"

STATUSES = (
    *("教授", "芸術", "宗教", "報道", "高度専門職1号イ", "高度専門職1号ロ", "高度専門職1号ハ", "高度専門職2号"),
    *("経営・管理", "法律・会計業務", "医療", "研究", "教育", "技術・人文知識・国際業務", "企業内転勤", "介護", "興行"),
    *("技能", "特定技能1号", "特定技能2号", "技能実習1号イ", "技能実習1号ロ", "技能実習2号イ", "技能実習2号ロ"),
    *("技能実習3号イ", "技能実習3号ロ", "文化活動", "留学", "研修", "家族滞在", "特定活動"),
    *("永住者", "日本人の配偶者等", "永住者の配偶者等", "定住者"),
)
"""在留資格 of mid-to-long-term residents (入管法別表第一・第二 less what 19条の3 leaves out)."""


class InvalidNotice(ValueError):
    """A notice that breaks its type's rules; `findings` has all of them, none with a personal value."""

    def __init__(self, findings: list[Finding]) -> None:
        """Keep the findings and say them."""
        super().__init__(" ".join(finding.message for finding in findings))
        self.findings = findings


def _number() -> Item:
    return Item("number", "通知番号", Form.NUMBER, 36, "総務省令・法務省令", personal=False)


def _municipality(article: str) -> Item:
    return Item("municipality", "市区町村コード", Form.CODE, 6, article, personal=False)


def _person(article: str, *, name_needed: bool | When) -> tuple[Item, ...]:
    return (
        Item("name", "氏名", Form.ROMAN, 80, article, name_needed),
        Item("kanji_name", "漢字氏名", Form.TEXT, 80, article, needed=False),
        Item("birth_date", "生年月日", Form.BIRTH, 10, article),
        Item("sex", "性別", Form.CHOICE, 1, article, choices=("男", "女")),
        Item("nationality", "国籍・地域", Form.TEXT, 60, article),
    )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Notice:
    """What every notice has.

    Attributes:
        TYPE: what the type is called (通知種別).
        TO_MINISTRY: whether it goes from a municipality to the ministry; otherwise it goes the other way.
        ITEMS: its table.
        number: the sender's number for it, unique per sender.
        municipality: the six-digit code of the endpoint that sends or receives it.

    Raises:
        InvalidNotice: on construction, when an item breaks a rule.
    """

    TYPE: ClassVar[str]
    TO_MINISTRY: ClassVar[bool]
    ITEMS: ClassVar[tuple[Item, ...]]
    number: str
    municipality: str

    def __post_init__(self) -> None:
        """Refuse what breaks a rule."""
        if findings := find(type(self), {each.name: getattr(self, each.name) for each in fields(self)}):
            raise InvalidNotice(findings)

    def __repr__(self) -> str:
        """Show type, number and endpoint; the rest is personal."""
        return f"{type(self).__name__}(number={self.number!r}, municipality={self.municipality!r}, …)"

    def to_row(self) -> dict[str, str]:
        """Return the items as text, by Japanese name."""
        return {item.name: to_text(getattr(self, item.field)) for item in self.ITEMS}

    @classmethod
    def parse(cls, row: Mapping[str, str]) -> tuple[Self | None, list[Finding]]:
        """Read a notice from text.

        Args:
            row: text by Japanese item name; a missing name counts as empty.

        Returns:
            The notice and no findings, or None and everything that is wrong.
        """
        values = {item.field: from_text(item, row.get(item.name, "")) for item in cls.ITEMS}
        if findings := find(cls, values):
            return None, findings
        return cls(**values), []  # type: ignore[arg-type]  # `find` has just shown that each value is of its item's form

    @classmethod
    def find_across(cls, values: Mapping[str, Value]) -> list[Finding]:
        """Return what is wrong between items, all of which are right in themselves; types add their own rules."""
        del values
        return []


def find(notice_type: type[Notice], values: Mapping[str, Value]) -> list[Finding]:
    """Return everything that is wrong with the values (by field) of a notice of this type."""
    findings = [found for item in notice_type.ITEMS if (found := check(item, values.get(item.field), values))]
    return findings or notice_type.find_across(values)


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
    """

    TYPE: ClassVar[str] = "市町村伝達"
    TO_MINISTRY: ClassVar[bool] = True
    ITEMS: ClassVar[tuple[Item, ...]] = (
        _number(),
        _municipality(_DECREE),
        Item("basis", "届出区分", Form.CHOICE, 12, _DECREE, choices=SETTLED + MOVED + EITHER, personal=False),
        Item("filed_on", "届出日", Form.DATE, 10, _DECREE),
        *_person(_DECREE, name_needed=True),
        Item("address", "住居地", Form.TEXT, 200, _DECREE),
        Item("card_number", "在留カード番号", Form.CARD, 12, _DECREE),
        Item(
            "settled_on",
            "住居地を定めた日",
            Form.DATE,
            10,
            _DECREE,
            When("basis", frozenset(SETTLED), frozenset(EITHER)),
        ),
        Item("moved_on", "移転日", Form.DATE, 10, _DECREE, When("basis", frozenset(MOVED), frozenset(EITHER))),
        Item(
            "previous_address", "前住居地", Form.TEXT, 200, _DECREE, When("basis", frozenset(MOVED), frozenset(EITHER))
        ),
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

    @classmethod
    def find_across(cls, values: Mapping[str, Value]) -> list[Finding]:
        """Check that either the settling or the move is told in full, and that no day lies after the filing."""
        findings = []
        settled, moved, previous = values.get("settled_on"), values.get("moved_on"), values.get("previous_address")
        if (settled is None) == (moved is None) or (moved is None) != (previous is None):
            text = "住居地を定めた日、又は移転日と前住居地のどちらか一方を記載してください。"
            findings.append(Finding("住居地を定めた日", "required", _DECREE, text))
        filed = to_text(values["filed_on"])
        for field, name in (("settled_on", "住居地を定めた日"), ("moved_on", "移転日"), ("birth_date", "生年月日")):
            if to_text(values.get(field)) > filed:
                findings.append(
                    Finding(name, "order", _DECREE, f"{name}が届出日より後です。どちらかを直してください。")
                )
        return findings


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
    """

    TYPE: ClassVar[str] = "法務省通知"
    TO_MINISTRY: ClassVar[bool] = False
    CHANGEABLE: ClassVar[tuple[str, ...]] = (
        *("氏名", "生年月日", "性別", "国籍・地域", "在留資格", "在留期間", "在留期間の満了の日", "在留カード番号"),
        *("特別永住者証明書番号", "上陸期間等の満了の日", "外国人住民区分"),
    )
    ITEMS: ClassVar[tuple[Item, ...]] = (
        _number(),
        _municipality(_ACT),
        Item("notified_on", "通知日", Form.DATE, 10, _ACT),
        Item("cause", "通知事由", Form.CHOICE, 2, _ACT, choices=("変更", "誤り"), personal=False),
        Item("changed_items", "変更項目", Form.CHOICES, 100, _ACT, choices=CHANGEABLE, personal=False),
        Item("changed_on", "変更日", Form.DATE, 10, _ACT),
        Item(
            "category",
            "外国人住民区分",
            Form.CHOICE,
            10,
            _TABLE,
            choices=(MID_TO_LONG, SPECIAL_PERMANENT, REFUGE, PROVISIONAL, TRANSITIONAL),
        ),
        *_person(
            _ACT,
            name_needed=When(
                "category",
                frozenset({MID_TO_LONG, REFUGE, PROVISIONAL, TRANSITIONAL}),
                frozenset({SPECIAL_PERMANENT}),  # whose certificate may bear a name in kanji alone
            ),
        ),
        Item("status", "在留資格", Form.CHOICE, 20, _TABLE, When("category", frozenset({MID_TO_LONG})), STATUSES),
        Item("period", "在留期間", Form.TEXT, 20, _TABLE, When("category", frozenset({MID_TO_LONG}))),
        Item(
            "expires_on",
            "在留期間の満了の日",
            Form.DATE,
            10,
            _TABLE,
            When("category", frozenset(), frozenset({MID_TO_LONG})),
        ),
        Item("card_number", "在留カード番号", Form.CARD, 12, _TABLE, When("category", frozenset({MID_TO_LONG}))),
        Item(
            "certificate_number",
            "特別永住者証明書番号",
            Form.CARD,
            12,
            _TABLE,
            When("category", frozenset({SPECIAL_PERMANENT})),
        ),
        Item(
            "permit_expires_on",
            "上陸期間等の満了の日",
            Form.DATE,
            10,
            _TABLE,
            When("category", frozenset({REFUGE, PROVISIONAL})),
        ),
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

    @classmethod
    def find_across(cls, values: Mapping[str, Value]) -> list[Finding]:
        """Check that there is a name, that a limited stay has its last day, and that the change isn't in the future."""
        findings = []
        if values.get("name") is None and values.get("kanji_name") is None:
            findings.append(Finding("氏名", "required", _ACT, "氏名又は漢字氏名を記載してください。"))
        if values["category"] == MID_TO_LONG and (values["period"] == UNLIMITED) != (values.get("expires_on") is None):
            text = "在留期間の満了の日は、在留期間が無期限のときは空欄、それ以外のときは必須です。"
            findings.append(Finding("在留期間の満了の日", "required", _TABLE, text))
        notified = to_text(values["notified_on"])
        for field, name in (("changed_on", "変更日"), ("birth_date", "生年月日")):
            if to_text(values.get(field)) > notified:
                findings.append(Finding(name, "order", _ACT, f"{name}が通知日より後です。どちらかを直してください。"))
        return findings


TYPES: tuple[type[Notice], ...] = (ResidenceNotice, StatusNotice)
"""All notice types; a type's place here is its number in the canonical encoding and never changes."""
