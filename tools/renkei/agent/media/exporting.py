"""Writing an export: everything without a receipt, and the receipts of some time, complete or not there."""

import hashlib
import secrets
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

from renkei.agent import directory, platform, profiles, publishing
from renkei.agent.files import stage
from renkei.agent.home import Home, now, stamp
from renkei.agent.media import renewing, updating
from renkei.agent.media.registration import MediaError, read_registration
from renkei.agent.media.shape import (
    COVER,
    CRL,
    DOCUMENTS,
    ENTRIES,
    HORIZON,
    LISTING,
    MAX_DOCUMENTS,
    MAX_ENTRIES,
    MODE,
    PREFIX,
    PROFILE,
    RENEWAL_ANSWER,
    RENEWAL_REQUEST,
    SEALED,
    is_folder,
    write_listing,
)
from renkei.agent.sending import sign_anew
from renkei.agent.signing import is_signed_now, signed_now
from renkei.exchange import encoding
from renkei.exchange.clock import format_time
from renkei.exchange.compact import pack, pack_entry
from renkei.exchange.documents import peek
from renkei.exchange.parties import Party
from renkei.exchange.payloads import Cover, Manifest, Receipt, Void
from renkei.exchange.signed import Signed
from renkei.store.media import CarriedExport
from renkei.store.outgoing import OutgoingMessage

RECEIPTS_REPEATED = timedelta(days=60)
"""A medium may be lost: receipts of this many days go on every one."""


_MAX_SIGNERS = 4


@dataclass(frozen=True, slots=True)
class Export:
    """What was written onto a medium, and where.

    `digest` is that of the list of its files, `patterns` the version of the antivirus patterns that lie beside.
    """

    folder: str
    id: str
    digest: str
    parcels: int
    notices: int
    receipts: int
    voids: int
    bytes: int
    orders: int
    patterns: str


@dataclass(frozen=True, slots=True)
class _Load:
    """What goes onto the medium: (kind, envelope) in order, the messages whose sealed bytes go along, if it is all."""

    documents: tuple[tuple[str, bytes], ...]
    messages: tuple[OutgoingMessage, ...]
    whole: bool
    carried: tuple[updating.Carried, ...] = ()

    def count(self, kind: str) -> int:
        return sum(1 for each, _ in self.documents if each == kind)


def export(home: Home, medium: Path, recipient: Party, orders: Sequence[Signed] = ()) -> Export:
    """Write what waits for a recipient, and receipts for what came from it.

    Args:
        home: of the agent.
        medium: its folder.
        recipient: for whom.
        orders: at the ministry, those that wait for it at the hub.

    Raises:
        MediaError: the medium isn't registered for this exchange, or can't be written.
        NotEnrolled: this machine can't sign yet.
    """
    keys = home.keys()
    registered = read_registration(home, medium, recipient if recipient.is_endpoint else home.party)
    load = _gather(home, recipient, orders)
    files = dict(_files(home, recipient, load))
    listing = write_listing(files)
    cover = Cover(
        id=uuid4(),
        medium=registered.id,
        sender=home.party,
        recipient=recipient,
        created_at=now(),
        files_sha256=hashlib.sha256(listing).hexdigest(),
        files=len(files),
        bytes=sum(map(len, files.values())),
        parcels=load.count("manifest"),
        notices=sum(message.count for message in load.messages),
        receipts=load.count("receipt"),
        voids=load.count("void"),
    )
    name = f"{PREFIX}{home.party}-{recipient}-{now():%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"
    patterns = _bring_packages(home, medium, load)
    _write(medium, name, {**files, LISTING: listing, COVER: cover.sign(keys.signer)})
    home.spool.media.note(carried(cover, "written", stamp()))
    return Export(
        folder=name,
        id=str(cover.id),
        digest=cover.files_sha256,
        parcels=cover.parcels,
        notices=cover.notices,
        receipts=cover.receipts,
        voids=cover.voids,
        bytes=cover.bytes,
        orders=load.count("order"),
        patterns=patterns,
    )


def carried(cover: Cover, way: str, at: str) -> CarriedExport:
    """Say of an export what the spool keeps; `way` is written or taken."""
    return CarriedExport(
        id=str(cover.id),
        way="written" if way == "written" else "taken",
        medium=str(cover.medium),
        party=cover.recipient if way == "written" else cover.sender,
        digest=cover.files_sha256,
        parcels=cover.parcels,
        notices=cover.notices,
        receipts=cover.receipts,
        voids=cover.voids,
        at=at,
    )


def _gather(home: Home, recipient: Party, orders: Sequence[Signed]) -> _Load:
    messages = [
        m if is_signed_now(home, m.manifest) else sign_anew(home, m, directory.recall(home, recipient))
        for m in home.spool.outgoing.unreceipted(recipient)
        if m.sealed is not None
    ]
    since = format_time(now() - RECEIPTS_REPEATED)
    receipts = [m.receipt for m in home.spool.incoming.receipts_since(recipient, since) if m.receipt is not None]
    documents = [("receipt", signed_now(home, Receipt, receipt)) for receipt in receipts]
    documents += [("void", signed_now(home, Void, void.envelope)) for void in home.spool.voids.to(recipient)]
    carried = updating.to_carry(home, recipient, orders) if home.settings.is_ministry else []
    documents += [(kind, envelope) for kind, envelope, _ in carried]
    if not home.settings.is_ministry:
        documents += updating.said_lately(home)
    # those that don't fit any more wait for the next medium, the oldest going first
    fitting = messages[: max(0, MAX_DOCUMENTS - len(documents))]
    documents += [("manifest", message.manifest) for message in fitting]
    whole = len(fitting) == len(messages)
    return _Load(tuple(documents[:MAX_DOCUMENTS]), tuple(fitting), whole, tuple(carried))


def _bring_packages(home: Home, medium: Path, load: _Load) -> str:
    try:
        updating.write_packages(home, medium, list(load.carried))
        return updating.write_patterns(home, medium) if home.settings.is_ministry else ""
    except OSError as error:
        raise MediaError(f"{error.filename or medium}: can't be copied ({error.strerror}); has it room?") from error


def _files(home: Home, recipient: Party, load: _Load) -> Iterator[tuple[str, bytes]]:
    known = home.spool.profiles.newest(recipient)
    packs = known is not None and encoding.LATEST in known.encodings  # who reads that reads compact documents, too
    suffix = "bin" if packs else "json"
    for generation in home.keyring.generations()[: MAX_ENTRIES - _MAX_SIGNERS - 1]:
        entry = generation.entry.to_json()
        yield f"{ENTRIES}/{generation.number}.{suffix}", pack_entry(entry) if packs else entry
    for number, entry in enumerate(_signers(load), start=1):
        yield f"{ENTRIES}/updates-{number}.{suffix}", pack_entry(entry) if packs else entry
    if home.anchor.crl is not None:
        yield CRL, home.anchor.crl.pem.encode()
    if home.settings.is_ministry:
        name, renewal = RENEWAL_ANSWER, renewing.answer_to_write(home, recipient)
    else:
        name, renewal = RENEWAL_REQUEST, renewing.request_to_write(home)
    if renewal is not None:
        yield name, renewal
    yield PROFILE, profiles.own(home)
    horizon = publishing.for_medium(home, recipient) if home.settings.is_ministry and load.whole else None
    if horizon is not None:
        yield HORIZON, horizon
    for number, (kind, envelope) in enumerate(load.documents, start=1):
        yield f"{DOCUMENTS}/{number:05d}-{kind}.{suffix}", pack(envelope) if packs else envelope
    for message in load.messages:
        yield f"{SEALED}/{Manifest.read(peek(message.manifest).payload).envelope_sha256}", message.sealed or b""


def _signers(load: _Load) -> list[bytes]:
    """Directory entries of those who signed what is only carried, each once."""
    return list(dict.fromkeys(entry.to_json() for _, _, entry in load.carried))[:_MAX_SIGNERS]


def _write(medium: Path, name: str, files: dict[str, bytes]) -> None:
    """Write all files under a hidden name, then give it its own: whoever looks finds all or nothing."""
    folder = medium / f".{name}"
    try:
        for abandoned in medium.glob(f".{PREFIX}*"):
            if is_folder(abandoned):
                shutil.rmtree(abandoned)  # of a medium that was pulled out while it was written or wiped
            else:
                abandoned.unlink()  # nothing of ours; of a link the link alone goes
        with platform.files_for_everybody():
            for part in (folder, folder / ENTRIES, folder / DOCUMENTS, folder / SEALED):
                part.mkdir()
            for path, content in files.items():
                stage(folder / path, content, MODE)
            folder.rename(medium / name)
        platform.sync_directory(medium)
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise MediaError(
            f"{medium}: can't be written ({error.strerror}); check that it is mounted, has room and is the agent's"
        ) from error
