"""The hub's store on any database that has transactions: each method of the contract is one transaction of a rule.

    HubStore (contract)  what the hub asks
      SqlHubStore        which rule answers, written or read                       this module
        rules            messages, directory, horizons, profiles, journal … on a Transaction
        SqliteHubStore   one file, one machine                                     sqlite
        PostgresHubStore one server and its standby, several hubs                  postgresql

The databases differ in how a transaction is had and in nothing that a rule can see.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from renkei.store.copies import Progress
from renkei.store.hub import (
    crl,
    directory,
    exchanges,
    heads,
    horizons,
    messages,
    patching,
    profiles,
    reports,
    servers,
    settlements,
)
from renkei.store.hub.contract import (
    Accepted,
    Binding,
    Bounds,
    Content,
    Enrolment,
    EnrolmentKind,
    EnrolmentState,
    InboxPage,
    JournalPage,
    KeptHead,
    Message,
    PartyCounts,
    Profile,
    Receipt,
    SignAcceptance,
    StoredMessage,
    StreamState,
    TreeState,
    Void,
)
from renkei.store.hub.exchanges import Exchanged, ExchangePage
from renkei.store.hub.journal import Journal
from renkei.store.hub.patch_words import HostState, Order, PatchState, StatePage, Waiting
from renkei.store.hub.refusals import StoreRefusal
from renkei.store.hub.transaction import Transaction
from renkei.store.hub.words import AskingState, Horizon, ServerAsking, Settlement, SignedWord
from renkei.store.writer import Outcome, Statistics

T = TypeVar("T")
Work = Callable[[Transaction], T]

_EXPIRE_AT_ONCE = 200


class SqlHubStore(ABC):
    """`HubStore` over transactions.

    Args:
        bounds: what the store itself bounds.
    """

    def __init__(self, bounds: Bounds | None = None) -> None:
        self._bounds = bounds or Bounds()

    @property
    @abstractmethod
    def statistics(self) -> Statistics:
        """What the writer did since the store was opened."""

    @abstractmethod
    def close(self) -> None:
        """Finish what was submitted and let the database go."""

    @abstractmethod
    def arrivals(self) -> AsyncIterator[str | None]:
        """Yield each party for whom another hub on this database took something; None: perhaps for any."""

    @abstractmethod
    async def copy_to(self, target: Path, progress: Progress) -> None:
        """Copy the store as it is at one moment into `target`, an empty SQLite file."""

    @abstractmethod
    async def _write(self, work: Work[T]) -> T:
        """Run work that writes; return after the durable commit."""

    @abstractmethod
    async def _write_together(self, works: Sequence[Work[Any]]) -> list[Outcome]:
        """Run works that write, in one transaction, each undone alone where it fails; return after the commit."""

    @abstractmethod
    async def _read(self, work: Work[T]) -> T:
        """Run work that reads one moment."""

    @abstractmethod
    async def _look(self, work: Work[T]) -> T:
        """Run work that reads by one statement what an index finds at once."""

    @abstractmethod
    async def _check_database(self) -> list[str]:
        """Have the database check itself; return what is wrong."""

    async def epoch(self) -> int:
        """See `HubStore`."""
        return await self._look(lambda t: t.count("SELECT epoch FROM hub"))

    async def missing_parts(self, sender: str, digests: Sequence[str]) -> list[str]:
        """See `HubStore`."""
        return await self._read(lambda t: messages.missing_parts(t, sender, digests))

    async def put_part(self, sender: str, digest: str, content: bytes, quota: int, at: int) -> bool:
        """See `HubStore`."""
        return await self._write(lambda t: messages.put_part(t, sender, digest, content, quota, at))

    async def accept(self, message: Message, sign: SignAcceptance, quota: int, at: int) -> Accepted:
        """See `HubStore`."""
        return await self._write(partial(_accept, message, sign, quota, self._bounds, at))

    async def accept_together(
        self, offered: Sequence[tuple[Message, SignAcceptance]], quota: int, at: int
    ) -> list[Accepted | StoreRefusal]:
        """See `HubStore`."""
        works = [partial(_accept, message, sign, quota, self._bounds, at) for message, sign in offered]
        answers: list[Accepted | StoreRefusal] = []
        for result, raised in await self._write_together(works):
            if raised is not None and not isinstance(raised, StoreRefusal):
                raise raised
            answers.append(result if raised is None else raised)
        return answers

    async def message(self, sender: str, message_id: str) -> StoredMessage | None:
        """See `HubStore`."""
        return await self._look(lambda t: messages.stored_message(t, sender, message_id))

    async def content(self, sender: str, message_id: str) -> Content | None:
        """See `HubStore`."""
        return await self._look(lambda t: messages.content(t, sender, message_id))

    async def part(self, sender: str, digest: str) -> bytes:
        """See `HubStore`."""
        return await self._look(lambda t: messages.part(t, sender, digest))

    async def receipt(self, receipt: Receipt, at: int) -> bool:
        """See `HubStore`."""
        return await self._write(lambda t: messages.take_receipt(t, receipt, at))

    async def void(self, void: Void, at: int) -> bool:
        """See `HubStore`."""
        return await self._write(lambda t: messages.take_void(t, void, at))

    async def stream(self, sender: str, recipient: str, stream: str) -> StreamState:
        """See `HubStore`."""
        return await self._read(lambda t: messages.stream_state(t, sender, recipient, stream))

    async def put_horizons(self, horizons_: Sequence[Horizon]) -> list[tuple[int, int]]:
        """See `HubStore`."""
        return await self._write(lambda t: horizons.put_all(t, horizons_))

    async def horizon(self, sender: str, recipient: str, stream: str) -> SignedWord | None:
        """See `HubStore`."""
        return await self._look(lambda t: horizons.newest(t, sender, recipient, stream))

    async def settle(self, settlement: Settlement, at: int) -> int:
        """See `HubStore`."""
        return await self._write(lambda t: settlements.put(t, settlement, at))

    async def settlement(self, sender: str, recipient: str, stream: str) -> SignedWord | None:
        """See `HubStore`."""
        return await self._look(lambda t: settlements.newest(t, sender, recipient, stream))

    async def put_profile(self, profile: Profile, at: int) -> bool:
        """See `HubStore`."""
        return await self._write(lambda t: profiles.put(t, profile, at))

    async def profile(self, party: str) -> bytes | None:
        """See `HubStore`."""
        return await self._look(lambda t: profiles.newest(t, party))

    async def put_order(self, order: Order, at: int) -> bool:
        """See `HubStore`."""
        return await self._write(lambda t: patching.put_order(t, order, at))

    async def withdraw_order(self, endpoint: str, terminal: str, order: str) -> bool:
        """See `HubStore`."""
        return await self._write(lambda t: patching.withdraw(t, endpoint, terminal, order))

    async def orders(self, endpoint: str, terminal: str | None) -> list[Waiting]:
        """See `HubStore`."""
        return await self._look(lambda t: patching.waiting(t, endpoint, terminal))

    async def put_patch_state(self, state: PatchState, at: int) -> bool:
        """See `HubStore`."""
        return await self._write(lambda t: patching.put_state(t, state, at))

    async def patch_states(self, after: int, limit: int) -> StatePage:
        """See `HubStore`."""
        return await self._read(lambda t: patching.states(t, after, limit))

    async def put_host_state(self, state: HostState, at: int) -> bool:
        """See `HubStore`."""
        return await self._write(lambda t: patching.put_host_state(t, state, at))

    async def host_states(self, after: int, limit: int) -> StatePage:
        """See `HubStore`."""
        return await self._read(lambda t: patching.host_states(t, after, limit))

    async def put_crl(self, number: int, document: bytes, by: str, at: int) -> bool:
        """See `HubStore`."""
        return await self._write(lambda t: crl.put(t, number, document, by, at))

    async def crl(self) -> bytes | None:
        """See `HubStore`."""
        return await self._look(crl.newest)

    async def crl_number(self) -> int | None:
        """See `HubStore`."""
        return await self._look(crl.number)

    async def inbox(self, party: str, after: int, limit: int, max_bytes: int) -> InboxPage:
        """See `HubStore`."""
        return await self._read(lambda t: messages.inbox(t, party, after, limit, max_bytes))

    async def binding(self, fingerprint: str) -> Binding | None:
        """See `HubStore`."""
        return await self._look(lambda t: directory.binding(t, fingerprint))

    async def bindings(self, party: str, at: int | None) -> list[Binding]:
        """See `HubStore`."""
        return await self._look(lambda t: directory.bindings(t, party, at))

    async def add_binding(self, binding: Binding, by: str, at: int) -> bool:
        """See `HubStore`."""
        return await self._write(lambda t: directory.add_binding(t, binding, by, at))

    async def revoke(self, fingerprint: str, envelope: bytes, by: str, at: int) -> bool:
        """See `HubStore`."""
        return await self._write(lambda t: directory.revoke(t, fingerprint, envelope, by, at))

    async def enqueue(self, enrolment: Enrolment, at: int) -> bool:
        """See `HubStore`."""
        return await self._write(lambda t: directory.enqueue(t, enrolment, self._bounds, at))

    async def enrolment(self, enrolment_id: str, kind: EnrolmentKind) -> Enrolment | None:
        """See `HubStore`."""
        return await self._look(lambda t: directory.enrolment(t, enrolment_id, kind))

    async def enrolments(self, state: EnrolmentState, limit: int) -> list[Enrolment]:
        """See `HubStore`."""
        return await self._read(lambda t: directory.enrolments(t, state, limit))

    async def pending_enrolments(self) -> int:
        """See `HubStore`."""
        return await self._read(lambda t: t.count("SELECT count(*) FROM enrolments WHERE state = 'pending'"))

    async def approve(self, enrolment_id: str, binding: Binding, by: str, at: int) -> bool:
        """See `HubStore`."""
        return await self._write(lambda t: directory.approve(t, enrolment_id, binding, by, at))

    async def refuse(self, enrolment_id: str, reason: str, by: str, at: int) -> bool:
        """See `HubStore`."""
        return await self._write(lambda t: directory.refuse(t, enrolment_id, reason, by, at))

    async def enqueue_server(self, asking: ServerAsking, at: int) -> bool:
        """See `HubStore`."""
        return await self._write(lambda t: servers.enqueue(t, asking, at))

    async def server(self, asking_id: str) -> ServerAsking | None:
        """See `HubStore`."""
        return await self._look(lambda t: servers.one(t, asking_id))

    async def servers(self, state: AskingState, limit: int) -> list[ServerAsking]:
        """See `HubStore`."""
        return await self._read(lambda t: servers.some(t, state, limit))

    async def answer_server(self, asking_id: str, chain: bytes | None, reason: str, by: str, at: int) -> bool:
        """See `HubStore`."""
        return await self._write(lambda t: servers.answer(t, asking_id, chain, reason, by, at))

    async def tree(self) -> TreeState:
        """See `HubStore`."""
        return await self._read(lambda t: Journal(t).tree())

    async def journal_entries(self, first: int, last: int) -> list[bytes]:
        """See `HubStore`."""
        return await self._read(lambda t: Journal(t).entries(first, last))

    async def journal_size(self) -> int:
        """See `HubStore`."""
        return await self._read(lambda t: Journal(t).positions())

    async def journal_page(self, first: int, last: int) -> JournalPage:
        """See `HubStore`."""
        return await self._read(lambda t: Journal(t).page(first, last))

    async def keep_head(self, tree: TreeState, envelope: bytes, signer: str, at: int) -> bool:
        """See `HubStore`."""
        return await self._write(lambda t: heads.keep(t, tree, envelope, signer, at))

    async def newest_head(self) -> KeptHead | None:
        """See `HubStore`."""
        return await self._look(heads.newest)

    async def kept_heads(self, first: int, limit: int) -> list[KeptHead]:
        """See `HubStore`."""
        return await self._read(lambda t: heads.some(t, first, limit))

    async def inclusion_proof(self, index: int, size: int) -> list[str]:
        """See `HubStore`."""
        return await self._read(lambda t: Journal(t).inclusion_proof(index, size))

    async def consistency_proof(self, first: int, second: int) -> list[str]:
        """See `HubStore`."""
        return await self._read(lambda t: Journal(t).consistency_proof(first, second))

    async def expire(self, parts_before: int, enrolments_before: int, settled_before: int) -> int:
        """See `HubStore`."""

        def work(transaction: Transaction) -> int:
            parts = messages.expire_parts(transaction, parts_before, _EXPIRE_AT_ONCE)
            settled = messages.remove_settled(transaction, settled_before, _EXPIRE_AT_ONCE)
            asked = servers.expire(transaction, enrolments_before, _EXPIRE_AT_ONCE)
            enrolments = directory.expire_enrolments(transaction, enrolments_before, _EXPIRE_AT_ONCE)
            return parts + settled + asked + enrolments

        return await self._write(work)

    async def touch(self, contacts: Mapping[str, int]) -> None:
        """See `HubStore`."""
        await self._write(lambda t: reports.touch(t, contacts))

    async def note_exchanges(self, seen: Sequence[Exchanged]) -> None:
        """See `HubStore`."""
        await self._write(lambda t: exchanges.note(t, seen))

    async def exchanges(self, after: int, limit: int) -> ExchangePage:
        """See `HubStore`."""
        return await self._read(lambda t: exchanges.page(t, after, limit))

    async def prove_writable(self, at: int) -> None:
        """See `HubStore`."""
        await self._write(lambda t: t.execute("UPDATE hub SET proven_writable_at = ?", (at,)))

    async def counts(self) -> list[PartyCounts]:
        """See `HubStore`."""
        return await self._read(reports.counts)

    async def expiring(self, at: int, before: int) -> tuple[int, int]:
        """See `HubStore`."""
        return await self._read(lambda t: directory.expiring(t, at, before))

    async def check(self) -> list[str]:
        """Recompute all that is derived, and have the database check itself; return what is wrong."""
        return await self._check_database() + await self._read(reports.check)


def _accept(
    message: Message, sign: SignAcceptance, quota: int, bounds: Bounds, at: int, transaction: Transaction
) -> Accepted:
    return messages.accept(transaction, message, sign, quota, bounds, at)
