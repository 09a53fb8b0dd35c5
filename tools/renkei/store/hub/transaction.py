"""What the hub's rules are written on: one transaction of whichever database is below.

The statements are of the SQL that SQLite and PostgreSQL have in common, with `?` for values; a rule stands once. What
this asks of a statement: a conflict names its columns, a sum is cast to BIGINT, a truth value comes through `bool`.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Any

Row = tuple[Any, ...]


class Transaction(ABC):
    """A transaction in which a rule reads and writes; whoever began it commits it."""

    @abstractmethod
    def execute(self, sql: str, values: Row = ()) -> int:
        """Run a statement; return how many rows it changed."""

    @abstractmethod
    def execute_many(self, sql: str, rows: Iterable[Row]) -> None:
        """Run a statement once for each row of values."""

    @abstractmethod
    def each(self, sql: str, values: Row = ()) -> Iterator[Row]:
        """Yield rows one after the other, however many there are."""

    @abstractmethod
    def some(self, sql: str, values: Row = ()) -> list[Row]:
        """Return all rows; the statement bounds their number."""

    @abstractmethod
    def tell(self, party: str) -> None:
        """Have every hub on this database told, once this is committed, that a party that waits should look again."""

    def one(self, sql: str, values: Row = ()) -> Row | None:
        """Return the first row, if any."""
        rows = self.some(sql, values)
        return rows[0] if rows else None

    def count(self, sql: str, values: Row = ()) -> int:
        """Return the first row's one number, 0 when there is no row."""
        row = self.one(sql, values)
        return 0 if row is None or row[0] is None else int(row[0])
