"""Counters, and the check that they and the journal's tree still say what the rows say."""

from collections.abc import Mapping

import apsw

from renkei.exchange.journal import MerkleTree
from renkei.store.hub.contract import PartyCounts
from renkei.store.hub.rows import one, some

#: What must have no rows, and what it means if it has.
_CONTRADICTIONS = {
    "SELECT party FROM parties WHERE held_bytes !="
    " (SELECT coalesce(sum(size), 0) FROM parts WHERE sender = party)"
    " + (SELECT coalesce(sum(length(manifest)), 0) FROM messages"
    "    WHERE sender = party AND receipt IS NULL AND voided = 0)": "held bytes are miscounted",
    "SELECT sender || '/' || recipient || '/' || name FROM streams WHERE unreceipted !="
    " (SELECT count(*) FROM messages WHERE messages.stream = streams.stream"
    "  AND receipt IS NULL AND voided = 0)": "unreceipted messages are miscounted",
    "SELECT sender || '/' || recipient || '/' || name FROM streams WHERE next_sequence - 1 !="
    " (SELECT count(*) FROM messages WHERE messages.stream = streams.stream)"
    " + (SELECT count(*) FROM voids WHERE voids.stream = streams.stream AND sequence NOT IN"
    "    (SELECT sequence FROM messages WHERE messages.stream = streams.stream))": "the stream has a gap",
    "SELECT sender || '/' || id FROM messages WHERE receipt IS NULL AND voided = 0 AND size !="
    " (SELECT coalesce(sum(parts.size), 0) FROM message_parts JOIN parts USING (part)"
    "  WHERE message_parts.message = messages.message)": "the content of an unreceipted message is incomplete",
    "SELECT sender || '/' || sha256 FROM parts WHERE uses !="
    " (SELECT count(*) FROM message_parts WHERE message_parts.part = parts.part)": "the uses of a part are miscounted",
}


def touch(connection: apsw.Connection, contacts: Mapping[str, int]) -> None:
    """Note when parties were last heard of."""
    connection.executemany(
        "INSERT INTO parties (party, last_contact) VALUES (?, ?)"
        " ON CONFLICT DO UPDATE SET last_contact = max(last_contact, excluded.last_contact)",
        list(contacts.items()),
    )


def counts(connection: apsw.Connection) -> list[PartyCounts]:
    """Return the counters of every party."""
    rows = some(
        connection,
        "SELECT party, sent, sent_bytes, received, received_bytes, receipts, held_bytes,"
        " coalesce((SELECT sum(unreceipted) FROM streams WHERE recipient = party), 0), last_contact"
        " FROM parties ORDER BY party",
    )
    return [PartyCounts(*row) for row in rows]


def check(connection: apsw.Connection) -> list[str]:
    """Return everything that doesn't fit, one line each."""
    found = [f"SQLite: {row[0]}" for row in some(connection, "PRAGMA integrity_check") if row[0] != "ok"]
    found += [
        f"SQLite: row {row[1]} of {row[0]} refers to nothing" for row in some(connection, "PRAGMA foreign_key_check")
    ]
    for sql, meaning in _CONTRADICTIONS.items():
        found += [f"{row[0]}: {meaning}" for row in some(connection, sql)]
    return found + _check_tree(connection)


def _check_tree(connection: apsw.Connection) -> list[str]:
    tree = MerkleTree()
    for position, entry in connection.execute("SELECT position, entry FROM journal ORDER BY position"):
        if position != tree.size:
            return [f"journal: entry {tree.size} is missing"]
        tree, nodes = tree.append(entry)
        for node in nodes:
            row = one(
                connection,
                "SELECT digest FROM tree_nodes WHERE level = ? AND position = ?",
                (node.level, node.index),
            )
            if row != (node.hash,):
                return [f"journal: entry {position} or node {node.level}/{node.index} of its tree was changed"]
    return []
