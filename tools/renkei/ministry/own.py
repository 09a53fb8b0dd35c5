"""The authority's own keys, with which it speaks to the hub.

    keys/
      next/      being made; used once the hub knows its binding
      000001/    signing.key, receiving.key, chain.pem (certificate, issuing CA), entry.json

A folder is a generation; the newest is the one in use.
"""

from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization

from renkei.exchange.bindings import DirectoryEntry
from renkei.exchange.certificates import key_from_pem, key_to_pem, make_key, make_request
from renkei.exchange.parties import AUTHORITY
from renkei.ministry.files import read_bounded, replace, sync_directories, write_new
from renkei.ministry.issuance import Applicant
from renkei.ministry.ledger import Issued

_LIMIT = 64 * 1024


@dataclass(frozen=True, slots=True)
class Identity:
    """A generation of the authority's keys, on disk."""

    folder: Path

    @property
    def key(self) -> Path:
        """The key with which it authenticates, PEM."""
        return self.folder / "signing.key"

    @property
    def chain(self) -> Path:
        """Its certificate and the issuing CA's, PEM."""
        return self.folder / "chain.pem"

    @property
    def entry(self) -> DirectoryEntry:
        """Its directory entry."""
        return DirectoryEntry.from_json(read_bounded(self.folder / "entry.json", _LIMIT))


class OwnKeys:
    """The folder of the authority's own keys."""

    def __init__(self, folder: Path, terminal: str) -> None:
        """Name the folder, and the machine that the authority runs on."""
        self._folder = folder
        self._terminal = terminal
        self._next = folder / "next"

    def current(self) -> Identity | None:
        """Return the newest generation in use, if there is one."""
        numbered = sorted(path for path in self._folder.glob("[0-9]*") if path.is_dir())
        return Identity(numbered[-1]) if numbered else None

    def prepare(self) -> Applicant:
        """Make the next generation's keys, or find those that an interrupted turn left; return what to issue for."""
        self._next.mkdir(mode=0o700, parents=True, exist_ok=True)
        paths = [self._next / "signing.key", self._next / "receiving.key"]
        for path in paths:
            if not path.exists():
                write_new(path, key_to_pem(make_key()).encode(), 0o600)
        signing, receiving = (key_from_pem(read_bounded(path, _LIMIT).decode()) for path in paths)
        point = receiving.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )
        return Applicant(AUTHORITY, self._terminal, make_request(signing, AUTHORITY, self._terminal), point)

    def adopt(self, issued: Issued) -> Identity:
        """Put the next generation, for which this was issued, in use."""
        entry = DirectoryEntry.from_json(issued.entry)
        replace(self._next / "chain.pem", (entry.certificate + entry.issuer).encode(), 0o644)
        replace(self._next / "entry.json", issued.entry.encode(), 0o644)
        final = self._folder / f"{issued.generation:06d}"
        self._next.rename(final)
        sync_directories([self._folder])
        return Identity(final)
