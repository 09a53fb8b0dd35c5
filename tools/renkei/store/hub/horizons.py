"""Horizons: up to which number and which moment a sender has handed its streams to the hub."""

from collections.abc import Sequence

from renkei.store.hub.messages import stream_number
from renkei.store.hub.transaction import Transaction
from renkei.store.hub.words import Horizon, SignedWord


def put_all(transaction: Transaction, horizons: Sequence[Horizon]) -> list[tuple[int, int]]:
    """Keep horizons; return index and expected number of those that run ahead of their streams."""
    ahead = []
    for index, horizon in enumerate(horizons):
        stream = stream_number(transaction, horizon.sender, horizon.recipient, horizon.stream)
        expected = transaction.count("SELECT next_sequence FROM streams WHERE stream = ?", (stream,))
        if horizon.next_sequence > expected:
            ahead.append((index, expected))
            continue
        transaction.execute(
            "INSERT INTO horizons VALUES (?, ?, ?, ?, ?) ON CONFLICT (stream) DO UPDATE SET"
            " next_sequence = excluded.next_sequence, published_up_to = excluded.published_up_to,"
            " envelope = excluded.envelope, signer = excluded.signer"
            " WHERE (excluded.next_sequence, excluded.published_up_to)"
            " >= (horizons.next_sequence, horizons.published_up_to)",
            (stream, horizon.next_sequence, horizon.published_up_to, horizon.envelope, horizon.signer),
        )
    return ahead


def newest(transaction: Transaction, sender: str, recipient: str, stream: str) -> SignedWord | None:
    """Return the newest horizon of a stream with its signer's entry."""
    row = transaction.one(
        "SELECT envelope, entry FROM horizons JOIN streams USING (stream) JOIN bindings ON fingerprint = signer"
        " WHERE sender = ? AND recipient = ? AND name = ?",
        (sender, recipient, stream),
    )
    return None if row is None else SignedWord(*row)
