"""Which media may carry anything: those that a party of the exchange has registered, each for one endpoint.

The registration is a signed document on the medium itself, so that both ends can check it without a line. It names the
file system where that has an identifier: copied onto another medium it registers nothing.
"""

import json
import os
from pathlib import Path
from uuid import uuid4

from pydantic import ValidationError

from renkei.agent import platform
from renkei.agent.files import read_bounded, write_new
from renkei.agent.home import Home, now
from renkei.agent.media.shape import MODE, REGISTRATION, is_file
from renkei.exchange.bindings import BindingError, DirectoryEntry
from renkei.exchange.documents import MAX_ENVELOPE, DocumentError, peek
from renkei.exchange.parties import Party
from renkei.exchange.payloads import Medium

_HINT = "register it with `renkei-agent media register`"


class MediaError(Exception):
    """A medium that can't be used; the text says why and what to do."""


def register(home: Home, folder: Path, endpoint: Party, label: str) -> Medium:
    """Let a medium serve the exchange between the ministry and an endpoint.

    Args:
        home: of the party that registers it: the ministry or the endpoint.
        folder: the medium's.
        endpoint: whose exchange.
        label: what stands on it, for people.

    Raises:
        MediaError: it is registered already, can't be written, or the label can't be one.
        NotEnrolled: this machine can't sign yet.
    """
    keys = home.keys()
    path = folder / REGISTRATION
    if os.path.lexists(path):
        raise MediaError(f"{path}: the medium is registered already; `renkei-agent media show` says for whom")
    try:
        medium = Medium(
            id=uuid4(),
            registrar=home.party,
            endpoint=endpoint,
            label=label,
            volume=platform.volume_of(folder),
            registered_at=now(),
        )
    except ValidationError as error:
        raise MediaError(f"the medium can't be registered: {error.errors(include_url=False)[0]['msg']}") from None
    document = {"envelope": medium.sign(keys.signer).decode(), "entry": keys.entry.to_json().decode()}
    try:
        with platform.files_for_everybody():
            write_new(path, json.dumps(document).encode(), MODE)
        platform.sync_directory(folder)
    except OSError as error:
        raise MediaError(
            f"{path}: can't be written ({error.strerror}); check that the medium isn't read-only"
        ) from error
    return medium


def read_registration(home: Home, folder: Path, endpoint: Party | None = None) -> Medium:
    """Return a medium's registration once everything about it holds.

    Args:
        home: of the machine that the medium is in.
        folder: the medium's.
        endpoint: whose exchange it must serve; None at the ministry accepts any.

    Raises:
        MediaError: not registered, for another endpoint, a copy, or lost.
    """
    path = folder / REGISTRATION
    try:
        raw = read_bounded(path, 2 * MAX_ENVELOPE) if is_file(path) or not os.path.lexists(path) else None
        document = json.loads(raw or b"")
        envelope, entry = str(document["envelope"]).encode(), DirectoryEntry.from_json(str(document["entry"]))
        said = Medium.read(peek(envelope).payload)
        signer = home.anchor.verify_entry(entry, said.registered_at, said.registrar, signed_at=said.registered_at)
        medium = Medium.open(envelope, signer.signing_public_key)
    except FileNotFoundError:
        raise MediaError(f"{folder}: is no registered medium; {_HINT}") from None
    except OSError as error:
        raise MediaError(f"{path}: can't be read ({error.strerror}); check that the medium is mounted") from error
    except (ValueError, KeyError, TypeError, RecursionError, BindingError, DocumentError) as error:
        raise MediaError(f"{path}: its registration can't be believed ({error}); {_HINT} anew, emptied") from error
    wanted = endpoint or (None if home.settings.is_ministry else home.party)
    if wanted is not None and medium.endpoint != wanted:
        raise MediaError(f"{folder}: the medium {medium.label} is registered for {medium.endpoint}, not for {wanted}")
    if medium.volume and medium.volume != platform.volume_of(folder):
        raise MediaError(f"{folder}: is a copy of the medium {medium.label}, not that medium; use the one registered")
    if (lost := home.spool.media.lost(str(medium.id))) is not None:
        raise MediaError(
            f"{folder}: the medium {medium.label} was struck off on {lost.at} ({lost.reason}); keep it apart"
        )
    return medium
