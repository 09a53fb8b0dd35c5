"""The list of revoked certificates that the hub hands on; the newest one."""

from renkei.store.hub.journal import Journal
from renkei.store.hub.transaction import Transaction


def put(transaction: Transaction, number: int, document: bytes, by: str, at: int) -> bool:
    """Keep a list unless one with the same or a greater number is there."""
    changed = transaction.execute(
        "INSERT INTO crl VALUES (1, ?, ?) ON CONFLICT (one) DO UPDATE SET"
        " number = excluded.number, document = excluded.document WHERE excluded.number > crl.number",
        (number, document),
    )
    if not changed:
        return False
    Journal(transaction).append("crl", by, document, at)
    return True


def number(transaction: Transaction) -> int | None:
    """Return the number of the list that is kept."""
    row = transaction.one("SELECT number FROM crl", ())
    return None if row is None else int(row[0])


def newest(transaction: Transaction) -> bytes | None:
    """Return the list that is kept."""
    row = transaction.one("SELECT document FROM crl", ())
    return None if row is None else bytes(row[0])
