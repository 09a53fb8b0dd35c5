"""The list of revoked certificates (CRL, RFC 5280, 5), signed by an issuing CA, whose certificate travels with it.

    pem = sign_crl(revoked, issuing, at, days=3, number=next_number(at, last))    # at the ministry
    crl = read_crl(pem)                                                           # anywhere; not believed yet
    crl = crl.verify(chain, at)                                                   # now it is
    when = crl.revoked_at(certificate)

It names serial numbers, 159 random bits each, so one list speaks for everything that the authority ever issued, under
whichever of its issuing CAs. The greater number is the newer list; a party never goes back to a smaller one.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization

from renkei.exchange.certificates import Authority, CertificateError, certificate_to_pem, public_key_of
from renkei.exchange.chain import Chain
from renkei.exchange.clock import format_time, whole_seconds

MAX_CRL = 256 * 1024
"""Characters of a list: over 5,000 revoked certificates, more than two for each endpoint of the country."""

_AHEAD = timedelta(minutes=5)
_MOST_NUMBER = 2**63


@dataclass(frozen=True, slots=True)
class Crl:
    """A list and what it says; from `read_crl` it is only claimed.

    Attributes:
        pem: as it travels: the list, and the certificate of the CA that signed it.
        number: grows from list to list.
        signed_at: when it was made.
        due_at: by when the next one is promised (RFC 5280: nextUpdate).
        revoked: when each certificate was revoked, by serial number.
    """

    pem: str
    number: int
    signed_at: datetime
    due_at: datetime
    revoked: dict[int, datetime] = field(repr=False)

    def revoked_at(self, certificate: x509.Certificate) -> datetime | None:
        """Return when a certificate was revoked, None when it isn't on the list."""
        return self.revoked.get(certificate.serial_number)

    def verify(self, chain: Chain, at: datetime) -> "Crl":
        """Return the list itself, once it is the word of an issuing CA under the root.

        Args:
            chain: from the root.
            at: the time that counts for the CA's certificate, aware.

        Raises:
            CertificateError: not signed by the CA that comes with it, that isn't one, or a list of the future.
        """
        crl, issuer = _load(self.pem)
        chain.verify_issuing(issuer, at)
        try:
            signed = crl.issuer == issuer.subject and crl.is_signature_valid(public_key_of(issuer))
        except (TypeError, ValueError, InvalidSignature, UnsupportedAlgorithm):
            signed = False
        if not signed:
            raise CertificateError("the list of revoked certificates wasn't signed by the issuing CA that came with it")
        if self.signed_at > whole_seconds(at) + _AHEAD:
            raise CertificateError(
                f"the list of revoked certificates is of {format_time(self.signed_at)}, which hasn't come yet: "
                "check the clocks"
            )
        return self


def next_number(at: datetime, last: int) -> int:
    """Return the number of a list made at a time after the list `last`: the second, or one more than the last."""
    return max(int(at.timestamp()), last + 1)


def sign_crl(revoked: Iterable[tuple[int, datetime]], issuing: Authority, at: datetime, days: int, number: int) -> str:
    """Sign a list.

    Args:
        revoked: serial number and time of revocation of each certificate.
        issuing: the CA's certificate and key.
        at: now, aware.
        days: after which the next list is due.
        number: see `next_number`.
    """
    begin = whole_seconds(at)
    builder = x509.CertificateRevocationListBuilder().issuer_name(issuing.certificate.subject)
    builder = builder.last_update(begin).next_update(begin + timedelta(days=days))
    builder = builder.add_extension(x509.CRLNumber(number), critical=False)
    key_identifier = issuing.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    builder = builder.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(key_identifier), critical=False
    )
    for serial_number, when in revoked:
        one = x509.RevokedCertificateBuilder().serial_number(serial_number).revocation_date(when)
        builder = builder.add_revoked_certificate(one.build())
    signed = builder.sign(issuing.key, hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM).decode() + certificate_to_pem(issuing.certificate)


def read_crl(pem: str) -> Crl:
    """Read a list as it travels; nothing in it is believed before `Crl.verify`.

    Raises:
        CertificateError: not a list and one certificate, too long, or without number or due time, or in a form
            (RFC 5280: a critical extension) that this software doesn't know.
    """
    crl, _ = _load(pem)
    try:
        number = crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
        unknown = [each.oid.dotted_string for each in crl.extensions if each.critical]
        unknown += [inner.oid.dotted_string for each in crl for inner in each.extensions if inner.critical]
        revoked = {each.serial_number: each.revocation_date_utc for each in crl}
        signed_at, due_at = crl.last_update_utc, crl.next_update_utc
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        raise CertificateError("the list of revoked certificates is malformed, or has no number") from None
    if unknown:
        raise CertificateError(f"the list of revoked certificates has extensions that aren't known here: {unknown[0]}")
    if due_at is None or not 0 < number < _MOST_NUMBER:
        raise CertificateError("the list of revoked certificates doesn't say when the next is due, or has no number")
    return Crl(pem, number, signed_at, due_at, revoked)


def _load(pem: str) -> tuple[x509.CertificateRevocationList, x509.Certificate]:
    if len(pem) > MAX_CRL:
        raise CertificateError(f"a list of revoked certificates is at most {MAX_CRL} characters, this has {len(pem)}")
    try:
        raw = pem.encode("ascii")
        crl, found = x509.load_pem_x509_crl(raw), x509.load_pem_x509_certificates(raw)
    except ValueError:
        raise CertificateError(
            "the list of revoked certificates, with its issuing CA's, isn't well-formed PEM"
        ) from None
    if len(found) != 1:
        raise CertificateError(f"one certificate comes with a list of revoked ones, its issuing CA's, not {len(found)}")
    return crl, found[0]
