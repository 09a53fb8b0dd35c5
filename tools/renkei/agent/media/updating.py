"""Updates without a line: the ministry's orders, catalogue and packages go out, the machine's word comes back.

    ministry's agent                                      endpoint
    HOME/updates/catalogue.json                       →   documents/, taken like those of a line
    HOME/updates/out/CODE/TERMINAL/order.json         →
    orders that wait at the hub                       →
    HOME/updates/packages/*.msu                       →   DIR/packages/, copied in pieces, for their digests
    HOME/updates/patterns/                            →   DIR/patterns/: the newest antivirus patterns, with their word
    HOME/updates/in/NAME.json, and the hub            ←   documents/: its patch-states of the last 60 days

A wave that runs by the hub has its orders there (`handing.orders_at_hub`) and reads the answers there; one that runs by
folder has `HOME/updates` as its post (`renkei wave run --post`, docs/runbooks/wave.md). The catalogue lies beside,
`{envelope, entry}`: the same authority signed the orders. Whoever carries the medium, and the ministry's
agent too, only carries: the terminal believes the authority, the authority the terminal. Packages lie beside the
exports, since every terminal of an order takes the same ones.
"""

import os
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

from renkei.agent import platform
from renkei.agent.files import move, put, read_bounded, stage
from renkei.agent.home import Home, log, now, stamp
from renkei.agent.media.registration import MediaError
from renkei.agent.media.shape import MODE, is_file, is_folder
from renkei.agent.signing import signed_now
from renkei.agent.updates import documents, orders, packages, patterns
from renkei.agent.updates.handing import HEARD
from renkei.agent.updates.packages import PackageError
from renkei.agent.updates.places import Places
from renkei.exchange.bindings import DirectoryEntry, VerifiedParty
from renkei.exchange.clock import format_time
from renkei.exchange.documents import MAX_ENVELOPE, DocumentError, Kind, peek
from renkei.exchange.errors import ExchangeError
from renkei.exchange.parties import Party
from renkei.exchange.patterns import PATTERNS_FILE, Patterns
from renkei.exchange.signed import MAX_SIGNED, Signed
from renkei.exchange.updates import MAX_UPDATES, Order, PatchState, Update

KINDS = frozenset({Kind.CATALOGUE, Kind.ORDER, Kind.PATCH_STATE})
PACKAGES = "packages"
"""The folder of a medium that has packages of updates."""

PATTERNS = "patterns"
"""The folder of a medium that has antivirus patterns."""

REPEATED = timedelta(days=60)
"""A medium may be lost: what a machine said in this time goes on every one."""


_MAX_DOCUMENTS = 64

Carried = tuple[str, bytes, DirectoryEntry]
"""Kind, envelope, its signer's entry."""


def to_carry(home: Home, recipient: Party, at_hub: Sequence[Signed] = ()) -> list[Carried]:
    """At the ministry: the documents of updates that an export takes along.

    Args:
        home: of the ministry's agent.
        recipient: the endpoint.
        at_hub: its orders that wait at the hub; those that lie in the folder, too, go once.

    Raises:
        MediaError: a file of the folder isn't one, or an order's signer isn't the catalogue's.
    """
    updates = Places(home.settings.home).updates
    path = updates / "catalogue.json"
    catalogue = _read(path) if path.is_file() else None
    carried = [catalogue] if catalogue is not None else []
    at_hub = at_hub[:_MAX_DOCUMENTS]
    carried += [(Kind.ORDER, each.envelope, each.entry) for each in at_hub]
    known = {each.envelope for each in at_hub}
    for order in sorted(Places(home.settings.home).leaving.glob(f"{recipient}/*/order.json"))[:_MAX_DOCUMENTS]:
        envelope = _order(order)
        if envelope in known:
            continue
        if catalogue is None or peek(envelope).key_id != peek(catalogue[1]).key_id:
            raise MediaError(f"{order}: has no catalogue of the same signer; put the one that it is from into {path}")
        carried.append((Kind.ORDER, envelope, catalogue[2]))
    return carried


def said_lately(home: Home) -> Iterator[tuple[str, bytes]]:
    """At an endpoint: what its machine said lately."""
    for each in home.spool.updates.since(format_time(now() - REPEATED))[-_MAX_DOCUMENTS:]:
        yield Kind.PATCH_STATE, signed_now(home, PatchState, each.envelope)


def take(home: Home, envelope: bytes, entry: DirectoryEntry) -> bool:
    """Take a document of updates; false when it is known.

    Raises:
        ExchangeError: it can't be believed, or isn't for this agent.
    """
    if not home.settings.is_ministry:
        try:
            return documents.take(home, envelope, entry)
        except documents.Replayed as replayed:
            log.info("%s", replayed)  # a medium may be lost: what it says is on the next one again
            return False
    return _keep_state(home, envelope, entry, home.anchor.verify_entry(entry, now()))


def bring_patterns(home: Home, medium: Path) -> int:
    """At an endpoint: take the antivirus patterns of a medium, if they are newer than what is here; how many came.

    Raises:
        OSError: the medium can't be read; what was copied stays for the next time.
    """
    path = medium / PATTERNS / PATTERNS_FILE
    if not is_folder(path.parent) or not is_file(path):
        return 0
    try:
        taken = patterns.take(home, read_bounded(path, MAX_SIGNED) or b"", path.parent)
    except (ExchangeError, PackageError) as error:
        home.alarm("medium", f"{PATTERNS}/{PATTERNS_FILE}", f"the patterns on the medium: {error}")
        return 0
    home.spool.settle("medium", f"{PATTERNS}/{PATTERNS_FILE}")
    return int(taken)


def write_patterns(home: Home, medium: Path) -> str:
    """At the ministry: copy the newest patterns onto a medium, the package first; return their version, or nothing.

    Raises:
        MediaError: the document is none, the package isn't the one that was signed, or the folder leads elsewhere.
        OSError: the medium can't be written.
    """
    source = Places(home.settings.home).patterns
    if not (source / PATTERNS_FILE).is_file():
        return ""
    target = _own_folder(medium, PATTERNS)
    _, envelope, entry = _read(source / PATTERNS_FILE)
    try:
        found = Patterns.read(peek(envelope).payload)
        with platform.files_for_everybody():
            if not _is_on(target, envelope) or packages.lacking(target, [found]):
                packages.bring(source / found.file, target, found)
            staged = target / f".{PATTERNS_FILE}"
            stage(staged, Signed(entry, envelope).to_json(), MODE)
            move(staged, target / PATTERNS_FILE)
    except (ExchangeError, PackageError) as error:
        raise MediaError(f"{source}: the patterns there can't go along: {error}") from error
    for path in target.iterdir():
        if path.is_file() and path.name not in {found.file, PATTERNS_FILE}:
            path.unlink()
    return found.version


def _is_on(folder: Path, envelope: bytes) -> bool:
    """Tell whether a folder has this very word on patterns: its package was copied before it."""
    try:
        return Signed.from_json(read_bounded(folder / PATTERNS_FILE, MAX_SIGNED) or b"").envelope == envelope
    except (ExchangeError, OSError):
        return False


def bring_packages(home: Home, medium: Path) -> int:
    """At an endpoint: copy from a medium what its order needs and isn't here; how many packages came.

    Raises:
        OSError: the medium can't be read; what was copied stays for the next time.
    """
    order = orders.active(home)
    if order is None:
        return 0
    places, brought = Places(home.settings.home), 0
    for update in packages.lacking(places.packages, documents.read_order(home, order, now()).updates):
        brought += _bring(home, medium / PACKAGES / update.file, places.packages, update)
    return brought


def write_packages(home: Home, medium: Path, carried: list[Carried]) -> int:
    """At the ministry: copy onto a medium the packages that the carried orders need; how many weren't there.

    Raises:
        MediaError: a package isn't in the ministry's folder, isn't the one that was signed, or the folder on the medium
            leads elsewhere.
        OSError: the medium can't be written.
    """
    wanted: dict[str, Update] = {}
    for kind, envelope, _ in carried:
        if kind == Kind.ORDER:
            listed = peek(envelope).payload.get("updates")
            updates = [Update.model_validate(each) for each in (listed if isinstance(listed, list) else [])]
            wanted |= {each.file: each for each in updates[:MAX_UPDATES]}
    if not wanted:
        return 0
    source, target = Places(home.settings.home).packages, _own_folder(medium, PACKAGES)
    missing = packages.lacking(target, list(wanted.values()))
    for update in missing:
        try:
            packages.bring(source / update.file, target, update)
        except PackageError as error:
            raise MediaError(f"{source / update.file}: {error}") from error
    return len(missing)


def _own_folder(medium: Path, name: str) -> Path:
    """Return a medium's folder to write into, once it and what is in it are its own.

    Whoever had the medium may have put links there: by way of them this machine's files would be written and deleted.

    Raises:
        MediaError: something there leads elsewhere; the text names it.
        OSError: it can't be read.
    """
    folder = medium / name
    there = [folder, *(folder.iterdir() if is_folder(folder) else ())] if os.path.lexists(folder) else []
    for path in there:
        if not is_folder(path) and (path == folder or not is_file(path)):
            raise MediaError(
                f"{path}: is a link, or neither file nor folder: nothing is written there. Find out who put it onto"
                " the medium, delete it, and export anew"
            )
    return folder


def _bring(home: Home, source: Path, folder: Path, update: Update) -> int:
    if not is_folder(source.parent) or not is_file(source):
        return 0  # the order says so where it waits for it
    try:
        packages.bring(source, folder, update)
    except PackageError as error:
        home.alarm("medium", source.name, str(error))
        return 0
    home.spool.settle("medium", source.name)
    return 1


def _keep_state(home: Home, envelope: bytes, entry: DirectoryEntry, signer: VerifiedParty) -> bool:
    state = PatchState.open(envelope, signer.signing_public_key)
    if (state.endpoint, state.terminal) != (signer.party, signer.terminal):
        raise DocumentError(f"{signer.party}/{signer.terminal} speaks for {state.endpoint}/{state.terminal}")
    at = format_time(state.checked_at).replace(":", "")
    name = f"{at}-{state.endpoint}-{state.terminal}-{peek(envelope).payload_sha256[:16]}"
    if home.spool.fact(HEARD + name) is not None:
        return False  # it is on every medium for 60 days, and the wave has taken it out of the folder
    places = Places(home.settings.home)
    for folder in (places.for_hub, places.arriving):
        folder.mkdir(parents=True, exist_ok=True)
        put(folder / f"{name}.json", Signed(entry, envelope).to_json(), home.settings.staging)
    home.spool.note(**{HEARD + name: stamp()})
    _forget(home)
    return True


def _forget(home: Home) -> None:
    """Forget which states were heard once no medium repeats them; their names begin with their time."""
    before = format_time(now() - 2 * REPEATED).replace(":", "")
    for name in home.spool.noted(HEARD):
        if name < before:
            home.spool.strike(HEARD + name)


def _order(path: Path) -> bytes:
    try:
        envelope = read_bounded(path, MAX_ENVELOPE) or b""
        outline = peek(envelope)
        if outline.kind is not Kind.ORDER:
            raise DocumentError(f"it is a {outline.kind}")
        Order.read(outline.payload)
    except (OSError, ExchangeError) as error:
        raise MediaError(f"{path}: isn't an order ({error}); remove it: `wave run`, begun again, writes it") from error
    return envelope


def _read(path: Path) -> Carried:
    try:
        signed = Signed.from_json(read_bounded(path, MAX_SIGNED) or b"")
        return peek(signed.envelope).kind.value, signed.envelope, signed.entry
    except (OSError, ExchangeError) as error:
        raise MediaError(f"{path}: isn't a document of updates with its signer's entry ({error}); remove it") from error
