"""The renewal of a TLS server's certificate: asked for with a new key, proven by the present one, for the same names.

    asked = ServerRequest.make(new_key, present_certificate, issuer_of_it, present_key)      # on the server
    present = asked.check(anchors, at)                                                       # hub and authority
    names = names_of(present)                                                                # what is issued, no more
    asked.check_answer(chain, anchors, at)                                                   # hub and server

A server names no party and has no binding: this way gives nobody a voice in the exchange, and no server a new name.
"""

from datetime import datetime
from hashlib import sha256
from typing import Annotated, NamedTuple, Self

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID
from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from renkei.exchange.anchors import Anchors
from renkei.exchange.certificates import (
    MAX_PEM,
    CertificateError,
    certificate_from_pem,
    certificate_to_pem,
    fingerprint,
    key_of_request,
    make_server_request,
    public_key_of,
)
from renkei.exchange.chain import Chain
from renkei.exchange.clock import format_time, whole_seconds
from renkei.exchange.documents import DocumentError, Kind, Signer, canonical
from renkei.exchange.errors import misfits
from renkei.exchange.payloads import Digest, Payload

MAX_SERVER_REQUEST = 60 * 1024
MAX_CHAIN = 2 * MAX_PEM
_CHAIN = 2

Pem = Annotated[str, StringConstraints(min_length=1, max_length=MAX_PEM)]


class Names(NamedTuple):
    """Whom a server's certificate is for, both sorted."""

    dns: list[str]
    addresses: list[str]


class ServerRenewal(Payload):
    """The proof, signed by the server's present key: this request is mine."""

    KIND = Kind.SERVER_RENEWAL
    certificate_sha256: Digest
    request_sha256: Digest


class ServerRequest(BaseModel):
    """What a server asks for.

    Attributes:
        csr: certificate signing request (PEM) of the new key; its names aren't looked at.
        certificate: the present certificate, PEM.
        issuer: that of the CA which issued it, PEM.
        proof: the envelope of a `ServerRenewal`.
    """

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", hide_input_in_errors=True)
    csr: Pem
    certificate: Pem
    issuer: Pem
    proof: Annotated[str, StringConstraints(min_length=1, max_length=4096)]

    @classmethod
    def make(
        cls,
        key: ec.EllipticCurvePrivateKey,
        certificate: x509.Certificate,
        issuer: x509.Certificate,
        present: ec.EllipticCurvePrivateKey,
    ) -> Self:
        """Ask for a certificate of `key`, in the place of one whose key is `present`.

        Raises:
            CertificateError: the certificate is no server's.
        """
        csr = make_server_request(key, names_of(certificate).dns[0])
        asked = {"csr": csr, "certificate": certificate_to_pem(certificate), "issuer": certificate_to_pem(issuer)}
        proof = ServerRenewal(certificate_sha256=fingerprint(certificate), request_sha256=_digest(asked))
        return cls(**asked, proof=proof.sign(Signer(present)).decode())

    def to_json(self) -> bytes:
        """Write the request."""
        return self.model_dump_json().encode()

    @classmethod
    def from_json(cls, text: bytes) -> Self:
        """Read a request; nothing in it is proven yet.

        Raises:
            CertificateError: too large, or a field is missing, unknown or wrong; the text names it.
        """
        if len(text) > MAX_SERVER_REQUEST:
            raise CertificateError(f"a server's request is at most {MAX_SERVER_REQUEST} bytes, this has {len(text)}")
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise CertificateError(
                f"the server's request is not as the protocol has it: {misfits(error, 'request')}"
            ) from None

    def check(self, anchors: Anchors, at: datetime) -> x509.Certificate:
        """Return the certificate that is to be replaced, once its key has signed this request.

        Raises:
            CertificateError: that certificate isn't vouched for or isn't a server's, the proof doesn't hold, or the new
                key is the present one.
        """
        present = certificate_from_pem(self.certificate)
        _verify(present, certificate_from_pem(self.issuer), anchors, at)
        try:
            proof = ServerRenewal.open(self.proof.encode(), public_key_of(present))
        except DocumentError as error:
            raise CertificateError(f"the request isn't proven by the server's present key: {error}") from error
        asked = _digest(self.model_dump(include={"csr", "certificate", "issuer"}))
        if (proof.certificate_sha256, proof.request_sha256) != (fingerprint(present), asked):
            raise CertificateError("the proof of the server's present key is one for another request")
        if key_of_request(self.csr) == public_key_of(present):
            raise CertificateError("a new certificate has a new key; this request is for the present one")
        return present

    def check_answer(self, chain: str, anchors: Anchors, at: datetime) -> x509.Certificate:
        """Return the new certificate, once it is for the key that was asked for and for the present one's names alone.

        Args:
            chain: the certificate and the issuing CA's, PEM.
            anchors: the roots.
            at: the time that counts, aware.

        Raises:
            CertificateError: it isn't, or nobody vouches for it.
        """
        certificate, issuer = read_chain(chain)
        _verify(certificate, issuer, anchors, at)
        if public_key_of(certificate) != key_of_request(self.csr):
            raise CertificateError("the new certificate is for another key than was asked for")
        present, new = names_of(certificate_from_pem(self.certificate)), names_of(certificate)
        if new != present:
            raise CertificateError(f"the new certificate is for {_words(new)}, not for {_words(present)}")
        return certificate


def read_chain(pem: str) -> tuple[x509.Certificate, x509.Certificate]:
    """Read a server's certificate and that of the CA which issued it.

    Raises:
        CertificateError: not two certificates.
    """
    if len(pem) > MAX_CHAIN:
        raise CertificateError(f"a server's chain is at most {MAX_CHAIN} characters, this has {len(pem)}")
    try:
        found = x509.load_pem_x509_certificates(pem.encode())
    except ValueError:
        raise CertificateError("the server's chain is not well-formed PEM") from None
    if len(found) != _CHAIN:
        raise CertificateError(f"two certificates are expected, the server's and its issuer's; there are {len(found)}")
    return found[0], found[1]


def names_of(certificate: x509.Certificate) -> Names:
    """Read for which names and addresses a server's certificate is. This alone verifies nothing.

    Raises:
        CertificateError: it isn't for a TLS server alone, or has a name that is neither.
    """
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        raise CertificateError("the certificate is not one of a TLS server") from None
    if list(usage) != [ExtendedKeyUsageOID.SERVER_AUTH]:
        raise CertificateError("the certificate is not one of a TLS server")
    dns = names.get_values_for_type(x509.DNSName)
    addresses = [str(each) for each in names.get_values_for_type(x509.IPAddress)]
    if not dns or len(dns) + len(addresses) != len(names):
        raise CertificateError("a server's certificate is for DNS names and addresses, and for nothing else")
    return Names(sorted(dns), sorted(addresses))


def _verify(certificate: x509.Certificate, issuer: x509.Certificate, anchors: Anchors, at: datetime) -> None:
    """Check root → issuing CA → server, all valid at the time `at`."""
    Chain(anchors).verify_issuing(issuer, at)
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        raise CertificateError("the server's certificate was not signed by the issuing CA that came with it") from None
    names_of(certificate)
    public_key_of(certificate)
    if not certificate.not_valid_before_utc <= whole_seconds(at) < certificate.not_valid_after_utc:
        raise CertificateError(
            f"the server's certificate is valid from {format_time(certificate.not_valid_before_utc)} to "
            f"{format_time(certificate.not_valid_after_utc)}, not at {format_time(at)}"
        )


def _digest(asked: dict[str, str]) -> str:
    return sha256(canonical(asked)).hexdigest()


def _words(names: Names) -> str:
    return ", ".join([*names.dns, *names.addresses])
