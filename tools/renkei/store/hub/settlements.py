"""Settlements: for which numbers of its streams a sender holds receipts, so that nobody waits for these."""

from renkei.exchange.mailbox import first_unsettled
from renkei.store.hub.journal import Journal
from renkei.store.hub.messages import stream_number
from renkei.store.hub.transaction import Transaction
from renkei.store.hub.words import Settlement, SignedWord


def put(transaction: Transaction, new: Settlement, at: int) -> int:
    """Go on behind what is settled, keep the newest settlement, and return the stream's next number."""
    stream = stream_number(transaction, new.sender, new.recipient, new.stream)
    asked = transaction.count("SELECT next_sequence FROM streams WHERE stream = ?", (stream,))
    next_sequence = first_unsettled(asked, new.settled)
    if next_sequence > asked:
        # Like numbers whose messages were removed after their time: the count of both keeps the stream without a gap.
        transaction.execute(
            "UPDATE streams SET next_sequence = ?, removed = removed + ? WHERE stream = ?",
            (next_sequence, next_sequence - asked, stream),
        )
        Journal(transaction).append("settlement", new.sender, new.envelope, at)
    transaction.execute(
        "INSERT INTO settlements VALUES (?, ?, ?, ?) ON CONFLICT (stream) DO UPDATE SET"
        " signed_at = excluded.signed_at, envelope = excluded.envelope, signer = excluded.signer"
        " WHERE excluded.signed_at >= settlements.signed_at",
        (stream, new.signed_at, new.envelope, new.signer),
    )
    return next_sequence


def newest(transaction: Transaction, sender: str, recipient: str, stream: str) -> SignedWord | None:
    """Return the newest settlement of a stream with its signer's entry."""
    row = transaction.one(
        "SELECT envelope, entry FROM settlements JOIN streams USING (stream) JOIN bindings ON fingerprint = signer"
        " WHERE sender = ? AND recipient = ? AND name = ?",
        (sender, recipient, stream),
    )
    return None if row is None else SignedWord(*row)
