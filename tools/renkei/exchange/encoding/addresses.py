"""Addresses (住所, 住居地) in pieces: municipality, town, what stands between the numbers, and the numbers.

    東京都足立区 | 緑町 | 1 | 丁目 | 18 | 番 | 2 | 号 メゾン{town} | 101

How an address is cut is only a guess at how it is built: the pieces together are always the text.
"""

import re
from collections.abc import Sequence

from renkei.exchange.encoding.bounds import EncodingError
from renkei.exchange.encoding.ranked import read_ranked, write_ranked
from renkei.exchange.encoding.streams import Reader, Written

_MUNICIPALITY = re.compile(
    r"(?:東京都|北海道|(?:京都|大阪)府|.{2,3}?県)?(?:[^0-9市]{1,7}市[^0-9区町村]{1,5}区|.{1,6}?郡.{1,6}?[町村]|.{1,7}?[市区町村])?"
)
_NUMBER = re.compile(r"([1-9][0-9]{0,4})", re.ASCII)
_TOWN = "\x01"  # no address may hold it
_LONGEST = 200
_SMALL = 255

Address = tuple[str, str, tuple[int, ...], tuple[str, ...]]
"""Municipality, town, numbers, and what follows each number."""


def write_addresses(out: Written, values: Sequence[str]) -> None:
    """Write addresses, at least one."""
    cut = [_cut(value) for value in values]
    places, towns = [place for place, *_ in cut], [town for _, town, *_ in cut]
    local = len(set(zip(places, towns, strict=True))) == len(set(towns))
    write_ranked(out, places, out.texts)
    out.numbers([int(local)])
    write_ranked(out, towns, out.texts, places if local else None)
    counts = [len(numbers) for *_, numbers, _ in cut]
    write_ranked(out, counts, out.numbers)
    for slot in range(max(counts)):
        reaching = [(numbers, texts) for *_, numbers, texts in cut if len(numbers) > slot]
        _write_numbers(out, [numbers[slot] for numbers, _ in reaching])
        following = [texts[slot] for _, texts in reaching]
        write_ranked(out, following, out.texts, [len(numbers) for numbers, _ in reaching])


def read_addresses(reader: Reader, count: int) -> list[str]:
    """Read what `write_addresses` wrote."""

    def texts(many: int) -> list[str]:
        return reader.texts(many, _LONGEST)

    def counts_of(many: int) -> list[int]:
        return reader.numbers(many, _LONGEST)

    places = read_ranked(reader, count, texts)
    local = reader.number(1)
    towns = read_ranked(reader, count, texts, places if local else None)
    counts = read_ranked(reader, count, counts_of)
    pieces = [[place, town] for place, town in zip(places, towns, strict=True)]
    lengths = [sum(map(len, row)) for row in pieces]
    for slot in range(max(counts)):
        rows = [row for row, many in enumerate(counts) if many > slot]
        numbers = _read_numbers(reader, len(rows))
        following = read_ranked(reader, len(rows), texts, [counts[row] for row in rows])
        for row, number, text in zip(rows, numbers, following, strict=True):
            added = str(number), text.replace(_TOWN, towns[row])
            pieces[row] += added
            lengths[row] += sum(map(len, added))
            if lengths[row] > _LONGEST:
                raise EncodingError(f"an address of the content has more than {_LONGEST} characters")
    return ["".join(row) for row in pieces]


def _cut(value: str) -> Address:
    found = _MUNICIPALITY.match(value)
    place = found[0] if found else ""
    town, *rest = _NUMBER.split(value[len(place) :])
    texts = rest[1::2]
    if town:
        texts = [text.replace(town, _TOWN) for text in texts]
    return place, town, tuple(map(int, rest[::2])), tuple(texts)


def _write_numbers(out: Written, numbers: Sequence[int]) -> None:
    """Write house and room numbers: by rank where they are large but few, as rooms are."""
    by_rank = max(numbers) > _SMALL >= len(set(numbers))
    out.numbers([int(by_rank)])
    if by_rank:
        write_ranked(out, numbers, out.numbers)
    else:
        out.numbers(numbers)


def _read_numbers(reader: Reader, count: int) -> list[int]:
    if reader.number(1):
        return read_ranked(reader, count, reader.numbers)
    return reader.numbers(count)
