"""Orders and permits that wait for terminals, what these last said of their updates, what was last seen on hosts."""

from typing import Final

from renkei.store.hub.journal import Journal
from renkei.store.hub.patch_words import MAX_HOSTS, HostState, Order, PatchState, StateItem, StatePage, Waiting
from renkei.store.hub.refusals import QuotaRefusal
from renkei.store.hub.transaction import Transaction
from renkei.store.hub.words import SignedWord

_PATCH_STATES: Final = (
    "SELECT state, envelope, entry FROM patch_states JOIN bindings ON fingerprint = signer"
    " WHERE state > ? ORDER BY state LIMIT ?"
)
_HOST_STATES: Final = (
    "SELECT state, envelope, entry FROM host_states JOIN bindings ON fingerprint = signer"
    " WHERE state > ? ORDER BY state LIMIT ?"
)


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
    return _page(transaction, _PATCH_STATES, "SELECT max(state) FROM patch_states", after, limit)


def put_host_state(transaction: Transaction, new: HostState, at: int) -> bool:
    """Keep what was seen on a host; false for what is older or there already."""
    number = transaction.count("SELECT max(state) FROM host_states") + 1
    changed = transaction.execute(
        "INSERT INTO host_states VALUES (?, ?, ?, ?, ?) ON CONFLICT (host) DO UPDATE SET state = excluded.state,"
        " seen_at = excluded.seen_at, envelope = excluded.envelope, signer = excluded.signer"
        " WHERE excluded.seen_at > host_states.seen_at",
        (number, new.host, new.seen_at, new.envelope, new.signer),
    )
    if changed:
        if transaction.count("SELECT count(*) FROM host_states") > MAX_HOSTS:
            raise QuotaRefusal(f"states of {MAX_HOSTS} hosts are kept, and {new.host} is one more")
        Journal(transaction).append("host-state", new.by, new.envelope, at)
    return bool(changed)


def host_states(transaction: Transaction, after: int, limit: int) -> StatePage:
    """Return what was seen on hosts after a cursor, oldest first."""
    return _page(transaction, _HOST_STATES, "SELECT max(state) FROM host_states", after, limit)


def _page(transaction: Transaction, page: str, newest: str, after: int, limit: int) -> StatePage:
    rows, end = transaction.some(page, (after, limit)), transaction.count(newest)
    return StatePage(tuple(StateItem(number, bytes(envelope), bytes(entry)) for number, envelope, entry in rows), end)
