"""The sheet of a notice that waits for a person's word: what stands before, what after, and room to decide.

One HTML file in Japanese, to be read on the screen or printed on A4, in the folder `confirm/`. It is made when the
notice begins to wait and removed when somebody has decided. Before stands what the last notice about the same person
said, where this terminal had one; the resident register itself can't be asked from here.
"""

from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined

from renkei.agent import files
from renkei.agent.home import Home
from renkei.agent.register.rows import notice_of
from renkei.agent.settings import JST
from renkei.domain.identity import identify
from renkei.domain.notices import Notice
from renkei.domain.notices_items import LIST_SEPARATOR
from renkei.exchange.clock import parse_time
from renkei.store.marks import Marks
from renkei.store.standings import Import, Standing

SUFFIX = ".html"
_ABOUT_THE_NOTICE = frozenset(
    {"number", "municipality", "notified_on", "cause", "changed_items", "changed_on", "corrects"}
)
_BASIS = frozenset({Standing.HANDED, Standing.IMPORTED})
_TEMPLATES = Environment(
    loader=PackageLoader("renkei.agent.register"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


@dataclass(frozen=True, slots=True)
class Line:
    """An item of the sheet: before, after, and whether the notice says that it has changed."""

    item: str
    before: str
    after: str
    changed: bool

    @property
    def differs(self) -> bool:
        """Whether the two columns say different things."""
        return self.before != self.after


def tend(home: Home) -> None:
    """Make the sheets that are missing and remove those of notices that wait no longer."""
    waiting = {each.number: each for each in home.spool.imports.unfinished() if each.standing is Standing.UNCONFIRMED}
    folder = home.settings.sheets
    for number, found in waiting.items():
        path = folder / f"{number}{SUFFIX}"
        if not path.exists():
            files.put(path, sheet(home, found), home.settings.staging)
    for path in folder.glob(f"*{SUFFIX}"):
        if path.name.removesuffix(SUFFIX) not in waiting:
            path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Contents:
    """What a sheet says, on paper and on the status page.

    Attributes:
        notice: that waits.
        about: the items about the notice itself, by name.
        lines: the items about the person.
        previous: the notice that gave what stands before; None where there is none.
        received_at: in Japan's time.
    """

    notice: Notice
    about: tuple[tuple[str, str], ...]
    lines: tuple[Line, ...]
    previous: Import | None
    received_at: str


def contents(home: Home, found: Import) -> Contents:
    """Put together the sheet of a notice whose row is kept."""
    notice = notice_of(found.type, found.row or "")
    previous = _previous(home, found, notice)
    row = notice.to_row()
    return Contents(
        notice=notice,
        about=tuple((item.name, row[item.name]) for item in notice.ITEMS if item.field in _ABOUT_THE_NOTICE),
        lines=tuple(lines(notice, notice_of(previous.type, previous.row or "") if previous else None)),
        previous=previous,
        received_at=f"{parse_time(found.received_at).astimezone(JST):%Y-%m-%d %H:%M}",
    )


def sheet(home: Home, found: Import) -> bytes:
    """Render the sheet of a notice whose row is kept."""
    shown = contents(home, found)
    text = _TEMPLATES.get_template("sheet.html.j2").render(
        notice=shown.notice,
        about=shown.about,
        lines=shown.lines,
        previous=shown.previous,
        received_at=shown.received_at,
    )
    return text.encode()


def lines(notice: Notice, previous: Notice | None) -> list[Line]:
    """The items about the person that either notice has."""
    before = previous.to_row() if previous is not None else {}
    after = notice.to_row()
    changed = str(getattr(notice, "changed_items", None) or "").split(LIST_SEPARATOR)
    return [
        Line(item.name, before.get(item.name, ""), after[item.name], item.name in changed)
        for item in notice.ITEMS
        if item.field not in _ABOUT_THE_NOTICE and (before.get(item.name) or after[item.name] or item.name in changed)
    ]


def _previous(home: Home, found: Import, notice: Notice) -> Import | None:
    """The last notice about the same person that went into the register before this one and is still kept."""
    marks = Marks(home.settings.marks_key).all(identify(notice).certain)
    earlier = [
        each
        for each in home.spool.imports.about(marks)
        if each.place < found.place and each.row is not None and each.standing in _BASIS
    ]
    return earlier[-1] if earlier else None
