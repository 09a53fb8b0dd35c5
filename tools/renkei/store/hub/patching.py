"""Orders and permits that wait for terminals, and what terminals last said of their updates."""

from renkei.store.hub.journal import Journal
from renkei.store.hub.patch_words import Order, PatchState, StateItem, StatePage, Waiting
from renkei.store.hub.transaction import Transaction
from renkei.store.hub.words import SignedWord


def put_order(transaction: Transaction, new: Order, at: int) -> bool:
    """Keep an order or permit unless one issued as late is there; an order takes the permit of the one before away."""
    changed = transaction.execute(
        "INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (endpoint, terminal, kind) DO UPDATE SET"
        " id = excluded.id, issued_at = excluded.issued_at, envelope = excluded.envelope, signer = excluded.signer"
        " WHERE excluded.issued_at > orders.issued_at"
        " OR excluded.issued_at = orders.issued_at AND excluded.id <> orders.id",
        (new.endpoint, new.terminal, new.kind, new.id, new.issued_at, new.envelope, new.signer),
    )
    if not changed:
        return False
    if new.kind == "order":
        transaction.execute(
            "DELETE FROM orders WHERE endpoint = ? AND terminal = ? AND kind = 'permit' AND id <> ?",
            (new.endpoint, new.terminal, new.id),
        )
    Journal(transaction).append(new.kind, new.endpoint, new.envelope, at)
    return True


def withdraw(transaction: Transaction, endpoint: str, terminal: str, order: str) -> bool:
    """Forget an order and its permit; another one, that has come since, stays."""
    place = (endpoint, terminal, order)
    return bool(transaction.execute("DELETE FROM orders WHERE endpoint = ? AND terminal = ? AND id = ?", place))


def waiting(transaction: Transaction, endpoint: str, terminal: str | None) -> list[Waiting]:
    """Return what waits for a terminal, or for every one of an endpoint."""
    rows = transaction.some(
        "SELECT orders.terminal, kind, envelope, entry FROM orders JOIN bindings ON fingerprint = signer"
        " WHERE endpoint = ? AND (CAST(? AS TEXT) IS NULL OR orders.terminal = ?) ORDER BY orders.terminal, kind",
        (endpoint, terminal, terminal),
    )
    return [Waiting(name, kind, SignedWord(bytes(envelope), bytes(entry))) for name, kind, envelope, entry in rows]


def put_state(transaction: Transaction, new: PatchState, at: int) -> bool:
    """Keep what a terminal says, the newest of each stage; false for what is older or there already."""
    # counted before anything is replaced, so that a reader who has come to the end misses nothing
    number = transaction.count("SELECT max(state) FROM patch_states") + 1
    changed = transaction.execute(
        "INSERT INTO patch_states VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (endpoint, terminal, stage) DO UPDATE SET"
        " state = excluded.state, checked_at = excluded.checked_at, envelope = excluded.envelope,"
        " signer = excluded.signer WHERE excluded.checked_at > patch_states.checked_at",
        (number, new.endpoint, new.terminal, new.stage, new.checked_at, new.envelope, new.signer),
    )
    if changed:
        Journal(transaction).append("patch-state", new.endpoint, new.envelope, at)
    return bool(changed)


def states(transaction: Transaction, after: int, limit: int) -> StatePage:
    """Return what terminals have said after a cursor, oldest first."""
    rows = transaction.some(
        "SELECT state, envelope, entry FROM patch_states JOIN bindings ON fingerprint = signer"
        " WHERE state > ? ORDER BY state LIMIT ?",
        (after, limit),
    )
    end = transaction.count("SELECT max(state) FROM patch_states")
    return StatePage(tuple(StateItem(number, bytes(envelope), bytes(entry)) for number, envelope, entry in rows), end)
