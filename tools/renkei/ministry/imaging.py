"""The authority signs for images of terminals: only for machines of the inventory, each for its own endpoint."""

from dataclasses import dataclass
from datetime import datetime

from renkei.exchange.certificates import key_from_pem
from renkei.exchange.documents import Signer
from renkei.exchange.images import ImageRequest, ImageSignature
from renkei.ministry.counter import CounterError
from renkei.ministry.files import read_bounded
from renkei.ministry.office import Office
from renkei.ministry.own import Identity
from renkei.ministry.settings import load_terminals

_MAX_KEY = 64 * 1024


@dataclass(frozen=True, slots=True)
class ImageCounter:
    """Signs with one generation of the authority's keys; `open_counter` opens it."""

    office: Office
    identity: Identity
    signer: Signer

    def sign(self, request: ImageRequest, at: datetime) -> ImageSignature:
        """Sign for an image.

        Raises:
            CounterError: the inventory has no such machine in use at this endpoint.
            SettingsError: the inventory can't be read.
        """
        machines = load_terminals(self.office.settings.authority.terminals)
        wanted = (request.endpoint, request.terminal, request.machine_serial)
        if not any((m.endpoint, m.asset_number, m.machine_serial) == wanted and m.state != "retired" for m in machines):
            raise CounterError(
                f"the inventory has no terminal {request.terminal} with serial {request.machine_serial} in use at "
                f"{request.endpoint}; converge the linkage host, or correct the inventory"
            )
        envelope = request.statement(at).sign(self.signer)
        return ImageSignature(entry=self.identity.entry, image=envelope.decode())


def open_counter(office: Office, at: datetime) -> ImageCounter:
    """Open the counter with the authority's keys in use.

    Raises:
        IssuingError: the issuing CA isn't ready.
    """
    identity = office.identity(at)
    return ImageCounter(office, identity, Signer(key_from_pem(read_bounded(identity.key, _MAX_KEY).decode())))
