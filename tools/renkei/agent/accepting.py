"""The hub's acceptances: whether one is of what was offered, and what was accepted in an exchange."""

from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ec

from renkei.agent.contact import Contact
from renkei.agent.home import Home, now
from renkei.exchange.bindings import BindingError
from renkei.exchange.documents import DocumentError, key_id, payload_sha256, peek
from renkei.exchange.parties import HUB
from renkei.exchange.payloads import Acceptance
from renkei.store.outgoing import OutgoingMessage


@dataclass(slots=True)
class Sent:
    """Parcels that the hub accepted in this exchange, and their sealed bytes."""

    parcels: int = 0
    notices: int = 0
    bytes: int = 0

    def add(self, message: OutgoingMessage) -> None:
        """Count a parcel."""
        self.parcels += 1
        self.notices += message.count
        self.bytes += len(message.sealed or b"")


class AcceptanceFault(Exception):
    """The hub's acceptance isn't one of this message."""


def verify(home: Home, contact: Contact, message: OutgoingMessage, envelope: bytes) -> None:
    """See that an acceptance is the hub's and of this message as it was offered.

    Raises:
        AcceptanceFault: it isn't.
    """
    try:
        acceptance = Acceptance.open(envelope, _hub_key(home, contact, envelope))
    except (DocumentError, BindingError) as error:
        raise AcceptanceFault(f"the hub's acceptance of message {message.id} doesn't hold: {error}") from error
    if (str(acceptance.id), acceptance.sender) != (message.id, home.party):
        raise AcceptanceFault(f"the hub accepted another message than {message.id}")
    if acceptance.manifest_sha256 != payload_sha256(message.manifest):
        raise AcceptanceFault(f"the hub accepted another manifest of message {message.id} than was offered")


def _hub_key(home: Home, contact: Contact, envelope: bytes) -> ec.EllipticCurvePublicKey:
    """The key that the acceptance names: of the hub that was met first, of another one, or an older one of either."""
    key, claimed = contact.hub.signing_public_key, peek(envelope).key_id
    if key_id(key) != claimed:
        for entry in contact.client.directory(HUB).entries:
            other = home.anchor.verify_entry(entry, now(), HUB).signing_public_key
            if key_id(other) == claimed:
                return other
    return key
