"""Orders, permits, patch and host states, as the hub's store takes and gives them, and what the hub asks of it."""

from dataclasses import dataclass
from typing import Final, Literal, Protocol

from renkei.store.hub.words import SignedWord

OrderKind = Literal["order", "permit"]

MAX_HOSTS: Final = 20_000
"""Hosts whose states are kept: three times those of 1,892 endpoints with a router, a firewall and a register side."""


@dataclass(frozen=True, slots=True)
class Order:
    """A verified order, or the verified permit of one; `id` is the order's, `issued_at` in seconds since 1970."""

    endpoint: str
    terminal: str
    kind: OrderKind
    id: str
    issued_at: int
    envelope: bytes
    signer: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """An order or permit that waits for a terminal."""

    terminal: str
    kind: OrderKind
    word: SignedWord


@dataclass(frozen=True, slots=True)
class PatchState:
    """A verified patch state; `checked_at` in seconds since 1970."""

    endpoint: str
    terminal: str
    stage: str
    checked_at: int
    envelope: bytes
    signer: str


@dataclass(frozen=True, slots=True)
class HostState:
    """What the authority saw on a host, verified; `seen_at` in seconds since 1970, `by` the party that signed it."""

    host: str
    seen_at: int
    by: str
    envelope: bytes
    signer: str


@dataclass(frozen=True, slots=True)
class StateItem:
    """A patch or host state, and its signer's directory entry (JSON)."""

    cursor: int
    envelope: bytes
    entry: bytes


@dataclass(frozen=True, slots=True)
class StatePage:
    """Patch or host states after a cursor, oldest first; `end` is the newest cursor that there ever was."""

    items: tuple[StateItem, ...]
    end: int


class PatchStore(Protocol):
    """The part of `HubStore` that carries patching; what is said there of every method holds here."""

    async def put_order(self, order: Order, at: int) -> bool:
        """Keep an order or permit for a terminal; false when it, or one that was issued later, is there."""

    async def withdraw_order(self, endpoint: str, terminal: str, order: str) -> bool:
        """Forget an order, by its id, and its permit; false when it isn't there."""

    async def orders(self, endpoint: str, terminal: str | None) -> list[Waiting]:
        """Return what waits for a terminal, or for all of an endpoint."""

    async def put_patch_state(self, state: PatchState, at: int) -> bool:
        """Keep what a terminal says of its updates, the newest of each stage; false for what is no newer."""

    async def patch_states(self, after: int, limit: int) -> StatePage:
        """Return what terminals have said after a cursor."""

    async def put_host_state(self, state: HostState, at: int) -> bool:
        """Keep what was seen on a host, the newest of each; false for what is no newer.

        Raises:
            QuotaRefusal: it is about one more host than may be kept.
        """

    async def host_states(self, after: int, limit: int) -> StatePage:
        """Return what was seen on hosts after a cursor."""
