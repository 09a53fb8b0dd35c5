"""What others say, as the hub's store takes and gives it: senders of their streams, servers of their certificates."""

from dataclasses import dataclass, field
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True)
class Horizon:
    """A verified horizon; `published_up_to` in seconds since 1970."""

    sender: str
    recipient: str
    stream: str
    next_sequence: int
    published_up_to: int
    envelope: bytes
    signer: str


@dataclass(frozen=True, slots=True)
class Settlement:
    """A verified settlement; `settled` are first and last number of each range, `signed_at` in seconds since 1970."""

    sender: str
    recipient: str
    stream: str
    settled: tuple[tuple[int, int], ...]
    signed_at: int
    envelope: bytes
    signer: str


@dataclass(frozen=True, slots=True)
class SignedWord:
    """A horizon, settlement, order or permit, and its signer's directory entry (JSON)."""

    envelope: bytes
    entry: bytes


AskingState = Literal["pending", "approved", "refused"]


@dataclass(frozen=True, slots=True)
class ServerAsking:
    """What a TLS server asks for (`request` is JSON), and the answer: its new certificate with the issuer's (PEM)."""

    id: str
    request: bytes = field(repr=False)
    state: AskingState = "pending"
    chain: bytes | None = None
    reason: str = ""


class ServerQueue(Protocol):
    """What waits of servers, a part of `HubStore`."""

    async def enqueue_server(self, asking: ServerAsking, at: int) -> bool:
        """Queue what a server asks for; false when it was there and not refused.

        Raises:
            QuotaRefusal: too many wait.
        """

    async def server(self, asking_id: str) -> ServerAsking | None:
        """Return what a server asked for."""

    async def servers(self, state: AskingState, limit: int) -> list[ServerAsking]:
        """Return what servers asked for, by its state, oldest first."""

    async def answer_server(self, asking_id: str, chain: bytes | None, reason: str, by: str, at: int) -> bool:
        """Answer a server by its new certificate, or without one by a reason; false for a repeat.

        Raises:
            UnknownRefusal: no such request.
            ConflictRefusal: it was answered otherwise.
        """
