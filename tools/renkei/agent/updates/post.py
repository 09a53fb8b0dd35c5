"""Documents of updates in folders, for whoever carries them by hand: Ansible at the staging bench, an administrator.

    HOME/updates/in/*.json      what the ministry signed; taken, or refused with an alarm, and gone then
    HOME/updates/out/*.json     what this machine said, {entry, envelope}; only where the carrier has made the folder

The names are those of a wave's post at the other end (docs/runbooks/wave.md): its `out/ENDPOINT/TERMINAL/` goes into
this `in/`, this `out/` into its `in/`. A catalogue is {entry, envelope}; orders and permits may be bare envelopes, of
the catalogue's signer. Who carries is trusted with nothing else.
"""

from pathlib import Path

from renkei.agent.files import put, read_bounded
from renkei.agent.home import Home, log, stamp
from renkei.agent.signing import signed_now
from renkei.agent.updates import documents
from renkei.agent.updates.places import Places
from renkei.exchange.bindings import BindingError, DirectoryEntry
from renkei.exchange.documents import DocumentError, Kind, peek
from renkei.exchange.errors import ExchangeError
from renkei.exchange.signed import MAX_SIGNED, Signed
from renkei.exchange.updates import PatchState

_AT_ONCE = 64


def collect(home: Home) -> int:
    """Take what lies in the folder; how many documents were new. The catalogue first: it knows its signer."""
    taken = 0
    paths = sorted(Places(home.settings.home).arriving.glob("[!.]*.json"))[:_AT_ONCE]
    for path in sorted(paths, key=lambda each: each.name != "catalogue.json"):
        try:
            taken += documents.take(home, *_read(home, path))
        except documents.Replayed as replayed:
            log.info("%s: %s", path.name, replayed)
        except (ExchangeError, OSError) as error:
            home.alarm("updates", path.name, f"{path.name}: {error}")
        else:
            home.spool.settle("updates", path.name)
        path.unlink(missing_ok=True)
    return taken


def hand_out(home: Home) -> int:
    """Put what was said and nobody has got into the folder, if there is one; how many."""
    folder = Places(home.settings.home).leaving
    waiting = home.spool.updates.to_send(_AT_ONCE) if folder.is_dir() else []
    for each in waiting:
        envelope = signed_now(home, PatchState, each.envelope)
        name = f"{each.at.replace(':', '')}-{peek(envelope).payload_sha256[:16]}.json"
        put(folder / name, Signed(home.keys().entry, envelope).to_json(), home.settings.staging)
        home.spool.updates.sent(each.number, stamp())
    return len(waiting)


def _read(home: Home, path: Path) -> tuple[bytes, DirectoryEntry]:
    """Return an envelope and its signer's entry.

    Raises:
        ExchangeError: it isn't such a document, or its signer isn't known.
        OSError: it can't be read.
    """
    text = (read_bounded(path, MAX_SIGNED) or b"").strip()
    try:
        return text, _signer(home, peek(text).key_id)
    except DocumentError:  # no bare envelope
        signed = Signed.from_json(text)
        return signed.envelope, signed.entry


def _signer(home: Home, key_id: str) -> DirectoryEntry:
    kept = home.spool.updates.document(Kind.CATALOGUE)
    if kept is None or peek(kept.envelope).key_id != key_id:
        raise BindingError(
            "its signer isn't that of the catalogue here; bring the catalogue first, or {entry, envelope}"
        )
    return DirectoryEntry.from_json(kept.entry)
