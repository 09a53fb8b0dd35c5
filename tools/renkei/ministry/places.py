"""Which of the served municipalities an address lies in, as far as its beginning says it."""

import re
import unicodedata
from collections.abc import Mapping

_PREFECTURE = re.compile("東京都|北海道|(?:京都|大阪)府|.{2,3}県")
_SAME = str.maketrans("ヶッ", "ケツ")


class Places:
    """Finds a municipality by how addresses there begin: 東京都新宿区, or 新宿区 without the prefecture."""

    def __init__(self, names: Mapping[str, str]) -> None:
        """Know some municipalities: prefecture and name (of a ward after its city's) by code."""
        self._beginnings: dict[str, str | None] = {}
        for code, name in names.items():
            whole = _plain(name)
            self._beginnings[whole] = code
            short = _PREFECTURE.sub("", whole, count=1)  # 府中市 is in two prefectures: alone it says nothing
            self._beginnings[short] = code if self._beginnings.get(short, code) == code else None
        self._lengths = sorted({len(each) for each in self._beginnings if each}, reverse=True)

    def find(self, address: str | None) -> str | None:
        """Return the code of the municipality, None where it isn't a served one or can't be told."""
        plain = _plain(address or "")
        for length in self._lengths:
            if len(plain) >= length and plain[:length] in self._beginnings:
                return self._beginnings[plain[:length]]
        return None


def _plain(text: str) -> str:
    """Leave out what is written differently here and there: widths, blanks, ヶ and ケ."""
    return unicodedata.normalize("NFKC", text).replace(" ", "").translate(_SAME)
