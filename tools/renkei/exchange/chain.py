"""The way from the root, the one thing known beforehand, over an issuing CA to a party's certificate (RFC 5280, 6)."""

from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from renkei.exchange.anchors import Anchors
from renkei.exchange.certificates import CertificateError, Identity, identity_of, public_key_of
from renkei.exchange.clock import format_time, whole_seconds


class Chain:
    """Verifies certificates against the roots that are trusted at the time that counts."""

    def __init__(self, anchors: Anchors) -> None:
        """Trust these roots and nothing else."""
        self._anchors = anchors

    def verify(self, issuing: x509.Certificate, certificate: x509.Certificate, at: datetime) -> Identity:
        """Return whom `certificate` is for, once root → issuing → certificate holds at the time `at`.

        Raises:
            CertificateError: not signed along this way, not valid at that time, not for a TLS client, or no identity.
        """
        root = self.verify_issuing(issuing, at)
        now = whole_seconds(at)
        policy = PolicyBuilder().store(Store([root])).max_chain_depth(1)
        verifier = policy.time(now.replace(tzinfo=None)).build_client_verifier()
        try:
            chain = verifier.verify(certificate, [issuing]).chain
        except VerificationError as error:
            raise CertificateError(f"the certificate is not vouched for at {format_time(now)}: {error}") from error
        if chain[1:] != [issuing, root]:
            raise CertificateError("the certificate was not signed by the issuing CA that came with it")
        public_key_of(certificate)
        return identity_of(certificate)

    def verify_issuing(self, issuing: x509.Certificate, at: datetime) -> x509.Certificate:
        """Return the root under which `issuing` is an issuing CA, valid at the time `at`.

        Raises:
            CertificateError: it is none.
        """
        trusted = self._anchors.trusted(at)
        root = next((each for each in trusted if _issued(issuing, each)), None)
        if root is None and any(_issued(issuing, each) for each in self._anchors.roots):
            raise CertificateError(f"the root of the issuing CA's certificate is not valid at {format_time(at)}")
        if root is None:
            raise CertificateError("the issuing CA's certificate was not signed by the root")
        try:
            constraints = issuing.extensions.get_extension_for_class(x509.BasicConstraints).value
            usage = issuing.extensions.get_extension_for_class(x509.KeyUsage).value
        except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension):
            raise CertificateError("the certificate given as the issuing CA's is not one of a CA") from None
        if not (constraints.ca and usage.key_cert_sign):
            raise CertificateError("the certificate given as the issuing CA's is not one of a CA")
        public_key_of(issuing)
        if not issuing.not_valid_before_utc <= whole_seconds(at) <= issuing.not_valid_after_utc:
            raise CertificateError(f"a CA certificate on the way is not valid at {format_time(at)}")
        return root


def _issued(issuing: x509.Certificate, root: x509.Certificate) -> bool:
    try:
        issuing.verify_directly_issued_by(root)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True
