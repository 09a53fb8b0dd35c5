"""How the authority issues and revokes: a certificate, its binding, the next generation, all in one transaction."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from renkei.exchange.bindings import DirectoryEntry, bind
from renkei.exchange.certificates import (
    CERTIFICATE_DAYS,
    MAX_PEM,
    Authority,
    CertificateError,
    certificate_from_pem,
    certificate_to_pem,
    fingerprint,
    issue_client,
    issue_controller,
    issue_database_client,
    issue_server,
    public_key_of,
)
from renkei.exchange.clock import format_time, parse_time
from renkei.exchange.documents import Signer
from renkei.exchange.parties import Party
from renkei.exchange.payloads import Revocation
from renkei.ministry.ledger import Issued, Records, Revoked

_SERVER_NAMES = 32


@dataclass(frozen=True, slots=True)
class Applicant:
    """Who asks for a binding, and for which keys.

    `request` is the certificate signing request (PEM), `receiving_key` an uncompressed P-256 point.
    """

    party: Party
    terminal: str
    request: str
    receiving_key: bytes

    def keys_sha256(self) -> str:
        """Return a digest of both public keys: a request made anew for the same keys is the same request.

        Raises:
            CertificateError: the request can't be read.

        """
        return sha256(_public_bytes(self.request) + self.receiving_key).hexdigest()


def is_current(not_before: str, not_after: str, at: datetime) -> bool:
    """Say whether something issued is valid and less than two thirds of its time are over."""
    begin, end = parse_time(not_before), parse_time(not_after)
    return begin <= at < begin + (end - begin) * 2 / 3


def issue_binding(
    records: Records, applicant: Applicant, issuing: Authority, at: datetime, days: int = CERTIFICATE_DAYS
) -> Issued:
    """Issue certificate and binding, or find those that the same keys have and that are still current.

    Raises:
        CertificateError: the request is malformed or names someone else.
        DocumentError: the receiving key is not a point of P-256.

    """
    keys = applicant.keys_sha256()
    for issued in records.bindings(applicant.party, applicant.terminal)[:1]:
        if issued.keys_sha256 == keys and not issued.revoked_at and is_current(issued.not_before, issued.not_after, at):
            return issued
    certificate = issue_client(applicant.request, applicant.party, applicant.terminal, issuing, at, days)
    generation = records.next_generation(applicant.party)
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    entry = bind(certificate, applicant.receiving_key, generation, issuing, begin, end)
    issued = Issued(
        endpoint=applicant.party,
        generation=generation,
        terminal=applicant.terminal,
        keys_sha256=keys,
        certificate_sha256=fingerprint(certificate),
        entry=entry.to_json().decode(),
        not_before=format_time(begin),
        not_after=format_time(end),
        revoked_at=None,
    )
    records.add_binding(issued)
    return issued


def issue_gateway(
    records: Records, request: str, names: tuple[list[str], list[str]], issuing: Authority, at: datetime, days: int
) -> str:
    """Issue a TLS server certificate with its issuer (PEM, server first), or find the current one.

    Args:
        records: of the running transaction.
        request: certificate signing request, PEM.
        names: DNS names and IP addresses, all of which the certificate gets and no others.
        issuing: the CA.
        at: now.
        days: how long it is valid.

    Raises:
        CertificateError: the request is malformed, or a name is not one.

    """
    dns_names, ip_addresses = (sorted(set(each)) for each in names)
    if len(dns_names) + len(ip_addresses) > _SERVER_NAMES:
        raise CertificateError(f"a server certificate has at most {_SERVER_NAMES} names")
    return _issue_once(
        records,
        request,
        ["dns", *dns_names, "ip", *ip_addresses],
        issuing,
        at,
        lambda: issue_server(request, dns_names, ip_addresses, issuing, at, days),
    )


def issue_database(records: Records, request: str, name: str, issuing: Authority, at: datetime, days: int) -> str:
    """Issue a certificate for a client of the hubs' database with its issuer (PEM), or find the current one.

    Raises:
        CertificateError: the request is malformed, or the name is none of such a client.

    """
    return _issue_once(
        records,
        request,
        ["database", name],
        issuing,
        at,
        lambda: issue_database_client(request, name, issuing, at, days),
    )


def issue_for_controller(records: Records, request: str, name: str, issuing: Authority, at: datetime, days: int) -> str:
    """Issue a certificate for a controller of Windows terminals with its issuer (PEM), or find the current one.

    Raises:
        CertificateError: the request is malformed, or the name is no UPN.

    """
    return _issue_once(
        records, request, ["controller", name], issuing, at, lambda: issue_controller(request, name, issuing, at, days)
    )


def _issue_once(
    records: Records,
    request: str,
    asked: list[str],
    issuing: Authority,
    at: datetime,
    issue: Callable[[], x509.Certificate],
) -> str:
    """Return what the same key got for the same question, or what `issue` makes, with the issuer."""
    issuer = certificate_to_pem(issuing.certificate)
    digest = sha256(_public_bytes(request) + "\n".join([*asked, issuer]).encode()).hexdigest()
    if (found := records.server(digest)) and is_current(found[1], found[2], at):
        return found[0]
    certificate = issue()
    chain = certificate_to_pem(certificate) + issuer
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    records.put_server(digest, chain, format_time(begin), format_time(end))
    return chain


def revoke(records: Records, issued: Issued, reason: str, issuing: Authority, at: datetime) -> None:
    """Sign and record the revocation of a binding's certificate; a repeat changes nothing."""
    certificate = certificate_from_pem(DirectoryEntry.from_json(issued.entry).certificate)
    document = Revocation(
        endpoint=Party(issued.endpoint),
        terminal=issued.terminal,
        certificate_sha256=issued.certificate_sha256,
        reason=reason,
        revoked_at=at,
    )
    revoked = Revoked(
        certificate_sha256=issued.certificate_sha256,
        serial_number=certificate.serial_number,
        reason=reason,
        revoked_at=format_time(at),
        envelope=document.sign(Signer(issuing.key)),
    )
    records.add_revocation(revoked, issued.not_after)


def _public_bytes(request: str) -> bytes:
    if len(request) > MAX_PEM:
        raise CertificateError(f"a request is at most {MAX_PEM} characters")
    try:
        key = public_key_of(x509.load_pem_x509_csr(request.encode()))
    except (ValueError, UnsupportedAlgorithm):
        raise CertificateError("the certificate signing request is not well-formed PEM") from None
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
