"""What the registration authority remembers: codes given out, certificates issued, answers owed to the hub.

One transaction records a code's use together with the certificate that it earned and the answer for the hub, so that a
kill at any moment leaves either all of them or none. Times are RFC 3339 UTC text, which sorts as it reads.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import apsw

from renkei.store.sqlite import Database

MIGRATIONS = (
    """
create table codes (
    id integer primary key,
    endpoint text not null,
    terminal text not null,
    machine_serial text not null,
    key blob not null,
    created_at text not null,
    expires_at text not null,
    used_at text,
    revoked_at text
) strict;
create index codes_by_terminal on codes (endpoint, terminal);

create table bindings (
    endpoint text not null,
    generation integer not null,
    terminal text not null,
    keys_sha256 text not null,
    certificate_sha256 text not null unique,
    entry text not null,
    not_before text not null,
    not_after text not null,
    pushed_at text,
    primary key (endpoint, generation)
) strict;

create table revocations (
    certificate_sha256 text primary key references bindings (certificate_sha256),
    serial_number text not null,
    reason text not null,
    revoked_at text not null,
    not_after text not null,
    envelope blob not null,
    pushed_at text
) strict;

create table servers (
    request_sha256 text primary key,
    chain text not null,
    not_before text not null,
    not_after text not null
) strict;

create table answers (
    request_sha256 text primary key,
    state text not null check (state in ('approved', 'refused')),
    certificate_sha256 text references bindings (certificate_sha256),
    reason text,
    decided_at text not null
) strict;
""",
    """
create table hub (
    one integer primary key check (one = 1),
    epoch integer not null
) strict;
""",
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Code:
    """A one-time code as stored: its derived key, never the code itself."""

    id: int
    endpoint: str
    terminal: str
    machine_serial: str
    key: bytes
    created_at: str
    expires_at: str
    used_at: str | None
    revoked_at: str | None

    def state(self, now: str) -> str:
        """`used`, `revoked`, `expired` or `open`."""
        if self.used_at:
            return "used"
        if self.revoked_at:
            return "revoked"
        return "expired" if now >= self.expires_at else "open"


@dataclass(frozen=True, slots=True)
class Issued:
    """A binding that was issued, with its directory entry as JSON."""

    endpoint: str
    generation: int
    terminal: str
    keys_sha256: str
    certificate_sha256: str
    entry: str
    not_before: str
    not_after: str
    revoked_at: str | None


@dataclass(frozen=True, slots=True)
class Revoked:
    """A certificate that was revoked."""

    certificate_sha256: str
    serial_number: int
    reason: str
    revoked_at: str
    envelope: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What the authority decided on an enrolment or renewal, to be told as often as the hub asks."""

    state: str
    entry: str | None
    reason: str | None


class Records:
    """The statements, on the connection of one transaction; got from `Ledger.write` or `Ledger.read`."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    # codes

    def add_code(
        self, endpoint: str, terminal: str, machine_serial: str, key: bytes, created: str, expires: str
    ) -> int:
        """Remember a code that is about to be given out; return its number."""
        values = (endpoint, terminal, machine_serial, key, created, expires)
        self._execute(
            "insert into codes (endpoint, terminal, machine_serial, key, created_at, expires_at)"
            " values (?, ?, ?, ?, ?, ?)",
            values,
        )
        return self._connection.last_insert_rowid()

    def codes(self, endpoint: str | None = None, terminal: str | None = None) -> list[Code]:
        """Return the codes, oldest first; of one endpoint and terminal where they are given."""
        rows = self._execute(
            "select id, endpoint, terminal, machine_serial, key, created_at, expires_at, used_at, revoked_at from codes"
            " where endpoint = coalesce(?, endpoint) and terminal = coalesce(?, terminal) order by id",
            (endpoint, terminal),
        )
        return [Code(*row) for row in rows]

    def use_code(self, number: int, now: str) -> None:
        """Mark a code as used; the caller holds the transaction in which the certificate is recorded."""
        self._execute("update codes set used_at = ? where id = ? and used_at is null", (now, number))

    def revoke_code(self, number: int, now: str) -> bool:
        """Revoke a code that is still open; false when there is none of this number or it was used."""
        self._execute(
            "update codes set revoked_at = coalesce(revoked_at, ?) where id = ? and used_at is null", (now, number)
        )
        return self._connection.changes() == 1

    # bindings

    def next_generation(self, endpoint: str) -> int:
        """Return the generation that the endpoint's next binding bears, from 1."""
        ((generation,),) = self._execute(
            "select coalesce(max(generation), 0) + 1 from bindings where endpoint = ?", (endpoint,)
        )
        return int(generation)

    def add_binding(self, issued: Issued) -> None:
        """Record an issued binding; it is owed to the hub until `binding_pushed`."""
        self._execute(
            "insert into bindings (endpoint, generation, terminal, keys_sha256, certificate_sha256, entry, not_before,"
            " not_after) values (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(issued.endpoint, issued.generation, issued.terminal, issued.keys_sha256),
                *(issued.certificate_sha256, issued.entry, issued.not_before, issued.not_after),
            ),
        )

    def bindings(self, endpoint: str | None = None, terminal: str | None = None) -> list[Issued]:
        """Return issued bindings, newest generation first; of one endpoint and terminal where they are given."""
        rows = self._execute(
            "select b.endpoint, b.generation, b.terminal, b.keys_sha256, b.certificate_sha256, b.entry, b.not_before,"
            " b.not_after, r.revoked_at from bindings b left join revocations r using (certificate_sha256)"
            " where b.endpoint = coalesce(?, b.endpoint) and b.terminal = coalesce(?, b.terminal)"
            " order by b.endpoint, b.generation desc",
            (endpoint, terminal),
        )
        return [Issued(*row) for row in rows]

    def unpushed_entries(self) -> list[tuple[str, str]]:
        """Return (certificate digest, directory entry) of the bindings that the hub hasn't confirmed, oldest first."""
        rows = self._execute(
            "select certificate_sha256, entry from bindings where pushed_at is null and certificate_sha256 not in"
            " (select certificate_sha256 from revocations) order by rowid",
        )
        return [(str(digest), str(entry)) for digest, entry in rows]

    def binding_pushed(self, certificate_sha256: str, now: str) -> None:
        """Remember that the hub has the binding."""
        self._execute("update bindings set pushed_at = ? where certificate_sha256 = ?", (now, certificate_sha256))

    # revocations

    def add_revocation(self, revoked: Revoked, not_after: str) -> None:
        """Record a signed revocation; a repeat changes nothing."""
        self._execute(
            "insert into revocations (certificate_sha256, serial_number, reason, revoked_at, not_after, envelope)"
            " values (?, ?, ?, ?, ?, ?) on conflict do nothing",
            (
                *(revoked.certificate_sha256, f"{revoked.serial_number:x}", revoked.reason),
                *(revoked.revoked_at, not_after, revoked.envelope),
            ),
        )

    def revocations(self, *, unpushed: bool = False, unexpired_at: str = "") -> list[Revoked]:
        """Return revocations, oldest first: all, those owed to the hub, or those of unexpired certificates."""
        rows = self._execute(
            "select certificate_sha256, serial_number, reason, revoked_at, envelope from revocations"
            " where (not ? or pushed_at is null) and not_after > ? order by rowid",
            (unpushed, unexpired_at),
        )
        return [
            Revoked(str(digest), int(str(number), 16), str(reason), str(at), bytes(envelope))
            for digest, number, reason, at, envelope in rows
        ]

    def revocation_pushed(self, certificate_sha256: str, now: str) -> None:
        """Remember that the hub has the revocation."""
        self._execute("update revocations set pushed_at = ? where certificate_sha256 = ?", (now, certificate_sha256))

    def enter_epoch(self, epoch: int) -> bool:
        """Remember the hub's epoch; in a new one everything is owed to the hub again, and this is true."""
        known = self._execute("select epoch from hub")
        self._execute("insert or replace into hub values (1, ?)", (epoch,))
        if not known or known == [(epoch,)]:
            return False
        self._execute("update bindings set pushed_at = null")
        self._execute("update revocations set pushed_at = null")
        return True

    # server certificates

    def server(self, request_sha256: str) -> tuple[str, str, str] | None:
        """Return (chain PEM, not before, not after) of the server certificate issued to the same request."""
        for chain, not_before, not_after in self._execute(
            "select chain, not_before, not_after from servers where request_sha256 = ?", (request_sha256,)
        ):
            return str(chain), str(not_before), str(not_after)
        return None

    def put_server(self, request_sha256: str, chain: str, not_before: str, not_after: str) -> None:
        """Remember the newest server certificate of a request."""
        self._execute(
            "insert or replace into servers (request_sha256, chain, not_before, not_after) values (?, ?, ?, ?)",
            (request_sha256, chain, not_before, not_after),
        )

    # answers

    def answer(self, request_sha256: str) -> Answer | None:
        """Return the decision on a request, if there is one; an approval lasts until its certificate is revoked."""
        for state, entry, reason in self._execute(
            "select a.state, b.entry, a.reason from answers a left join bindings b using (certificate_sha256)"
            " where a.request_sha256 = ? and (a.certificate_sha256 is null or a.certificate_sha256 not in"
            " (select certificate_sha256 from revocations))",
            (request_sha256,),
        ):
            return Answer(str(state), entry, reason)
        return None

    def approve(self, request_sha256: str, certificate_sha256: str, now: str) -> None:
        """Record that a request was approved with this certificate."""
        self._execute(
            "insert or replace into answers (request_sha256, state, certificate_sha256, decided_at)"
            " values (?, 'approved', ?, ?)",
            (request_sha256, certificate_sha256, now),
        )

    def refuse(self, request_sha256: str, reason: str, now: str) -> None:
        """Record that a request was refused."""
        self._execute(
            "insert or replace into answers (request_sha256, state, reason, decided_at) values (?, 'refused', ?, ?)",
            (request_sha256, reason, now),
        )

    def forget_refusals(self, before: str) -> None:
        """Delete refusals decided before a time: strangers can cause any number of them."""
        self._execute("delete from answers where state = 'refused' and decided_at < ?", (before,))

    def _execute(self, statement: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        return list(self._connection.execute(statement, values))


class Ledger:
    """The authority's durable state. Several processes may open it; a piece of work is one transaction.

    ledger.write(lambda records: records.use_code(number, now))
    """

    def __init__(self, path: Path) -> None:
        """Open or make the file.

        Raises:
            StoreError: it can't be opened durably, or newer software wrote it.
        """
        path.touch(mode=0o600)  # what is in it is as good as the codes
        self._database = Database(path, MIGRATIONS, readers=1)

    def write(self, work: Callable[[Records], T]) -> T:
        """Run work that writes; it has taken place durably, as a whole, when this returns."""
        return self._database.write(lambda connection: work(Records(connection)))

    def read(self, work: Callable[[Records], T]) -> T:
        """Run work that only reads; all that it sees is of one moment."""
        return self._database.read(lambda connection: work(Records(connection)))

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def __enter__(self) -> Self:
        """Return itself; the end of the block closes the file."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self.close()
