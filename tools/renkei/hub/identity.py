"""The hub's own keys and directory entry.

The keys are made here and never leave. The registration authority answers the hub's enrolment request with a directory
entry, which is kept in the store like every other binding; the hub serves once it finds one that fits its key.
"""

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from renkei.exchange.bindings import DirectoryEntry, TrustAnchor, VerifiedParty
from renkei.exchange.certificates import (
    certificate_from_pem,
    fingerprint,
    key_from_pem,
    key_to_pem,
    make_key,
    public_key_of,
)
from renkei.exchange.clock import parse_time
from renkei.exchange.documents import Signer, key_id, peek
from renkei.exchange.parties import HUB
from renkei.store.hub.contract import Binding, HubStore

_SIGNING = "signing.pem"
_RECEIVING = "receiving.pem"
_REQUEST = "request.json"
_NEXT = "next"


class IdentityError(Exception):
    """The hub's keys or entry are missing or don't fit; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The hub's two P-256 keys: to sign, and to be sealed to."""

    signing: ec.EllipticCurvePrivateKey
    receiving: ec.EllipticCurvePrivateKey

    @property
    def receiving_point(self) -> bytes:
        """The uncompressed point that senders seal to."""
        form = serialization.PublicFormat.UncompressedPoint
        return self.receiving.public_key().public_bytes(serialization.Encoding.X962, form)


@dataclass(frozen=True, slots=True)
class Identity:
    """What the hub needs to give its word: its signer, and the entry by which others believe it."""

    signer: Signer
    entry: bytes
    not_after: int

    @property
    def fingerprint(self) -> str:
        """The name of its certificate in the store."""
        return fingerprint(certificate_from_pem(DirectoryEntry.from_json(self.entry).certificate))


def read_keys(folder: Path) -> Keys | None:
    """Return the hub's keys, or None before `renkei-hub init`.

    Raises:
        IdentityError: one of the two is missing or unreadable.
    """
    files = [folder / _SIGNING, folder / _RECEIVING]
    there = [file for file in files if file.exists()]
    if not there:
        return None
    if len(there) != len(files):
        raise IdentityError(
            f"{folder}: has only {there[0].name}; restore the other, or remove it and enrol the hub anew"
        )
    try:
        signing, receiving = (key_from_pem(file.read_text(encoding="ascii")) for file in files)
    except (OSError, ValueError) as error:
        raise IdentityError(f"{folder}: {error}") from error
    return Keys(signing, receiving)


def make_keys(folder: Path) -> Keys:
    """Make the hub's keys, each readable by the owner alone and on disk before this returns."""
    folder.mkdir(mode=0o700, exist_ok=True)
    keys = Keys(make_key(), make_key())
    for name, key in ((_SIGNING, keys.signing), (_RECEIVING, keys.receiving)):
        _write_secret(folder / name, key_to_pem(key))
    owner = folder.parent.stat()
    for path in (folder, folder / _SIGNING, folder / _RECEIVING):
        own_like(path, owner)
    return keys


def own_like(path: Path, owner: os.stat_result) -> None:
    """Give `path` to the owner of something else when root runs this: the service couldn't read it otherwise."""
    if os.geteuid() == 0:
        os.chown(path, owner.st_uid, owner.st_gid)


def verified_binding(anchor: TrustAnchor, entry: DirectoryEntry, at: datetime) -> tuple[Binding, VerifiedParty]:
    """Return a directory entry as the store keeps it, once it is verified against the root.

    A binding that begins later is verified as of its beginning; it is not live before.

    Raises:
        ExchangeError: it can't be believed.
    """
    party = anchor.verify_entry(entry, max(at, _begin(entry)))
    binding = Binding(
        fingerprint=party.fingerprint,
        party=party.party,
        terminal=party.terminal,
        generation=party.generation,
        not_before=int(party.not_before.timestamp()),
        not_after=int(party.not_after.timestamp()),
        entry=entry.to_json(),
    )
    return binding, party


def check_own(keys: Keys, party: VerifiedParty) -> None:
    """Check that an entry is the hub's and for these keys.

    Raises:
        IdentityError: it isn't.
    """
    if party.party != HUB:
        raise IdentityError(f"the entry is for {party.party}, not for the hub")
    certified = (key_id(party.signing_public_key), key_id(party.receiving_public_key))
    if certified != (key_id(keys.signing.public_key()), key_id(keys.receiving.public_key())):
        raise IdentityError("the entry is for other keys than this hub's; let the authority answer `renkei-hub init`")


async def find_identity(store: HubStore, folder: Path, at: int) -> Identity | None:
    """Return the hub's identity: the newest live entry for one of its keys, or None while there is none.

    The next keys are used as soon as there is an entry for them; what the old ones signed stays good until their own
    entry ends.

    Raises:
        IdentityError: the keys can't be read.
    """
    signers = [Signer(keys.signing) for keys in (read_keys(next_keys(folder)), read_keys(folder)) if keys is not None]
    if not signers:
        return None
    for binding in await store.bindings(HUB, at):
        certificate = certificate_from_pem(DirectoryEntry.from_json(binding.entry).certificate)
        for signer in signers:
            if key_id(public_key_of(certificate)) == signer.key_id:
                return Identity(signer, binding.entry, binding.not_after)
    return None


def next_keys(folder: Path) -> Path:
    """Return where the keys lie that take the place of those in `folder`."""
    return folder / _NEXT


def promote_next(folder: Path) -> None:
    """Let the next keys, which are in use, be the keys; the old ones go."""
    following = next_keys(folder)
    for name in (_RECEIVING, _SIGNING, _REQUEST):
        if (following / name).exists():
            (following / name).replace(folder / name)
    for spent in following.iterdir():  # the request by which they were asked for
        spent.unlink()
    following.rmdir()


def _begin(entry: DirectoryEntry) -> datetime:
    return parse_time(str(peek(entry.binding.encode()).payload.get("not_before")))


def _write_secret(path: Path, text: str) -> None:
    """Write a file that only its owner can read, and have it on disk, name and all, before returning."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
