"""Bindings, revocations and the enrolment queue: each function is the body of one transaction."""

from renkei.exchange.parties import MINISTRY
from renkei.store.hub.contract import Binding, Bounds, Enrolment, EnrolmentKind, EnrolmentState
from renkei.store.hub.journal import Journal
from renkei.store.hub.refusals import ConflictRefusal, QuotaRefusal, UnknownRefusal
from renkei.store.hub.transaction import Row, Transaction

_BINDING = (
    "SELECT fingerprint, party, terminal, generation, not_before, not_after, entry, revoked_at"
    " FROM bindings LEFT JOIN revocations USING (fingerprint)"
)
_ENROLMENT = "SELECT id, kind, endpoint, terminal, request, address, state, entry, reason FROM enrolments"


def binding(transaction: Transaction, fingerprint: str) -> Binding | None:
    """Return a binding, live or not."""
    row = transaction.one(f"{_BINDING} WHERE fingerprint = ?", (fingerprint,))
    return None if row is None else _binding(row)


def bindings(transaction: Transaction, party: str, at: int | None) -> list[Binding]:
    """Return a party's bindings that are live at a time, or all that it ever had; newest generation first."""
    rows = transaction.some(f"{_BINDING} WHERE party = ? ORDER BY generation DESC, not_before DESC", (party,))
    return [found for found in map(_binding, rows) if at is None or found.live(at)]


def add_binding(transaction: Transaction, new: Binding, by: str, at: int) -> bool:
    """Add a binding to the allow-list."""
    known = binding(transaction, new.fingerprint)
    if known is not None:
        if known.entry != new.entry:
            raise ConflictRefusal(f"the certificate {new.fingerprint[:16]}… of {new.party} has another binding already")
        return False
    transaction.execute(
        "INSERT INTO bindings VALUES (?, ?, ?, ?, ?, ?, ?)",
        (new.fingerprint, new.party, new.terminal, new.generation, new.not_before, new.not_after, new.entry),
    )
    Journal(transaction).append("binding", by, new.entry, at)
    transaction.tell(MINISTRY)
    return True


def revoke(transaction: Transaction, fingerprint: str, envelope: bytes, by: str, at: int) -> bool:
    """Strike a certificate from the allow-list for good, whether it stands there yet or not."""
    sql = "INSERT INTO revocations VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
    if not transaction.execute(sql, (fingerprint, envelope, at)):
        return False
    Journal(transaction).append("revocation", by, envelope, at)
    return True


def enqueue(transaction: Transaction, new: Enrolment, bounds: Bounds, at: int) -> bool:
    """Queue a request for the registration authority; asking again after a refusal is asking anew."""
    known = transaction.one("SELECT state FROM enrolments WHERE id = ?", (new.id,))
    if known is not None and known[0] != "refused":
        return False
    pending = "SELECT count(*) FROM enrolments WHERE state = 'pending'"
    if transaction.count(pending) >= bounds.pending_enrolments:
        raise QuotaRefusal(f"{bounds.pending_enrolments} enrolments are waiting already")
    if transaction.count(f"{pending} AND address = ?", (new.address,)) >= bounds.pending_enrolments_per_address:
        raise QuotaRefusal(f"{bounds.pending_enrolments_per_address} enrolments from this address are waiting already")
    transaction.execute(
        "INSERT INTO enrolments VALUES (?, ?, ?, ?, ?, ?, 'pending', NULL, '', ?)"
        " ON CONFLICT (id) DO UPDATE SET state = 'pending', reason = '', request = excluded.request,"
        " address = excluded.address, queued_at = excluded.queued_at",
        (new.id, new.kind, new.endpoint, new.terminal, new.request, new.address, at),
    )
    return True


def enrolment(transaction: Transaction, enrolment_id: str, kind: EnrolmentKind | None) -> Enrolment | None:
    """Return a request, of one kind or of any."""
    row = transaction.one(f"{_ENROLMENT} WHERE id = ?", (enrolment_id,))
    found = None if row is None else Enrolment(*row)
    return found if found is None or kind in {None, found.kind} else None


def enrolments(transaction: Transaction, state: EnrolmentState, limit: int) -> list[Enrolment]:
    """Return requests in a state, oldest first."""
    sql = f"{_ENROLMENT} WHERE state = ? ORDER BY queued_at, id LIMIT ?"
    return [Enrolment(*row) for row in transaction.some(sql, (state, limit))]


def approve(transaction: Transaction, enrolment_id: str, new: Binding, by: str, at: int) -> bool:
    """Answer a request with a binding and make that live."""
    asked = _asked(transaction, enrolment_id)
    if asked.state == "approved" and asked.entry == new.entry:
        return False
    _answer(transaction, asked, "approved", new.entry, "")
    add_binding(transaction, new, by, at)
    return True


def refuse(transaction: Transaction, enrolment_id: str, reason: str, by: str, at: int) -> bool:
    """Answer a request with a refusal."""
    asked = _asked(transaction, enrolment_id)
    if asked.state == "refused" and asked.reason == reason:
        return False
    _answer(transaction, asked, "refused", None, reason)
    Journal(transaction).append("enrolment-refusal", by, enrolment_id.encode(), at)
    return True


def expire_enrolments(transaction: Transaction, before: int, limit: int) -> int:
    """Delete up to `limit` requests that were queued before a time, answered or not."""
    return transaction.execute(
        "DELETE FROM enrolments WHERE id IN (SELECT id FROM enrolments WHERE queued_at < ? LIMIT ?)",
        (before, limit),
    )


def expiring(transaction: Transaction, at: int, before: int) -> tuple[int, int]:
    """Return how many bindings are live, and how many of them end before a time."""
    row = transaction.one(
        "SELECT count(*), count(*) FILTER (WHERE not_after < ?) FROM bindings LEFT JOIN revocations USING (fingerprint)"
        " WHERE revoked_at IS NULL AND not_after > ?",
        (before, at),
    )
    return (0, 0) if row is None else (row[0], row[1])


def _binding(row: Row) -> Binding:
    *fields, revoked_at = row
    values = (*fields, revoked_at is not None)
    return Binding(*values)


def _asked(transaction: Transaction, enrolment_id: str) -> Enrolment:
    asked = enrolment(transaction, enrolment_id, None)
    if asked is None:
        raise UnknownRefusal(f"there is no enrolment {enrolment_id}")
    return asked


def _answer(
    transaction: Transaction, asked: Enrolment, state: EnrolmentState, entry: bytes | None, reason: str
) -> None:
    if asked.state != "pending":
        raise ConflictRefusal(f"the enrolment {asked.id} was answered already: {asked.state}")
    transaction.execute(
        "UPDATE enrolments SET state = ?, entry = ?, reason = ? WHERE id = ?", (state, entry, reason, asked.id)
    )
