"""What TLS servers ask the registration authority for: each function is the body of one transaction."""

from renkei.store.hub.journal import Journal
from renkei.store.hub.refusals import ConflictRefusal, QuotaRefusal, UnknownRefusal
from renkei.store.hub.transaction import Transaction
from renkei.store.hub.words import AskingState, ServerAsking

_ASKING = "SELECT id, request, state, chain, reason FROM servers"
_MOST = 16  # a fleet has one gateway, or two, and each asks for one certificate at a time


def enqueue(transaction: Transaction, new: ServerAsking, at: int) -> bool:
    """Queue a request; asking again after a refusal is asking anew."""
    known = one(transaction, new.id)
    if known is not None and known.state != "refused":
        return False
    if transaction.count("SELECT count(*) FROM servers WHERE state = 'pending'") >= _MOST:
        raise QuotaRefusal(f"{_MOST} servers are waiting already")
    transaction.execute(
        "INSERT INTO servers VALUES (?, ?, 'pending', NULL, '', ?)"
        " ON CONFLICT (id) DO UPDATE SET state = 'pending', reason = '', queued_at = excluded.queued_at",
        (new.id, new.request, at),
    )
    return True


def one(transaction: Transaction, asking_id: str) -> ServerAsking | None:
    """Return a request."""
    row = transaction.one(f"{_ASKING} WHERE id = ?", (asking_id,))
    return None if row is None else ServerAsking(*row)


def some(transaction: Transaction, state: AskingState, limit: int) -> list[ServerAsking]:
    """Return requests in a state, oldest first."""
    rows = transaction.some(f"{_ASKING} WHERE state = ? ORDER BY queued_at, id LIMIT ?", (state, limit))
    return [ServerAsking(*row) for row in rows]


def answer(transaction: Transaction, asking_id: str, chain: bytes | None, reason: str, by: str, at: int) -> bool:
    """Answer a request with the new certificate, or with a reason why there is none."""
    asked = one(transaction, asking_id)
    if asked is None:
        raise UnknownRefusal(f"no server asked for anything under {asking_id}")
    state = "refused" if chain is None else "approved"
    if (asked.state, asked.chain, asked.reason) == (state, chain, reason):
        return False
    if asked.state != "pending":
        raise ConflictRefusal(f"the server's request {asked.id} was answered already: {asked.state}")
    sql = "UPDATE servers SET state = ?, chain = ?, reason = ? WHERE id = ?"
    transaction.execute(sql, (state, chain, reason, asking_id))
    act, document = ("server-refusal", asking_id.encode()) if chain is None else ("server", chain)
    Journal(transaction).append(act, by, document, at)
    return True


def expire(transaction: Transaction, before: int, limit: int) -> int:
    """Delete up to `limit` requests that were queued before a time, answered or not."""
    return transaction.execute(
        "DELETE FROM servers WHERE id IN (SELECT id FROM servers WHERE queued_at < ? LIMIT ?)", (before, limit)
    )
