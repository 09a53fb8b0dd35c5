"""Taking exports: checked whole, taken whole, noted as taken, deleted from the medium.

1. Every export is looked at; what isn't new, whole, signed, for this party and of this medium stays where it is.
2. The malware scan. Then the list of revoked certificates: who stands on it has written nothing that is taken.
3. Its documents come into the spool and from there into the inbox: each is known by its id, so that after a kill the
   same export is simply read again.
4. The spool notes the export's id as taken. From here on it is a replay.
5. The export is deleted from the medium, and that is noted.
"""

import shutil
from dataclasses import dataclass, field
from pathlib import Path

from renkei.agent import crl, enrolment, gaps, horizons, platform, profiles
from renkei.agent.delivery import deliver_all
from renkei.agent.files import read_bounded
from renkei.agent.home import Home, log, now, stamp
from renkei.agent.media import renewing, updating
from renkei.agent.media.exporting import carried
from renkei.agent.media.inspecting import Found, Standing, inspect
from renkei.agent.media.registration import MediaError, read_registration
from renkei.agent.media.scanning import Infected, scan
from renkei.agent.media.shape import (
    CRL,
    DOCUMENTS,
    HORIZON,
    MAX_DOCUMENTS,
    PREFIX,
    PROFILE,
    RENEWAL_ANSWER,
    RENEWAL_REQUEST,
    SEALED,
    some_files,
)
from renkei.agent.receiving import NotBelieved, Received, finish, take
from renkei.exchange.bindings import BindingError, DirectoryEntry
from renkei.exchange.certificates import CertificateError
from renkei.exchange.compact import unpack
from renkei.exchange.crl import MAX_CRL
from renkei.exchange.documents import MAX_ENVELOPE, DocumentError, peek
from renkei.exchange.errors import ExchangeError
from renkei.exchange.payloads import MAX_SEALED, Cover, Manifest
from renkei.store.incoming import IncomingMessage, State

_KINDS = frozenset({"manifest", "receipt", "void", *updating.KINDS})


@dataclass(slots=True)
class Import:
    """What a medium brought.

    Attributes:
        exports: exports for this party that were taken; `digests` of their lists of files.
        replayed: such that had been taken before, `foreign`: such for others, left alone.
        parcels, receipts, repeated: documents that were new, and those known before.
        delivered, notices: parcels that reached the inbox, and what was in them.
        refused: exports and documents that can't be believed.
        scanned: whether the malware scanner saw what was taken.
        updates, packages: documents of updates, and their packages, that were new.
        patterns: packages of antivirus patterns that were newer.
        wiped: exports that were deleted from the medium.
    """

    exports: int = 0
    replayed: int = 0
    foreign: int = 0
    parcels: int = 0
    receipts: int = 0
    repeated: int = 0
    delivered: int = 0
    notices: int = 0
    refused: int = 0
    scanned: bool = False
    updates: int = 0
    packages: int = 0
    patterns: int = 0
    wiped: int = 0
    digests: list[str] = field(default_factory=list)


def import_all(home: Home, medium: Path) -> Import:
    """Take what a medium holds for this party, deliver it, and delete it from the medium.

    Raises:
        MediaError: the medium isn't registered, can't be read, or a required scan can't be done.
    """
    registered = read_registration(home, medium)
    outcome, received = Import(), Received()
    try:
        new = [found for found in inspect(home, medium, registered) if _is_new(home, found, outcome)]
        new = [found for found in new if _is_clean(home, found, outcome)]
        newer = sum(_take_crl(home, found) for found in new)
        if newer:
            folders = {found.folder for found in new}
            again = [found for found in inspect(home, medium, registered) if found.folder in folders]
            new = [found for found in again if _is_new(home, found, outcome)]
        for found in new:
            outcome.refused += _take(home, found, received, outcome)
        if not home.settings.is_ministry:
            outcome.packages = updating.bring_packages(home, medium)
            outcome.patterns = updating.bring_patterns(home, medium)
    except OSError as error:
        raise MediaError(f"{medium}: can't be read ({error.strerror}); put it in again, nothing is lost") from error
    if home.keyring.took_over:
        home.spool.incoming.begin()
    delivered = deliver_all(home)
    gaps.watch(home)
    crl.check_age(home)
    if not home.settings.is_ministry:
        horizons.missing_by_medium(home)
    outcome.parcels, outcome.receipts, outcome.repeated = received.parcels, received.receipts, received.repeated
    outcome.delivered, outcome.notices = delivered.parcels, delivered.notices
    outcome.refused += delivered.quarantined
    for found in new:
        _note(home, found, outcome)
    return outcome


def _is_new(home: Home, found: Found, outcome: Import) -> bool:
    if found.standing is Standing.FOREIGN:
        outcome.foreign += 1
    elif found.standing is Standing.USED:
        outcome.wiped += _wipe(home, found)
        if found.is_replay:
            outcome.replayed += 1
            home.alarm("medium", found.folder.name, found.why)
    elif found.standing is Standing.REFUSED:
        outcome.refused += 1
        home.alarm("medium", found.folder.name, found.why)
    return found.standing is Standing.NEW


def _is_clean(home: Home, found: Found, outcome: Import) -> bool:
    try:
        outcome.scanned = scan(found.folder, home.settings.media)
    except Infected as infected:
        outcome.refused += 1
        home.alarm(
            "malware", found.folder.name, f"{found.folder.name}: the scanner found: {infected}; keep the medium apart"
        )
        return False
    return True


def _take_crl(home: Home, found: Found) -> bool:
    """Take the list of revoked certificates that an export brings; whether it is a newer one."""
    path = found.folder / CRL
    if not path.is_file():
        return False  # the exporter knew none, or is of an earlier release
    try:
        newer = crl.take(home, (read_bounded(path, MAX_CRL) or b"").decode("ascii", "replace"))
    except CertificateError as error:
        home.alarm("medium", f"{found.folder.name}/{CRL}", f"the medium's list can't be believed: {error}")
        return False
    return newer


def _take(home: Home, found: Found, received: Received, outcome: Import) -> int:
    """Bring an export's documents and sealed bytes into the spool; how many documents can't be believed."""
    folder, entries = found.folder, found.entries
    refused = _take_beside(home, folder, entries) + _take_renewal(home, found)
    for path in some_files(folder / DOCUMENTS, MAX_DOCUMENTS):
        kind = path.stem.partition("-")[2]
        try:
            envelope = unpack((read_bounded(path, MAX_ENVELOPE) if kind in _KINDS else None) or b"")
            if kind in updating.KINDS:
                outcome.updates += updating.take(home, envelope, _entry_of(entries, envelope))
            else:
                take(home, kind, envelope, _entry_of(entries, envelope), received)
        except (NotBelieved, BindingError, DocumentError) as error:
            refused += 1
            home.alarm("medium", f"{folder.name}/{path.name}", f"the medium holds a document that is none: {error}")
    for message in home.spool.incoming.in_state(State.ANNOUNCED):
        _fill(home, message, folder)
    return refused


def _take_beside(home: Home, folder: Path, entries: dict[str, DirectoryEntry]) -> int:
    """Take the exporter's profile, and at an endpoint the ministry's horizon; how many can't be believed."""
    takers = {PROFILE: profiles.take} | ({} if home.settings.is_ministry else {HORIZON: horizons.take_from_medium})
    refused = 0
    for name, take_it in takers.items():
        path = folder / name
        if not path.is_file():
            continue  # the exporter had nothing to say
        envelope = read_bounded(path, MAX_ENVELOPE) or b""
        try:
            take_it(home, envelope, home.anchor.verify_entry(_entry_of(entries, envelope), now()))
        except (NotBelieved, ExchangeError) as error:
            home.alarm("medium", f"{folder.name}/{name}", f"the medium holds a {path.stem} that is none: {error}")
            refused += 1
    return refused


def _take_renewal(home: Home, found: Found) -> int:
    """Take what an export brings of a renewal: at the ministry a request, at an endpoint the answer; 1 if it fails."""
    path = found.folder / (RENEWAL_REQUEST if home.settings.is_ministry else RENEWAL_ANSWER)
    if not path.is_file() or found.signer is None:
        return 0
    text = read_bounded(path, MAX_ENVELOPE) or b""
    try:
        if home.settings.is_ministry:
            renewing.take_request(home, text, found.signer)
        elif renewing.take_answer(home, text):
            home.spool.settle("certificate", home.party)
    except ExchangeError as error:
        home.alarm("medium", f"{found.folder.name}/{path.name}", f"the medium's renewal can't be believed: {error}")
        return 1
    except enrolment.EnrolmentRefused as error:
        home.alarm("certificate", home.party, f"renewal: {error}")
        return 1
    return 0


def _fill(home: Home, message: IncomingMessage, folder: Path) -> None:
    """Take the sealed bytes of an announced message from the medium, if they are on it."""
    path = folder / SEALED / Manifest.read(peek(message.manifest).payload).envelope_sha256
    if not path.is_file():
        return
    sealed = read_bounded(path, MAX_SEALED)
    if sealed is None or len(sealed) != message.size:
        home.alarm("content", message.id, f"{path}: not the {message.size} bytes that the manifest says; copy it anew")
        return
    here = home.spool.incoming.fetched_bytes(message)
    if here < message.size:
        home.spool.incoming.add_piece(message, here, sealed[here:])
    finish(home, message)


def _entry_of(entries: dict[str, DirectoryEntry], envelope: bytes) -> DirectoryEntry:
    entry = entries.get(peek(envelope).key_id)
    if entry is None:
        raise NotBelieved("its signer's directory entry isn't on the medium")
    return entry


def _note(home: Home, found: Found, outcome: Import) -> None:
    cover: Cover | None = found.cover
    if cover is None:
        return
    home.spool.media.note(carried(cover, "taken", stamp()))
    home.spool.settle("medium", found.folder.name)
    outcome.exports += 1
    outcome.digests.append(cover.files_sha256)
    log.info("%s: taken, %d parcels, %d receipts", found.folder.name, cover.parcels, cover.receipts)
    outcome.wiped += _wipe(home, found)


def _wipe(home: Home, found: Found) -> int:
    """Delete a taken export from its medium; what a flash chip keeps of it is sealed. 1 when it is gone."""
    if found.cover is None:
        return 0
    hidden = found.folder.with_name(f".{PREFIX}taken-{found.cover.id}")
    try:
        found.folder.rename(hidden)
        shutil.rmtree(hidden)
        platform.sync_directory(hidden.parent)
    except OSError as error:
        home.alarm("wipe", found.folder.name, f"{found.folder}: can't be deleted ({error.strerror}); empty the medium")
        return 0
    home.spool.media.note_wiped(str(found.cover.id), stamp())
    home.spool.settle("wipe", found.folder.name)
    return 1
