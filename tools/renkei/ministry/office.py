"""What the registration authority works with, whether a person or the service uses it."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from renkei.exchange.certificates import certificate_from_pem, is_due
from renkei.exchange.clock import format_time
from renkei.ministry.issuance import issue_binding
from renkei.ministry.issuing import IssuingCA
from renkei.ministry.ledger import Ledger
from renkei.ministry.own import Identity, OwnKeys
from renkei.ministry.registrar import Registrar
from renkei.ministry.settings import Settings, load_terminals

log = logging.getLogger("renkei.authority")


@dataclass(frozen=True, slots=True)
class Office:
    """What the authority works with: folder, issuing CA, ledger, own keys. `open_office` opens one."""

    settings: Settings
    issuing: IssuingCA
    ledger: Ledger
    own: OwnKeys

    @property
    def registrar(self) -> Registrar:
        """What decides."""
        settings = self.settings.authority
        return Registrar(
            self.ledger, self.issuing.open, lambda: load_terminals(settings.terminals), settings.certificate_days
        )

    def identity(self, at: datetime) -> Identity:
        """Return the authority's own keys in use; makes and certifies them where they are missing or due.

        A next generation is used once the hub has confirmed its binding: until then the hub knows the last one only.

        Raises:
            IssuingError: the issuing CA isn't ready.

        """
        current = self.own.current()
        if current and not is_due(certificate_from_pem(current.entry.certificate), at):
            return current
        applicant, issuing = self.own.prepare(), self.issuing.open(at)
        days = self.settings.authority.certificate_days
        issued = self.ledger.write(lambda records: issue_binding(records, applicant, issuing, at, days))
        waiting = self.ledger.read(lambda records: records.unpushed_entries())
        if current and issued.certificate_sha256 in {digest for digest, _ in waiting}:
            return current
        log.info("the authority uses generation %d of its keys", issued.generation)
        return self.own.adopt(issued)

    def write_crl(self, at: datetime) -> None:
        """Sign the list of revoked certificates that haven't expired by themselves."""
        revoked = self.ledger.read(lambda records: records.revocations(unexpired_at=format_time(at)))
        self.issuing.write_crl(revoked, at, self.settings.authority.crl_days)


@contextmanager
def open_office(settings: Settings) -> Iterator[Office]:
    """Open the authority's state.

    Raises:
        StoreError: the ledger can't be opened.
    """
    authority = settings.authority
    with Ledger(authority.state / "codes.db") as ledger:
        yield Office(
            settings,
            IssuingCA(authority.state / "issuing", authority.root),
            ledger,
            OwnKeys(authority.state / "keys", authority.terminal),
        )
