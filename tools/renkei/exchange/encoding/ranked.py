"""Values by their rank: the most frequent is 0.

Where a value depends on another (a family name on the nationality, a period on the status) it is ranked among those
that occur along with that other one, its context.

    table sizes (a number a context) | table entries (0 = new, else how far back in the list) | new values | ranks
"""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TypeVar

from renkei.exchange.encoding.bounds import EncodingError
from renkei.exchange.encoding.streams import Reader, Written

Value = TypeVar("Value", bound=Hashable)


def write_ranked(
    out: Written,
    values: Sequence[Value],
    write_values: Callable[[Sequence[Value]], None],
    contexts: Sequence[Hashable] | None = None,
) -> None:
    """Write values; `write_values` writes those that occur, each once.

    Args:
        out: the column.
        values: in the order of their rows.
        write_values: writes distinct values.
        contexts: one a value; None where there is only one.
    """
    tables: dict[Hashable, Counter[Value]] = {}
    spread = contexts or [None] * len(values)
    for value, context in zip(values, spread, strict=True):
        tables.setdefault(context, Counter())[value] += 1
    ranks: dict[Hashable, dict[Value, int]] = {}
    places: dict[Value, int] = {}
    entries: list[int] = []
    for context, counter in tables.items():
        by_frequency = [value for value, _ in counter.most_common()]
        ranks[context] = {value: rank for rank, value in enumerate(by_frequency)}
        for value in by_frequency:
            entries.append(len(places) - places[value] if value in places else 0)
            places.setdefault(value, len(places))
    out.numbers([len(counter) for counter in tables.values()])
    if len(tables) > 1:
        out.numbers(entries)
    write_values(list(places))
    out.numbers([ranks[context][value] for value, context in zip(values, spread, strict=True)])


def read_ranked(
    reader: Reader,
    count: int,
    read_values: Callable[[int], Iterable[Value]],
    contexts: Sequence[Hashable] | None = None,
) -> list[Value]:
    """Read what `write_ranked` wrote; `read_values` reads so many distinct values."""
    if count == 0:
        return []
    spread = contexts or [None] * count
    order = list(dict.fromkeys(spread))
    sizes = reader.numbers(len(order), count)
    if min(sizes) == 0 or sum(sizes) > count:
        raise EncodingError("the tables of a column are empty or longer than the column")
    entries = reader.numbers(sum(sizes), sum(sizes)) if len(order) > 1 else [0] * sizes[0]
    known = list(read_values(entries.count(0)))
    tables: dict[Hashable, list[Value]] = {}
    start, new = 0, 0
    for context, size in zip(order, sizes, strict=True):
        table = []
        for entry in entries[start : start + size]:
            if entry > new:
                raise EncodingError("a table of a column points before its beginning")
            table.append(known[new - entry] if entry else known[new])
            new += entry == 0
        tables[context] = table
        start += size
    values = []
    for context, rank in zip(spread, reader.numbers(count, count), strict=True):
        if rank >= len(tables[context]):
            raise EncodingError("a column points beyond its table")
        values.append(tables[context][rank])
    return values
