"""What travels by line also travels by medium: the same sealed parcels, receipts, and what is needed to verify them.

    DIR/renkei-012271-ministry-20261123T034500Z-5f1c/
        entries/2.json                  the exporter's directory entries
        profile.json                    which encodings it reads
        horizon.json                    the ministry's: what is on the medium is all there is up to a moment
        documents/00001-receipt.json    envelopes: receipts, then voids, then manifests in the order of their streams
        sealed/DIGEST                   the sealed bytes of a manifest

Entries and documents are in compact form (`.bin`) for whoever is known to read it. An export appears under its name
only when it is complete. Importing one twice, or an old one, changes nothing: every document says which message it is
about, and every message is delivered once.
"""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from renkei.agent import gaps, horizons, platform, profiles, publishing
from renkei.agent.delivery import Delivered, deliver_all
from renkei.agent.files import read_bounded, stage
from renkei.agent.home import Home, now
from renkei.agent.receiving import NotBelieved, Received, finish, take
from renkei.exchange import encoding
from renkei.exchange.bindings import BindingError, DirectoryEntry
from renkei.exchange.certificates import CertificateError, certificate_from_pem, public_key_of
from renkei.exchange.clock import format_time
from renkei.exchange.compact import pack, pack_entry, unpack, unpack_entry
from renkei.exchange.documents import MAX_ENVELOPE, DocumentError, key_id, peek
from renkei.exchange.errors import ExchangeError
from renkei.exchange.parties import Party
from renkei.exchange.payloads import MAX_SEALED, Manifest
from renkei.store.incoming import IncomingMessage, State
from renkei.store.outgoing import OutgoingMessage

RECEIPTS_REPEATED = timedelta(days=60)
"""A medium may be lost: receipts of this many days go on every one."""

_MAX_DOCUMENTS = 20_000
_MAX_ENTRIES = 16
_MODE = 0o644
_PREFIX = "renkei-"
_PROFILE = "profile.json"
_HORIZON = "horizon.json"
_KINDS = frozenset({"manifest", "receipt", "void"})


@dataclass(frozen=True, slots=True)
class Export:
    """What was written onto a medium, and where."""

    folder: str
    parcels: int
    notices: int
    receipts: int
    bytes: int


@dataclass(slots=True)
class Import:
    """What a medium brought; `foreign` are exports for others, `refused` documents that can't be believed."""

    exports: int = 0
    parcels: int = 0
    receipts: int = 0
    repeated: int = 0
    delivered: int = 0
    notices: int = 0
    foreign: int = 0
    refused: int = 0


class MediaError(Exception):
    """The medium can't be read or written; the text says what to do."""


def export(home: Home, medium: Path, recipient: Party) -> Export:
    """Write what waits for a recipient, and receipts for what came from it.

    Raises:
        MediaError: the medium can't be written.
        NotEnrolled: this machine can't sign yet.
    """
    home.keys()
    name = f"{_PREFIX}{home.party}-{recipient}-{now():%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"
    folder = medium / f".{name}"
    messages = [m for m in home.spool.outgoing.unreceipted(recipient) if m.sealed is not None]
    since = format_time(now() - RECEIPTS_REPEATED)
    receipts = [m.receipt for m in home.spool.incoming.receipts_since(recipient, since) if m.receipt is not None]
    documents = [("receipt", receipt) for receipt in receipts]
    documents += [("void", void.envelope) for void in home.spool.voids.to(recipient)]
    documents += [("manifest", message.manifest) for message in messages]
    try:
        with platform.files_for_everybody():
            _write(home, folder, recipient, documents, messages)
            folder.rename(medium / name)
        platform.sync_directory(medium)
    except OSError as error:
        raise MediaError(
            f"{medium}: can't be written ({error.strerror}); check that it is mounted, has room and is the agent's"
        ) from error
    size = sum(len(message.sealed or b"") for message in messages)
    return Export(name, len(messages), sum(message.count for message in messages), len(receipts), size)


def import_all(home: Home, medium: Path) -> Import:
    """Take what a medium holds for this party, and deliver it.

    Raises:
        MediaError: the medium can't be read.
    """
    outcome, received = Import(), Received()
    try:
        folders = sorted(path for path in medium.iterdir() if path.name.startswith(_PREFIX) and _is_folder(path))
        for folder in folders:
            if folder.name.split("-")[2:3] != [str(home.party)]:
                outcome.foreign += 1
                continue
            outcome.exports += 1
            outcome.refused += _import_folder(home, folder, received)
    except OSError as error:
        raise MediaError(f"{medium}: can't be read ({error.strerror}); check that it is mounted") from error
    if home.keyring.took_over:
        home.spool.incoming.begin()
    delivered: Delivered = deliver_all(home)
    gaps.watch(home)
    if not home.settings.is_ministry:
        horizons.missing_by_medium(home)
    outcome.parcels, outcome.receipts, outcome.repeated = received.parcels, received.receipts, received.repeated
    outcome.delivered, outcome.notices = delivered.parcels, delivered.notices
    outcome.refused += delivered.quarantined
    return outcome


def _write(
    home: Home, folder: Path, recipient: Party, documents: list[tuple[str, bytes]], messages: list[OutgoingMessage]
) -> None:
    known = home.spool.profiles.newest(recipient)
    packs = known is not None and encoding.LATEST in known.encodings  # who reads that reads compact documents, too
    suffix = "bin" if packs else "json"
    for part in (folder, folder / "entries", folder / "documents", folder / "sealed"):
        part.mkdir()
    for generation in home.keyring.generations()[:_MAX_ENTRIES]:
        entry = generation.entry.to_json()
        stage(folder / "entries" / f"{generation.number}.{suffix}", pack_entry(entry) if packs else entry, _MODE)
    stage(folder / _PROFILE, profiles.own(home), _MODE)
    horizon = publishing.for_medium(home, recipient) if home.settings.is_ministry else None
    if horizon is not None and len(documents) <= _MAX_DOCUMENTS:
        stage(folder / _HORIZON, horizon, _MODE)
    for number, (kind, envelope) in enumerate(documents[:_MAX_DOCUMENTS], start=1):
        document = pack(envelope) if packs else envelope
        stage(folder / "documents" / f"{number:05d}-{kind}.{suffix}", document, _MODE)
    for message in messages:
        stage(folder / "sealed" / _digest(message.manifest), message.sealed or b"", _MODE)


def _import_folder(home: Home, folder: Path, received: Received) -> int:
    entries = _entries(folder)
    refused = _import_beside(home, folder, entries)
    for path in sorted((folder / "documents").iterdir())[:_MAX_DOCUMENTS]:
        kind = path.stem.partition("-")[2]
        document = read_bounded(path, MAX_ENVELOPE) if kind in _KINDS and not path.is_symlink() else None
        try:
            envelope = unpack(document or b"")
            take(home, kind, envelope, _entry_of(entries, envelope), received)
        except (NotBelieved, DocumentError) as error:
            refused += 1
            home.alarm("medium", f"{folder.name}/{path.name}", f"the medium holds a document that is none: {error}")
    for message in home.spool.incoming.in_state(State.ANNOUNCED):
        _fill(home, message, folder)
    return refused


def _import_beside(home: Home, folder: Path, entries: dict[str, DirectoryEntry]) -> int:
    """Take the exporter's profile, and at an endpoint the ministry's horizon; how many can't be believed."""
    takers = {_PROFILE: profiles.take} | ({} if home.settings.is_ministry else {_HORIZON: horizons.take_from_medium})
    refused = 0
    for name, take_it in takers.items():
        path = folder / name
        if path.is_symlink() or not path.is_file():
            continue  # written by a release that had none, or nothing to say
        envelope = read_bounded(path, MAX_ENVELOPE) or b""
        try:
            take_it(home, envelope, home.anchor.verify_entry(_entry_of(entries, envelope), now()))
        except (NotBelieved, ExchangeError) as error:
            home.alarm("medium", f"{folder.name}/{name}", f"the medium holds a {path.stem} that is none: {error}")
            refused += 1
    return refused


def _fill(home: Home, message: IncomingMessage, folder: Path) -> None:
    """Take the sealed bytes of an announced message from the medium, if they are on it."""
    path = folder / "sealed" / _digest(message.manifest)
    if path.is_symlink() or not path.is_file():
        return
    sealed = read_bounded(path, MAX_SEALED)
    if sealed is None or len(sealed) != message.size:
        home.alarm("content", message.id, f"{path}: not the {message.size} bytes that the manifest says; copy it anew")
        return
    here = home.spool.incoming.fetched_bytes(message)
    if here < message.size:
        home.spool.incoming.add_piece(message, here, sealed[here:])
    finish(home, message)


def _entries(folder: Path) -> dict[str, DirectoryEntry]:
    """The exporter's entries by the key id with which its documents are signed."""
    found = {}
    for path in _some_files(folder / "entries", _MAX_ENTRIES):
        content = read_bounded(path, MAX_ENVELOPE)
        try:
            entry = DirectoryEntry.from_json(unpack_entry(content or b""))
            found[key_id(public_key_of(certificate_from_pem(entry.certificate)))] = entry
        except (BindingError, CertificateError, DocumentError):
            continue  # documents that need it are refused, and named
    return found


def _entry_of(entries: dict[str, DirectoryEntry], envelope: bytes) -> DirectoryEntry:
    entry = entries.get(peek(envelope).key_id)
    if entry is None:
        raise NotBelieved("its signer's directory entry isn't on the medium")
    return entry


def _digest(manifest: bytes) -> str:
    return Manifest.read(peek(manifest).payload).envelope_sha256


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _some_files(folder: Path, limit: int) -> Iterator[Path]:
    for path in sorted(folder.iterdir())[:limit]:
        if path.is_file() and not path.is_symlink():
            yield path
