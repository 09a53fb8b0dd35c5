"""The way from the root, the one thing known beforehand, over an issuing CA to a party's certificate (RFC 5280, 6)."""

from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from renkei.exchange.certificates import CertificateError, Identity, identity_of, public_key_of
from renkei.exchange.clock import format_time, whole_seconds


class Chain:
    """Verifies certificates against one root."""

    def __init__(self, root: x509.Certificate) -> None:
        """Trust `root` and nothing else."""
        public_key_of(root)
        self._builder = PolicyBuilder().store(Store([root])).max_chain_depth(1)
        self.root = root

    def verify(self, issuing: x509.Certificate, certificate: x509.Certificate, at: datetime) -> Identity:
        """Return whom `certificate` is for, once root → issuing → certificate holds at the time `at`.

        Raises:
            CertificateError: not signed along this way, not valid at that time, not for a TLS client, or no identity.
        """
        self.verify_issuing(issuing, at)
        now = whole_seconds(at)
        verifier = self._builder.time(now.replace(tzinfo=None)).build_client_verifier()
        try:
            chain = verifier.verify(certificate, [issuing]).chain
        except VerificationError as error:
            raise CertificateError(f"the certificate is not vouched for at {format_time(now)}: {error}") from error
        if chain[1:] != [issuing, self.root]:
            raise CertificateError("the certificate was not signed by the issuing CA that came with it")
        public_key_of(certificate)
        return identity_of(certificate)

    def verify_issuing(self, issuing: x509.Certificate, at: datetime) -> None:
        """Check that `issuing` is an issuing CA under the root, valid at the time `at`.

        Raises:
            CertificateError: it isn't.
        """
        try:
            issuing.verify_directly_issued_by(self.root)
            constraints = issuing.extensions.get_extension_for_class(x509.BasicConstraints).value
            usage = issuing.extensions.get_extension_for_class(x509.KeyUsage).value
        except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound, x509.DuplicateExtension):
            raise CertificateError("the issuing CA's certificate was not signed by the root") from None
        if not (constraints.ca and usage.key_cert_sign):
            raise CertificateError("the certificate given as the issuing CA's is not one of a CA")
        public_key_of(issuing)
        for authority in (issuing, self.root):
            if not authority.not_valid_before_utc <= whole_seconds(at) <= authority.not_valid_after_utc:
                raise CertificateError(f"a CA certificate on the way is not valid at {format_time(at)}")
