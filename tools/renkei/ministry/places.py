"""Which of the served municipalities an address lies in, as far as its beginning says it."""

import unicodedata
from collections.abc import Mapping


class Places:
    """Finds a municipality by how addresses there begin: 東京都新宿区, or without the prefecture 新宿区."""

    def __init__(self, names: Mapping[str, tuple[str, str]]) -> None:
        """Know some municipalities: (prefecture, name of the municipality or of city and ward) by code."""
        self._beginnings: dict[str, str | None] = {}
        for code, (prefecture, name) in names.items():
            self._beginnings[_plain(prefecture + name)] = code
            short = _plain(name)  # 府中市 is in two prefectures: alone it says nothing
            self._beginnings[short] = None if self._beginnings.get(short, code) != code else code
        self._lengths = sorted({len(each) for each in self._beginnings}, reverse=True)

    def find(self, address: str | None) -> str | None:
        """Return the code of the municipality, None where it isn't a served one or can't be told."""
        plain = _plain(address or "")
        for length in self._lengths:
            if len(plain) >= length and plain[:length] in self._beginnings:
                return self._beginnings[plain[:length]]
        return None


def _plain(text: str) -> str:
    """Leave out what is written differently here and there: widths, blanks, ヶ and ケ."""
    folded = unicodedata.normalize("NFKC", text).replace(" ", "")
    return folded.replace("ヶ", "ケ").replace("ッ", "ツ")
