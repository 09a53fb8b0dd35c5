"""What is on a medium, before anything of it is taken: for whom, how much, and whether it may be taken."""

import hashlib
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from pathlib import Path

from renkei.agent.files import read_bounded
from renkei.agent.home import Home, now
from renkei.agent.media.shape import (
    COVER,
    ENTRIES,
    MAX_ENTRIES,
    Damaged,
    check_listing,
    exports_on,
    is_file,
    read_listing,
    some_files,
)
from renkei.exchange.bindings import BindingError, DirectoryEntry, VerifiedParty
from renkei.exchange.certificates import CertificateError, certificate_from_pem, public_key_of
from renkei.exchange.compact import unpack_entry
from renkei.exchange.documents import MAX_ENVELOPE, DocumentError, key_id, peek
from renkei.exchange.payloads import Cover, Medium

KEPT_COVER = timedelta(days=400)
"""An export older than this isn't taken: a year, within which notices are kept (入管法施行令34条), and some days."""

_AHEAD = timedelta(days=1)


class Standing(StrEnum):
    """Whether an export may be taken, and why not."""

    NEW = "new"
    USED = "used"
    FOREIGN = "foreign"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Found:
    """An export on a medium; `why` says for people what is wrong with one that isn't new.

    One that was taken before is a replay if it had been deleted then; otherwise the medium was pulled out too early.
    """

    folder: Path
    standing: Standing
    cover: Cover | None = None
    why: str = ""
    is_replay: bool = False
    entries: dict[str, DirectoryEntry] = field(default_factory=dict, repr=False)
    signer: VerifiedParty | None = field(default=None, repr=False)


def inspect(home: Home, medium: Path, registered: Medium) -> list[Found]:
    """Look at every export of a registered medium; nothing is changed.

    Raises:
        OSError: the medium can't be read any more.
    """
    return [_inspect(home, folder, registered) for folder in exports_on(medium)]


def _inspect(home: Home, folder: Path, registered: Medium) -> Found:
    if folder.name.split("-")[2:3] != [str(home.party)]:
        return Found(folder, Standing.FOREIGN)
    entries = _entries(folder)
    try:
        cover, signer = _cover(home, folder, entries)
    except (BindingError, DocumentError) as error:
        return Found(folder, Standing.REFUSED, why=f"{folder.name}/{COVER}: can't be believed: {error}")
    if cover.recipient != home.party:
        return Found(folder, Standing.FOREIGN, cover)
    if (before := home.spool.media.taken(str(cover.id))) is not None:
        why = f"{folder.name}: was taken on {before.at} from the medium {before.medium}; an export is taken once"
        return Found(folder, Standing.USED, cover, why, is_replay=before.wiped_at is not None)
    why = _objection(folder, cover, registered)
    return Found(folder, Standing.REFUSED if why else Standing.NEW, cover, why, entries=entries, signer=signer)


def _objection(folder: Path, cover: Cover, registered: Medium) -> str:
    """Say why an export isn't taken, or nothing."""
    if cover.medium != registered.id:
        return f"{folder.name}: was written onto another medium than {registered.label}; bring that one"
    if not now() - KEPT_COVER <= cover.created_at <= now() + _AHEAD:
        return f"{folder.name}: was written at {cover.created_at:%Y-%m-%d}, too long ago or by a clock that is wrong"
    listing = read_listing(folder)
    if hashlib.sha256(listing).hexdigest() != cover.files_sha256:
        return f"{folder.name}: its listing isn't the one that {cover.sender} signed; copy it anew"
    try:
        size = check_listing(folder, listing)
    except Damaged as damage:
        return f"{damage}; let {cover.sender} write the medium anew"
    if (listing.count(b"\n"), size) != (cover.files, cover.bytes):
        return f"{folder.name}: has other files than its cover says; let {cover.sender} write the medium anew"
    return ""


def _cover(home: Home, folder: Path, entries: dict[str, DirectoryEntry]) -> tuple[Cover, VerifiedParty]:
    path = folder / COVER
    envelope = (read_bounded(path, MAX_ENVELOPE) or b"") if is_file(path) else b""
    entry = entries.get(peek(envelope).key_id)
    if entry is None:
        raise DocumentError("its signer's directory entry isn't on the medium")
    signer = home.anchor.verify_entry(entry, now())
    cover = Cover.open(envelope, signer.signing_public_key)
    if cover.sender != signer.party:
        raise DocumentError(f"{signer.party} signed it in the name of {cover.sender}")
    return cover, signer


def _entries(folder: Path) -> dict[str, DirectoryEntry]:
    """The exporter's entries by the key id with which its documents are signed."""
    found = {}
    for path in some_files(folder / ENTRIES, MAX_ENTRIES):
        content = read_bounded(path, MAX_ENVELOPE)
        try:
            entry = DirectoryEntry.from_json(unpack_entry(content or b""))
            found[key_id(public_key_of(certificate_from_pem(entry.certificate)))] = entry
        except (BindingError, CertificateError, DocumentError):
            continue  # what needs it is refused, and named
    return found
