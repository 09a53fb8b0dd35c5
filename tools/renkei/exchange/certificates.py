"""X.509: the ministry's root and issuing CA, and the certificates of terminals, hub and gateway (RFC 5280, all P-256).

A party's certificate names its holder in a SAN URI, `renkei://PARTY/TERMINAL`. The way from nothing to a certificate:

    root = make_root("renkei root", make_key(), at, days=7300)
    issuing_key = make_key()
    request = make_authority_request(issuing_key, "renkei issuing")
    issuing = Authority(issue_authority(request, root, at, days=1825), issuing_key)
    request = make_request(key, Party("131041"), "T-0001")
    certificate = issue_client(request, Party("131041"), "T-0001", issuing, at)

`chain.Chain` goes the same way back.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import ip_address
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from renkei.exchange.clock import whole_seconds
from renkei.exchange.errors import ExchangeError
from renkei.exchange.parties import InvalidParty, Party, check_terminal

CERTIFICATE_DAYS = 398
MAX_PEM = 16 * 1024
_SCHEME = "renkei"
_COMMON_NAME_LENGTH = 64  # X.520's upper bound; a name here is for people, the SAN counts
_DATABASE_CLIENT = re.compile(r"(hub|standby)\.[a-z0-9][a-z0-9-]{0,50}", re.ASCII)
_CONTROLLER = re.compile(r"[a-z0-9][a-z0-9.-]{0,30}@[a-z0-9][a-z0-9.-]{0,30}", re.ASCII)
_SKEW = timedelta(minutes=5)  # a certificate is made on one machine and first used on another


USER_PRINCIPAL_NAME = x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3")
"""The kind of name (UPN, szOID_NT_PRINCIPAL_NAME) by which Windows maps a client's certificate to an account."""


class CertificateError(ExchangeError):
    """A key, request or certificate is malformed, of the wrong kind, expired, or not vouched for by the root."""


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate that signs others, with its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom a certificate is for."""

    party: Party
    terminal: str

    def __str__(self) -> str:
        """Write the identity as it stands in the certificate, `renkei://PARTY/TERMINAL`."""
        return f"{_SCHEME}://{self.party}/{self.terminal}"


def make_key() -> ec.EllipticCurvePrivateKey:
    """Make a P-256 key."""
    return ec.generate_private_key(ec.SECP256R1())


def key_to_pem(key: ec.EllipticCurvePrivateKey, passphrase: bytes | None = None) -> str:
    """Write a private key as PKCS #8 PEM; without a passphrase the file it goes to protects it.

    Args:
        key: the key.
        passphrase: for a file that others might get to read.
    """
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase is not None:
        encryption = serialization.BestAvailableEncryption(passphrase)
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption).decode()


def key_from_pem(pem: str, passphrase: bytes | None = None) -> ec.EllipticCurvePrivateKey:
    """Read a private P-256 key.

    Args:
        pem: PKCS #8.
        passphrase: with which it was written; None for one that isn't encrypted.

    Raises:
        CertificateError: not such a key, or not with this passphrase; the text never repeats any of it.
    """
    try:
        key = serialization.load_pem_private_key(_bounded(pem), passphrase)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        kind = "unencrypted PKCS #8 PEM" if passphrase is None else "PKCS #8 PEM with this machine's passphrase"
        raise CertificateError(f"the private key is no {kind}") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise CertificateError("the private key is not on the curve P-256")
    return key


def public_key_of(certificate: x509.Certificate | x509.CertificateSigningRequest) -> ec.EllipticCurvePublicKey:
    """Return the P-256 key of a certificate or request.

    Raises:
        CertificateError: a key of another kind.
    """
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        raise CertificateError("the certificate's key can't be read; it must be on the curve P-256") from None
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise CertificateError("the certificate's key is not on the curve P-256")
    return key


def certificate_to_pem(certificate: x509.Certificate) -> str:
    """Write one certificate as PEM."""
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def certificate_from_pem(pem: str) -> x509.Certificate:
    """Read exactly one certificate.

    Raises:
        CertificateError: none, several, or malformed.
    """
    try:
        found = x509.load_pem_x509_certificates(_bounded(pem))
    except ValueError:
        raise CertificateError("the certificate is not well-formed PEM") from None
    if len(found) != 1:
        raise CertificateError(f"one certificate is expected, {len(found)} were given")
    return found[0]


def fingerprint(certificate: x509.Certificate) -> str:
    """Return the SHA-256 (hex) of the certificate's DER: its name in bindings and in the hub's allow-list."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def make_request(key: ec.EllipticCurvePrivateKey, party: Party, terminal: str) -> str:
    """Make a certificate signing request (PEM) for a party's machine.

    Raises:
        InvalidParty: `terminal` is no machine's name.
    """
    identity = Identity(party, check_terminal(terminal))
    return _request(key, terminal, x509.UniformResourceIdentifier(str(identity)))


def make_server_request(key: ec.EllipticCurvePrivateKey, name: str) -> str:
    """Make a certificate signing request (PEM) for a TLS server; the issuer decides its names."""
    return _request(key, name, x509.DNSName(name))


def key_of_request(request: str) -> ec.EllipticCurvePublicKey:
    """Return the key of a certificate signing request (PEM).

    Raises:
        CertificateError: the request is malformed or not signed by its own key.
    """
    return public_key_of(_read_request(request))


def make_root(name: str, key: ec.EllipticCurvePrivateKey, not_before: datetime, days: int) -> Authority:
    """Make the root: self-signed, good for issuing CAs below it, and below a successor whose key it signed.

    TLS libraries take either way to a root that succeeded this one: its own certificate, or the one that joins the two.
    """
    subject = _name(name)
    builder = _builder(subject, subject, key.public_key(), key.public_key(), not_before, days)
    builder = _as_authority(builder, path_length=2)
    return Authority(builder.sign(key, hashes.SHA256()), key)


def cross_sign(successor: x509.Certificate, root: Authority, not_before: datetime, days: int) -> x509.Certificate:
    """Sign a new root's key with the old root's: by it, whoever trusts the old one trusts the new one.

    Both are trusted until it ends.

    Raises:
        CertificateError: the successor is the root itself.
    """
    key = public_key_of(successor)
    if key == root.key.public_key():
        raise CertificateError("a root can't succeed itself; make a new one in a folder of its own")
    builder = _builder(successor.subject, root.certificate.subject, key, root.key.public_key(), not_before, days)
    return _as_authority(builder, path_length=1).sign(root.key, hashes.SHA256())


def make_authority_request(key: ec.EllipticCurvePrivateKey, name: str) -> str:
    """Make the request (PEM) that an issuing CA takes to the offline root."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(_name(name))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def issue_authority(request: str, root: Authority, not_before: datetime, days: int) -> x509.Certificate:
    """Sign an issuing CA's request; it can then issue certificates of parties and servers, but no further CA.

    Raises:
        CertificateError: the request is malformed or not signed by its own key.
    """
    csr = _read_request(request)
    ca = root.certificate
    builder = _builder(csr.subject, ca.subject, public_key_of(csr), public_key_of(ca), not_before, days)
    return _as_authority(builder, path_length=0).sign(root.key, hashes.SHA256())


def issue_client(
    request: str, party: Party, terminal: str, issuing: Authority, not_before: datetime, days: int = CERTIFICATE_DAYS
) -> x509.Certificate:
    """Issue the certificate with which a party's machine signs documents and opens TLS connections.

    Raises:
        CertificateError: the request is malformed, not signed by its own key, or names another party or terminal.
    """
    csr = _read_request(request)
    expected = Identity(party, check_terminal(terminal))
    if (asked := _identity(csr)) != expected:
        raise CertificateError(f"the request is for {asked}, not for {expected}")
    names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(str(expected))]
    return _issue(csr, terminal, names, ExtendedKeyUsageOID.CLIENT_AUTH, issuing, not_before, days)


def issue_server(
    request: str,
    dns_names: Sequence[str],
    ip_addresses: Sequence[str],
    issuing: Authority,
    not_before: datetime,
    days: int = CERTIFICATE_DAYS,
) -> x509.Certificate:
    """Issue a TLS server certificate for exactly these names; what the request itself asks for is not looked at.

    Raises:
        CertificateError: the request is malformed, or there is no name, or a name or address is not one.
    """
    csr = _read_request(request)
    try:
        names: list[x509.GeneralName] = [x509.DNSName(name) for name in dns_names]
        names += [x509.IPAddress(ip_address(address)) for address in ip_addresses]
    except ValueError as error:
        raise CertificateError(f"a server's name or address is not one: {error}") from error
    if not dns_names:
        raise CertificateError("a server certificate needs at least one DNS name")
    return _issue(csr, dns_names[0], names, ExtendedKeyUsageOID.SERVER_AUTH, issuing, not_before, days)


def issue_database_client(
    request: str, name: str, issuing: Authority, not_before: datetime, days: int = CERTIFICATE_DAYS
) -> x509.Certificate:
    """Issue the certificate with which a machine of the ASP logs in to the hubs' database.

    Its subject is `O=renkei, OU=database, CN=NAME`, which no other certificate has, and by which the database knows its
    users. It names no party: the hub answers it with 403.

    Raises:
        CertificateError: the request is malformed, or the name is none of `hub.MACHINE` and `standby.MACHINE`.
    """
    csr = _read_request(request)
    if not _DATABASE_CLIENT.fullmatch(name):
        raise CertificateError(f"a client of the database is called hub.MACHINE or standby.MACHINE, not {name!r}")
    names = [x509.DNSName(name)]
    return _issue(csr, name, names, ExtendedKeyUsageOID.CLIENT_AUTH, issuing, not_before, days, unit="database")


def issue_controller(
    request: str, name: str, issuing: Authority, not_before: datetime, days: int = CERTIFICATE_DAYS
) -> x509.Certificate:
    """Issue the certificate with which the controller signs in to Windows terminals whose maintenance window is open.

    WinRM maps it to a local account by its UPN, which no other certificate of the fleet has. It names no party: the hub
    answers it with 403.

    Raises:
        CertificateError: the request is malformed, or the name is not of the form NAME@SUFFIX.
    """
    csr = _read_request(request)
    if not _CONTROLLER.fullmatch(name):
        raise CertificateError(f"a controller's name (UPN) is of the form controller@renkei, not {name!r}")
    names = [x509.OtherName(USER_PRINCIPAL_NAME, asn1.encode_der(name))]
    return _issue(csr, name, names, ExtendedKeyUsageOID.CLIENT_AUTH, issuing, not_before, days, unit="controller")


def identity_of(certificate: x509.Certificate) -> Identity:
    """Read whom a certificate is for. This alone verifies nothing.

    Raises:
        CertificateError: it doesn't name exactly one `renkei://PARTY/TERMINAL`.
    """
    return _identity(certificate)


def is_due(certificate: x509.Certificate, at: datetime) -> bool:
    """Say whether two thirds of a certificate's time are over, so that a new one has to take its place."""
    return at >= due_at(certificate)


def due_at(certificate: x509.Certificate) -> datetime:
    """Return when two thirds of a certificate's time are over."""
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return begin + (end - begin) * 2 / 3


def _bounded(pem: str) -> bytes:
    if len(pem) > MAX_PEM:
        raise CertificateError(f"PEM text is at most {MAX_PEM} characters, this has {len(pem)}")
    return pem.encode()


def _name(common_name: str, unit: str | None = None) -> x509.Name:
    units = [x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit)] if unit else []
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, _SCHEME),
            *units,
            x509.NameAttribute(NameOID.COMMON_NAME, common_name[:_COMMON_NAME_LENGTH]),
        ]
    )


def _request(key: ec.EllipticCurvePrivateKey, common_name: str, name: x509.GeneralName) -> str:
    builder = x509.CertificateSigningRequestBuilder().subject_name(_name(common_name))
    builder = builder.add_extension(x509.SubjectAlternativeName([name]), critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def _read_request(pem: str) -> x509.CertificateSigningRequest:
    try:
        csr = x509.load_pem_x509_csr(_bounded(pem))
        signed = csr.is_signature_valid
    except (ValueError, InvalidSignature, UnsupportedAlgorithm):
        raise CertificateError("the certificate signing request is not well-formed PEM") from None
    if not signed:
        raise CertificateError("the certificate signing request is not signed by the key it names")
    public_key_of(csr)
    return csr


def _identity(holder: x509.Certificate | x509.CertificateSigningRequest) -> Identity:
    try:
        names = holder.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        uris = []
    if len(uris) != 1:
        raise CertificateError(f"a party's certificate names one renkei:// identity, this names {len(uris)}")
    try:
        parts = urlsplit(uris[0])
        identity = Identity(Party(parts.netloc), check_terminal(parts.path.removeprefix("/")))
    except (InvalidParty, ValueError) as error:
        raise CertificateError(
            f"a certificate's identity is not of the form renkei://PARTY/TERMINAL: {error}"
        ) from error
    if str(identity) != uris[0]:
        raise CertificateError("a certificate's identity is not of the form renkei://PARTY/TERMINAL")
    return identity


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    issuer_key: ec.EllipticCurvePublicKey,
    not_before: datetime,
    days: int,
) -> x509.CertificateBuilder:
    begin = whole_seconds(not_before)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key)
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(begin - _SKEW).not_valid_after(begin + timedelta(days=days))
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    return builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), critical=False)


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,  # an issuing CA signs bindings, too
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _as_authority(builder: x509.CertificateBuilder, path_length: int) -> x509.CertificateBuilder:
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
    return builder.add_extension(_key_usage(authority=True), critical=True)


def _issue(
    csr: x509.CertificateSigningRequest,
    common_name: str,
    names: Sequence[x509.GeneralName],
    usage: x509.ObjectIdentifier,
    issuing: Authority,
    not_before: datetime,
    days: int,
    *,
    unit: str | None = None,
) -> x509.Certificate:
    ca = issuing.certificate
    if not 1 <= days <= CERTIFICATE_DAYS:
        raise CertificateError(f"a certificate lives 1 to {CERTIFICATE_DAYS} days, not {days}")
    builder = _builder(_name(common_name, unit), ca.subject, public_key_of(csr), public_key_of(ca), not_before, days)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_key_usage(authority=False), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(issuing.key, hashes.SHA256())
