"""The issuing CA on the linkage host: its key never leaves the folder, the root signs its request offline.

issuing/
  issuing.key   PKCS #8, 0600
  issuing.csr   goes to the root
  issuing.pem   comes back from it
  crl.pem       the certificates it revoked, signed; travels to terminals and media stations
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from renkei.exchange.anchors import Anchors
from renkei.exchange.certificates import (
    MAX_PEM,
    Authority,
    CertificateError,
    certificate_from_pem,
    certificate_to_pem,
    key_from_pem,
    key_to_pem,
    make_authority_request,
    make_key,
)
from renkei.exchange.chain import Chain
from renkei.exchange.clock import parse_time, whole_seconds
from renkei.ministry.files import FileRefusedError, read_bounded, replace, write_new
from renkei.ministry.ledger import Revoked
from renkei.ministry.root import is_due


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
            IssuingError: the CA isn't ready.

        """
        issuing = self.open(at)
        begin = whole_seconds(at)
        builder = x509.CertificateRevocationListBuilder().issuer_name(issuing.certificate.subject)
        builder = builder.last_update(begin).next_update(begin + timedelta(days=days))
        number = int(begin.timestamp())  # grows with every list (RFC 5280, 5.2.3)
        builder = builder.add_extension(x509.CRLNumber(number), critical=False)
        key_identifier = issuing.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(key_identifier), critical=False
        )
        for item in revoked:
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder()
                .serial_number(item.serial_number)
                .revocation_date(parse_time(item.revoked_at))
                .build()
            )
        pem = builder.sign(issuing.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        replace(self.crl, pem, 0o644)

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
