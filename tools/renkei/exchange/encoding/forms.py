"""Which functions write and read each kind of column, and what they are given of the columns that stand before it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from renkei.domain.notices_items import Item, Value
from renkei.exchange.encoding import columns
from renkei.exchange.encoding.addresses import read_addresses, write_addresses
from renkei.exchange.encoding.bounds import EncodingError
from renkei.exchange.encoding.plans import Column, Kind
from renkei.exchange.encoding.streams import Reader, Written

Fields = Mapping[str, Sequence[Value]]


@dataclass(frozen=True, slots=True)
class Given:
    """A column's place: its item, the fields that are known, and the notices (by row) that have a value."""

    item: Item
    column: Column
    fields: Fields
    rows: Sequence[int]

    @property
    def values(self) -> list[Value]:
        """The column's own values."""
        return self._of(self.item.field)

    @property
    def texts(self) -> list[str]:
        """The column's own values, which are texts."""
        return texts(self.values)

    @property
    def dates(self) -> list[date]:
        """The column's own values, which are days."""
        return dates(self.values)

    @property
    def contexts(self) -> list[Value] | None:
        """What each value depends on; None where on nothing."""
        return self._of(self.column.context) if self.column.context else None

    @property
    def bases(self) -> list[int]:
        """The days from which the column's are told, as ordinals."""
        begins = [day.toordinal() for day in dates(self._of(self.column.context))]
        if self.column.kind is not Kind.STAY:
            return begins
        periods = self._of("period")
        return [columns.end_of_stay(begin, str(period)) for begin, period in zip(begins, periods, strict=True)]

    @property
    def converted(self) -> list[str]:
        """The names in 正字."""
        return texts(self._of(self.column.context))

    def _of(self, field: str) -> list[Value]:
        column = self.fields[field]
        return [column[row] for row in self.rows]


@dataclass(frozen=True, slots=True)
class Form:
    """How a kind of column is written and read; `read` returns a value for each row that has one."""

    write: Callable[[Written, Given], None]
    read: Callable[[Reader, Given], Sequence[Value]]


FORMS: Mapping[Kind, Form] = {
    Kind.COUNTER: Form(
        lambda out, given: columns.write_counters(out, given.texts),
        lambda reader, given: columns.read_counters(reader, given.item, len(given.rows)),
    ),
    Kind.TEXT: Form(
        lambda out, given: columns.write_texts(out, given.texts, given.contexts),
        lambda reader, given: columns.read_texts(reader, given.item, len(given.rows), given.contexts),
    ),
    Kind.CHOICE: Form(
        lambda out, given: columns.write_choices(out, given.item, given.texts, given.contexts),
        lambda reader, given: columns.read_choices(reader, given.item, len(given.rows), given.contexts),
    ),
    Kind.LATEST: Form(
        lambda out, given: columns.write_latest(out, given.dates),
        lambda reader, given: columns.read_latest(reader, len(given.rows)),
    ),
    Kind.DAY: Form(
        lambda out, given: columns.write_days(out, given.dates, given.bases),
        lambda reader, given: columns.read_days(reader, given.bases),
    ),
    Kind.STAY: Form(
        lambda out, given: columns.write_days(out, given.dates, given.bases),
        lambda reader, given: columns.read_days(reader, given.bases),
    ),
    Kind.BIRTH: Form(
        lambda out, given: columns.write_births(out, given.texts, given.bases),
        lambda reader, given: columns.read_births(reader, given.item, given.bases),
    ),
    Kind.ORIGINAL: Form(
        lambda out, given: columns.write_originals(out, given.texts, given.converted),
        lambda reader, given: columns.read_originals(reader, given.item, given.converted),
    ),
    Kind.ADDRESS: Form(
        lambda out, given: write_addresses(out, given.texts),
        lambda reader, given: read_addresses(reader, len(given.rows)),
    ),
    Kind.CARD: Form(
        lambda out, given: columns.write_cards(out, given.texts),
        lambda reader, given: columns.read_cards(reader, len(given.rows)),
    ),
}
"""All kinds but names, which have two fields."""


def texts(values: Sequence[Value]) -> list[str]:
    """Return values that are texts.

    Raises:
        EncodingError: one isn't, or is missing.
    """
    found = [value for value in values if isinstance(value, str)]
    if len(found) != len(values):
        raise EncodingError("a column of the content depends on another that isn't whole")
    return found


def dates(values: Sequence[Value]) -> list[date]:
    """Return values that are days.

    Raises:
        EncodingError: one isn't, or is missing.
    """
    found = [value for value in values if isinstance(value, date)]
    if len(found) != len(values):
        raise EncodingError("a column of the content depends on a day that is missing")
    return found
