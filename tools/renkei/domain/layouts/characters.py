"""Characters that a layout's character set can't hold: told for every item, never written as a question mark."""

from collections.abc import Iterator, Sequence
from itertools import islice

from renkei.domain.layouts.layout import Charset, Layout, Rejection
from renkei.domain.notices import Notice
from renkei.domain.notices_items import Finding, Item, to_text

_TOLD = 10
"""Notices that the error's text tells of at most; `rejections` has all."""


class Unwritable(ValueError):
    """Notices with characters that the character set doesn't hold.

    Attributes:
        rejections: one for each such notice: its place among them, its line in the file that was to be written, and a
            finding an item; a character of a personal item is told by its place in the text only.
    """

    def __init__(self, notices: Sequence[Notice], layout: Layout) -> None:
        """Find them, and say lines and items."""
        rejections = _reject(notices, layout)
        lines = (f"line {each.line}: {', '.join(found.item for found in each.findings)}" for each in rejections)
        more = "; …" if len(rejections) > _TOLD else ""
        super().__init__(
            f"{len(rejections)} notices hold characters that {layout.charset.value} doesn't have "
            f"({'; '.join(islice(lines, _TOLD))}{more})"
        )
        self.rejections = rejections
        self._notices, self._layout = notices, layout

    def reveal(self) -> list[Rejection]:
        """Return the rejections with the characters themselves: only for who sits at the keyboard."""
        return _reject(self._notices, self._layout, reveal=True)


def check_characters(notices: Sequence[Notice], layout: Layout) -> None:
    """Check that every character can be written.

    Raises:
        Unwritable: some can't.
    """
    if layout.charset is Charset.UTF_8:
        return
    if any(True for notice in notices for _ in _find(notice, layout)):
        raise Unwritable(notices, layout)


def unheld(text: str, charset: Charset) -> list[int]:
    """Return the places, from 0, of the characters that a character set doesn't hold."""
    return [place for place, character in enumerate(text) if not _holds(character, charset)]


def _holds(character: str, charset: Charset) -> bool:
    """Whether a character comes back as it was: the codec would write a wave dash (U+301C) as another character."""
    try:
        return character.encode(charset.codec).decode(charset.codec) == character
    except UnicodeEncodeError:
        return False


def _reject(notices: Sequence[Notice], layout: Layout, *, reveal: bool = False) -> list[Rejection]:
    return [
        Rejection(position, position + 1, findings, {"通知番号": notice.number})
        for position, notice in enumerate(notices, start=1)
        if (findings := tuple(_find(notice, layout, reveal=reveal)))
    ]


def _find(notice: Notice, layout: Layout, *, reveal: bool = False) -> Iterator[Finding]:
    for item in notice.items(layout.version):
        text = to_text(getattr(notice, item.field))
        if places := unheld(text, layout.charset):
            shown = reveal or not item.personal
            message = _tell(item, text, places, layout.charset, shown=shown)
            yield Finding(item.name, "characters", item.article, message)


def _tell(item: Item, text: str, places: list[int], charset: Charset, *, shown: bool) -> str:
    told = [
        f"{place + 1}文字目" + ("" if not shown else f"「{text[place]}」(U+{ord(text[place]):04X})") for place in places
    ]
    return (
        f"{item.name}の{'、'.join(told)}は{charset.value}にない文字です。"
        "UTF-8で書き出すか、漢字氏名は正字に置き換えてください。"
    )
