"""The documents of the interface, made from the tables of the notice types: docs/interface/ holds what these make."""

import csv
import io
from collections.abc import Iterable, Iterator

from renkei.domain.layouts.csv_layout import header
from renkei.domain.layouts.layout import VERSIONS
from renkei.domain.layouts.xsd import make_xsd
from renkei.domain.notices import TYPES, Notice
from renkei.domain.notices_items import LIST_SEPARATOR, Form, Item, When, describe

ITEM_COLUMNS = (
    *("type", "通知種別", "item", "項目", "form", "length", "required", "codes", "article", "since", "personal"),
)
_SHORT_CODES = 5
_FORMS = {
    Form.NUMBER: "number",
    Form.CODE: "code",
    Form.CHOICE: "choice",
    Form.CHOICES: "choices",
    Form.DATE: "date",
    Form.BIRTH: "birth",
    Form.ROMAN: "roman",
    Form.TEXT: "text",
    Form.CARD: "card",
    Form.PERIOD: "period",
}
_MEANINGS = {
    Form.NUMBER: "The sender's number for a notice: ASCII letters, digits (at least one) and hyphens inside.",
    Form.CODE: "全国地方公共団体コード: six ASCII digits, the last a check digit "
    "(weights 6, 5, 4, 3, 2; the last digit of 11 − sum mod 11).",
    Form.CHOICE: "One of the item's codes, as it stands.",
    Form.CHOICES: f"Some of the item's codes, each once, joined by {LIST_SEPARATOR}.",
    Form.DATE: "A day that exists, `2026-11-23`, from 1850 to 2150.",
    Form.BIRTH: "A day of birth, `1990-01-31`; `1975-06-00` and `1960-00-00` where day, or month and day, are unknown.",
    Form.ROMAN: "As passports write it: ASCII capitals, space, `'`, `.`, `,` and `-`; a letter first, no space last.",
    Form.TEXT: "Text on one line: no control, unassigned or private-use character, no space at either end, and not "
    "beginning with `=`, `+`, `-`, `@` or their full-width forms, which spreadsheets run.",
    Form.CARD: "Two ASCII capitals, eight digits, two capitals; no check digit is published.",
    Form.PERIOD: "Years, months and days in ASCII digits (`4年3月`), or 無期限.",
}


def interface_files() -> dict[str, bytes]:
    """Return every made document of the interface, by its path below docs/interface/."""
    files = {"notices.md": make_markdown().encode()}
    for version in VERSIONS:
        files[f"notices-{version}.xsd"] = make_xsd(version)
        files[f"items-{version}.csv"] = make_item_table(version)
        for notice_type in TYPES:
            if version >= notice_type.SINCE:
                files[f"headers/{notice_type.NAME}-{version}.csv"] = make_header(notice_type, version)
    return files


def make_header(notice_type: type[Notice], version: int) -> bytes:
    """Return the header line of a type's CSV file, UTF-8."""
    return _write_csv([header(notice_type, version)])


def make_item_table(version: int) -> bytes:
    """Return all items of a version of the layouts as a table: CSV, UTF-8, the columns `ITEM_COLUMNS`."""
    rows = [_item_row(each, item) for each in TYPES for item in each.items(version)]
    return _write_csv([ITEM_COLUMNS, *rows])


def make_markdown() -> str:
    """Return the reference of all types, items and rules."""
    return "\n".join(_markdown()) + "\n"


def _markdown() -> Iterator[str]:
    yield "# Notices, item by item"
    yield ""
    yield "Made by `renkei notice schema --out docs/interface`: change the tables in `tools/renkei/domain/notices/`."
    yield "The layouts, their versions, and how a new one comes in: [README](README.md)."
    yield ""
    yield "| number | type | 通知種別 | law | from | stream | since layout |"
    yield "|---|---|---|---|---|---|---|"
    for number, each in enumerate(TYPES):
        cells = (str(number), f"[`{each.NAME}`](#{each.NAME})", each.TYPE, each.ARTICLE, _sender(each), each.STREAM)
        yield _row((*cells, str(each.SINCE)))
    yield ""
    yield "Rules have names, which errors repeat: `required` (it is missing), `unexpected` (it may not be there),"
    yield "`length`, `form`, `choice`, `order` (a day before or after another), `conflict` (two items that can't both"
    yield "be right)."
    for each in TYPES:
        yield from _type(each)
    yield from _forms()
    yield from _code_tables()


def _type(notice_type: type[Notice]) -> Iterator[str]:
    yield ""
    yield f'<a id="{notice_type.NAME}"></a>'
    yield ""
    yield f"## {notice_type.TYPE} `{notice_type.NAME}`"
    yield ""
    yield _summary(notice_type)
    yield ""
    yield "| item | 項目 | form | length | required | codes | article | since | personal |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for item in notice_type.ITEMS:
        _, _, field, name, form, length, required, _, article, since, personal = _item_row(notice_type, item)
        cells = (f"`{field}`", name, f"[{form}](#{form})", length, required, _codes(item), article, since, personal)
        yield _row(cells)
    yield ""
    yield "| 項目 | rule between items | what is told when it is broken | article |"
    yield "|---|---|---|---|"
    for rule in notice_type.RULES:
        yield _row((rule.item, f"`{rule.rule}`", rule.message, rule.article))


def _forms() -> Iterator[str]:
    yield ""
    yield "## Forms"
    yield ""
    yield "| form | what a value looks like | what is told when it doesn't |"
    yield "|---|---|---|"
    for form, name in _FORMS.items():
        told = "(the codes)" if form in {Form.CHOICE, Form.CHOICES} else describe(Item("", "", form, 0, ""))
        yield _row((f'<a id="{name}"></a>{name}', _MEANINGS[form], told))


def _code_tables() -> Iterator[str]:
    yield ""
    yield "## Code tables"
    yield ""
    yield "A code's place counts inside parcels; new ones are added at the end."
    told: set[str] = set()
    for each in TYPES:
        for item in each.ITEMS:
            if len(item.choices) > _SHORT_CODES and (anchor := _anchor(item)) not in told:
                told.add(anchor)
                yield ""
                yield f'<a id="{anchor}"></a>'
                yield ""
                yield f"### {item.name}"
                yield ""
                yield LIST_SEPARATOR.join(item.choices)


def _summary(notice_type: type[Notice]) -> str:
    text = (notice_type.__doc__ or "").partition("\n")[0].partition(": ")[2]
    return f"{text[:1].upper()}{text[1:]}"


def _item_row(notice_type: type[Notice], item: Item) -> tuple[str, ...]:
    return (
        notice_type.NAME,
        notice_type.TYPE,
        item.field,
        item.name,
        _FORMS[item.form],
        str(item.length),
        _required(notice_type, item),
        LIST_SEPARATOR.join(item.choices),
        item.article,
        str(max(item.since, notice_type.SINCE)),
        "yes" if item.personal else "no",
    )


def _required(notice_type: type[Notice], item: Item) -> str:
    if not isinstance(item.needed, When):
        return "yes" if item.needed else "no"
    other = next(each for each in notice_type.ITEMS if each.field == item.needed.field)
    parts = [
        f"{word} {LIST_SEPARATOR.join(choice for choice in other.choices if choice in named)}"
        for word, named in (("if", item.needed.required), ("may be if", item.needed.permitted))
        if named
    ]
    return f"{other.name}: {'; '.join(parts)}"


def _codes(item: Item) -> str:
    if len(item.choices) > _SHORT_CODES:
        return f"[{len(item.choices)} codes](#{_anchor(item)})"
    return LIST_SEPARATOR.join(item.choices)


def _anchor(item: Item) -> str:
    return f"codes-{item.field.replace('_', '-')}-{len(item.choices)}"


def _sender(notice_type: type[Notice]) -> str:
    if notice_type.TO_MINISTRY and notice_type.TO_ENDPOINT:
        return "either side"
    return "municipality" if notice_type.TO_MINISTRY else "ministry"


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


def _write_csv(rows: Iterable[Iterable[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode()
