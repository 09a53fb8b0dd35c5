"""The sealed sheet: whose it is and what stands on it; the code on it works, and is nowhere else."""

import json
import logging
import re
import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader
from typer.testing import CliRunner, Result

from renkei.cli.terminal import app
from renkei.exchange.codes import normalize_code
from renkei.exchange.enrolment import EnrolmentFields, code_key
from renkei.exchange.images import anchor_number
from renkei.fleet.municipalities import read_municipalities
from renkei.ministry import sheet as sheets
from renkei.ministry.sheet import Sheet, SheetError, render

AT = datetime(2026, 11, 26, 1, 0, tzinfo=UTC)
CODE = "7K2M-9QXA-0B3D-EFGH-JKMN-PQRS-TVWX"
SHEET = Sheet(12, "東京都新宿区", "131041", "R2026-0001", "LAB0A1301", CODE, "3F2A-91CC-04DE-77B1-A0E5", AT, AT)


def text_of(pdf: bytes) -> str:
    (page,) = PdfReader(BytesIO(pdf)).pages
    return page.extract_text().replace(" ", "")


def test_a_sheet_says_whose_it_is_and_until_when() -> None:
    text = text_of(render(SHEET))
    for part in (
        "東京都新宿区御中",
        "131041",
        "R2026-0001",
        "LAB0A1301",
        SHEET.anchor_number,
        "2026年11月26日10:00",
        "第12号",
    ):
        assert part in text
    assert "\n".join(CODE.split("-")) in text


def test_the_code_is_drawn_and_stands_in_no_metadata() -> None:
    pdf = render(SHEET)
    reader = PdfReader(BytesIO(pdf))
    assert CODE not in str(reader.metadata)
    assert CODE[:4].encode() not in pdf
    assert CODE not in repr(SHEET)


def test_the_font_is_embedded_and_the_same_sheet_gives_the_same_bytes() -> None:
    pdf = render(SHEET)
    assert pdf == render(SHEET)
    fonts = PdfReader(BytesIO(pdf)).pages[0]["/Resources"]["/Font"]  # type: ignore[index]  # pypdf's own kind of dict
    descriptors = [font.get_object().get("/FontDescriptor") for font in fonts.values()]
    assert all(each is not None and "/FontFile2" in each.get_object() for each in descriptors)


def test_the_font_has_the_name_of_every_municipality() -> None:
    sheets.check_font()
    glyphs = sheets.pdfmetrics.getFont("IPAexGothic").face.charToGlyph  # type: ignore[attr-defined]  # of TrueType fonts
    root = Path(__file__).parents[3]
    country = read_municipalities(root / "inventory" / "municipalities.csv", [])
    names = {each.prefecture + each.name for each in country.values()}
    assert len(names) > 1800
    assert {letter for name in names for letter in name if ord(letter) not in glyphs} == set()


def test_a_font_that_is_not_there_is_told_before_a_code_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheets.pdfmetrics, "getRegisteredFontNames", list)
    with pytest.raises(SheetError, match="fonts-ipaexfont-gothic"):
        sheets.check_font(Path("/no/such/font.ttf"))


@pytest.fixture
def command(ministry: Any, tmp_path: Path) -> Callable[..., Result]:
    rows = [
        {
            "asset_number": "T-1",
            "endpoint": "131041",
            "machine_serial": "S1",
            "state": "in_service",
            "place": "東京都新宿区",
        },
        {
            "asset_number": "T-0",
            "endpoint": "131041",
            "machine_serial": "S0",
            "state": "retired",
            "place": "東京都新宿区",
        },
        {
            "asset_number": "T-2",
            "endpoint": "012271",
            "machine_serial": "S2",
            "state": "staged",
            "place": "北海道歌志内市",
        },
        {
            "asset_number": "T-3",
            "endpoint": "012271",
            "machine_serial": "S3",
            "state": "in_service",
            "place": "北海道歌志内市",
        },
    ]
    (tmp_path / "terminals.json").write_text(json.dumps(rows))
    config = tmp_path / "ministry.toml"
    config.write_text(
        f'[authority]\nstate = "{ministry.state}"\nroot = "{ministry.root_pem}"\n'
        f'terminals = "{tmp_path}/terminals.json"\n'
    )

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, ["code", *arguments, "--config", str(config)])

    return run


def test_the_code_of_a_sheet_proves_its_machine(
    command: Callable[..., Result], ministry: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    out = tmp_path / "sheet.pdf"
    done = command("131041", "--out", str(out), "--json")
    assert done.exit_code == 0, done.output
    text = text_of(out.read_bytes())
    assert anchor_number(ministry.root_pem.read_text()) in text
    code = code_in(text)
    (kept,) = ministry.ledger.read(lambda records: records.codes("131041", "T-1"))
    machine = ministry.machine("131041", "T-1")
    fields = EnrolmentFields(
        endpoint=machine.party,
        terminal="T-1",
        machine_serial="S1",
        csr=machine.applicant().request,
        receiving_key=machine.point,
    )
    fields.prove(code_key(code, machine.party, "T-1")).check_proof(kept.key)
    assert code not in done.output + caplog.text
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    answer = json.loads(done.stdout)
    assert (answer["id"], answer["terminal"], answer["sheet"]) == (kept.id, "T-1", str(out))


def code_in(text: str) -> str:
    """The code as a person reads it off the sheet: seven groups, each drawn by itself."""
    return normalize_code("".join(line for line in text.splitlines() if re.fullmatch(r"[0-9A-Z]{4}", line)))


def test_a_new_sheet_ends_the_code_of_the_last_one(
    command: Callable[..., Result], ministry: Any, tmp_path: Path
) -> None:
    out = tmp_path / "sheet.pdf"
    assert command("131041", "--out", str(out), "--valid-days", "3").exit_code == 0
    assert command("131041", "--out", str(out)).exit_code == 0
    first, second = ministry.ledger.read(lambda records: records.codes("131041", "T-1"))
    assert (first.revoked_at is not None, second.revoked_at) == (True, None)
    lifetime = datetime.fromisoformat(first.expires_at) - datetime.fromisoformat(first.created_at)
    assert lifetime == timedelta(days=3)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["999999", "--out", "x.pdf"], "no terminal in use at 999999"),
        (["131041", "--terminal", "T-0", "--out", "x.pdf"], "no terminal T-0 in use"),
        (["012271", "--out", "x.pdf"], "several machines (T-2, T-3)"),
        (["131041", "--out", "/no/such/folder/x.pdf"], "folder isn't there"),
        (["131041", "--out", "-", "--json"], "a PDF goes to a printer or a file"),
    ],
)
def test_what_can_not_be_done_makes_no_code(
    command: Callable[..., Result], ministry: Any, arguments: list[str], said: str
) -> None:
    done = command(*arguments)
    assert (done.exit_code, said in " ".join(done.stderr.split())) == (1, True), done.stderr
    assert ministry.ledger.read(lambda records: records.codes()) == []


def test_a_sheet_can_go_to_a_printer(command: Callable[..., Result]) -> None:
    done = command("012271", "--terminal", "T-2", "--out", "-")
    assert (done.exit_code, done.stdout_bytes[:5]) == (0, b"%PDF-")
