"""The page of `renkei capacity`: what it says, that it needs nothing else, and how it does in a real browser."""

import base64
import re
import zlib
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import expect

from renkei.cli.kit import ROOT
from renkei.evidence import capacity_plot
from renkei.evidence.capacity_page import write_page
from renkei.evidence.capacity_plot import PlotError, svg, write_plot
from renkei.fleet.capacity.outcome import Result, simulate
from renkei.fleet.capacity.updates import read_month
from renkei.fleet.loader import load_fleet
from unit.evidence.browsing import PICTURES, RULES, Page, browser_at

pytestmark = pytest.mark.thorough


@pytest.fixture(scope="module")
def month() -> Result:
    return simulate(load_fleet(ROOT / "inventory" / "lab"), read_month(ROOT / "inventory" / "updates.yml"))


@pytest.fixture(scope="module")
def page(month: Result, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("capacity") / "index.html"
    write_page(month, file)
    return file


def test_the_page_needs_no_network(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    read = Page()
    read.feed(text)
    assert read.links == []
    assert "@import" not in text
    assert not re.search(r"url\((?!#)", text)


def test_the_page_has_every_endpoint_every_assumption_and_what_to_change(page: Path, month: Result) -> None:
    text = page.read_text(encoding="utf-8")
    for each in month.outcomes:
        assert each.endpoint.municipality.name in text
    assert "休日の前に媒体を追加で1回送る" in text
    assert "3 市区町村のうち 1 で期限が守られません" in text
    for what in ("elevenforum.com", "kit bench bytes", "1,538"):
        assert what in text


def test_every_line_s_hours_lie_in_the_page(page: Path, month: Result) -> None:
    found = re.search(r'atob\("([^"]+)"\)', page.read_text(encoding="utf-8"))
    assert found is not None
    percent = zlib.decompress(base64.b64decode(found[1]))
    assert len(percent) == month.course.served.shape[1] * len(month.country.by_line)
    busiest = max(percent[-month.course.served.shape[1] :])
    assert busiest == pytest.approx(month.outcomes[-1].busiest_percent, abs=1)


def test_two_drawings_of_one_month_are_the_same_and_share_no_identifier(month: Result) -> None:
    drawn = [svg(month, language=language) for language in (0, 1)]
    assert drawn == [svg(month, language=language) for language in (0, 1)]
    names = [set(re.findall(r'id="([^"]+)"', each)) for each in drawn]
    assert names[0]
    assert not names[0] & names[1]
    assert "期限" in drawn[0]
    assert "deadline" in drawn[1]


@pytest.mark.filterwarnings("error:Glyph")
def test_the_plot_is_a_picture_in_either_language_with_every_glyph(month: Result, tmp_path: Path) -> None:
    for english in (False, True):
        file = tmp_path / f"{english}.png"
        write_plot(month, file, english=english)
        with Image.open(file) as picture:
            assert picture.width >= 1400
            assert len(picture.convert("RGB").getcolors(1 << 24) or []) > 20


def test_without_the_font_it_says_which_package(month: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capacity_plot, "FONT_FILE", tmp_path / "none.ttf")
    with pytest.raises(PlotError, match="fonts-ipaexfont-gothic"):
        write_plot(month, tmp_path / "plot.png")


def test_in_a_browser_it_finds_shows_switches_and_is_accessible(page: Path) -> None:
    with browser_at(page, 1100) as shown:
        shown.fill("#find", "東京都")
        expect(shown.locator("#endpoints tr:visible")).to_have_count(1)
        shown.click("#endpoints button:visible")
        expect(shown.locator("#month tbody tr")).to_have_count(31)
        for language, word in (("ja", "市区町村ごと"), ("en", "Every endpoint")):
            expect(shown.get_by_role("heading", name=word)).to_be_visible()
            found = Axe().run(shown, options={"runOnly": {"type": "tag", "values": RULES}})
            assert found.violations_count == 0, found.generate_report()
            shown.screenshot(path=PICTURES / f"capacity-{language}.png", full_page=True)
            shown.click("#language")
        assert shown.evaluate("document.documentElement.scrollWidth") <= 1100
        shown.set_viewport_size({"width": 400, "height": 800})
        assert shown.evaluate("document.documentElement.scrollWidth") <= 400
