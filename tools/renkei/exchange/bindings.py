"""Directory entries, and how a party comes to believe one: root → issuing CA → binding → certificate → keys.

The hub keeps the directory and hands entries out, but can't make one: a swapped key is found here, and named.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from renkei.exchange.anchors import Anchors
from renkei.exchange.certificates import (
    MAX_PEM,
    Authority,
    CertificateError,
    certificate_from_pem,
    certificate_to_pem,
    fingerprint,
    identity_of,
    public_key_of,
)
from renkei.exchange.chain import Chain
from renkei.exchange.clock import format_time, whole_seconds
from renkei.exchange.crl import Crl, read_crl
from renkei.exchange.documents import MAX_ENVELOPE, DocumentError, Signer
from renkei.exchange.errors import ExchangeError
from renkei.exchange.parties import Party
from renkei.exchange.payloads import Binding, Revocation

_Pem = Annotated[str, StringConstraints(max_length=MAX_PEM)]


class BindingError(ExchangeError):
    """A directory entry, or what the directory gave together, can't be believed; the text names party and reason."""


class ExpiredError(BindingError):
    """A binding that is good in itself but not at this time."""


class RevokedError(BindingError):
    """A binding whose certificate the issuing CA has revoked."""


class DirectoryEntry(BaseModel):
    """What the directory holds on a machine: the binding's envelope, the certificate and its issuer's (PEM)."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", hide_input_in_errors=True)
    binding: Annotated[str, StringConstraints(max_length=MAX_ENVELOPE)]
    certificate: _Pem
    issuer: _Pem

    def to_json(self) -> bytes:
        """Write the entry as a JSON object of three strings."""
        return self.model_dump_json().encode()

    @classmethod
    def read(cls, value: object) -> "DirectoryEntry":
        """Read an entry that stands within other JSON, already parsed. It is not believed before `verify_entry`.

        Raises:
            BindingError: not an object of binding, certificate and issuer.
        """
        try:
            return cls.model_validate(value)
        except ValidationError:
            raise BindingError("a directory entry has binding, certificate and issuer, all strings") from None

    @classmethod
    def from_json(cls, text: bytes | str) -> "DirectoryEntry":
        """Read an entry. It is not believed before `TrustAnchor.verify_entry`.

        Raises:
            BindingError: not a JSON object of binding, certificate and issuer, or above the bound of an envelope.
        """
        if len(text) > MAX_ENVELOPE:
            raise BindingError(f"a directory entry is at most {MAX_ENVELOPE} bytes, this has {len(text)}")
        try:
            return cls.model_validate_json(text)
        except ValidationError:
            raise BindingError("a directory entry has binding, certificate and issuer, all strings") from None


@dataclass(frozen=True, slots=True)
class VerifiedParty:
    """A machine that speaks for a party, as the issuing CA vouches: only `TrustAnchor` makes these.

    `revoked_at` is set where it spoke before its certificate was revoked, and what it said then is asked for.
    """

    party: Party
    terminal: str
    certificate: x509.Certificate
    signing_public_key: ec.EllipticCurvePublicKey
    receiving_public_key: ec.EllipticCurvePublicKey
    fingerprint: str
    generation: int
    not_before: datetime
    not_after: datetime
    revoked_at: datetime | None = None


class TrustAnchor:
    """The root certificate, or the old and the new one, and everything that can be believed because of them."""

    def __init__(self, pem: str) -> None:
        """Trust the roots of a file (PEM, see `anchors`).

        Raises:
            CertificateError: no root, or something else in it.
        """
        self._anchors = Anchors.read(pem)
        self._chain = Chain(self._anchors)
        self._crl: Crl | None = None

    @property
    def anchors(self) -> Anchors:
        """The roots, as they are trusted now."""
        return self._anchors

    @property
    def crl(self) -> Crl | None:
        """The newest list of revoked certificates that was taken, None before the first."""
        return self._crl

    def take_crl(self, pem: str, at: datetime) -> bool:
        """Hold every entry against a list of revoked certificates from now on; false when a newer one is known.

        Args:
            pem: as `exchange.crl` has it.
            at: the time that counts for the CA that signed it, aware.

        Raises:
            CertificateError: the list can't be believed; the one that is known stays.
        """
        crl = self.verify_crl(pem, at)
        if self._crl is not None and crl.number <= self._crl.number:
            return False
        self._crl = crl
        return True

    def verify_crl(self, pem: str, at: datetime) -> Crl:
        """Return a list of revoked certificates, once it is the word of an issuing CA under the root.

        Raises:
            CertificateError: it isn't, or is malformed.
        """
        return read_crl(pem).verify(self._chain, at)

    def succeed(self, pem: str, at: datetime | None) -> bool:
        """Trust the successors, too, that a root trusted here signed; whether there was a new one.

        At no particular time (None) for what was taken before and kept here, see `Anchors.succeed`.

        Raises:
            CertificateError: a root in it has no way from one that is trusted here; nothing of it is taken.
        """
        anchors = self._anchors.succeed(Anchors.read(pem), at)
        changed = anchors != self._anchors
        self._anchors, self._chain = anchors, Chain(anchors)
        return changed

    def to_pem(self) -> str:
        """Write the roots, and how they succeeded each other, as a file."""
        return self._anchors.to_pem()

    def verify_entry(
        self, entry: DirectoryEntry, at: datetime, party: Party | None = None, *, signed_at: datetime | None = None
    ) -> VerifiedParty:
        """Return whom an entry stands for, once every step from the root holds at the time `at`.

        Args:
            entry: as the directory gave it.
            at: the time that counts, aware.
            party: whom it must stand for; None accepts any party.
            signed_at: when the document was signed that is to be believed by it, where somebody vouches that this was
                before the certificate was revoked; None: a revoked certificate counts for nothing.

        Raises:
            ExpiredError: the binding is not yet or no longer valid.
            RevokedError: its certificate is on the list of revoked ones, as of `signed_at`.
            BindingError: any other break in the chain; the text names party and reason.
        """
        who = f"the directory's entry{f' for {party}' if party else ''}"
        try:
            issuer = certificate_from_pem(entry.issuer)
            certificate = certificate_from_pem(entry.certificate)
            binding = Binding.open(entry.binding.encode(), public_key_of(issuer))
            self._check_time(binding, at)
            identity = self._chain.verify(issuer, certificate, at)
            receiving_key = _point(binding.receiving_key)
        except (CertificateError, DocumentError) as error:
            raise BindingError(f"{who} can't be believed: {error}") from error
        digest = fingerprint(certificate)
        if binding.certificate_sha256 != digest:
            raise BindingError(f"{who} joins a binding to a certificate that it doesn't name ({digest[:16]}…)")
        if (identity.party, identity.terminal) != (binding.endpoint, binding.terminal):
            raise BindingError(f"{who} binds {binding.endpoint}/{binding.terminal} to the certificate of {identity}")
        if party is not None and binding.endpoint != party:
            raise BindingError(f"{who} is one for {binding.endpoint}")
        revoked_at = self._crl.revoked_at(certificate) if self._crl is not None else None
        if revoked_at is not None and (signed_at is None or revoked_at <= signed_at):
            raise RevokedError(
                f"{who} is of {identity.party}/{identity.terminal}, whose certificate was revoked on "
                f"{format_time(revoked_at)}"
            )
        return VerifiedParty(
            party=binding.endpoint,
            terminal=binding.terminal,
            certificate=certificate,
            signing_public_key=public_key_of(certificate),
            receiving_public_key=receiving_key,
            fingerprint=digest,
            generation=binding.generation,
            not_before=binding.not_before,
            not_after=binding.not_after,
            revoked_at=revoked_at,
        )

    def choose(
        self, entries: Iterable[DirectoryEntry], at: datetime, party: Party, seen_generation: int = 0
    ) -> VerifiedParty:
        """Return the newest generation of a party among the directory's entries: the one to seal to.

        Args:
            entries: all that the directory gave, in any order.
            at: the time that counts, aware.
            party: whose.
            seen_generation: the newest generation met before; the directory must not fall behind it.

        Raises:
            RevokedError: all that are valid now were revoked.
            BindingError: an entry was tampered with, none is valid now, or the newest is older than one seen before.
        """
        good: list[VerifiedParty] = []
        revoked: RevokedError | None = None
        for entry in entries:
            try:
                good.append(self.verify_entry(entry, at, party))
            except ExpiredError:
                continue
            except RevokedError as error:
                revoked = error
        if not good and revoked is not None:
            raise revoked
        if not good:
            raise BindingError(f"the directory has no binding for {party} that is valid at {format_time(at)}")
        newest = max(good, key=lambda each: each.generation)
        if newest.generation < seen_generation:
            raise BindingError(
                f"the directory offers generation {newest.generation} of {party}, "
                f"but generation {seen_generation} was seen before; it withholds the newer one"
            )
        return newest

    def verify_revocation(self, envelope: bytes, issuer_pem: str, at: datetime) -> Revocation:
        """Return a revocation once it is the word of an issuing CA under this root.

        Raises:
            BindingError: not signed by that CA, or the CA is not vouched for at the time `at`.
        """
        try:
            issuer = certificate_from_pem(issuer_pem)
            self._chain.verify_issuing(issuer, at)
            return Revocation.open(envelope, public_key_of(issuer))
        except (CertificateError, DocumentError) as error:
            raise BindingError(f"the revocation can't be believed: {error}") from error

    @staticmethod
    def _check_time(binding: Binding, at: datetime) -> None:
        if not binding.not_before <= whole_seconds(at) < binding.not_after:
            raise ExpiredError(
                f"the binding of {binding.endpoint}/{binding.terminal} is valid from {format_time(binding.not_before)} "
                f"to {format_time(binding.not_after)}, not at {format_time(at)}"
            )


def bind(
    certificate: x509.Certificate,
    receiving_key: bytes,
    generation: int,
    issuing: Authority,
    not_before: datetime,
    not_after: datetime,
) -> DirectoryEntry:
    """Make the directory entry of a certificate: the issuing CA signs whom it stands for and where to seal to.

    Args:
        certificate: issued by `issuing`, with a `renkei://PARTY/TERMINAL` identity.
        receiving_key: uncompressed P-256 point, 65 bytes.
        generation: 1 for a party's first machine and certificate, one more each time.
        issuing: the CA's certificate and key.
        not_before: from when on senders may seal to it.
        not_after: until when; never beyond the certificate.

    Raises:
        CertificateError: the certificate has no identity, or ends before the binding.
        DocumentError: the receiving key is not a point of P-256.
    """
    identity = identity_of(certificate)
    _point(receiving_key)
    if whole_seconds(not_after) > certificate.not_valid_after_utc:
        raise CertificateError(f"the binding of {identity} would outlive its certificate")
    binding = Binding(
        endpoint=identity.party,
        terminal=identity.terminal,
        certificate_sha256=fingerprint(certificate),
        receiving_key=receiving_key,
        generation=generation,
        not_before=not_before,
        not_after=not_after,
    )
    return DirectoryEntry(
        binding=binding.sign(Signer(issuing.key)).decode(),
        certificate=certificate_to_pem(certificate),
        issuer=certificate_to_pem(issuing.certificate),
    )


def _point(encoded: bytes) -> ec.EllipticCurvePublicKey:
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), encoded)
    except ValueError:
        raise DocumentError("the receiving key is not a point of P-256") from None
