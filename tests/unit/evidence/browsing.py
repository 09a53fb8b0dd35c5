"""A page as its source has it, and as a browser shows it."""

from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path

from playwright.sync_api import Page as Shown
from playwright.sync_api import sync_playwright

from renkei.cli.kit import ROOT

CHROMIUM = Path("/usr/bin/chromium")
PICTURES = ROOT / "build" / "page"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


class Page(HTMLParser):
    """Collects whatever a browser would fetch, and the grid's cells."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.cells: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        wanted = {"src", "href", "srcset", "data", "action", "xlink:href"}
        self.links += [value for name, value in attrs if name in wanted and value and not value.startswith("#")]
        values = dict(attrs)
        if tag == "i" and "data-code" in values:
            self.cells[str(values["data-code"])] = str(values["class"]).removeprefix("s-")


@contextmanager
def browser_at(page: Path, width: int = 1280) -> Iterator[Shown]:
    """The page in a browser that has nothing to complain of."""
    assert CHROMIUM.exists(), "the browser isn't installed: ./kit env"
    PICTURES.mkdir(parents=True, exist_ok=True)
    complaints: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        shown = browser.new_page(viewport={"width": width, "height": 900})
        shown.on("console", lambda message: complaints.append(message.text))
        shown.on("pageerror", lambda error: complaints.append(str(error)))
        shown.goto(page.as_uri())
        yield shown
        browser.close()
    assert complaints == []
