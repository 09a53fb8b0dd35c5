"""The page of `renkei patch status`: what it says, that it needs nothing else, and how it does in a real browser."""

import re
from collections import Counter
from pathlib import Path
from time import process_time

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from renkei.cli.kit import ROOT
from renkei.evidence.patch_page import SIGNS, write_page
from renkei.exchange.packages import Device, HostState
from renkei.fleet.hosts.firmware import read_firmware
from renkei.fleet.loader import load_fleet
from renkei.fleet.patching.hosts import Rule, Seen, survey_hosts
from renkei.fleet.patching.intake import Believer
from renkei.fleet.patching.standing import Standing
from renkei.fleet.patching.survey import Question, Report, survey
from renkei.fleet.patching.words import STANDINGS
from renkei.store.patch_states import PatchStates
from unit.evidence.browsing import PICTURES, RULES, Page, browser_at
from unit.fleet.patching.scenes import FIRST_KB, NOW, OLD, Ministry, catalogues, fill, said

A_FEW_SECONDS = 8


def surveyed(fleet: str, folder: Path, ministry: Ministry) -> Report:
    loaded = load_fleet(ROOT / "inventory" / fleet)
    with PatchStates(folder / "states.db") as states:
        fill(states, ministry, loaded)
        return survey(loaded, states, catalogues(), Believer(ministry.anchor), (), Question(NOW))


@pytest.fixture(scope="module")
def ministry() -> Ministry:
    return Ministry()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory, ministry: Ministry) -> Report:
    return surveyed("lab", tmp_path_factory.mktemp("lab"), ministry)


@pytest.fixture(scope="module")
def country(tmp_path_factory: pytest.TempPathFactory, ministry: Ministry) -> tuple[Report, Path]:
    folder = tmp_path_factory.mktemp("country")
    found = surveyed("sample", folder, ministry)
    write_page(found, folder / "index.html")
    return found, folder


def test_the_page_needs_no_network_and_has_a_cell_an_endpoint(report: Report, tmp_path: Path) -> None:
    file = tmp_path / "index.html"
    write_page(report, file)
    text = file.read_text(encoding="utf-8")
    page = Page()
    page.feed(text)
    assert page.links == []
    assert "@import" not in text
    assert "url(" not in text
    assert page.cells == {row.machine.endpoint: row.standing.value for row in report.rows}
    for row in report.rows:
        assert row.endpoint.municipality.name in text
    assert "3台に期限超過も長期の報告なしもありません" in text


def test_every_standing_has_a_name_and_a_sign_of_its_own() -> None:
    assert set(SIGNS) == set(STANDINGS) == set(Standing)
    assert len(set(SIGNS.values())) == len(Standing)


@pytest.mark.thorough
def test_the_country_is_judged_and_drawn_in_a_few_seconds(
    country: tuple[Report, Path], ministry: Ministry, tmp_path: Path
) -> None:
    report, folder = country
    begin = process_time()
    with PatchStates(folder / "states.db") as states:
        again = survey(report.fleet, states, catalogues(), Believer(ministry.anchor), (), Question(NOW))
    write_page(again, tmp_path / "index.html")
    assert process_time() - begin < A_FEW_SECONDS
    assert len(again.rows) == 1892
    page = Page()
    page.feed((tmp_path / "index.html").read_text(encoding="utf-8"))
    assert len(page.cells) == 1892
    assert Counter(page.cells.values()) == Counter(row.standing.value for row in again.rows)
    assert {row.standing for row in again.act_on} == {Standing.LATE, Standing.UNKNOWN}
    assert len(again.trend) == 29


@pytest.mark.thorough
def test_in_a_browser_it_is_accessible_in_both_languages_and_widths(ministry: Ministry, tmp_path: Path) -> None:
    loaded = load_fleet(ROOT / "inventory" / "lab")
    with PatchStates(tmp_path / "states.db") as states:
        late = said("131041", "R2026-0001", NOW, build=OLD, installed=[], missing=[FIRST_KB])
        states.keep([ministry.evidence(late), ministry.evidence(said("011011", "R2025-0001", NOW))])
        found = survey(loaded, states, catalogues(), Believer(ministry.anchor), (), Question(NOW))
    firmware = read_firmware(ROOT / "inventory" / "firmware.yml")
    old = HostState(
        host="asp-router",
        device=Device(model="debian-12", version="12.5"),
        packages=["bash=5.2-2"],
        restart=True,
        seen_at=NOW,
    )
    hosts = survey_hosts(loaded, {"asp-router": Seen(old, "ab" * 32)}, Rule((), firmware, 30, 7, 3), (), NOW)
    write_page(found, tmp_path / "index.html", hosts)
    with browser_at(tmp_path / "index.html") as shown:
        expect(shown.locator("#act tr")).to_have_count(2)
        expect(shown.locator("#hosts tr")).to_have_count(len(hosts.rows))
        expect(shown.locator("#hosts tr").first).to_contain_text("DSA-5724-1")
        for width in (1280, 390):
            shown.set_viewport_size({"width": width, "height": 900})
            for word in ("対応が必要な端末", "Whom to act on"):
                expect(shown.get_by_role("heading", name=re.compile(word))).to_be_visible()
                verdict = Axe().run(shown, options={"runOnly": {"type": "tag", "values": RULES}})
                assert verdict.violations_count == 0, verdict.generate_report()
                shown.click("#language")
            assert shown.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.thorough
def test_in_a_browser_the_country_is_found_by_cell_and_word_and_printed(country: tuple[Report, Path]) -> None:
    report, folder = country
    with browser_at(folder / "index.html") as shown:
        expect(shown.locator("#act tr")).to_have_count(len(report.act_on))
        shown.click(".cells i[data-code='131041']")
        expect(shown.locator("#machines tr:visible")).to_have_count(1)
        shown.fill("#find", FIRST_KB)
        lacking = sum(FIRST_KB in row.judgement.lacks for row in report.rows)
        expect(shown.locator("#machines tr:visible")).to_have_count(lacking)
        shown.fill("#find", "")
        for width in (1280, 390):
            shown.set_viewport_size({"width": width, "height": 900})
            shown.screenshot(path=PICTURES / f"patch-{width}.png", full_page=True)
            assert shown.evaluate("document.documentElement.scrollWidth") <= width
        shown.pdf(path=PICTURES / "patch.pdf", prefer_css_page_size=True)
        shown.emulate_media(media="print")
        expect(shown.locator("#every")).to_be_hidden()
        expect(shown.locator("#act tr").last).to_be_visible()
