"""The hub's tables, as SQLite has them; `in_postgresql` says the same to PostgreSQL.

`parties` carries counters that would else be sums over all of history; `renkei-hub check-store` recomputes them.
Parts belong to the sender that put them: no party can learn or use what another has stored.
"""

import re

MIGRATIONS = (
    """
    CREATE TABLE hub (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        epoch INTEGER NOT NULL,
        proven_writable_at INTEGER NOT NULL
    ) STRICT;
    INSERT INTO hub VALUES (1, 1, 0);

    CREATE TABLE parties (
        party TEXT PRIMARY KEY,
        cursor INTEGER NOT NULL DEFAULT 0,
        sent INTEGER NOT NULL DEFAULT 0,
        sent_bytes INTEGER NOT NULL DEFAULT 0,
        received INTEGER NOT NULL DEFAULT 0,
        received_bytes INTEGER NOT NULL DEFAULT 0,
        receipts INTEGER NOT NULL DEFAULT 0,
        held_bytes INTEGER NOT NULL DEFAULT 0 CHECK (held_bytes >= 0),
        last_contact INTEGER NOT NULL DEFAULT 0
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE bindings (
        fingerprint TEXT PRIMARY KEY,
        party TEXT NOT NULL,
        terminal TEXT NOT NULL,
        generation INTEGER NOT NULL,
        not_before INTEGER NOT NULL,
        not_after INTEGER NOT NULL,
        entry BLOB NOT NULL
    ) STRICT;
    CREATE INDEX bindings_of_party ON bindings (party, generation);

    CREATE TABLE revocations (
        fingerprint TEXT PRIMARY KEY,
        envelope BLOB NOT NULL,
        revoked_at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE enrolments (
        id TEXT PRIMARY KEY,
        kind TEXT NOT NULL CHECK (kind IN ('enrolment', 'renewal')),
        endpoint TEXT NOT NULL,
        terminal TEXT NOT NULL,
        request BLOB NOT NULL,
        address TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('pending', 'approved', 'refused')),
        entry BLOB,
        reason TEXT NOT NULL,
        queued_at INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX enrolments_by_state ON enrolments (state, queued_at, address);

    CREATE TABLE parts (
        part INTEGER PRIMARY KEY,
        sender TEXT NOT NULL,
        sha256 TEXT NOT NULL,
        size INTEGER NOT NULL,
        stored_at INTEGER NOT NULL,
        uses INTEGER NOT NULL DEFAULT 0 CHECK (uses >= 0),
        content BLOB NOT NULL,
        UNIQUE (sender, sha256)
    ) STRICT;
    CREATE INDEX unused_parts ON parts (stored_at) WHERE uses = 0;

    CREATE TABLE streams (
        stream INTEGER PRIMARY KEY,
        sender TEXT NOT NULL,
        recipient TEXT NOT NULL,
        name TEXT NOT NULL,
        next_sequence INTEGER NOT NULL DEFAULT 1,
        unreceipted INTEGER NOT NULL DEFAULT 0 CHECK (unreceipted >= 0),
        UNIQUE (sender, recipient, name)
    ) STRICT;
    CREATE INDEX streams_to_recipient ON streams (recipient);

    CREATE TABLE messages (
        message INTEGER PRIMARY KEY,
        sender TEXT NOT NULL,
        id TEXT NOT NULL,
        stream INTEGER NOT NULL REFERENCES streams,
        sequence INTEGER NOT NULL,
        content_sha256 TEXT NOT NULL,
        manifest BLOB NOT NULL,
        manifest_sha256 TEXT NOT NULL,
        size INTEGER NOT NULL,
        acceptance BLOB NOT NULL,
        receipt BLOB,
        voided INTEGER NOT NULL DEFAULT 0,
        UNIQUE (sender, id),
        UNIQUE (stream, sequence)
    ) STRICT;
    CREATE INDEX unreceipted_messages ON messages (stream, sequence) WHERE receipt IS NULL AND voided = 0;

    CREATE TABLE message_parts (
        message INTEGER NOT NULL REFERENCES messages,
        ordinal INTEGER NOT NULL,
        part INTEGER NOT NULL REFERENCES parts,
        PRIMARY KEY (message, ordinal)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX messages_of_part ON message_parts (part);

    CREATE TABLE voids (
        stream INTEGER NOT NULL REFERENCES streams,
        sequence INTEGER NOT NULL,
        envelope BLOB NOT NULL,
        PRIMARY KEY (stream, sequence)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE inbox (
        item INTEGER PRIMARY KEY,
        party TEXT NOT NULL,
        cursor INTEGER NOT NULL,
        kind TEXT NOT NULL CHECK (kind IN ('manifest', 'receipt', 'void')),
        message INTEGER REFERENCES messages,
        envelope BLOB NOT NULL,
        signer TEXT NOT NULL REFERENCES bindings,
        UNIQUE (party, cursor)
    ) STRICT;
    CREATE INDEX inbox_of_message ON inbox (message);

    CREATE TABLE journal (
        position INTEGER PRIMARY KEY,
        entry BLOB NOT NULL
    ) STRICT;

    CREATE TABLE tree_nodes (
        level INTEGER NOT NULL,
        position INTEGER NOT NULL,
        digest BLOB NOT NULL,
        PRIMARY KEY (level, position)
    ) STRICT, WITHOUT ROWID;
    """,
    """
    CREATE TABLE horizons (
        stream INTEGER PRIMARY KEY REFERENCES streams,
        next_sequence INTEGER NOT NULL,
        published_up_to INTEGER NOT NULL,
        envelope BLOB NOT NULL,
        signer TEXT NOT NULL REFERENCES bindings
    ) STRICT;
    """,
    """
    CREATE TABLE profiles (
        party TEXT PRIMARY KEY,
        declared_at INTEGER NOT NULL,
        envelope BLOB NOT NULL
    ) STRICT, WITHOUT ROWID;
    """,
    """
    CREATE TABLE kept_heads (
        head INTEGER PRIMARY KEY,
        epoch INTEGER NOT NULL,
        size INTEGER NOT NULL,
        signed_at INTEGER NOT NULL,
        envelope BLOB NOT NULL,
        signer TEXT NOT NULL REFERENCES bindings
    ) STRICT;
    """,
    # What was settled before this is settled as of the last contact: its year begins no sooner than it should.
    """
    ALTER TABLE messages ADD COLUMN settled_at INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE streams ADD COLUMN removed INTEGER NOT NULL DEFAULT 0;
    UPDATE messages SET settled_at = (SELECT coalesce(max(last_contact), 0) FROM parties)
        WHERE receipt IS NOT NULL OR voided = 1;
    CREATE INDEX settled_messages ON messages (settled_at) WHERE settled_at > 0;
    """,
    """
    CREATE TABLE crl (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        number INTEGER NOT NULL,
        document BLOB NOT NULL
    ) STRICT;
    """,
    """
    CREATE TABLE settlements (
        stream INTEGER PRIMARY KEY REFERENCES streams,
        signed_at INTEGER NOT NULL,
        envelope BLOB NOT NULL,
        signer TEXT NOT NULL REFERENCES bindings
    ) STRICT;
    """,
    """
    CREATE TABLE servers (
        id TEXT PRIMARY KEY,
        request BLOB NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('pending', 'approved', 'refused')),
        chain BLOB,
        reason TEXT NOT NULL,
        queued_at INTEGER NOT NULL
    ) STRICT;
    """,
    """
    CREATE TABLE orders (
        endpoint TEXT NOT NULL,
        terminal TEXT NOT NULL,
        kind TEXT NOT NULL CHECK (kind IN ('order', 'permit')),
        id TEXT NOT NULL,
        issued_at INTEGER NOT NULL,
        envelope BLOB NOT NULL,
        signer TEXT NOT NULL REFERENCES bindings,
        PRIMARY KEY (endpoint, terminal, kind)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE patch_states (
        state INTEGER PRIMARY KEY,
        endpoint TEXT NOT NULL,
        terminal TEXT NOT NULL,
        stage TEXT NOT NULL,
        checked_at INTEGER NOT NULL,
        envelope BLOB NOT NULL,
        signer TEXT NOT NULL REFERENCES bindings,
        UNIQUE (endpoint, terminal, stage)
    ) STRICT;
    """,
    """
    CREATE TABLE exchanges (
        endpoint TEXT NOT NULL,
        terminal TEXT NOT NULL,
        change INTEGER NOT NULL,
        exchanged_at INTEGER NOT NULL,
        failed_at INTEGER NOT NULL,
        refused INTEGER NOT NULL,
        signature INTEGER NOT NULL,
        cut INTEGER NOT NULL,
        other INTEGER NOT NULL,
        PRIMARY KEY (endpoint, terminal)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX exchanges_by_change ON exchanges (change);
    """,
    """
    CREATE TABLE host_states (
        state INTEGER PRIMARY KEY,
        host TEXT NOT NULL UNIQUE,
        seen_at INTEGER NOT NULL,
        envelope BLOB NOT NULL,
        signer TEXT NOT NULL REFERENCES bindings
    ) STRICT;
    """,
)

ONLY_ADDED_TO = frozenset({"journal", "tree_nodes", "kept_heads", "revocations"})
"""What no rule changes or deletes, and no hub may where the database can forbid it."""

_IN_POSTGRESQL = (
    (r"\bINTEGER PRIMARY KEY,", "BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,"),
    (r"\bINTEGER\b", "BIGINT"),
    (r"\bBLOB\b", "BYTEA"),
    (r"\) STRICT(, WITHOUT ROWID)?;", ");"),
)


def in_postgresql(script: str) -> str:
    """Return a migration in PostgreSQL's words; both databases go by the same schema numbers."""
    for pattern, replacement in _IN_POSTGRESQL:
        script = re.sub(pattern, replacement, script)
    return script
