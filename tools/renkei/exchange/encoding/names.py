"""Names: in Latin letters, in kanji, or both; where both, the one mostly follows from the other.

Each name has a shape: which writings there are and of how many words or characters. 陳美麗, CHEN MEILI has the shape
READ: its words are the readings of its characters, which stand once a parcel. Words and characters are ranked among
those of the same nationality and sex.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence

from renkei.exchange.encoding.bounds import EncodingError
from renkei.exchange.encoding.ranked import read_ranked, write_ranked
from renkei.exchange.encoding.streams import Reader, Written

LATIN, READ, BOTH, KANJI, NEITHER = range(5)
_SHAPES = 5
_LONGEST = 80  # of a name, in characters
_WORDS = 40  # so many fit into a name

Names = tuple[list[str | None], list[str | None]]
Reading = dict[tuple[str, str], str]


def write_names(out: Written, names: Names, nationalities: Sequence[str], sexes: Sequence[str]) -> None:
    """Write names in Latin letters and in kanji, None where there is none."""
    rows = list(zip(*names, nationalities, sexes, strict=True))
    readings = _readings([(name, kanji, nation) for name, kanji, nation, _ in rows if name and kanji])
    shapes, words, characters = [], _Pieces(), _Pieces()
    used: dict[tuple[str, str], str] = {}
    for name, kanji, nation, sex in rows:
        shape = _shape(name, kanji, nation, readings)
        count = len(name.split(" ")) if name and shape in {LATIN, BOTH} else 0
        shapes.append((count * 256 + len(kanji or "")) * _SHAPES + shape)
        if name and shape in {LATIN, BOTH}:
            words.add(name.split(" "), nation, sex)
        if kanji:
            characters.add(list(kanji), nation, sex)
        if kanji and shape == READ:
            used.update({(nation, letter): readings[nation, letter] for letter in kanji})
    write_ranked(out, shapes, out.numbers, nationalities)
    words.write(out)
    characters.write(out)
    out.texts([used[key] for key in sorted(used)])


def read_names(reader: Reader, nationalities: Sequence[str], sexes: Sequence[str]) -> Names:
    """Read what `write_names` wrote."""
    people = list(zip(nationalities, sexes, strict=True))

    def shapes_of(count: int) -> list[int]:
        return reader.numbers(count, (_WORDS * 256 + _LONGEST + 1) * _SHAPES)

    codes = read_ranked(reader, len(people), shapes_of, nationalities)
    shapes = [code % _SHAPES for code in codes]
    lengths = [code // _SHAPES % 256 for code in codes]
    counts = [code // _SHAPES // 256 for code in codes]
    for shape, length, count in zip(shapes, lengths, counts, strict=True):
        if (shape in {READ, BOTH, KANJI}) != (length > 0) or (shape in {LATIN, BOTH}) != (count > 0):
            raise EncodingError("a name of the content has a shape that doesn't fit its length")
    words = _read_pieces(reader, counts, people, _LONGEST)
    characters = _read_pieces(reader, lengths, people, 1)
    keys = sorted(
        {
            (nation, letter)
            for (nation, _), shape, letters in zip(people, shapes, characters, strict=True)
            if shape == READ
            for letter in letters
        }
    )
    readings = dict(zip(keys, reader.texts(len(keys), _LONGEST), strict=True))
    names: Names = ([], [])
    for (nation, _), shape, parts, letters in zip(people, shapes, words, characters, strict=True):
        latin = _read_aloud("".join(letters), nation, readings) if shape == READ else " ".join(parts)
        names[0].append(latin or None)
        names[1].append("".join(letters) or None)
    return names


def _shape(name: str | None, kanji: str | None, nation: str, readings: Reading) -> int:
    if name is None:
        return NEITHER if kanji is None else KANJI
    if kanji is None:
        return LATIN
    known = all((nation, letter) in readings for letter in kanji)
    return READ if known and _read_aloud(kanji, nation, readings) == name else BOTH


def _read_aloud(kanji: str, nation: str, readings: Reading) -> str:
    """The family name's reading, a space, and those of the given name's characters together."""
    family, *given = (readings[nation, letter] for letter in kanji)
    return f"{family} {''.join(given)}" if given else family


def _readings(names: Sequence[tuple[str, str, str]]) -> Reading:
    """Find out how characters read, by what most names agree on."""
    votes: Counter[tuple[str, str, str]] = Counter()
    splits: list[tuple[str, str, list[list[str]]]] = []
    for name, kanji, nation in names:
        family, _, given = name.partition(" ")
        if not given or len(kanji) < 2:  # noqa: PLR2004  (one character for each name)
            continue
        ways = [[family, *way] for way in _ways(given, len(kanji) - 1)]
        splits.append((nation, kanji, ways))
        for way in ways:
            votes.update({(nation, letter, reading): 1 for letter, reading in zip(kanji, way, strict=True)})
    chosen: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for nation, kanji, ways in splits:
        best = max(ways, key=lambda way: _agreement(votes, nation, kanji, way), default=())
        for letter, reading in zip(kanji, best, strict=False):
            chosen[nation, letter][reading] += 1
    return {key: counter.most_common(1)[0][0] for key, counter in chosen.items()}


def _agreement(votes: Counter[tuple[str, str, str]], nation: str, kanji: str, way: Sequence[str]) -> int:
    agreement = 1
    for letter, reading in zip(kanji, way, strict=True):
        agreement *= votes[nation, letter, reading]
    return agreement


def _ways(text: str, pieces: int) -> list[list[str]]:
    """All ways to cut a text into one or two pieces that aren't empty; longer given names are left alone."""
    if pieces == 1:
        return [[text]]
    if pieces == 2:  # noqa: PLR2004  (two characters)
        return [[text[:cut], text[cut:]] for cut in range(1, len(text))]
    return []


class _Pieces:
    """Words or characters of names: the first ones by nationality, the others by nationality and sex."""

    def __init__(self) -> None:
        self._first: list[tuple[str, str]] = []
        self._others: list[tuple[str, tuple[str, str]]] = []

    def add(self, pieces: Sequence[str], nation: str, sex: str) -> None:
        self._first.append((pieces[0], nation))
        self._others.extend((piece, (nation, sex)) for piece in pieces[1:])

    def write(self, out: Written) -> None:
        for part in (self._first, self._others):
            write_ranked(out, [piece for piece, _ in part], out.texts, [context for _, context in part])


def _read_pieces(
    reader: Reader, counts: Sequence[int], people: Sequence[tuple[str, str]], longest: int
) -> list[list[str]]:
    def texts(count: int) -> list[str]:
        return reader.texts(count, longest)

    owners = [person for person, count in zip(people, counts, strict=True) if count]
    first = read_ranked(reader, len(owners), texts, [nation for nation, _ in owners])
    heirs = [person for person, count in zip(people, counts, strict=True) for _ in range(count - 1)]
    others = iter(read_ranked(reader, len(heirs), texts, heirs))
    heads = iter(first)
    return [[next(heads), *(next(others) for _ in range(count - 1))] if count else [] for count in counts]
