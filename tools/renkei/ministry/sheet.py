"""The sealed sheet: a page of A4 that carries one one-time code to one endpoint, apart from the medium.

    check_font()
    pdf = render(Sheet(place="東京都新宿区", code=made.code, …))

It is folded twice: the address outside, the code in the middle third, which no fold leaves open. The code is drawn in
an embedded subset of the font and stands in no metadata; the same sheet gives the same bytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from io import BytesIO
from pathlib import Path
from typing import Final

from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFError, TTFont
from reportlab.pdfgen.canvas import Canvas

FONT_FILE: Final = Path("/usr/share/fonts/opentype/ipaexfont-gothic/ipaexg.ttf")
"""IPAex Gothic, of Debian's package fonts-ipaexfont-gothic: it may be embedded, and has every municipality's name."""

_FONT: Final = "IPAexGothic"
_JST: Final = timezone(timedelta(hours=9), "JST")
_WIDTH, _HEIGHT = A4
_LEFT, _RIGHT = 22 * mm, _WIDTH - 22 * mm
_FIRST_FOLD, _SECOND_FOLD = _HEIGHT * 2 / 3, _HEIGHT / 3
_STEPS: Final = (
    "端末に媒体を差し込み、画面の指示に従ってください(共用端末では、管理者が媒体の first-boot.ps1 を実行します)。",
    "「確認番号」を求められたら、上の確認番号を入力します。一致しないときは、媒体も登録コードも使わず、法務省に連絡してください。",
    "「登録コード」を求められたら、上の登録コードを入力します(画面には表示されません)。",
    "「完了しました。」と表示されたら、この用紙を裁断してください。",
)
_CAUTIONS: Final = (
    "登録コードは、この端末で1回だけ、有効期限まで使用できます。新しいコードが発行されると、このコードは使えなくなります。",
    "媒体とこの用紙は、別々に送付し、別々に保管してください。登録コードを電子メール、電話等で伝えないでください。",
    "封が開いていた場合、紛失した場合又は有効期限を過ぎた場合は、法務省に連絡し、再発行を受けてください。",
)


class SheetError(Exception):
    """The sheet can't be made; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """What stands on a sheet; `anchor_number` is that of the trust anchor, `id` the code's number at the authority."""

    id: int
    place: str
    endpoint: str
    terminal: str
    machine_serial: str
    code: str
    anchor_number: str
    made_at: datetime
    expires_at: datetime

    def __repr__(self) -> str:
        """Leave the code out: a traceback or a log shows this."""
        return f"Sheet({self.id}, {self.endpoint}/{self.terminal})"


def check_font(file: Path = FONT_FILE) -> None:
    """Make the font known; call it before a code is made, so that none is made for nothing.

    Raises:
        SheetError: it isn't installed.
    """
    if _FONT in pdfmetrics.getRegisteredFontNames():
        return
    try:
        pdfmetrics.registerFont(TTFont(_FONT, str(file)))
    except (OSError, TTFError) as error:
        raise SheetError(f"{file}: can't be read; install Debian's package fonts-ipaexfont-gothic") from error


def render(sheet: Sheet) -> bytes:
    """Draw the sheet; PDF.

    Raises:
        SheetError: the font isn't installed.
    """
    check_font()
    out = BytesIO()
    page = Canvas(
        out,
        pagesize=A4,
        invariant=1,
        lang="ja-JP",
        initialFontName=_FONT,  # type: ignore[arg-type]  # the stubs take a name for a size
    )
    page.setTitle(f"登録コード通知書 第{sheet.id}号")
    page.setAuthor("法務省")
    _address(page, sheet)
    _secret(page, sheet)
    _instructions(page)
    _folds(page)
    page.showPage()
    page.save()
    return out.getvalue()


def _address(page: Canvas, sheet: Sheet) -> None:
    top = _HEIGHT - 20 * mm
    _text(page, _RIGHT, top, f"第{sheet.id}号", 10, align="right")
    _text(page, _RIGHT, top - 5 * mm, _day(sheet.made_at), 10, align="right")
    _text(page, _LEFT, top - 12 * mm, f"{sheet.place} 御中", 15)
    _text(page, _LEFT, top - 19 * mm, "LGWAN連携端末の登録を担当される方", 11)
    _text(page, _RIGHT, top - 30 * mm, "法務省 登録局", 11, align="right")
    _text(page, _WIDTH / 2, top - 44 * mm, "LGWAN連携端末 登録コード通知書", 18, align="center")
    _text(page, _WIDTH / 2, top - 53 * mm, "親展 ― 担当者以外の方は開封しないでください", 11, align="center")


def _secret(page: Canvas, sheet: Sheet) -> None:
    top = _FIRST_FOLD - 14 * mm
    rows = (
        ("団体コード", sheet.endpoint),
        ("資産番号", sheet.terminal),
        ("製造番号", sheet.machine_serial),
        ("有効期限", f"{_day(sheet.expires_at)} {sheet.expires_at.astimezone(_JST):%H:%M}"),
        ("確認番号", sheet.anchor_number),
    )
    for number, (name, value) in enumerate(rows):
        _text(page, _LEFT, top - number * 6.5 * mm, name, 11)
        _text(page, _LEFT + 28 * mm, top - number * 6.5 * mm, value, 12)
    box = top - 64 * mm
    page.setLineWidth(1.2)
    page.rect(_LEFT, box, _RIGHT - _LEFT, 30 * mm)
    _text(page, _LEFT + 4 * mm, box + 24 * mm, "登録コード", 11)
    groups = sheet.code.split("-")
    width = (_RIGHT - _LEFT) / len(groups)
    middles = [_LEFT + width * (place + 0.5) for place in range(len(groups))]
    for middle, group in zip(middles, groups, strict=True):
        _text(page, middle, box + 10 * mm, group, 19, align="center")
    for place, middle in enumerate(middles, start=1):
        _text(page, middle, box + 4 * mm, str(place), 8, align="center")
    for place in range(1, len(groups)):
        _text(page, _LEFT + width * place, box + 10 * mm, "-", 15, align="center")
    note = "読み間違いを防ぐため、英字のI・L・O・Uは使用していません(0は数字のゼロ、1は数字のいちです)。"
    _text(page, _LEFT, box - 6 * mm, note, 9)


def _instructions(page: Canvas) -> None:
    top = _SECOND_FOLD - 12 * mm
    _text(page, _LEFT, top, "使い方", 12)
    top = _list(page, top - 6.5 * mm, [f"{number}. {step}" for number, step in enumerate(_STEPS, start=1)])
    _text(page, _LEFT, top - 4 * mm, "注意", 12)
    _list(page, top - 10.5 * mm, [f"・{caution}" for caution in _CAUTIONS])


def _list(page: Canvas, top: float, lines: Sequence[str]) -> float:
    """Draw paragraphs, broken where the line ends; return where the next thing goes."""
    for line in lines:
        for part in _broken(line, 9.5, _RIGHT - _LEFT):
            _text(page, _LEFT, top, part, 9.5)
            top -= 4.8 * mm
    return top


def _broken(text: str, size: float, width: float) -> list[str]:
    """Break Japanese text into lines: never before a closing mark; later ones are indented."""
    lines, line = [], ""
    for letter in text:
        if pdfmetrics.stringWidth(line + letter, _FONT, size) > width and letter not in "、。)」":
            lines.append(line)
            line = "  "
        line += letter
    return [*lines, line]


def _folds(page: Canvas) -> None:
    page.setDash(2, 3)
    page.setLineWidth(0.4)
    for height in (_FIRST_FOLD, _SECOND_FOLD):
        page.line(8 * mm, height, _WIDTH - 8 * mm, height)
        _text(page, _WIDTH - 9 * mm, height + 1.2 * mm, "折り線(内側に折る)", 6, align="right")


def _text(page: Canvas, left: float, height: float, text: str, size: float, align: str = "left") -> None:
    page.setFont(_FONT, size)
    {"left": page.drawString, "right": page.drawRightString, "center": page.drawCentredString}[align](
        left, height, text
    )


def _day(at: datetime) -> str:
    local = at.astimezone(_JST)
    return f"{local.year}年{local.month}月{local.day}日"
