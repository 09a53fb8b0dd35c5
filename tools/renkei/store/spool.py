"""The agent's durable state: one SQLite file that a kill or a power cut at any moment leaves in order.

    spool = Spool(Path("/var/lib/renkei-agent/state.db"))
    spool.outgoing   messages to send, kept until and beyond the recipient's receipt (`store.outgoing`)
    spool.incoming   messages received, from their manifest to their receipt (`store.incoming`)
    spool.imports    received notices on their way into the register (`store.imports`, its files: `store.batches`)
    spool.dispatches notices to send that wait, and what became of those sent (`store.dispatches`)
    spool.media      removable media: written, taken, lost (`store.media`)
    spool.renewals   at the ministry: renewals that came by medium (`store.renewals`)
    spool.voids      numbers of own streams under which nothing comes (`store.voids`)
    spool.settlements numbers with a receipt of which the hub or a new machine doesn't know (`store.settlements`)
    spool.updates    this machine's updates: orders, how far it is, what it says (`store.updates`)

The spool itself holds what belongs to no message: the hub's epoch and cursor, pinned directory entries,
the last tree head, alarms, and the last contact with each party. Times are RFC 3339 text, given by the caller.
"""

from dataclasses import dataclass
from pathlib import Path

import apsw

from renkei.exchange.mailbox import Cursor
from renkei.store.batches import Batches
from renkei.store.dispatches import DISPATCHES_SCHEMA, Dispatches
from renkei.store.errors import StoreError
from renkei.store.gaps import Gap, gaps, received_voids
from renkei.store.heads import SEEN_HEADS_SCHEMA, SeenHeads
from renkei.store.imports import IMPORTS_SCHEMA, Imports
from renkei.store.incoming import BEGINNINGS_SCHEMA, INCOMING_SCHEMA, IncomingMessages
from renkei.store.media import MEDIA_SCHEMA, Media
from renkei.store.outgoing import OUTGOING_SCHEMA, OutgoingMessages
from renkei.store.profiles import PROFILES_SCHEMA, Profiles
from renkei.store.queries import row, rows
from renkei.store.renewals import RENEWALS_SCHEMA, CarriedRenewals
from renkei.store.settlements import Settlements
from renkei.store.sqlite import Database
from renkei.store.updates import UPDATES_SCHEMA, Updates
from renkei.store.voids import VOIDS_SCHEMA, SentVoids

_SCHEMA = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE peers (
    party TEXT PRIMARY KEY,
    generation INTEGER NOT NULL,
    certificate_sha256 TEXT NOT NULL,
    entry TEXT NOT NULL,
    seen_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE tree_heads (
    epoch INTEGER PRIMARY KEY,
    size INTEGER NOT NULL,
    root TEXT NOT NULL,
    envelope BLOB NOT NULL
) STRICT;

CREATE TABLE alarms (
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    text TEXT NOT NULL,
    first_at TEXT NOT NULL,
    last_at TEXT NOT NULL,
    times INTEGER NOT NULL,
    PRIMARY KEY (kind, subject)
) STRICT, WITHOUT ROWID;
"""

MIGRATIONS = (
    _SCHEMA + OUTGOING_SCHEMA + INCOMING_SCHEMA,
    IMPORTS_SCHEMA + DISPATCHES_SCHEMA,
    VOIDS_SCHEMA,
    PROFILES_SCHEMA,
    SEEN_HEADS_SCHEMA,
    MEDIA_SCHEMA,
    RENEWALS_SCHEMA,
    BEGINNINGS_SCHEMA,
    UPDATES_SCHEMA,
)
"""A released one never changes; what is new is appended."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A party's newest directory entry (JSON text) that was verified here."""

    party: str
    generation: int
    certificate_sha256: str
    entry: str
    seen_at: str


@dataclass(frozen=True, slots=True)
class SeenTreeHead:
    """The newest verified head of the hub's journal in an epoch."""

    epoch: int
    size: int
    root: str


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something that a person must look at; the same kind and subject again only counts up."""

    kind: str
    subject: str
    text: str
    first_at: str
    last_at: str
    times: int


class Spool:
    """Everything the agent must not forget. Several processes may have the same file open."""

    def __init__(self, path: Path) -> None:
        """Open or make the file, readable by its owner only.

        Raises:
            StoreError: it can't be opened durably, or newer software wrote it.
        """
        try:
            path.touch(mode=0o600, exist_ok=True)
        except OSError as error:
            raise StoreError(f"{path}: can't be written ({error.strerror}); check its disk and its owner") from error
        self._database = Database(path, MIGRATIONS, readers=2)
        self._database.write(_overwrite_what_is_deleted)
        self.outgoing = OutgoingMessages(self._database)
        self.incoming = IncomingMessages(self._database)
        self.imports = Imports(self._database)
        self.batches = Batches(self._database)
        self.dispatches = Dispatches(self._database)
        self.voids = SentVoids(self._database)
        self.settlements = Settlements(self._database)
        self.profiles = Profiles(self._database)
        self.heads = SeenHeads(self._database)
        self.media = Media(self._database)
        self.renewals = CarriedRenewals(self._database)
        self.updates = Updates(self._database)

    def close(self) -> None:
        """Finish what is being written and close."""
        self._database.close()

    # -- facts: the hub's epoch, the inbox cursor, the last exchange

    def fact(self, name: str) -> str | None:
        """A fact's value, None when it was never noted."""
        found = row(self._database, "SELECT value FROM facts WHERE name = ?", (name,))
        return None if found is None else str(found[0])

    def note(self, **facts: str) -> None:
        """Note facts in one transaction."""

        def work(connection: apsw.Connection) -> None:
            connection.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?)", list(facts.items()))

        self._database.write(work)

    def noted(self, prefix: str) -> list[str]:
        """What follows a prefix in the names of the facts that begin with it, in order."""
        sql = "SELECT substr(name, length(?1) + 1) FROM facts WHERE name >= ?1 AND name < ?1 || char(0x10ffff)"
        return [str(rest) for (rest,) in rows(self._database, f"{sql} ORDER BY name", (prefix,))]

    def strike(self, name: str) -> None:
        """Forget a fact."""
        self._database.write(lambda c: c.execute("DELETE FROM facts WHERE name = ?", (name,)))

    @property
    def epoch(self) -> int:
        """The hub's epoch as last seen, 0 before the first contact."""
        return int(self.fact("epoch") or 0)

    @property
    def cursor(self) -> Cursor:
        """How far the hub's inbox was read in this epoch."""
        return Cursor(int(self.fact("cursor") or 0), int(self.fact("doubtful") or 0) or None)

    def move_cursor(self, cursor: Cursor) -> None:
        """Note how far the inbox was read."""
        self.note(cursor=str(cursor.read), doubtful=str(cursor.doubtful or 0))

    def enter_epoch(self, epoch: int) -> None:
        """Begin a new epoch of the hub: its cursor starts anew, and receipts are handed in again when asked."""

        def work(connection: apsw.Connection) -> None:
            connection.executemany(
                "INSERT OR REPLACE INTO facts VALUES (?, ?)",
                [("epoch", str(epoch)), ("cursor", "0"), ("doubtful", "0")],
            )

        self._database.write(work)

    def has_work(self, at: str) -> bool:
        """Whether something lies here that an exchange at this time carries on: to offer, fetch, receipt or release."""
        sql = (
            "SELECT EXISTS (SELECT 1 FROM outgoing WHERE accepted_epoch IS NULL AND receipted_at IS NULL"
            " AND voided_at IS NULL) OR EXISTS (SELECT 1 FROM sent_voids WHERE accepted_epoch IS NULL)"
            " OR EXISTS (SELECT 1 FROM incoming WHERE state IN ('announced', 'fetched', 'written'))"
            " OR EXISTS (SELECT 1 FROM incoming WHERE state = 'delivered' AND receipt_sent_at IS NULL)"
            " OR EXISTS (SELECT 1 FROM waiting WHERE release_at <= ?)"
        )
        found = row(self._database, sql, (at,))
        return found is not None and bool(found[0])

    # -- what is missing, what is void

    def gaps(self) -> list[Gap]:
        """The first gap of each received stream that has one."""
        return gaps(self._database)

    def received_voids(self) -> list[bytes]:
        """The envelopes of the voids that came, verified then."""
        return received_voids(self._database)

    # -- who the others are

    def peer(self, party: str) -> Peer | None:
        """The newest verified entry of a party."""
        found = self._peers("WHERE party = ?", (party,))
        return found[0] if found else None

    def peers(self) -> list[Peer]:
        """All parties known, by name."""
        return self._peers("ORDER BY party", ())

    def pin(self, peer: Peer) -> bool:
        """Remember a verified entry unless a newer generation is known; false when this one is older."""

        def work(connection: apsw.Connection) -> bool:
            known = connection.execute("SELECT generation FROM peers WHERE party = ?", (peer.party,)).fetchone()
            if known is not None and int(known[0]) > peer.generation:
                return False
            connection.execute(
                "INSERT OR REPLACE INTO peers VALUES (?, ?, ?, ?, ?)",
                (peer.party, peer.generation, peer.certificate_sha256, peer.entry, peer.seen_at),
            )
            return True

        return self._database.write(work)

    def _peers(self, where: str, values: tuple[str, ...]) -> list[Peer]:
        sql = f"SELECT party, generation, certificate_sha256, entry, seen_at FROM peers {where}"  # noqa: S608
        found = rows(self._database, sql, values)
        return [Peer(*each) for each in found]

    # -- the hub's journal

    def tree_head(self, epoch: int) -> SeenTreeHead | None:
        """The last verified head of an epoch."""
        sql = "SELECT epoch, size, root FROM tree_heads WHERE epoch = ?"
        found = row(self._database, sql, (epoch,))
        return None if found is None else SeenTreeHead(*found)

    def note_tree_head(self, head: SeenTreeHead, envelope: bytes) -> None:
        """Remember a verified head and its signed envelope, as evidence."""
        values = (head.epoch, head.size, head.root, envelope)
        self._database.write(lambda c: c.execute("INSERT OR REPLACE INTO tree_heads VALUES (?, ?, ?, ?)", values))

    # -- alarms

    def alarm(self, kind: str, subject: str, text: str, at: str) -> bool:
        """Raise an alarm; true when it is a new one, false when it only counts up."""

        def work(connection: apsw.Connection) -> bool:
            connection.execute(
                "INSERT INTO alarms VALUES (?, ?, ?, ?, ?, 1) ON CONFLICT DO UPDATE"
                " SET text = excluded.text, last_at = excluded.last_at, times = times + 1",
                (kind, subject, text, at, at),
            )
            found = connection.execute(
                "SELECT times FROM alarms WHERE kind = ? AND subject = ?", (kind, subject)
            ).fetchone()
            return found is not None and found[0] == 1

        return self._database.write(work)

    def settle(self, kind: str, subject: str) -> None:
        """End an alarm whose cause is gone."""
        sql = "DELETE FROM alarms WHERE kind = ? AND subject = ?"
        self._database.write(lambda c: c.execute(sql, (kind, subject)))

    def acknowledge(self) -> int:
        """End all alarms, because a person has seen them; what isn't mended is raised anew. How many."""

        def work(connection: apsw.Connection) -> int:
            connection.execute("DELETE FROM alarms")
            return connection.changes()

        return self._database.write(work)

    def alarms(self) -> list[Alarm]:
        """Alarms that stand, oldest first."""
        sql = "SELECT kind, subject, text, first_at, last_at, times FROM alarms ORDER BY first_at, kind, subject"
        found = rows(self._database, sql)
        return [Alarm(*each) for each in found]


def _overwrite_what_is_deleted(connection: apsw.Connection) -> None:
    """Notices lie here in clear for a while: when they go, nothing of them stays in the file's free pages."""
    connection.pragma("secure_delete", value=True)
