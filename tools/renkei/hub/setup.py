"""What makes a machine the hub: its keys, its own entry, and the first parties it trusts. All of it can be repeated."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TypeVar

from renkei.exchange.bindings import DirectoryEntry
from renkei.exchange.certificates import make_request
from renkei.exchange.documents import MAX_ENVELOPE, key_id
from renkei.exchange.enrolment import EnrolmentFields
from renkei.exchange.errors import ExchangeError
from renkei.exchange.parties import AUTHORITY, HUB, MINISTRY
from renkei.hub.context import Hub
from renkei.hub.identity import (
    IdentityError,
    check_own,
    find_identity,
    make_keys,
    next_keys,
    own_like,
    promote_next,
    read_keys,
    verified_binding,
)
from renkei.hub.server import open_hub
from renkei.hub.settings import Settings
from renkei.store.hub.refusals import StoreRefusal
from renkei.store.hub.store import SqlHubStore

T = TypeVar("T")

_REQUEST = "request.json"
_SERIAL = Path("/sys/class/dmi/id/product_serial")
_UNKNOWN = "unknown"


class SetupError(Exception):
    """What was asked can't be done; the text names the file and what to do."""


def prepare(settings: Settings, terminal: str) -> bytes:
    """Make the hub's keys where there are none; return the enrolment request (JSON, without a proof) for them.

    The request is kept: the same keys give the same request.

    Raises:
        SetupError: the state folder isn't there, or the keys are broken.
    """
    if not settings.state.is_dir():
        raise SetupError(f"{settings.state}: is not there; make it, owned by the hub's user")
    return _request_for(settings, settings.keys, terminal)


def renew(settings: Settings, terminal: str) -> bytes:
    """Make the hub's next keys, or find those that wait for their entry; return the request for them.

    Next keys that are in use already become the keys first, so that there are never more than two.

    Raises:
        SetupError: the hub has no keys yet, or they are broken.
    """
    folder = next_keys(settings.keys)
    try:
        if read_keys(settings.keys) is None:
            raise SetupError(f"{settings.keys}: has no keys yet; run renkei-hub init")
        used = with_store(settings, lambda store: find_identity(store, settings.keys, int(time.time())))
        following = read_keys(folder)
        if following is not None and used is not None and used.signer.key_id == key_id(following.signing.public_key()):
            promote_next(settings.keys)
    except (OSError, IdentityError, ExchangeError) as error:
        raise SetupError(f"{settings.keys}: {error}") from error
    return _request_for(settings, folder, terminal)


def _request_for(settings: Settings, folder: Path, terminal: str) -> bytes:
    try:
        keys = read_keys(folder) or make_keys(folder)
        path = folder / _REQUEST
        if path.exists():
            return path.read_bytes()
        fields = EnrolmentFields(
            endpoint=HUB,
            terminal=terminal,
            machine_serial=_machine_serial(),
            csr=make_request(keys.signing, HUB, terminal),
            receiving_key=keys.receiving_point,
        )
        request = fields.model_dump_json().encode()
        path.write_bytes(request)
        own_like(path, settings.state.stat())
    except (OSError, IdentityError, ExchangeError, ValueError) as error:
        raise SetupError(f"{folder}: {error}") from error
    return request


def install_entry(settings: Settings, file: Path) -> bool:
    """Take the hub's own directory entry; return whether it was new.

    Raises:
        SetupError: it can't be believed, or isn't for this hub's keys.
    """

    async def work(hub: Hub) -> bool:
        keys = read_keys(settings.keys)
        if keys is None:
            raise SetupError(f"{settings.keys}: has no keys yet; run renkei-hub init first")
        binding, party = verified_binding(hub.anchor, _entry(file), hub.clock())
        following = read_keys(next_keys(settings.keys))
        if following is not None and key_id(party.signing_public_key) == key_id(following.signing.public_key()):
            keys = following
        check_own(keys, party)
        return await hub.store.add_binding(binding, HUB, hub.now())

    return _with_store(settings, work, file)


def trust(settings: Settings, files: list[Path]) -> dict[Path, bool]:
    """Put entries of the registration authority and the ministry onto the allow-list; return which were new.

    Everybody else comes by the authority's `PUT /v1/bindings`, which needs the authority on the list first.

    Raises:
        SetupError: one can't be believed, or is another party's; nothing after it was taken.
    """
    return {file: _with_store(settings, _trusting(file), file) for file in files}


def _trusting(file: Path) -> Callable[[Hub], Coroutine[None, None, bool]]:
    async def work(hub: Hub) -> bool:
        binding, party = verified_binding(hub.anchor, _entry(file), hub.clock())
        if party.party not in {AUTHORITY, MINISTRY}:
            raise SetupError(f"{file}: is an entry of {party.party}; only authority and ministry are trusted this way")
        return await hub.store.add_binding(binding, HUB, hub.now())

    return work


def with_store(
    settings: Settings, work: Callable[[SqlHubStore], Coroutine[None, None, T]], *, owning: bool = False
) -> T:
    """Run `work` on the store, which may be in use by the serving hub at the same time; see `open_hub`."""
    _, store = open_hub(settings, owning=owning)
    try:
        return asyncio.run(work(store))
    finally:
        store.close()
        own_store(settings)


def own_store(settings: Settings) -> None:
    """Give the store's files to the owner of their folder, when root made them."""
    owner = settings.state.stat()
    for path in settings.state.glob(f"{settings.database.name}*"):
        own_like(path, owner)


def _with_store(settings: Settings, work: Callable[[Hub], Coroutine[None, None, T]], file: Path) -> T:
    hub, store = open_hub(settings)
    try:
        return asyncio.run(work(hub))
    except (ExchangeError, IdentityError, StoreRefusal) as error:
        raise SetupError(f"{file}: {error}") from error
    finally:
        store.close()
        own_store(settings)


def _entry(file: Path) -> DirectoryEntry:
    try:
        with file.open("rb") as stream:
            return DirectoryEntry.from_json(stream.read(MAX_ENVELOPE + 1))
    except OSError as error:
        raise SetupError(f"{file}: {error.strerror}") from error


def _machine_serial() -> str:
    """Return what the maker calls this machine; only a terminal's is checked, against the inventory."""
    try:
        found = _SERIAL.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return _UNKNOWN
    return found if found.isprintable() and 0 < len(found) <= len("x" * 64) else _UNKNOWN
