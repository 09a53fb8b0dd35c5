"""The clerk's page in a real browser: by keyboard alone, for screen readers, enlarged, printed, and exchanging.

`./kit test` installs the browser. The pictures that the tests take lie in build/page/.
"""

import datetime as dt
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from renkei.agent.exchange import alone
from renkei.agent.home import Home, stamp
from renkei.agent.register import bridge, confirmation
from renkei.agent.register.share import prepare
from renkei.agent.status import status_of
from renkei.cli.kit import ROOT
from renkei.domain.notices_items import LIST_SEPARATOR
from unit.agent.page_scenes import page_settings
from unit.agent.register_scenes import Register, arrive, outcome, special, status
from unit.agent.serving import serving, until

pytestmark = pytest.mark.thorough

CHROMIUM = Path("/usr/bin/chromium")
PICTURES = ROOT / "build" / "page"
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@pytest.fixture
def terminal(fleet: Any, tmp_path: Path) -> Iterator[Home]:
    """A terminal whose service runs, its ministry beside; it has exchanged once."""
    fleet.agent("ministry")
    (tmp_path / "share").mkdir()
    home: Home = fleet.agent(
        "131041",
        link="on_demand",
        bridge={"kind": "folder", "folder": tmp_path / "share"},
        page=page_settings(tmp_path / "page"),
    )
    prepare(home)
    with serving(fleet, home):
        until(lambda: status_of(home).last_exchange_at and file_of(home).exists())
        yield home


@pytest.fixture
def browser(terminal: Home) -> Iterator[Browser]:
    assert terminal is not None  # its hub is made by an event loop of this thread, which the browser's would disturb
    assert CHROMIUM.exists(), "the browser isn't installed: ./kit env"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def opened(browser: Browser, terminal: Home) -> Iterator[Callable[..., Page]]:
    """Opens the page as the shortcut does; what the browser complains of on the way fails the test."""
    complaints: list[str] = []

    def open_page(**options: Any) -> Page:
        options = {"viewport": {"width": 1180, "height": 900}, "locale": "ja-JP"} | options
        page = browser.new_context(**options).new_page()
        page.on("console", lambda message: complaints.append(message.text) if is_complaint(message) else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(file_of(terminal).as_uri())
        if options.get("java_script_enabled", True) is False:
            button = page.get_by_role("button")
            expect(button).to_be_focused()  # it is given the focus when the page is laid out
            button.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_contain_text("連携の状況")
        return page

    yield open_page
    assert complaints == []


def is_complaint(message: ConsoleMessage) -> bool:
    """An error, other than that a form was sent back for correction."""
    return message.type == "error" and "422" not in message.text


def file_of(home: Home) -> Path:
    assert home.settings.page is not None
    return home.settings.page.folder / "renkei.html"


def focused(page: Page) -> str:
    return str(page.evaluate("document.activeElement.innerText || document.activeElement.id || ''")).strip()


def tab_to(page: Page, text: str) -> None:
    """Press Tab until what bears `text` has the focus, which must be seen: an outline."""
    for _ in range(40):
        page.keyboard.press("Tab")
        if text in focused(page):
            style = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert style != "none", f"the focus on {text} isn't seen"
            return
    pytest.fail(f"{text} can't be reached by Tab")


def populate(home: Home, share: Path) -> None:
    """Whatever can wait: a notice in each standing, a rejected row, alarms."""
    with alone(home, 20):  # the service runs
        _populate(home, share)


def _populate(home: Home, share: Path) -> None:
    day = dt.date(2026, 10, 1)
    earlier = special(1, notified_on=day, changed_on=day, certificate_number="GH87654321IJ")
    arrive(home, [earlier, status(2), status(3, name="WANG MEI", card_number="EF12345678GH", birth_date="1999-12-03")])
    confirmation.confirm(home, "S-000001")
    bridge.tend(home)
    Register(share).take()
    outcome(home, "S-000001")
    outcome(home, "S-000003", "エラー")
    items = LIST_SEPARATOR.join(("氏名", "特別永住者証明書番号"))
    arrive(home, [special(4, name="KIM SUJI ANNA", changed_items=items), special(5, corrects="S-000004")])
    (home.settings.rejected / "20261126-異動.reason.txt").write_text("…")
    home.alarm("outbox", "古い様式.csv", "古い様式.csv waits: a layout that this software doesn't know")


def check(page: Page, name: str) -> None:
    """No finding of axe, in light and in dark; and a picture."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]  # the two are among those that it names
        found = Axe().run(page, options={"runOnly": {"type": "tag", "values": RULES}})
        assert found.response["passes"], "axe found nothing to look at"
        assert found.violations_count == 0, found.generate_report()
        page.screenshot(path=PICTURES / f"{name}-{scheme}.png", full_page=True)


def test_the_button_exchanges_with_the_hub_by_keyboard_alone(
    opened: Callable[..., Page], terminal: Home, fleet: Any, status_csv: Any
) -> None:
    ministry = fleet.homes[0]
    fleet.exchange(ministry)
    (ministry.settings.outbox / "131041").mkdir()
    (ministry.settings.outbox / "131041" / "change.csv").write_bytes(status_csv(2))
    fleet.exchange(ministry)
    before = status_of(terminal)
    page = opened()
    assert before.register_waiting == {}
    tab_to(page, "今すぐ連携")
    page.keyboard.press("Enter")
    expect(page.get_by_text("連携が終わりました")).to_be_focused(timeout=20_000)
    after = status_of(terminal)
    assert (after.last_exchange_at or "") >= (before.last_exchange_at or "")
    assert sum(peer.notices_received for peer in after.peers) == 2
    assert sum(after.register_waiting.values()) == 2
    expect(page.get_by_role("definition").filter(has_text="2件")).to_be_visible()


def test_a_hub_that_is_away_is_said(opened: Callable[..., Page], fleet: Any) -> None:
    page = opened()
    fleet.stop_hub()
    page.get_by_role("button", name="今すぐ連携").click()
    expect(page.get_by_role("alert")).to_contain_text("連携できませんでした", timeout=20_000)


def test_every_page_holds_wcag_in_both_languages_light_and_dark(
    opened: Callable[..., Page], terminal: Home, tmp_path: Path
) -> None:
    page = opened()
    base = page.url
    check(page, "status-good")
    populate(terminal, tmp_path / "share")
    for language, switch in (("ja", "English"), ("en", "日本語")):
        for place, name in (("", "status"), ("pending", "pending"), ("sheets", "sheets"), ("sheets/S-000004", "sheet")):
            page.goto(base + place)
            check(page, f"{name}-{language}")
        page.get_by_role("button", name=switch).click()
    closed = page.context.new_page()  # its answer is an error, which the browser's console says
    closed.goto(base.rsplit("/", 2)[0])
    check(closed, "closed")


def test_a_clerk_decides_on_a_sheet_by_keyboard_alone(
    opened: Callable[..., Page], terminal: Home, tmp_path: Path
) -> None:
    populate(terminal, tmp_path / "share")
    page = opened()
    tab_to(page, "特別永住者の通知の確認")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("確認票")
    tab_to(page, "S-000004")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("S-000004")
    expect(page.get_by_role("row", name="氏名")).to_contain_text("KIM SUJI ANNA")
    tab_to(page, "confirm")
    page.keyboard.press("Space")
    tab_to(page, "決定する")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_be_focused()
    assert page.get_by_role("radio", name="取り込む", exact=True).is_checked()
    tab_to(page, "checked")
    page.keyboard.press("Space")
    tab_to(page, "決定する")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("取り込みます")
    assert Register(tmp_path / "share").take() == ["S-000004"]


@pytest.mark.parametrize("width", [640, 320])
def test_enlarged_nothing_is_cut_off(opened: Callable[..., Page], terminal: Home, tmp_path: Path, width: int) -> None:
    """1280 pixels at 200 % are 640 of CSS, at 400 % 320 (WCAG 1.4.4, 1.4.10): only tables may scroll, by themselves."""
    populate(terminal, tmp_path / "share")
    page = opened(viewport={"width": width, "height": 700})
    base = page.url
    for place in ("", "pending", "sheets", "sheets/S-000004"):
        page.goto(base + place)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.goto(base)
    page.screenshot(path=PICTURES / f"status-{width}.png", full_page=True)


def test_printed_it_is_paper(opened: Callable[..., Page], terminal: Home, tmp_path: Path) -> None:
    populate(terminal, tmp_path / "share")
    page = opened()
    page.goto(page.url + "sheets/S-000004")
    page.emulate_media(media="print")
    for hidden in (page.get_by_role("navigation"), page.get_by_role("button", name="決定する")):
        expect(hidden).to_be_hidden()
    expect(page.get_by_role("row", name="氏名")).to_be_visible()
    paper = page.pdf(path=PICTURES / "sheet.pdf", prefer_css_page_size=True)
    assert paper.count(b"/Type /Page\n") == 1


def test_it_works_without_its_script(opened: Callable[..., Page], terminal: Home) -> None:
    page = opened(java_script_enabled=False)
    page.get_by_role("button", name="今すぐ連携").click()
    until(lambda: not terminal.settings.request_file.exists())
    terminal.spool.note(exchanged_at=stamp())
    expect(page.get_by_role("status")).to_contain_text("連携しています")
    page.wait_for_timeout(2500)
    page.get_by_role("link", name="表示を更新").click()
    expect(page.get_by_role("status")).to_contain_text("連携が終わりました")


def test_another_site_gets_nothing_out_of_the_page(opened: Callable[..., Page], tmp_path: Path) -> None:
    """A page of another origin in the same browser can't frame it, read it, or press its button."""
    page = opened()
    target = page.url
    evil = tmp_path / "evil.html"
    evil.write_text(
        f'<iframe src="{target}"></iframe><form method=post action="{target}exchange"><button>x</button></form>'
    )
    other = page.context.new_page()  # its complaints are what is wanted
    other.goto(evil.as_uri())
    assert (
        other.evaluate(f"fetch('{target}progress', {{credentials: 'include'}}).then(() => 'read', () => 'refused')")
        == "refused"
    )
    frame = other.frames[1]
    assert "連携" not in frame.evaluate("document.body ? document.body.innerText : ''")
    other.get_by_role("button", name="x").click()
    expect(other.get_by_role("heading", level=1)).to_contain_text("デスクトップの")
