"""How each kind of item becomes streams: one pair of functions a kind, `write_…` and `read_…`.

Days are written as the distance to a day that is known already (of the filing, of the notice, the end of the stay that
was granted); numbers of notices as what they begin with and the distance to the last; of card numbers the letters and
the digits apart.
"""

import calendar
import re
from collections.abc import Sequence
from datetime import date

from renkei.domain.notices_items import LIST_SEPARATOR, Item, Value
from renkei.exchange.encoding.bounds import EncodingError
from renkei.exchange.encoding.ranked import read_ranked, write_ranked
from renkei.exchange.encoding.streams import Reader, Written

_LAST_DAY = date.max.toordinal()
_COUNTER = re.compile(r"(.*?)([0-9]{0,15})", re.ASCII | re.DOTALL)
_PERIOD = re.compile(r"(?:([0-9]{1,2})年)?(?:([0-9]{1,2})月)?(?:([0-9]{1,3})日)?", re.ASCII)
_CARD = re.compile(r"([A-Z]{2})([0-9]{8})([A-Z]{2})", re.ASCII)
_CARD_LETTERS = 4
_EIGHT_DIGITS = 10**8
_GROUP = 3
"""So many times eight digits fit into ten bytes almost without loss: log2(10^24) = 79.7."""
_GROUP_BYTES = 10
_A = ord("A")


def write_texts(out: Written, values: Sequence[str], contexts: Sequence[Value] | None) -> None:
    """Write texts by rank."""
    write_ranked(out, values, out.texts, contexts)


def read_texts(reader: Reader, item: Item, count: int, contexts: Sequence[Value] | None) -> list[str]:
    """Read texts."""
    return read_ranked(reader, count, lambda many: reader.texts(many, item.length), contexts)


def write_choices(out: Written, item: Item, values: Sequence[str], contexts: Sequence[Value] | None) -> None:
    """Write choices, or lists of choices joined by 、, as their places in the item's table."""

    def places(distinct: Sequence[str]) -> None:
        listed = [[item.choices.index(choice) for choice in value.split(LIST_SEPARATOR)] for value in distinct]
        out.numbers([len(places) for places in listed])
        out.numbers([place for places in listed for place in places])

    write_ranked(out, values, places, contexts)


def read_choices(reader: Reader, item: Item, count: int, contexts: Sequence[Value] | None) -> list[str]:
    """Read choices."""

    def lists(many: int) -> list[str]:
        lengths = reader.numbers(many, len(item.choices))
        places = iter(reader.numbers(sum(lengths), len(item.choices) - 1))
        return [LIST_SEPARATOR.join(item.choices[next(places)] for _ in range(length)) for length in lengths]

    return read_ranked(reader, count, lists, contexts)


def write_latest(out: Written, values: Sequence[date]) -> None:
    """Write the days that others are told from, by how long each is before the latest."""
    latest = max(values).toordinal()
    out.numbers([latest])
    out.numbers([latest - value.toordinal() for value in values])


def read_latest(reader: Reader, count: int) -> list[date]:
    """Read days that others are told from."""
    latest = reader.number(_LAST_DAY)
    return [_day(latest - distance) for distance in reader.numbers(count)]


def write_days(out: Written, values: Sequence[date], bases: Sequence[int]) -> None:
    """Write days by how far each comes after its base (an ordinal)."""
    out.signed([value.toordinal() - base for value, base in zip(values, bases, strict=True)])


def read_days(reader: Reader, bases: Sequence[int]) -> list[date]:
    """Read days."""
    return [_day(base + distance) for base, distance in zip(bases, reader.signed(len(bases)), strict=True)]


def write_births(out: Written, values: Sequence[str], bases: Sequence[int]) -> None:
    """Write days of birth by how far each comes before its base; those that aren't wholly known as text."""
    known = [_from_text(value) for value in values]
    out.flags([day is not None for day in known])
    out.signed([base - day.toordinal() for day, base in zip(known, bases, strict=True) if day])
    out.texts([value for value, day in zip(values, known, strict=True) if day is None])


def read_births(reader: Reader, item: Item, bases: Sequence[int]) -> list[str]:
    """Read days of birth."""
    known = reader.flags(len(bases))
    distances = iter(reader.signed(sum(known)))
    texts = iter(reader.texts(len(known) - sum(known), item.length))
    return [
        _day(base - next(distances)).isoformat() if whole else next(texts)
        for base, whole in zip(bases, known, strict=True)
    ]


def end_of_stay(begin: int, period: str | None) -> int:
    """Return the ordinal of the day so much after another: 4年3月; the same day where that can't be told."""
    found = _PERIOD.fullmatch(period or "")
    if found is None:
        return begin
    years, months, days = (int(part or 0) for part in found.groups())
    start = date.fromordinal(begin)
    months += start.month - 1
    year = start.year + years + months // 12
    if year > date.max.year - 1:
        return begin
    month = months % 12 + 1
    return date(year, month, min(start.day, calendar.monthrange(year, month)[1])).toordinal() + days


def write_counters(out: Written, values: Sequence[str]) -> None:
    """Write notices' numbers: how each begins, how many digits follow, and how far it is from the last such one."""
    parts = [_split_number(value) for value in values]
    write_ranked(out, [stem for stem, _, _ in parts], out.texts)
    write_ranked(out, [width for _, width, _ in parts], out.numbers)
    last: dict[tuple[str, int], int] = {}
    steps = []
    for stem, width, number in parts:
        steps.append(number - last.get((stem, width), 0))
        last[stem, width] = number
    out.signed(steps)


def read_counters(reader: Reader, item: Item, count: int) -> list[str]:
    """Read notices' numbers."""
    stems = read_ranked(reader, count, lambda many: reader.texts(many, item.length))
    widths = read_ranked(reader, count, lambda many: reader.numbers(many, item.length))
    last: dict[tuple[str, int], int] = {}
    values = []
    for stem, width, step in zip(stems, widths, reader.signed(count), strict=True):
        number = last[stem, width] = last.get((stem, width), 0) + step
        if number < 0:
            raise EncodingError("a number of a notice in the content falls below zero")
        values.append(f"{stem}{number:0{width}}" if width else stem)
    return values


def write_cards(out: Written, values: Sequence[str]) -> None:
    """Write card numbers."""
    parts = [_CARD.fullmatch(value) for value in values]
    letters = ["".join(part.group(1, 3)) for part in parts if part]
    digits = [int(part[2]) for part in parts if part]
    planes = [bytes(ord(each[place]) - _A for each in letters) for place in range(_CARD_LETTERS)]
    out.put(b"".join(planes))
    groups = [digits[start : start + _GROUP] for start in range(0, len(digits), _GROUP)]
    out.put(b"".join(_pack(group) for group in groups))


def read_cards(reader: Reader, count: int) -> list[str]:
    """Read card numbers."""
    letters, packed = reader.part(), reader.part()
    size = (count + _GROUP - 1) // _GROUP * _GROUP_BYTES
    if not isinstance(letters, bytes) or not isinstance(packed, bytes):
        raise EncodingError("a column of card numbers in the content is no bytes")
    if len(letters) != count * _CARD_LETTERS or len(packed) != size or max(letters) > ord("Z") - _A:
        raise EncodingError(f"a column of the content doesn't hold {count} card numbers")
    digits: list[int] = []
    for start in range(0, size, _GROUP_BYTES):
        group = int.from_bytes(packed[start : start + _GROUP_BYTES])
        for _ in range(min(_GROUP, count - len(digits))):
            group, number = divmod(group, _EIGHT_DIGITS)
            digits.append(number)
        if group:
            raise EncodingError("a column of the content holds digits of more card numbers than it has")
    planes = [letters[place * count : (place + 1) * count] for place in range(_CARD_LETTERS)]
    return [
        f"{chr(a + _A)}{chr(b + _A)}{number:08d}{chr(c + _A)}{chr(d + _A)}"
        for a, b, c, d, number in zip(*planes, digits, strict=True)
    ]


def write_originals(out: Written, values: Sequence[str], converted: Sequence[str]) -> None:
    """Write names as they were before they were put into 正字: a character for each of the converted name's."""
    alike = [len(value) == len(name) for value, name in zip(values, converted, strict=True)]
    out.flags(alike)
    pairs = [
        pair
        for value, name, same in zip(values, converted, alike, strict=True)
        if same
        for pair in zip(value, name, strict=True)
    ]
    write_ranked(out, [letter for letter, _ in pairs], out.texts, [letter for _, letter in pairs])
    out.texts([value for value, same in zip(values, alike, strict=True) if not same])


def read_originals(reader: Reader, item: Item, converted: Sequence[str]) -> list[str]:
    """Read names as they were."""
    alike = reader.flags(len(converted))
    letters = [letter for name, same in zip(converted, alike, strict=True) if same for letter in name]
    originals = iter(read_ranked(reader, len(letters), lambda many: reader.texts(many, 1), letters))
    others = iter(reader.texts(len(alike) - sum(alike), item.length))
    return [
        "".join(next(originals) for _ in name) if same else next(others)
        for name, same in zip(converted, alike, strict=True)
    ]


def _pack(digits: Sequence[int]) -> bytes:
    packed = 0
    for number in reversed(digits):
        packed = packed * _EIGHT_DIGITS + number
    return packed.to_bytes(_GROUP_BYTES)


def _split_number(value: str) -> tuple[str, int, int]:
    found = _COUNTER.fullmatch(value)
    if found is None or not found[2]:
        return value, 0, 0
    return found[1], len(found[2]), int(found[2])


def _from_text(value: str) -> date | None:
    try:
        day = date.fromisoformat(value)
    except ValueError:
        return None
    return day if day.isoformat() == value else None


def _day(ordinal: int) -> date:
    if not 1 <= ordinal <= _LAST_DAY:
        raise EncodingError("a day in the content is beyond the calendar")
    return date.fromordinal(ordinal)
