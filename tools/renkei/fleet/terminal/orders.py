"""What each municipality has to buy in a fiscal year, and why; the sheet that goes with its request for subsidy.

A machine is bought for an endpoint that has none in service (新設), and in place of one whose lifetime ends within the
year (更新). A fiscal year is Japan's: 2027 is 1 April 2027 to 31 March 2028 (会計法11条, 地方自治法208条).
"""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from openpyxl import Workbook
from openpyxl.styles import Alignment, Border, Font, PatternFill, Side
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.page import PageMargins
from openpyxl.worksheet.worksheet import Worksheet
from rich.cells import cell_len

from renkei.fleet.model import Fleet
from renkei.fleet.terminal.specification import Need, Source, Specification
from renkei.fleet.terminals import Profile, State, Terminal

_PROFILES: Final = {Profile.DEDICATED: "専用端末", Profile.SHARED: "共用端末"}
_NEEDS: Final = {Need.REQUIRED: "必須", Need.RECOMMENDED: "推奨"}
_COLUMNS: Final = (
    *("都道府県", "団体コード", "団体名", "品目", "形態", "数量", "事由"),
    *("現用機の資産番号", "現用機の型式", "運用開始日", "設置場所", "連絡先", "仕様書の版"),
)
_WIDTHS: Final = (12, 12, 20, 26, 12, 8, 34, 20, 14, 14, 30, 34, 12)
_MARCH, _LAST = 3, 31
_FORMULA: Final = ("=", "+", "-", "@")
_FONT: Final = "游ゴシック"
_LINE: Final = 16.5
"""Points a line of text takes in a row; without a height spreadsheets cut what was wrapped."""
_EDGE: Final = Side(style="thin", color="9AA5B1")
_BORDER: Final = Border(left=_EDGE, right=_EDGE, top=_EDGE, bottom=_EDGE)


@dataclass(frozen=True, slots=True)
class Order:
    """One municipality's need; `present` is the machine that serves it now."""

    prefecture: str
    code: str
    name: str
    profile: Profile
    quantity: int
    reason: str
    present: Terminal | None
    place: str
    contact: str


def orders(
    fleet: Fleet, specification: Specification, fiscal_year: int, prefectures: frozenset[str] = frozenset()
) -> list[Order]:
    """Compute who has to buy what in a fiscal year.

    Args:
        fleet: whose endpoints and machines they are.
        specification: says how long a machine serves.
        fiscal_year: the year in which it begins.
        prefectures: two-digit numbers; all when empty.
    """
    end = date(fiscal_year + 1, _MARCH, _LAST)
    found = []
    for site in fleet.sites.values():
        endpoint, serving = site.endpoint, site.terminal
        if endpoint is None or serving is None or (prefectures and site.key[:2] not in prefectures):
            continue
        in_service = serving if serving.state is State.IN_SERVICE else None
        reason = _reason(in_service, serving, specification.lifetime_years, end)
        if reason:
            found.append(
                Order(
                    prefecture=endpoint.municipality.prefecture,
                    code=site.key,
                    name=site.name,
                    profile=serving.profile,
                    quantity=1,
                    reason=reason,
                    present=in_service,
                    place=endpoint.place,
                    contact=endpoint.contact,
                )
            )
    return found


def to_csv(found: Iterable[Order], specification: Specification) -> bytes:
    """Write the orders as CSV for spreadsheets in Japan: UTF-8 with a byte order mark, CRLF."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(_COLUMNS)
    writer.writerows([_plain(cell) for cell in _cells(order, specification)] for order in found)
    return text.getvalue().encode("utf-8-sig")


def to_xlsx(found: Sequence[Order], specification: Specification, fiscal_year: int) -> bytes:
    """Write the orders as a workbook of three sheets: 調達一覧, 集計 by prefecture, 仕様書."""
    book = Workbook()
    sheet = book.active
    if not isinstance(sheet, Worksheet):
        raise TypeError("a new workbook has no sheet")
    sheet.title = "調達一覧"
    rows = [_cells(order, specification) for order in found]
    _fill(sheet, f"{specification.title} 調達一覧({fiscal_year}年度)", _COLUMNS, rows, _WIDTHS)
    sheet.freeze_panes = "D4"
    sheet.auto_filter.ref = f"A3:{get_column_letter(len(_COLUMNS))}{3 + len(rows)}"
    _fill(
        book.create_sheet("集計"), f"都道府県別の数量({fiscal_year}年度)", ("都道府県", *_PROFILES.values(), "計"),
        _totals(found), (16, 12, 12, 12),
    )  # fmt: skip
    _fill(
        book.create_sheet("仕様書"), f"{specification.title} {specification.version}版",
        ("区分", "項目", "要求", "必須/推奨", "対象"), _demands(specification), (16, 24, 80, 12, 24),
    )  # fmt: skip
    for each in book.worksheets:
        each.page_setup.orientation, each.page_setup.paperSize = "landscape", 9  # A4
        each.page_setup.fitToWidth, each.page_setup.fitToHeight = 1, 0
        each.page_margins = PageMargins(left=0.4, right=0.4, top=0.5, bottom=0.6, header=0.3, footer=0.3)
        each.oddFooter.center.text = "&P / &N"  # type: ignore[union-attr]  # every sheet has one
        each.sheet_properties.pageSetUpPr.fitToPage = True  # type: ignore[union-attr]  # every sheet has them
        each.print_title_rows = "3:3"
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _reason(in_service: Terminal | None, serving: Terminal, lifetime_years: int, end: date) -> str:
    if in_service is None:
        return "新設(発注済み)" if serving.state is State.ORDERED else ""
    began = in_service.in_service_on
    if began is None or _years_later(began, lifetime_years) > end:
        return ""
    return f"更新(運用開始から{lifetime_years}年を経過する。)"


def _years_later(day: date, years: int) -> date:
    try:
        return day.replace(year=day.year + years)
    except ValueError:  # 29 February
        return date(day.year + years, _MARCH, 1)


def _cells(order: Order, specification: Specification) -> list[str | int]:
    present = order.present
    began = present.in_service_on if present else None
    return [
        order.prefecture, order.code, order.name, "LGWAN連携端末", _PROFILES[order.profile], order.quantity,
        order.reason, present.asset_number if present else "", present.model if present else "",
        began.isoformat() if began else "", order.place, order.contact, specification.version,
    ]  # fmt: skip


def _totals(found: Sequence[Order]) -> list[list[str | int]]:
    names = list(dict.fromkeys(order.prefecture for order in found))
    counted = {
        name: [sum(o.quantity for o in found if (o.prefecture, o.profile) == (name, p)) for p in _PROFILES]
        for name in names
    }
    rows: list[list[str | int]] = [[name, *counts, sum(counts)] for name, counts in counted.items()]
    columns = [sum(counts) for counts in zip(*counted.values(), strict=True)] or [0] * len(_PROFILES)
    return [*rows, ["合計", *columns, sum(columns)]]


def _demands(specification: Specification) -> list[list[str | int]]:
    systems = "、".join(system.name for system in specification.operating_systems)
    everybody = "、".join(_PROFILES.values())
    rows: list[list[str | int]] = [
        [
            item.section, item.name, item.text, _NEEDS[item.need],
            "、".join(name for profile, name in _PROFILES.items() if profile in item.profiles),
        ]
        for item in specification.items
    ]  # fmt: skip
    rows.append(["ソフトウェア", "OS", f"次のいずれかであること: {systems}", _NEEDS[Need.REQUIRED], everybody])
    for each in specification.software:
        ending = "を備えること。" if each.source is Source.VENDOR else "を導入する(購入は不要)。"
        whom = "、".join(name for profile, name in _PROFILES.items() if profile in each.profiles)
        rows.append(["ソフトウェア", each.name, each.demand + ending, _NEEDS[Need.REQUIRED], whom])
    return rows


def _fill(
    sheet: Worksheet, title: str, columns: Sequence[str], rows: Iterable[Sequence[str | int]], widths: Sequence[int]
) -> None:
    sheet.cell(1, 1, title).font = Font(name=_FONT, bold=True, size=14)
    for number, (name, width) in enumerate(zip(columns, widths, strict=True), start=1):
        head = sheet.cell(3, number, name)
        head.font, head.fill = Font(name=_FONT, bold=True), PatternFill("solid", fgColor="DDE6F0")
        head.border, head.alignment = _BORDER, Alignment(vertical="center", wrap_text=True)
        sheet.column_dimensions[get_column_letter(number)].width = width
    for number, row in enumerate(rows, start=4):
        for place, value in enumerate(row, start=1):
            cell = sheet.cell(number, place, value)
            cell.alignment = Alignment(wrap_text=True, vertical="top")
            cell.font, cell.border = Font(name=_FONT), _BORDER
            if isinstance(value, str):
                cell.data_type = "s"  # never a formula, whatever it begins with
        lines = max(_lines(str(value), width) for value, width in zip(row, widths, strict=True))
        sheet.row_dimensions[number].height = _LINE * lines


def _lines(text: str, width: int) -> int:
    """Tell how many lines a text takes in a column; a full-width character is two of a column's units."""
    return max(1, -(-cell_len(text) // (width - 1)))


def _plain(cell: str | int) -> str | int:
    """Keep a spreadsheet from running a cell as a formula."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell
