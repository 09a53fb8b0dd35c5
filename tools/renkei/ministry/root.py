"""The offline root: a folder with a key, its certificate and what it signed.

    root/
      root.key   PKCS #8, 0600, encrypted where a passphrase is given
      root.pem   self-signed, 20 years; goes to every host as /etc/renkei/pki/root.pem
      anchors.pem  once there is a successor or a predecessor: both, and the certificate between them; goes out instead
      issued/    each issuing CA certificate that the root signed, by its fingerprint

In production the folder is on encrypted media in a safe (two copies, two places), is only ever mounted on a machine
without a network, and the key has a passphrase. In the lab it lies on the controller.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from renkei.exchange.anchors import MAX_ANCHORS, Anchors
from renkei.exchange.certificates import (
    MAX_PEM,
    Authority,
    CertificateError,
    certificate_from_pem,
    certificate_to_pem,
    cross_sign,
    fingerprint,
    is_due,
    issue_authority,
    make_key,
    make_root,
    public_key_of,
)
from renkei.ministry.files import FileRefusedError, read_bounded, replace, sync_directories, write_new

_ANCHORS = "anchors.pem"
ROOT_DAYS = 20 * 365 + 5
ISSUING_DAYS = 5 * 365 + 1


class RootError(Exception):
    """The root can't be made, opened or used; the message names the file and what to do."""


@dataclass(frozen=True, slots=True)
class Signed:
    """An issuing CA certificate, and whether it was signed just now or found among those signed before."""

    certificate: x509.Certificate
    new: bool


class OfflineRoot:
    """The folder of the root."""

    def __init__(self, folder: Path) -> None:
        """Name the folder; nothing is read yet."""
        self.folder = folder
        self._key = folder / "root.key"
        self._certificate = folder / "root.pem"
        self._issued = folder / "issued"

    def init(self, name: str, at: datetime, passphrase: bytes | None = None) -> bool:
        """Make the root where there is none; return whether it was made.

        Raises:
            RootError: the folder holds something else: a root of another name, half of one, other files.

        """
        if self._certificate.exists() and self._key.exists():
            found = self.certificate().subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
            if found != name:
                raise RootError(
                    f"{self.folder}: holds the root {found!r} and is not overwritten; choose another folder"
                )
            return False
        root = make_root(name, make_key(), at, ROOT_DAYS)
        encryption: serialization.KeySerializationEncryption = (
            serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
        )
        pem = root.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        made = Path(mkdtemp(prefix=f".{self.folder.name}-", dir=self.folder.parent))
        (made / self._issued.name).mkdir(mode=0o755)
        write_new(made / self._key.name, pem, 0o600)
        write_new(made / self._certificate.name, certificate_to_pem(root.certificate).encode(), 0o644)
        try:
            made.rename(self.folder)  # takes the place of an empty folder, too, and of no other
        except OSError as error:
            rmtree(made)
            raise RootError(f"{self.folder}: is there and is not empty; choose another folder ({error})") from error
        sync_directories([self.folder.parent])
        return True

    def certificate(self) -> x509.Certificate:
        """Return the root certificate.

        Raises:
            RootError: there is none or it can't be read.

        """
        return _read_certificate(self._certificate)

    def issued(self) -> list[x509.Certificate]:
        """Return the issuing CA certificates that the root signed, oldest first."""
        found = [_read_certificate(path) for path in self._issued.glob("*.pem")]
        return sorted(found, key=lambda certificate: certificate.not_valid_before_utc)

    def sign_issuing(self, request_pem: str, at: datetime, passphrase: bytes | None = None) -> Signed:
        """Sign an issuing CA's request, or find the certificate that its key got before, unless that is due.

        Raises:
            RootError: the key can't be opened, or the request isn't a P-256 request signed by its own key.

        """
        key = _key_of_request(request_pem)
        for certificate in reversed(self.issued()):
            if public_key_of(certificate) == key and not is_due(certificate, at):
                return Signed(certificate, new=False)
        root = self.open(passphrase)
        try:
            certificate = issue_authority(request_pem, root, at, ISSUING_DAYS)
        except CertificateError as error:
            raise RootError(str(error)) from error
        write_new(self._issued / f"{fingerprint(certificate)}.pem", certificate_to_pem(certificate).encode(), 0o644)
        return Signed(certificate, new=True)

    def succeed(
        self, old: "OfflineRoot", at: datetime, days: int, passphrase: bytes | None = None, *, dry_run: bool = False
    ) -> tuple[x509.Certificate, bool]:
        """Have the old root sign this one, and write what hosts trust from now on into both folders.

        Args:
            old: the root that retires.
            at: now.
            days: for how long both are trusted.
            passphrase: of the old root's key.
            dry_run: check everything, the key too, and write nothing.

        Returns:
            the cross-certificate, and whether it was made just now.

        Raises:
            RootError: one of the roots isn't there, or the old one's key can't be opened.
        """
        new = self.certificate()
        before = Anchors.read(_text(old.anchors))
        for made in before.successions:
            if public_key_of(made) == public_key_of(new):
                return made, False
        try:
            cross = cross_sign(new, old.open(passphrase), at, days)
        except CertificateError as error:
            raise RootError(str(error)) from error
        if not dry_run:
            pem = Anchors((*before.roots, new), (*before.successions, cross)).to_pem().encode()
            for folder in (self.folder, old.folder):
                replace(folder / _ANCHORS, pem, 0o644)
        return cross, True

    @property
    def anchors(self) -> Path:
        """The file that goes to every host as its trust anchor."""
        both = self.folder / _ANCHORS
        return both if both.exists() else self._certificate

    def open(self, passphrase: bytes | None) -> Authority:
        """Return certificate and key, ready to sign.

        Raises:
            RootError: one of them is missing, they don't belong together, or the passphrase is wrong.

        """
        certificate = self.certificate()
        try:
            key = serialization.load_pem_private_key(read_bounded(self._key, MAX_PEM), passphrase)
        except TypeError as error:
            what = "has no passphrase, but one was given" if passphrase else "needs its passphrase: --passphrase-file"
            raise RootError(f"{self._key}: {what}") from error
        except (OSError, FileRefusedError) as error:
            raise RootError(f"{self._key}: {error}") from error
        except (ValueError, UnsupportedAlgorithm):
            raise RootError(f"{self._key}: is no key, or the passphrase is wrong") from None
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
            raise RootError(f"{self._key}: is not the key of {self._certificate}; put the right one back from its copy")
        return Authority(certificate, key)


def write_certificate(path: Path, certificate: x509.Certificate) -> bool:
    """Write a certificate as PEM where the file doesn't hold it already; return whether it was written."""
    pem = certificate_to_pem(certificate).encode()
    if path.exists() and read_bounded(path, MAX_PEM) == pem:
        return False
    replace(path, pem, 0o644)
    return True


def _read_certificate(path: Path) -> x509.Certificate:
    try:
        return certificate_from_pem(read_bounded(path, MAX_PEM).decode("ascii"))
    except (OSError, ValueError, FileRefusedError) as error:
        raise RootError(f"{path}: {error}") from error


def _text(path: Path) -> str:
    try:
        return read_bounded(path, MAX_ANCHORS).decode("ascii")
    except (OSError, UnicodeDecodeError, FileRefusedError) as error:
        raise RootError(f"{path}: {error}; `renkei ca init` makes a root") from error


def _key_of_request(pem: str) -> ec.EllipticCurvePublicKey:
    if len(pem) > MAX_PEM:
        raise RootError(f"the request is longer than {MAX_PEM} characters")
    try:
        return public_key_of(x509.load_pem_x509_csr(pem.encode()))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise RootError(f"the request is not a P-256 certificate signing request in PEM: {error}") from error
