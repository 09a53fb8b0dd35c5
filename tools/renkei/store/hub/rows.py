"""Short forms of asking SQLite for rows."""

from typing import Any

import apsw

Row = tuple[Any, ...]


def one(connection: apsw.Connection, sql: str, values: Row = ()) -> Row | None:
    """Return the first row, if any."""
    return connection.execute(sql, values).fetchone()


def some(connection: apsw.Connection, sql: str, values: Row = ()) -> list[Row]:
    """Return all rows; the statement bounds their number."""
    return connection.execute(sql, values).fetchall()


def count(connection: apsw.Connection, sql: str, values: Row = ()) -> int:
    """Return the first row's one number, 0 when there is no row."""
    row = one(connection, sql, values)
    return 0 if row is None or row[0] is None else int(row[0])
