"""The issuing CA on the linkage host: its key never leaves the folder, the root signs its request offline.

issuing/
  issuing.key   PKCS #8, 0600
  issuing.csr   goes to the root
  issuing.pem   comes back from it
  crl.pem       the certificates it revoked, signed, and its own; travels to terminals and media stations
"""

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from cryptography import x509

from renkei.exchange.anchors import Anchors
from renkei.exchange.certificates import (
    MAX_PEM,
    Authority,
    CertificateError,
    certificate_from_pem,
    certificate_to_pem,
    is_due,
    key_from_pem,
    key_to_pem,
    make_authority_request,
    make_key,
)
from renkei.exchange.chain import Chain
from renkei.exchange.clock import parse_time
from renkei.exchange.crl import MAX_CRL, Crl, next_number, read_crl, sign_crl
from renkei.ministry.files import FileRefusedError, read_bounded, replace, write_new
from renkei.ministry.ledger import Revoked


class IssuingError(Exception):
    """The issuing CA isn't ready or was given the wrong certificate; the message says what to do."""


class IssuingCA:
    """The folder of the issuing CA."""

    def __init__(self, folder: Path, root: Path) -> None:
        """Name the folder and the file of the root certificate; nothing is read yet."""
        self.folder = folder
        self.request = folder / "issuing.csr"
        self.crl = folder / "crl.pem"
        self._root = root
        self._key = folder / "issuing.key"
        self._certificate = folder / "issuing.pem"

    def init(self, name: str) -> bool:
        """Make the key and the request for the root where they are missing; return whether something was made."""
        if self._key.exists() and self.request.exists():
            return False
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self._key.exists():
            write_new(self._key, key_to_pem(make_key()).encode(), 0o600)
        key = key_from_pem(_read(self._key))
        replace(self.request, make_authority_request(key, name).encode(), 0o644)
        return True

    def install(self, pem: str, at: datetime) -> bool:
        """Take the certificate that the root signed; return whether it was new.

        Raises:
            IssuingError: the root didn't sign it, it is for another key, or not for an issuing CA, or not valid now.

        """
        if not self._key.exists():
            raise IssuingError(f"{self._key}: is missing; run `renkei ministry authority init` first")
        try:
            certificate = certificate_from_pem(pem)
        except CertificateError as error:
            raise IssuingError(f"the issuing certificate can't be read: {error}") from error
        self._check(certificate, at)
        if self._certificate.exists() and _read(self._certificate) == certificate_to_pem(certificate):
            return False
        replace(self._certificate, certificate_to_pem(certificate).encode(), 0o644)
        return True

    def open(self, at: datetime) -> Authority:
        """Return certificate and key, ready to sign.

        Raises:
            IssuingError: there is no certificate yet, or it no longer holds.

        """
        if not self._certificate.exists():
            raise IssuingError(
                f"{self._certificate}: is missing; have the root sign {self.request} and run "
                "`renkei ministry authority install-issuing`"
            )
        certificate = certificate_from_pem(_read(self._certificate))
        return self._check(certificate, at)

    def due(self, at: datetime) -> bool:
        """Say whether the root has to sign anew: two thirds of the certificate's time are over."""
        return is_due(certificate_from_pem(_read(self._certificate)), at)

    def write_crl(self, revoked: Iterable[Revoked], at: datetime, days: int) -> None:
        """Sign the list of revoked certificates; the next one is due after `days`.

        Raises:
            IssuingError: the CA isn't ready, or the last list can't be read.

        """
        issuing = self.open(at)
        last = self.read_crl()
        listed = [(each.serial_number, parse_time(each.revoked_at)) for each in revoked]
        pem = sign_crl(listed, issuing, at, days, next_number(at, last.number if last else 0))
        replace(self.crl, pem.encode(), 0o644)

    def read_crl(self) -> Crl | None:
        """Return the list that was signed last, None before the first.

        Raises:
            IssuingError: it can't be read.

        """
        if not self.crl.exists():
            return None
        try:
            return read_crl(read_bounded(self.crl, MAX_CRL).decode("ascii"))
        except (OSError, FileRefusedError, UnicodeDecodeError, CertificateError) as error:
            raise IssuingError(
                f"{self.crl}: can't be read ({error}); move it away, the next list takes its place"
            ) from error

    def _check(self, certificate: x509.Certificate, at: datetime) -> Authority:
        key = key_from_pem(_read(self._key))
        if certificate.public_key() != key.public_key():
            raise IssuingError(f"the issuing certificate is for another key than {self._key}; send {self.request} anew")
        try:
            Chain(Anchors.read(_read(self._root))).verify_issuing(certificate, at)
        except CertificateError as error:
            raise IssuingError(f"the issuing certificate doesn't hold under {self._root}: {error}") from error
        return Authority(certificate, key)


def _read(path: Path) -> str:
    try:
        return read_bounded(path, MAX_PEM).decode("ascii")
    except (OSError, FileRefusedError, UnicodeDecodeError) as error:
        raise IssuingError(f"{path}: can't be read: {error}") from error
