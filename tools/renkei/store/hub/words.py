"""What senders say of their streams: horizons and settlements, as the hub's store takes and gives them."""

from dataclasses import dataclass


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
    """The newest horizon or settlement of a stream, and its signer's directory entry (JSON)."""

    envelope: bytes
    entry: bytes
