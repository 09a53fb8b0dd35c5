"""Items (項目) of notices: what each is called, what it may hold, when it must be there, and which law says so.

A notice type is a table of items; checking, the layouts and the encoding all read the same table.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import Enum, auto
from functools import cache

from renkei.domain.cards import InvalidCardNumber, ResidenceCardNumber
from renkei.domain.codes import InvalidCode, MunicipalityCode

Value = str | date | None
MASK = "＊＊＊"
LIST_SEPARATOR = "、"
UNLIMITED = "無期限"


class Form(Enum):
    """What an item's value looks like."""

    NUMBER = auto()  # a notice's number: letters, digits (at least one) and hyphens; never a card's number or a day
    CODE = auto()  # a 全国地方公共団体コード
    CHOICE = auto()  # one of `choices`
    CHOICES = auto()  # some of `choices`, joined by 、
    DATE = auto()  # a day; `date` in memory, 2026-11-23 in text
    BIRTH = auto()  # a day of birth, of which month and day may be unknown: 1960-00-00; text in memory too
    ROMAN = auto()  # a name in the letters of a passport
    TEXT = auto()  # Japanese text on one line
    CARD = auto()  # a card's or certificate's number
    PERIOD = auto()  # a 在留期間: years, months and days (4年3月), or 無期限


@dataclass(frozen=True, slots=True)
class When:
    """An item that depends on another: required for some of its values, permitted for others, forbidden otherwise."""

    field: str
    required: frozenset[str]
    permitted: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Item:
    """One row of a notice type's table.

    Attributes:
        field: the attribute of the notice class.
        name: the Japanese name, also the CSV column.
        form: what a value looks like.
        length: the most characters a value may have.
        article: where the law asks for it.
        needed: True always, False optional, or depending on another item.
        choices: for CHOICE and CHOICES.
        personal: whether a value must never show up in errors or logs.
        since: the version of the layouts that brought the item; older ones don't have it.
    """

    field: str
    name: str
    form: Form
    length: int
    article: str
    needed: bool | When = True
    choices: tuple[str, ...] = ()
    personal: bool = True
    since: int = 1


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with one item, for the clerk who reads it; no personal value is ever in it.

    Attributes:
        item: the Japanese name of the item, or 行 for the row as a whole.
        rule: `required`, `unexpected`, `length`, `form`, `choice`, `order` or `row`.
        article: where the law asks for the item.
        message: what is wrong and what is right, in Japanese.
    """

    item: str
    rule: str
    article: str
    message: str


_NUMBER = re.compile(r"(?=.*[0-9])[0-9A-Za-z](?:[0-9A-Za-z-]*[0-9A-Za-z])?", re.ASCII)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_ROMAN = re.compile(r"[A-Z][A-Z '.,-]*", re.ASCII)
_PERIOD = re.compile(r"(?=.)(?:[1-9][0-9]?年)?(?:[1-9][0-9]?月)?(?:[1-9][0-9]{0,2}日)?", re.ASCII)
_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")  # spreadsheets run such cells, Japanese ones the wide ones too
_YEARS = range(1850, 2151)


def to_text(value: Value) -> str:
    """Write a value as it stands in a file; nothing for None."""
    return "" if value is None else value.isoformat() if isinstance(value, date) else value


def from_text(item: Item, text: str) -> Value:
    """Read a value from a file; what can't be read stays text, and `check` says why."""
    if text == "":
        return None
    if text in item.choices:
        return item.choices[item.choices.index(text)]  # the table's own text: a file's many copies are let go
    if item.form is Form.DATE and _DAY.fullmatch(text):
        try:
            return date.fromisoformat(text)
        except ValueError:
            return text
    return text


def check(item: Item, value: Value, values: Mapping[str, Value]) -> Finding | None:
    """Return what is wrong with one value, or None.

    Args:
        item: the row of the table.
        value: what stands there; None where there is nothing.
        values: all of the notice by field, for what depends on another item.
    """
    if value is None or value == "":
        return _told(item, "required") if _is_required(item, values) else None
    if isinstance(item.needed, When):
        other = values.get(item.needed.field)
        if other not in item.needed.required | item.needed.permitted:
            return _told(item, "unexpected")
    if len(to_text(value)) > item.length:
        return _told(item, "length")
    if _FITS[item.form](item, value):
        return None
    return _told(item, "choice" if item.form in {Form.CHOICE, Form.CHOICES} else "form")


def mask(item: Item, value: Value) -> str:
    """Return a value as it may be shown: personal ones and ones that aren't what the item should hold are hidden.

    A value in the wrong place may be anybody's name: a row can be shifted by one column.
    """
    text = to_text(value)
    if not text:
        return ""
    if item.personal or len(text) > item.length or not _FITS[item.form](item, value):
        return MASK
    return text


def _is_required(item: Item, values: Mapping[str, Value]) -> bool:
    if isinstance(item.needed, When):
        return values.get(item.needed.field) in item.needed.required
    return item.needed


@cache
def _told(item: Item, rule: str) -> Finding:
    """Make a finding; it holds no value, so one for an item and a rule is enough, however large a file is."""
    match rule:
        case "required":
            where = "この区分では" if isinstance(item.needed, When) else ""
            text = f"{item.name}は{where}必須です。記載してください。"
        case "unexpected":
            text = f"{item.name}はこの区分では記載しません。空欄にしてください。"
        case "length":
            text = f"{item.name}は{item.length}文字以内で記載してください。"
        case _:
            text = f"{item.name}は{describe(item)}"
    return Finding(item.name, rule, item.article, text)


def _is_number(item: Item, value: Value) -> bool:
    if not isinstance(value, str) or _NUMBER.fullmatch(value) is None:
        return False
    return not (_is_card(item, value) or _DAY.fullmatch(value))


def _is_code(_item: Item, value: Value) -> bool:
    try:
        MunicipalityCode(to_text(value))
    except InvalidCode:
        return False
    return True


def _is_choice(item: Item, value: Value) -> bool:
    return value in item.choices


def _is_choices(item: Item, value: Value) -> bool:
    chosen = to_text(value).split(LIST_SEPARATOR)
    return len(set(chosen)) == len(chosen) and set(chosen) <= set(item.choices)


def _is_date(_item: Item, value: Value) -> bool:
    return isinstance(value, date) and value.year in _YEARS


def _is_birth(_item: Item, value: Value) -> bool:
    if not isinstance(value, str) or _DAY.fullmatch(value) is None:
        return False
    year, month, day = value.split("-")
    if day == "00":
        day = "01"
        month = "01" if month == "00" else month
    try:
        return date.fromisoformat(f"{year}-{month}-{day}").year in _YEARS
    except ValueError:
        return False


def _is_roman(_item: Item, value: Value) -> bool:
    return isinstance(value, str) and _ROMAN.fullmatch(value) is not None and not value.endswith(" ")


def _is_text(_item: Item, value: Value) -> bool:
    if not isinstance(value, str) or value != value.strip() or value.startswith(_FORMULA):
        return False
    if value.isprintable():  # most are, and it is quick; wide spaces and variation selectors aren't, and are right
        return True
    return not any(unicodedata.category(letter) in {"Cc", "Cs", "Cn", "Co", "Zl", "Zp"} for letter in value)


def _is_card(_item: Item, value: Value) -> bool:
    try:
        ResidenceCardNumber(to_text(value))
    except InvalidCardNumber:
        return False
    return True


def _is_period(_item: Item, value: Value) -> bool:
    return value == UNLIMITED or (isinstance(value, str) and _PERIOD.fullmatch(value) is not None)


_FITS: dict[Form, Callable[[Item, Value], bool]] = {
    Form.NUMBER: _is_number,
    Form.CODE: _is_code,
    Form.CHOICE: _is_choice,
    Form.CHOICES: _is_choices,
    Form.DATE: _is_date,
    Form.BIRTH: _is_birth,
    Form.ROMAN: _is_roman,
    Form.TEXT: _is_text,
    Form.CARD: _is_card,
    Form.PERIOD: _is_period,
}
_RIGHT: dict[Form, str] = {
    Form.NUMBER: "半角の英字、数字(1字以上)、ハイフンで記載してください。カードの番号や日付は使えません。",
    Form.CODE: "6桁の全国地方公共団体コード(検査数字を含む)で記載してください。",
    Form.DATE: "実在する日を西暦の 2026-11-23 の形式で記載してください。",
    Form.BIRTH: "西暦の 1990-01-31 の形式で記載してください(月日が不明のときは 00)。",
    Form.ROMAN: "半角のローマ字大文字(空白、ピリオド、コンマ、ハイフン、アポストロフィを含む)で記載してください。",
    Form.TEXT: "制御文字、外字(私用領域の文字)、前後の空白、先頭の = + - @ を含めずに記載してください。",
    Form.PERIOD: "半角数字で 1年、4年3月、6月 のように、又は無期限と記載してください。",
    Form.CARD: "半角の英大文字2字、数字8字、英大文字2字で記載してください。",
}


def describe(item: Item) -> str:
    """Return what a right value of an item looks like, in Japanese."""
    if item.form in {Form.CHOICE, Form.CHOICES}:
        return f"次のいずれかで記載してください: {LIST_SEPARATOR.join(item.choices)}"
    return _RIGHT[item.form]
