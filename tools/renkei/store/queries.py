"""Reads of one statement, for stores whose tables say what types their columns have (STRICT)."""

from typing import Any

import apsw

from renkei.store.sqlite import Database

Values = tuple[str | int | float | bytes | None, ...]
Row = tuple[Any, ...]


def fetch(connection: apsw.Connection, sql: str, values: Values = ()) -> list[Row]:
    """All rows of a query within a transaction."""
    return list(connection.execute(sql, values))


def rows(database: Database, sql: str, values: Values = ()) -> list[Row]:
    """All rows of a query."""
    return database.read(lambda connection: fetch(connection, sql, values))


def row(database: Database, sql: str, values: Values = ()) -> Row | None:
    """The first row of a query, None when there is none."""
    found = rows(database, sql, values)
    return found[0] if found else None
