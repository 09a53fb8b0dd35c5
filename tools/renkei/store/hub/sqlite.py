"""The hub's store on SQLite.

    store = SqliteHubStore(Path("/var/lib/renkei-hub/hub.db"))
    acceptance, new = await store.accept(message, sign, quota, at)

Writes go to the one writer thread and come back after the commit. What an index finds at once is read on the event
loop, for in WAL mode it waits for nobody; what may be large is read in a few threads.
"""

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import apsw

from renkei.store.hub import directory, horizons, messages, reports
from renkei.store.hub.contract import (
    Binding,
    Bounds,
    Enrolment,
    EnrolmentKind,
    EnrolmentState,
    Horizon,
    InboxPage,
    Message,
    PartyCounts,
    Receipt,
    SignAcceptance,
    SignedHorizon,
    StoredMessage,
    StreamState,
    TreeState,
    Void,
)
from renkei.store.hub.journal import Journal
from renkei.store.hub.rows import count
from renkei.store.hub.schema import MIGRATIONS
from renkei.store.sqlite import Database, Work

T = TypeVar("T")

_EXPIRE_AT_ONCE = 200
_READING_THREADS = 3


class SqliteHubStore:
    """`HubStore` in one SQLite file.

    Args:
        path: the file.
        bounds: what the store itself bounds.

    Raises:
        StoreError: see `Database`.
    """

    def __init__(self, path: Path, bounds: Bounds | None = None) -> None:
        self.database = Database(path, MIGRATIONS, readers=_READING_THREADS + 1)
        self._bounds = bounds or Bounds()
        self._threads = ThreadPoolExecutor(_READING_THREADS, "reader")

    def close(self) -> None:
        """Finish what was submitted and close the file."""
        self._threads.shutdown()
        self.database.close()

    async def epoch(self) -> int:
        """See `HubStore`."""
        return self.database.read(lambda c: count(c, "SELECT epoch FROM hub"))

    async def missing_parts(self, sender: str, digests: Sequence[str]) -> list[str]:
        """See `HubStore`."""
        return await self._read(lambda c: messages.missing_parts(c, sender, digests))

    async def put_part(self, sender: str, digest: str, content: bytes, quota: int, at: int) -> bool:
        """See `HubStore`."""
        return await self._write(lambda c: messages.put_part(c, sender, digest, content, quota, at))

    async def accept(self, message: Message, sign: SignAcceptance, quota: int, at: int) -> tuple[bytes, bool]:
        """See `HubStore`."""
        return await self._write(lambda c: messages.accept(c, message, sign, quota, self._bounds, at))

    async def message(self, sender: str, message_id: str) -> StoredMessage | None:
        """See `HubStore`."""
        return self.database.read(lambda c: messages.stored_message(c, sender, message_id))

    async def content(self, sender: str, message_id: str) -> list[tuple[str, int]] | None:
        """See `HubStore`."""
        return await self._read(lambda c: messages.content(c, sender, message_id))

    async def part(self, sender: str, digest: str) -> bytes:
        """See `HubStore`."""
        return await self._read(lambda c: messages.part(c, sender, digest))

    async def receipt(self, receipt: Receipt, at: int) -> bool:
        """See `HubStore`."""
        return await self._write(lambda c: messages.take_receipt(c, receipt, at))

    async def void(self, void: Void, at: int) -> bool:
        """See `HubStore`."""
        return await self._write(lambda c: messages.take_void(c, void, at))

    async def stream(self, sender: str, recipient: str, stream: str) -> StreamState:
        """See `HubStore`."""
        return await self._read(lambda c: messages.stream_state(c, sender, recipient, stream))

    async def put_horizons(self, horizons_: Sequence[Horizon]) -> list[tuple[int, int]]:
        """See `HubStore`."""
        return await self._write(lambda c: horizons.put_all(c, horizons_))

    async def horizon(self, sender: str, recipient: str, stream: str) -> SignedHorizon | None:
        """See `HubStore`."""
        return self.database.read(lambda c: horizons.newest(c, sender, recipient, stream))

    async def inbox(self, party: str, after: int, limit: int, max_bytes: int) -> InboxPage:
        """See `HubStore`."""
        return await self._read(lambda c: messages.inbox(c, party, after, limit, max_bytes))

    async def binding(self, fingerprint: str) -> Binding | None:
        """See `HubStore`."""
        return self.database.read(lambda c: directory.binding(c, fingerprint))

    async def bindings(self, party: str, at: int) -> list[Binding]:
        """See `HubStore`."""
        return self.database.read(lambda c: directory.bindings(c, party, at))

    async def add_binding(self, binding: Binding, by: str, at: int) -> bool:
        """See `HubStore`."""
        return await self._write(lambda c: directory.add_binding(c, binding, by, at))

    async def revoke(self, fingerprint: str, envelope: bytes, by: str, at: int) -> bool:
        """See `HubStore`."""
        return await self._write(lambda c: directory.revoke(c, fingerprint, envelope, by, at))

    async def enqueue(self, enrolment: Enrolment, at: int) -> bool:
        """See `HubStore`."""
        return await self._write(lambda c: directory.enqueue(c, enrolment, self._bounds, at))

    async def enrolment(self, enrolment_id: str, kind: EnrolmentKind) -> Enrolment | None:
        """See `HubStore`."""
        return self.database.read(lambda c: directory.enrolment(c, enrolment_id, kind))

    async def enrolments(self, state: EnrolmentState, limit: int) -> list[Enrolment]:
        """See `HubStore`."""
        return await self._read(lambda c: directory.enrolments(c, state, limit))

    async def pending_enrolments(self) -> int:
        """See `HubStore`."""
        return await self._read(lambda c: count(c, "SELECT count(*) FROM enrolments WHERE state = 'pending'"))

    async def approve(self, enrolment_id: str, binding: Binding, by: str, at: int) -> bool:
        """See `HubStore`."""
        return await self._write(lambda c: directory.approve(c, enrolment_id, binding, by, at))

    async def refuse(self, enrolment_id: str, reason: str, by: str, at: int) -> bool:
        """See `HubStore`."""
        return await self._write(lambda c: directory.refuse(c, enrolment_id, reason, by, at))

    async def tree(self) -> TreeState:
        """See `HubStore`."""
        return self.database.read(lambda c: Journal(c).tree())

    async def journal_entries(self, first: int, last: int) -> list[bytes]:
        """See `HubStore`."""
        return await self._read(lambda c: Journal(c).entries(first, last))

    async def inclusion_proof(self, index: int, size: int) -> list[str]:
        """See `HubStore`."""
        return await self._read(lambda c: Journal(c).inclusion_proof(index, size))

    async def consistency_proof(self, first: int, second: int) -> list[str]:
        """See `HubStore`."""
        return await self._read(lambda c: Journal(c).consistency_proof(first, second))

    async def expire(self, parts_before: int, enrolments_before: int) -> int:
        """See `HubStore`."""

        def work(connection: apsw.Connection) -> int:
            parts = messages.expire_parts(connection, parts_before, _EXPIRE_AT_ONCE)
            return parts + directory.expire_enrolments(connection, enrolments_before, _EXPIRE_AT_ONCE)

        return await self._write(work)

    async def touch(self, contacts: Mapping[str, int]) -> None:
        """See `HubStore`."""
        await self._write(lambda c: reports.touch(c, contacts))

    async def prove_writable(self, at: int) -> None:
        """See `HubStore`."""
        await self._write(lambda c: c.execute("UPDATE hub SET proven_writable_at = ?", (at,)).fetchall())

    async def counts(self) -> list[PartyCounts]:
        """See `HubStore`."""
        return await self._read(reports.counts)

    async def expiring(self, at: int, before: int) -> tuple[int, int]:
        """See `HubStore`."""
        return await self._read(lambda c: directory.expiring(c, at, before))

    async def check(self) -> list[str]:
        """Recompute all that is derived, and have SQLite check the file; return what is wrong."""
        return await self._read(reports.check)

    async def _write(self, work: Work[T]) -> T:
        return await asyncio.wrap_future(self.database.submit(work))

    async def _read(self, work: Work[T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self.database.read, work)
