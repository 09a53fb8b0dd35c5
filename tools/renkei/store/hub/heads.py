"""Signed heads of the journal that the hub keeps: each function is the body of one transaction."""

from renkei.store.hub.contract import KeptHead, TreeState
from renkei.store.hub.transaction import Row, Transaction

_HEAD = (
    "SELECT head, epoch, size, signed_at, envelope, entry"
    " FROM kept_heads JOIN bindings ON bindings.fingerprint = kept_heads.signer"
)


def keep(transaction: Transaction, tree: TreeState, envelope: bytes, signer: str, at: int) -> bool:
    """Keep a head unless the newest one says the same, or another hub on this database kept a newer meanwhile."""
    last = newest(transaction)
    if last is not None and (last.epoch, last.size) >= (tree.epoch, tree.size) and last.signed_at >= at:
        return False
    transaction.execute(
        "INSERT INTO kept_heads (epoch, size, signed_at, envelope, signer) VALUES (?, ?, ?, ?, ?)",
        (tree.epoch, tree.size, at, envelope, signer),
    )
    return True


def newest(transaction: Transaction) -> KeptHead | None:
    """Return the head that was kept last."""
    row = transaction.one(f"{_HEAD} ORDER BY head DESC LIMIT 1")
    return None if row is None else _head(row)


def some(transaction: Transaction, first: int, limit: int) -> list[KeptHead]:
    """Return heads from a number on, oldest first."""
    return [_head(row) for row in transaction.some(f"{_HEAD} WHERE head >= ? ORDER BY head LIMIT ?", (first, limit))]


def _head(row: Row) -> KeptHead:
    number, epoch, size, signed_at, envelope, entry = row
    return KeptHead(number, epoch, size, signed_at, bytes(envelope), bytes(entry))
