"""Counters, and the check that they and the journal's tree still say what the rows say."""

from collections.abc import Mapping
from hashlib import sha256

from renkei.exchange.journal import MerkleTree
from renkei.store.hub.contract import PartyCounts
from renkei.store.hub.transaction import Transaction

#: What must have no rows, and what it means if it has.
_CONTRADICTIONS = {
    "SELECT party FROM parties WHERE held_bytes !="
    " (SELECT CAST(coalesce(sum(size), 0) AS BIGINT) FROM parts WHERE sender = party)"
    " + (SELECT coalesce(sum(length(manifest)), 0) FROM messages"
    "    WHERE sender = party AND receipt IS NULL AND voided = 0)": "held bytes are miscounted",
    "SELECT sender || '/' || recipient || '/' || name FROM streams WHERE unreceipted !="
    " (SELECT count(*) FROM messages WHERE messages.stream = streams.stream"
    "  AND receipt IS NULL AND voided = 0)": "unreceipted messages are miscounted",
    "SELECT sender || '/' || recipient || '/' || name FROM streams WHERE next_sequence - 1 != removed"
    " + (SELECT count(*) FROM messages WHERE messages.stream = streams.stream)"
    " + (SELECT count(*) FROM voids WHERE voids.stream = streams.stream AND sequence NOT IN"
    "    (SELECT sequence FROM messages WHERE messages.stream = streams.stream))": "the stream has a gap",
    "SELECT sender || '/' || id FROM messages WHERE receipt IS NULL AND voided = 0 AND size !="
    " (SELECT coalesce(sum(parts.size), 0) FROM message_parts JOIN parts USING (part)"
    "  WHERE message_parts.message = messages.message)": "the content of an unreceipted message is incomplete",
    "SELECT sender || '/' || sha256 FROM parts WHERE uses !="
    " (SELECT count(*) FROM message_parts WHERE message_parts.part = parts.part)": "the uses of a part are miscounted",
}


def touch(transaction: Transaction, contacts: Mapping[str, int]) -> None:
    """Note when parties were last heard of."""
    transaction.execute_many(
        "INSERT INTO parties (party, last_contact) VALUES (?, ?)"
        " ON CONFLICT (party) DO UPDATE SET last_contact = excluded.last_contact"
        " WHERE excluded.last_contact > parties.last_contact",
        list(contacts.items()),
    )


def counts(transaction: Transaction) -> list[PartyCounts]:
    """Return the counters of every party."""
    rows = transaction.some(
        "SELECT party, sent, sent_bytes, received, received_bytes, receipts, held_bytes,"
        " (SELECT CAST(coalesce(sum(unreceipted), 0) AS BIGINT) FROM streams WHERE recipient = party), last_contact"
        " FROM parties ORDER BY party",
    )
    return [PartyCounts(*row) for row in rows]


def check(transaction: Transaction) -> list[str]:
    """Return every counter, part and entry of the journal that doesn't fit, one line each."""
    found = [f"{row[0]}: {meaning}" for sql, meaning in _CONTRADICTIONS.items() for row in transaction.some(sql)]
    return found + _check_parts(transaction) + _check_tree(transaction)


def _check_parts(transaction: Transaction) -> list[str]:
    return [
        f"{sender}/{digest}: the part isn't what its sender stored"
        for sender, digest, content in transaction.each("SELECT sender, sha256, content FROM parts")
        if sha256(content).hexdigest() != digest
    ]


def _check_tree(transaction: Transaction) -> list[str]:
    tree = MerkleTree()
    for position, entry in transaction.each("SELECT position, entry FROM journal ORDER BY position"):
        if position != tree.size:
            return [f"journal: entry {tree.size} is missing"]
        tree, nodes = tree.append(entry)
        for node in nodes:
            row = transaction.one(
                "SELECT digest FROM tree_nodes WHERE level = ? AND position = ?",
                (node.level, node.index),
            )
            if row != (node.hash,):
                return [f"journal: entry {position} or node {node.level}/{node.index} of its tree was changed"]
    return []
