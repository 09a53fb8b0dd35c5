"""The machine's keys: made here, readable by the agent only, never leaving; a folder a generation.

keys/pending/     signing.pem receiving.pem request.pem            asked for, not yet vouched for
keys/2/           … entry.json chain.pem                           the newest is used to sign and connect
keys/1/           …                                                older ones still open what was sealed to them
"""

import shutil
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from renkei.agent import platform
from renkei.agent.files import stage, write_private
from renkei.client.connection import Credentials
from renkei.exchange.bindings import DirectoryEntry, VerifiedParty
from renkei.exchange.certificates import key_from_pem, key_to_pem, make_key, make_request
from renkei.exchange.documents import Signer
from renkei.exchange.parties import Party

_SIGNING, _RECEIVING, _REQUEST = "signing.pem", "receiving.pem", "request.pem"
_ENTRY, _CHAIN = "entry.json", "chain.pem"


class KeyMismatch(Exception):
    """A directory entry isn't for the keys of this machine."""


@dataclass(frozen=True, slots=True)
class Generation:
    """Keys that the issuing CA vouches for."""

    number: int
    folder: Path
    entry: DirectoryEntry
    passphrase: bytes | None = field(default=None, repr=False)

    @property
    def credentials(self) -> Credentials:
        """The files for TLS."""
        return Credentials(self.folder / _CHAIN, self.folder / _SIGNING, self.passphrase)

    @property
    def signer(self) -> Signer:
        """Signs this party's documents."""
        return Signer(self.signing_key)

    @property
    def signing_key(self) -> ec.EllipticCurvePrivateKey:
        """The key of the certificate."""
        return _read_key(self.folder / _SIGNING, self.passphrase)

    @property
    def receiving_key(self) -> ec.EllipticCurvePrivateKey:
        """The key that others seal to."""
        return _read_key(self.folder / _RECEIVING, self.passphrase)


@dataclass(frozen=True, slots=True)
class PendingKeys:
    """Keys that wait for the registration authority."""

    folder: Path
    passphrase: bytes | None = field(default=None, repr=False)

    @property
    def request_pem(self) -> str:
        """The certificate signing request, the same at every try."""
        return (self.folder / _REQUEST).read_text(encoding="ascii")

    @property
    def receiving_point(self) -> bytes:
        """The uncompressed point of the receiving key."""
        return point_of(_read_key(self.folder / _RECEIVING, self.passphrase).public_key())

    @property
    def signing_public_key(self) -> ec.EllipticCurvePublicKey:
        """The public half of the key that the certificate will be for."""
        return _read_key(self.folder / _SIGNING, self.passphrase).public_key()


class Keyring:
    """All generations on this machine."""

    def __init__(self, folder: Path) -> None:
        """Use `keys/` of the agent's home.

        Raises:
            OSError: what protects the keys can't be read, or not by this user.
        """
        self._folder = folder
        self._passphrase = platform.key_passphrase(folder)

    def generations(self) -> list[Generation]:
        """Newest first."""
        numbers = sorted((int(f.name) for f in self._folder.glob("[0-9]*") if f.name.isdigit()), reverse=True)
        return [self._read(number) for number in numbers]

    def current(self) -> Generation | None:
        """The newest, None before enrolment."""
        generations = self.generations()
        return generations[0] if generations else None

    @property
    def took_over(self) -> bool:
        """Whether this machine replaced another: the issuing CA gave it no first generation."""
        generations = self.generations()
        return bool(generations) and generations[-1].number > 1

    def pending(self) -> PendingKeys | None:
        """Keys that wait for an answer."""
        folder = self._folder / "pending"
        return PendingKeys(folder, self._passphrase) if folder.is_dir() else None

    def prepare(self, party: Party, terminal: str) -> PendingKeys:
        """The pending keys; new ones are made when there are none. Whole or not there, also after a kill."""
        found = self.pending()
        if found is not None:
            return found
        unfinished = self._folder / "unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        signing = make_key()
        write_private(unfinished / _SIGNING, key_to_pem(signing, self._passphrase).encode())
        write_private(unfinished / _RECEIVING, key_to_pem(make_key(), self._passphrase).encode())
        write_private(unfinished / _REQUEST, make_request(signing, party, terminal).encode())
        unfinished.rename(self._folder / "pending")
        platform.sync_directory(self._folder)
        return PendingKeys(self._folder / "pending", self._passphrase)

    def adopt(self, pending: PendingKeys, entry: DirectoryEntry, verified: VerifiedParty, terminal: str) -> Generation:
        """Make the pending keys the current generation.

        Args:
            pending: the keys that the entry was asked for.
            entry: what the authority answered.
            verified: what the trust anchor says of `entry`.
            terminal: the name of this machine.

        Raises:
            KeyMismatch: the entry is for another terminal or other keys, or its generation is taken.
        """
        if verified.terminal != terminal:
            raise KeyMismatch(f"the authority's binding is for terminal {verified.terminal}, this is {terminal}")
        if point_of(verified.signing_public_key) != point_of(pending.signing_public_key):
            raise KeyMismatch("the authority's certificate is for another signing key than this machine's")
        if point_of(verified.receiving_public_key) != pending.receiving_point:
            raise KeyMismatch("the authority's binding is for another receiving key than this machine's")
        target = self._folder / str(verified.generation)
        if target.exists():
            raise KeyMismatch(f"the authority's binding has generation {verified.generation}, which is here already")
        stage(pending.folder / _ENTRY, entry.to_json())
        stage(pending.folder / _CHAIN, (entry.certificate + entry.issuer).encode())
        pending.folder.rename(target)
        platform.sync_directory(self._folder)
        return self._read(verified.generation)

    def abandon(self) -> None:
        """Throw the pending keys away: the authority refused them."""
        shutil.rmtree(self._folder / "pending", ignore_errors=True)

    def _read(self, number: int) -> Generation:
        folder = self._folder / str(number)
        return Generation(number, folder, DirectoryEntry.from_json((folder / _ENTRY).read_bytes()), self._passphrase)


def _read_key(path: Path, passphrase: bytes | None) -> ec.EllipticCurvePrivateKey:
    return key_from_pem(path.read_text(encoding="ascii"), passphrase)


def point_of(key: ec.EllipticCurvePublicKey) -> bytes:
    """The uncompressed point of a public key, 65 bytes."""
    return key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
