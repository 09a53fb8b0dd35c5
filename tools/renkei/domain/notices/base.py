"""What all notices (通知) share: a table of items, rules between them, and no way to make one that is wrong."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import ClassVar, Literal, Self

from renkei.domain.notices.rules import Rule, different
from renkei.domain.notices_items import Finding, Form, Item, Value, When, check, from_text, to_text

LATEST = 2
"""The newest version of the layouts; `Item.since` and `Notice.SINCE` are such versions."""
_ENVELOPE = "総務省令・法務省令"
_KANJI = "平成23年法務省告示第582号"

Stream = Literal["notices", "results"]

NUMBER = Item("number", "通知番号", Form.NUMBER, 36, _ENVELOPE, personal=False)
CORRECTS = Item("corrects", "訂正対象通知番号", Form.NUMBER, 36, _ENVELOPE, needed=False, personal=False, since=2)
KANJI_ORIGINAL = Item("kanji_original", "漢字氏名(原文字)", Form.TEXT, 80, _KANJI, needed=False, since=2)


class InvalidNotice(ValueError):
    """A notice that breaks its type's rules; `findings` has all of them, none with a personal value."""

    def __init__(self, findings: list[Finding]) -> None:
        """Keep the findings and say them."""
        super().__init__(" ".join(finding.message for finding in findings))
        self.findings = findings


def municipality(article: str) -> Item:
    """Make the item for the endpoint's code."""
    return Item("municipality", "市区町村コード", Form.CODE, 6, article, personal=False)


def person(article: str, *, name_needed: bool | When) -> tuple[Item, ...]:
    """Make the items that say who somebody is: name, birth, sex, nationality."""
    return (
        Item("name", "氏名", Form.ROMAN, 80, article, name_needed),
        Item("kanji_name", "漢字氏名", Form.TEXT, 80, article, needed=False),
        Item("birth_date", "生年月日", Form.BIRTH, 10, article),
        Item("sex", "性別", Form.CHOICE, 1, article, choices=("男", "女")),
        Item("nationality", "国籍・地域", Form.TEXT, 60, article),
    )


def row_of(items: tuple[Item, ...], field: str) -> Item:
    """Return the row of a table for a field."""
    return next(item for item in items if item.field == field)


CORRECTS_ANOTHER = different(CORRECTS, NUMBER, _ENVELOPE)
"""A notice doesn't correct itself."""
ORIGINAL_WITH_NAME = Rule(
    frozenset({"kanji_original", "kanji_name"}),
    "漢字氏名",
    "required",
    _KANJI,
    "漢字氏名(原文字)を記載するときは、正字に置き換えた漢字氏名も記載してください。",
    lambda values: values.get("kanji_original") is not None and values.get("kanji_name") is None,
)
"""The original never travels without the name in 正字 that was made of it."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Notice:
    """What every notice has.

    Attributes:
        NAME: what the type is called in XML, in file names and on command lines.
        TYPE: what the law's readers call it (通知種別).
        ARTICLE: the law behind the type.
        TO_MINISTRY: whether it may go from a municipality to the ministry.
        TO_ENDPOINT: whether it may go from the ministry to a municipality; results and inquiries go both ways.
        STREAM: the stream that it travels in.
        SINCE: the version of the layouts that brought the type.
        ITEMS: its table.
        RULES: what must hold between its items.
        number: the sender's number for it, unique per sender.
        municipality: the six-digit code of the endpoint that sends or receives it.

    Raises:
        InvalidNotice: on construction, when an item breaks a rule.
    """

    NAME: ClassVar[str]
    TYPE: ClassVar[str]
    ARTICLE: ClassVar[str]
    TO_MINISTRY: ClassVar[bool]
    TO_ENDPOINT: ClassVar[bool]
    STREAM: ClassVar[Stream] = "notices"
    SINCE: ClassVar[int] = 1
    ITEMS: ClassVar[tuple[Item, ...]]
    RULES: ClassVar[tuple[Rule, ...]]
    number: str
    municipality: str

    def __post_init__(self) -> None:
        """Refuse what breaks a rule."""
        if findings := find(type(self), {each.name: getattr(self, each.name) for each in fields(self)}):
            raise InvalidNotice(findings)

    def __repr__(self) -> str:
        """Show type, number and endpoint; the rest is personal."""
        return f"{type(self).__name__}(number={self.number!r}, municipality={self.municipality!r}, …)"

    @classmethod
    def items(cls, version: int = LATEST) -> tuple[Item, ...]:
        """Return the items that a version of the layouts has, in their order: none where it doesn't have the type."""
        return tuple(item for item in cls.ITEMS if max(item.since, cls.SINCE) <= version)

    def to_row(self, version: int = LATEST) -> dict[str, str]:
        """Return the items of a version of the layouts as text, by Japanese name."""
        return {item.name: to_text(getattr(self, item.field)) for item in self.items(version)}

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
        notice = object.__new__(cls)  # not by the constructor: it would check all of it again
        for field, value in values.items():
            object.__setattr__(notice, field, value)
        return notice, []


def find(notice_type: type[Notice], values: Mapping[str, Value]) -> list[Finding]:
    """Return everything that is wrong with the values (by field) of a notice of this type.

    Whether an item belongs there isn't told while the item that it hangs on is itself wrong.
    """
    wrong = {item.field: found for item in notice_type.ITEMS if (found := check(item, values.get(item.field), values))}
    between = [found for rule in notice_type.RULES if not rule.fields & wrong.keys() for found in rule.find(values)]
    if not wrong:
        return between
    undecided = {
        item.field for item in notice_type.ITEMS if isinstance(item.needed, When) and item.needed.field in wrong
    }
    told = [
        found for field, found in wrong.items() if not (field in undecided and found.rule in {"required", "unexpected"})
    ]
    return told + between
