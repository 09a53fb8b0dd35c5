"""The trust anchor: one root, and while roots change, its successor too.

    anchors = Anchors.read(pem)              # a file: roots, and the certificates by which one succeeded another
    anchors = anchors.succeed(offered, at)   # what somebody hands on who isn't trusted: believed by the old root alone

A root that retires signs its successor's key (a cross-certificate, RFC 5280, 3.2). Whoever trusts the old root trusts
the new one by that, and both until the cross-certificate ends; from then on the old one is trusted no more.
"""

from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from renkei.exchange.certificates import CertificateError, certificate_to_pem, fingerprint, public_key_of
from renkei.exchange.clock import format_time, whole_seconds

MAX_ANCHORS = 64 * 1024
_MOST = 16


@dataclass(frozen=True, slots=True)
class Anchors:
    """Self-signed roots, and cross-certificates between them."""

    roots: tuple[x509.Certificate, ...]
    successions: tuple[x509.Certificate, ...] = ()

    @classmethod
    def read(cls, pem: str) -> "Anchors":
        """Read a file of roots and cross-certificates.

        Raises:
            CertificateError: no root, too much, a certificate that is neither, or one that isn't a CA of P-256.
        """
        if len(pem) > MAX_ANCHORS:
            raise CertificateError(f"a trust anchor is at most {MAX_ANCHORS} characters, this has {len(pem)}")
        try:
            found = x509.load_pem_x509_certificates(pem.encode())
        except ValueError:
            raise CertificateError("the trust anchor is not well-formed PEM") from None
        if len(found) > _MOST:
            raise CertificateError(f"a trust anchor holds at most {_MOST} certificates, this {len(found)}")
        for certificate in found:
            _check_authority(certificate)
        roots = tuple(each for each in found if _signed_by(each, each))
        successions = tuple(each for each in found if each not in roots)
        if not roots:
            raise CertificateError("the trust anchor holds no root certificate")
        for each in successions:
            if not (_issuers(each, roots) and _successors(each, roots)):
                raise CertificateError(
                    f"the trust anchor holds a certificate ({fingerprint(each)[:16]}…) that is neither a root "
                    "nor one by which a root here succeeded another"
                )
        return cls(roots, successions)

    def to_pem(self) -> str:
        """Write the file: roots, then what joins them, each newest first, as TLS libraries take the first that fits."""

        def newest_first(kind: tuple[x509.Certificate, ...]) -> list[x509.Certificate]:
            return sorted(kind, key=lambda each: each.not_valid_before_utc, reverse=True)

        order = newest_first(self.roots) + newest_first(self.successions)
        return "".join(certificate_to_pem(each) for each in order)

    def trusted(self, at: datetime) -> list[x509.Certificate]:
        """Return the roots that are trusted at a time."""
        now = whole_seconds(at)
        return [
            root
            for root in self.roots
            if root.not_valid_before_utc <= now <= root.not_valid_after_utc and now <= self._until(root)
        ]

    def succeed(self, offered: "Anchors", at: datetime | None) -> "Anchors":
        """Return these anchors with the successors that a root trusted here signed.

        Args:
            offered: from whoever; a root in it counts only if it is known or has a way from a known one.
            at: the time that counts, aware; None for what was believed in its time and kept here since: then each way
                counts as of its beginning, for it leads on to the new root after it has ended, too.

        Raises:
            CertificateError: a root in it has no such way; nothing of it is taken.
        """
        known = self
        for _ in range(_MOST):
            steps = [each for each in offered.successions if each not in known.successions and known._vouches(each, at)]
            if not steps:
                break
            gained = [root for root in offered.roots if any(_successors(each, (root,)) for each in steps)]
            roots = tuple(dict.fromkeys((*known.roots, *gained)))
            known = Anchors(roots, (*known.successions, *steps))
        for root in offered.roots:
            if root not in known.roots:
                raise CertificateError(
                    f"the root {fingerprint(root)[:16]}… is vouched for by none that is trusted here"
                    f"{'' if at is None else f' at {format_time(at)}'}"
                )
        return known

    def _vouches(self, succession: x509.Certificate, at: datetime | None) -> bool:
        moment = succession.not_valid_before_utc if at is None else whole_seconds(at)
        if not succession.not_valid_before_utc <= moment <= succession.not_valid_after_utc:
            return False
        return bool(_issuers(succession, self.trusted(moment)))

    def _until(self, root: x509.Certificate) -> datetime:
        ends = [each.not_valid_after_utc for each in self.successions if _signed_by(each, root)]
        return min(ends, default=root.not_valid_after_utc)


def _issuers(
    certificate: x509.Certificate, roots: "tuple[x509.Certificate, ...] | list[x509.Certificate]"
) -> list[x509.Certificate]:
    return [root for root in roots if _signed_by(certificate, root)]


def _successors(succession: x509.Certificate, roots: tuple[x509.Certificate, ...]) -> list[x509.Certificate]:
    return [
        root
        for root in roots
        if root.subject == succession.subject and public_key_of(root) == public_key_of(succession)
    ]


def _signed_by(certificate: x509.Certificate, root: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(root)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _check_authority(certificate: x509.Certificate) -> None:
    public_key_of(certificate)
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        constraints = None
    if constraints is None or not constraints.ca:
        raise CertificateError("the trust anchor holds a certificate that isn't one of a CA")
