"""Names in kanji as residence cards and registers write them (漢字氏名): in 正字, by 法務省告示第582号.

    >>> convert("张伟")
    [Conversion('张' → '張', itaiji), Conversion('伟' → '偉', itaiji)]
    >>> KanjiName.of("刘骏").converted
    '刘駿'

For each character the first rule that fits counts (在留カード等に係る漢字氏名の表記等に関する告示):

1. A 正字 (JIS X 0221 附属書JA, 別表第一) is kept. This comes first: 18 正字 stand in 別表第四 too. 14 of the kept may
   be written with another 正字 where the resident register or an earlier card bears that.
2. 異体字 (別表第四の一): the 正字 of the same character. The second rank where register or card bears it.
3. 類字 (別表第四の二): a 正字 that looks alike. The second rank where the person asks for it.
4. What no table has becomes `MARK`, never nothing: somebody has to decide.

Text is never normalised: 75 正字 are CJK compatibility ideographs, which NFC would turn into others. The tables are
made by tools/generate/kanji.py, which says where they come from, and are read when the first name is converted.
"""

import unicodedata
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Self

MARK = "〓"
"""Stands for a character without a target, as printers have always done it (下駄記号)."""

_TWO_RANKS = 2
_PRIVATE_USE = "Co"


class Rule(StrEnum):
    """Which rule decided over a character; the values are those of the JSON output."""

    KEPT = "kept"
    ITAIJI = "itaiji"
    RUIJI = "ruiji"
    NONE = "none"


class Note(StrEnum):
    """What else there is to know of a character, for those who look at the original."""

    PRIVATE_USE = "private-use"
    """A private-use code; its target is by the ministry's assignment (入管外字コード), which others don't share."""
    COMPATIBILITY = "compatibility"
    """A CJK compatibility ideograph: normalisation would turn it into another character."""
    VARIATION = "variation"
    """A variation selector chose a glyph; the result has the character without it."""
    COMBINING = "combining"
    """A combining mark, composed with its base where there is one character for both."""


@dataclass(frozen=True, slots=True, repr=False)
class Conversion:
    """A character of a name, and what it becomes.

    Args:
        char: as it came: one code point, or a base with its variation selectors and combining marks.
        result: one 正字, or `MARK`.
        rule: which rule decided.
        candidates: the permitted 正字 in rank order, at most two; empty where there is none.
        note: what else there is to know.
    """

    char: str
    result: str
    rule: Rule
    candidates: tuple[str, ...]
    note: Note | None = None

    def __repr__(self) -> str:
        """Say what becomes what, and why."""
        return f"Conversion({self.char!r} → {self.result!r}, {self.rule})"


@dataclass(frozen=True, slots=True)
class KanjiName:
    """A name as it was handed in (原文字) and as it is written; both travel in a notice.

    Args:
        original: 漢字氏名(原文字), untouched.
        converted: 漢字氏名 in 正字, with `MARK` for what has no target.
    """

    original: str
    converted: str

    @classmethod
    def of(cls, original: str, *, borne: str = "", requested: str = "") -> Self:
        """Convert a name; the arguments are those of `convert`."""
        conversions = convert(original, borne=borne, requested=requested)
        return cls(original, "".join([conversion.result for conversion in conversions]))


def convert(text: str, *, borne: str = "", requested: str = "") -> list[Conversion]:
    """Convert a name to 正字, character by character.

    Args:
        text: the name as it was handed in, at most a few dozen characters; what isn't a kanji is looked up just so.
        borne: the name in kanji as the resident register (住民票) or an earlier card bears it; a second rank that is
            in it, where the first isn't, is taken for 異体字 and for the 14 kept that have one.
        requested: second ranks of 類字 that the person asks for.

    Returns:
        A conversion a character, in the order of the text; joined, their `char` are the text.
    """
    known = _known()
    try:
        conversions = [known[char] for char in text]
    except KeyError:
        conversions = [known.get(unit) or _unusual(unit) for unit in _units(text)]
    if borne or requested:
        conversions = [_preferred(conversion, borne, requested) for conversion in conversions]
    return conversions


def _preferred(conversion: Conversion, borne: str, requested: str) -> Conversion:
    """Take the second rank where the notice allows it."""
    if len(conversion.candidates) < _TWO_RANKS:
        return conversion
    first, second = conversion.candidates
    asked = requested if conversion.rule is Rule.RUIJI else borne
    if second not in asked or first in asked:
        return conversion
    return Conversion(conversion.char, second, conversion.rule, conversion.candidates, conversion.note)


class _Known(dict[str, Conversion]):
    """Conversions of what the tables have, made when they are first asked for; a KeyError for all else."""

    def __init__(self) -> None:
        super().__init__()
        packed = files("renkei.domain").joinpath("kanji.table").read_bytes()
        lines = zlib.decompress(packed).decode().split("\n")
        kept, seconds, itaiji, itaiji_ranked, ruiji, ruiji_ranked, private, variants = lines
        self.kept = frozenset(kept)
        self.seconds = _pairs(seconds)
        self.itaiji = _pairs(itaiji) | _triples(itaiji_ranked)
        self.ruiji = _pairs(ruiji) | _triples(ruiji_ranked)
        self.private = _pairs(private)
        self.variants = {variants[at : at + 2]: variants[at + 2] for at in range(0, len(variants), 3)}

    def __missing__(self, char: str) -> Conversion:
        """Look a character up, in the order of the rules."""
        if char in self.kept:
            rule, candidates = Rule.KEPT, char + self.seconds.get(char, "")
        elif char in self.private:
            rule, candidates = Rule.KEPT, self.private[char]
        elif char in self.itaiji:
            rule, candidates = Rule.ITAIJI, self.itaiji[char]
        elif char in self.ruiji:
            rule, candidates = Rule.RUIJI, self.ruiji[char]
        else:
            raise KeyError(char)
        found = Conversion(char, candidates[0], rule, tuple(candidates), _note(char))
        self[char] = found
        return found


@cache
def _known() -> _Known:
    return _Known()


def _pairs(line: str) -> dict[str, str]:
    return dict(zip(line[::2], line[1::2], strict=True))


def _triples(line: str) -> dict[str, str]:
    return {line[at]: line[at + 1 : at + 3] for at in range(0, len(line), 3)}


def _note(char: str) -> Note | None:
    if unicodedata.category(char) == _PRIVATE_USE:
        return Note.PRIVATE_USE
    return Note.COMPATIBILITY if _is_compatibility(char) else None


def _is_compatibility(char: str) -> bool:
    # 12 of the block are unified ideographs in spite of their names, and don't decompose
    named = unicodedata.name(char, "").startswith("CJK COMPATIBILITY IDEOGRAPH")
    return named and unicodedata.decomposition(char) != ""


def _units(text: str) -> Iterator[str]:
    """Cut a text into characters with the selectors and marks that follow them."""
    start = 0
    for at, char in enumerate(text):
        if at > start and not unicodedata.category(char).startswith("M"):
            yield text[start:at]
            start = at
    if text:
        yield text[start:]


def _unusual(unit: str) -> Conversion:
    """Convert what the tables don't have as it stands: with selectors or marks, or without a target."""
    known = _known()
    base, marks = unit[0], unit[1:]
    note = _note(base)
    target = base
    if marks:
        selectors = all(_is_variation_selector(mark) for mark in marks)
        note = Note.VARIATION if selectors else Note.COMBINING
        target = known.variants.get(unit, base) if selectors else unicodedata.normalize("NFC", unit)
    try:
        found = known[target]
    except KeyError:
        return Conversion(unit, MARK, Rule.NONE, (), note)
    return Conversion(unit, found.result, found.rule, found.candidates, note)


def _is_variation_selector(char: str) -> bool:
    return "\ufe00" <= char <= "\ufe0f" or "\U000e0100" <= char <= "\U000e01ef"
