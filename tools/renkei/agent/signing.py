"""Documents of ours that waited: a line may be away for longer than the certificate lives that signed them."""

from renkei.agent.home import Home
from renkei.exchange.documents import peek
from renkei.exchange.payloads import Payload


def is_signed_now(home: Home, envelope: bytes) -> bool:
    """Whether the key that this machine signs with today has signed it."""
    return peek(envelope).key_id == home.keys().signer.key_id


def signed_now(home: Home, model: type[Payload], envelope: bytes) -> bytes:
    """Return a document of ours (from our own spool) under the key of today; what it says stays."""
    if is_signed_now(home, envelope):
        return envelope
    return model.read(peek(envelope).payload).sign(home.keys().signer)
