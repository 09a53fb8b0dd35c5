
PRAGMA page_size=4096;

BEGIN TRANSACTION;

DROP TABLE IF EXISTS alarms;
CREATE TABLE alarms (
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    text TEXT NOT NULL,
    first_at TEXT NOT NULL,
    last_at TEXT NOT NULL,
    times INTEGER NOT NULL,
    PRIMARY KEY (kind, subject)
) STRICT, WITHOUT ROWID;

DROP TABLE IF EXISTS facts;
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO facts VALUES('cursor','0');
INSERT INTO facts VALUES('epoch','1');

DROP TABLE IF EXISTS incoming;
CREATE TABLE incoming (
    sender TEXT NOT NULL,
    id TEXT NOT NULL,
    stream TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    count INTEGER NOT NULL,
    manifest BLOB NOT NULL,
    entry TEXT NOT NULL,
    content_sha256 TEXT NOT NULL,
    size INTEGER NOT NULL,
    announced_at TEXT NOT NULL,
    state TEXT NOT NULL,
    file TEXT,
    receipt BLOB,
    receipt_sent_at TEXT,
    delivered_at TEXT,
    PRIMARY KEY (sender, id),
    UNIQUE (sender, stream, sequence)
) STRICT;
INSERT INTO incoming VALUES('ministry','in-1','notices',1,1,X'6D','{}','digest',10,'2026-11-23T01:02:03Z','delivered',NULL,X'72656365697074',NULL,'2026-11-23T01:02:03Z');
CREATE INDEX incoming_open ON incoming (state) WHERE state NOT IN ('delivered', 'voided');

DROP TABLE IF EXISTS outgoing;
CREATE TABLE outgoing (
    id TEXT PRIMARY KEY,
    recipient TEXT NOT NULL,
    stream TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    count INTEGER NOT NULL,
    manifest BLOB NOT NULL,
    content_sha256 TEXT NOT NULL,
    recipient_certificate_sha256 TEXT NOT NULL,
    sealed BLOB,
    content BLOB,
    size INTEGER NOT NULL,
    created_at TEXT NOT NULL,
    accepted_epoch INTEGER,
    acceptance BLOB,
    receipted_at TEXT,
    receipt BLOB,
    source_sha256 TEXT NOT NULL,
    UNIQUE (recipient, stream, sequence)
) STRICT;
INSERT INTO outgoing VALUES('id-1','ministry','notices',1,1,X'6D616E6966657374','digest','cert',X'7365616C6564',X'636F6E74656E74',6,'2026-11-23T01:02:03Z',1,X'616363657074616E6365','2026-11-23T01:02:03Z',X'72656365697074','sha');
INSERT INTO outgoing VALUES('id-2','ministry','notices',2,1,X'6D616E6966657374','digest','cert',X'7365616C6564',X'636F6E74656E74',6,'2026-11-23T01:02:03Z',NULL,NULL,NULL,NULL,'sha');
CREATE INDEX outgoing_waiting ON outgoing (recipient, stream, sequence) WHERE receipted_at IS NULL;

DROP TABLE IF EXISTS peers;
CREATE TABLE peers (
    party TEXT PRIMARY KEY,
    generation INTEGER NOT NULL,
    certificate_sha256 TEXT NOT NULL,
    entry TEXT NOT NULL,
    seen_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;

DROP TABLE IF EXISTS pieces;
CREATE TABLE pieces (
    sender TEXT NOT NULL,
    id TEXT NOT NULL,
    start INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (sender, id, start),
    FOREIGN KEY (sender, id) REFERENCES incoming (sender, id)
) STRICT;

DROP TABLE IF EXISTS received;
CREATE TABLE received (
    sender TEXT NOT NULL,
    stream TEXT NOT NULL,
    delivered_up_to INTEGER NOT NULL,
    PRIMARY KEY (sender, stream)
) STRICT, WITHOUT ROWID;
INSERT INTO received VALUES('ministry','notices',1);

DROP TABLE IF EXISTS sources;
CREATE TABLE sources (
    sha256 TEXT NOT NULL,
    folder TEXT NOT NULL,
    name TEXT NOT NULL,
    taken_at TEXT NOT NULL,
    good INTEGER NOT NULL,
    bad INTEGER NOT NULL,
    moved INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (sha256, folder)
) STRICT, WITHOUT ROWID;
INSERT INTO sources VALUES('sha','','a.csv','2026-11-23T01:02:03Z',2,0,0);

DROP TABLE IF EXISTS streams;
CREATE TABLE streams (
    recipient TEXT NOT NULL,
    stream TEXT NOT NULL,
    next_sequence INTEGER NOT NULL,
    PRIMARY KEY (recipient, stream)
) STRICT, WITHOUT ROWID;
INSERT INTO streams VALUES('ministry','notices',3);

DROP TABLE IF EXISTS tree_heads;
CREATE TABLE tree_heads (
    epoch INTEGER PRIMARY KEY,
    size INTEGER NOT NULL,
    root TEXT NOT NULL,
    envelope BLOB NOT NULL
) STRICT;

DROP TABLE IF EXISTS voids;
CREATE TABLE voids (
    sender TEXT NOT NULL,
    stream TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    envelope BLOB NOT NULL,
    PRIMARY KEY (sender, stream, sequence)
) STRICT, WITHOUT ROWID;

pragma user_version=1;

COMMIT TRANSACTION;
PRAGMA user_version = 1;
