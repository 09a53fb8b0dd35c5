"""What the registration authority answers to TLS servers that renew their certificate: the same names, or nothing."""

import logging
from dataclasses import dataclass
from datetime import datetime

from renkei.exchange.anchors import MAX_ANCHORS, Anchors
from renkei.exchange.certificates import CertificateError, due_at, is_due
from renkei.exchange.clock import format_time
from renkei.exchange.servers import ServerRequest, names_of
from renkei.ministry.counter import issue_server_locally
from renkei.ministry.files import FileRefusedError, read_bounded
from renkei.ministry.issuing import IssuingError
from renkei.ministry.office import Office
from renkei.ministry.service import ALARM

log = logging.getLogger("renkei.authority")


@dataclass(frozen=True, slots=True)
class ServerAnswer:
    """The new certificate and the issuing CA's (PEM), or why there is none."""

    chain: str = ""
    refused: str = ""


def renew_server(office: Office, asked: ServerRequest, at: datetime) -> ServerAnswer:
    """Answer a server's request; the same one gets the same until two thirds of the new certificate's time are over.

    Proven by the key of a certificate that is valid and due, it gets that one's names and no other.

    Raises:
        IssuingError: the CA isn't ready, or its root can't be read; nothing was decided.
    """
    try:
        anchors = Anchors.read(read_bounded(office.settings.authority.root, MAX_ANCHORS).decode("ascii"))
    except (OSError, FileRefusedError, UnicodeDecodeError, CertificateError) as error:
        raise IssuingError(f"the trust anchor can't be read: {error}") from error
    try:
        chain = _issued(office, asked, anchors, at)
    except CertificateError as error:
        log.log(ALARM, "the renewal of a server's certificate refused: %s", error)
        return ServerAnswer(refused=str(error)[:500])
    return ServerAnswer(chain)


def _issued(office: Office, asked: ServerRequest, anchors: Anchors, at: datetime) -> str:
    present = asked.check(anchors, at)
    names = names_of(present)
    if not is_due(present, at):
        raise CertificateError(f"the present certificate isn't due before {format_time(due_at(present))}")
    chain = issue_server_locally(office, asked.csr, names.dns, names.addresses, at)
    log.info("server %s: the next certificate issued", names.dns[0])
    return chain
