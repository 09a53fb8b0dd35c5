"""The end of a machine's life: what it still owed is named, then its keys and all that it kept are destroyed.

    record = retire(home, abandon=False)      # by the service's account: the record is written, the keys are gone
    destroy(settings, record, config)         # by whoever ended the service: all the rest

Every file is overwritten, flushed and removed, keys first. On flash, and where a file system copies on write, old bytes
may outlive that: erasing the disk is a step of its own, with a record of its own (docs/runbooks/retire.md).

A kill on the way leaves a machine that is retired and not yet empty: nothing but `destroy` works on it any more, and
that goes on where it stopped.
"""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from renkei.agent.files import read_bounded, stage
from renkei.agent.home import RETIRED, Home, log, stamp
from renkei.agent.settings import Settings, SettingsError
from renkei.agent.status import status_of
from renkei.exchange.certificates import certificate_from_pem, fingerprint
from renkei.store.standings import Standing

_RECORD_LIMIT = 64 * 1024
_BLOCK = 1024 * 1024
_PLAIN = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)  # as far as the system knows them
_NOT_HANDED = (Standing.UNCONFIRMED, Standing.BEHIND, Standing.READY)


class StillOwed(Exception):
    """The machine holds what others wait for; the text names it."""


class Retirement(BaseModel):
    """The record of a machine's end; no personal data is in it.

    Attributes:
        endpoint, terminal, machine_serial: which machine.
        retired_at: when its keys began to be destroyed, RFC 3339.
        certificates: SHA-256 of each certificate whose keys were here.
        keys: how many files the keys were; the machine is retired once they are overwritten.
        abandoned: what was owed and given up, by name; empty after an orderly end.
    """

    model_config = ConfigDict(frozen=True)

    endpoint: str
    terminal: str
    machine_serial: str
    retired_at: str
    certificates: tuple[str, ...]
    keys: int = 0
    abandoned: dict[str, int]


@dataclass(frozen=True, slots=True)
class Destroyed:
    """The record, and how many files with how many bytes were overwritten this time, besides the keys."""

    record: Retirement
    files: int
    bytes: int


def owed(home: Home) -> dict[str, int]:
    """What would be lost with this machine: files to send, parcels without a receipt, notices on their way.

    What has its receipt, or was handed to the register, isn't counted: others have it.
    """
    status = status_of(home)
    found = {
        "files in the outbox": status.outbox_files,
        "files of reasons in rejected": status.rejected_files,
        "parcels without a receipt": sum(peer.waiting for peer in status.peers),
        "received parcels that wait for an earlier one": sum(peer.held for peer in status.peers),
        "notices to be sent later": status.dispatches_waiting,
        "notices not yet handed to the register": sum(status.register_waiting.get(each, 0) for each in _NOT_HANDED),
        "files in the inbox": sum(1 for path in home.settings.inbox.rglob("*") if path.is_file()),
    }
    return {name: count for name, count in found.items() if count}


def retire(home: Home, *, abandon: bool) -> Retirement:
    """Write the record that ends this machine and destroy its keys; after it only `destroy` has something to do here.

    Without keys a service that still runs can take nothing more from anybody.

    Args:
        home: of the machine; call it within `alone`.
        abandon: give up what is owed: the machine is lost to its endpoint, or what it owes is known to be elsewhere.

    Raises:
        StillOwed: something would be lost, and `abandon` wasn't said.
    """
    left = owed(home)
    if left and not abandon:
        listed = ", ".join(f"{count} {name}" for name, count in left.items())
        raise StillOwed(
            f"it still holds {listed}; let it exchange and the register import (renkei-agent status, pending), "
            "or give that up with --abandon"
        )
    settings, keys = home.settings, sorted(_files(home.settings.keys))
    record = Retirement(
        endpoint=settings.endpoint,
        terminal=settings.terminal,
        machine_serial=settings.machine_serial,
        retired_at=stamp(),
        certificates=tuple(
            fingerprint(certificate_from_pem(each.entry.certificate)) for each in home.keyring.generations()
        ),
        keys=len(keys),
        abandoned=left,
    )
    stage(settings.home / RETIRED, record.model_dump_json().encode(), 0o640)
    for path in keys:
        _overwrite(path)
    log.warning("%s/%s is retired", record.endpoint, record.terminal)
    return record


def recorded(settings: Settings) -> Retirement | None:
    """The record of a machine that was retired, None while it lives.

    Raises:
        SettingsError: there is one that can't be read.
    """
    path = settings.home / RETIRED
    try:
        return Retirement.model_validate_json(read_bounded(path, _RECORD_LIMIT) or b"")
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise SettingsError(f"{path}: not the record of a retirement; look at it and remove it") from error


def destroy(settings: Settings, record: Retirement, config: Path) -> Destroyed:
    """Overwrite and remove all that the machine kept, but for the record; again, where that was interrupted.

    Args:
        settings: of the machine.
        record: of its end.
        config: the file of the settings, which goes last where it lies in the home: another call would need it.

    Raises:
        OSError: a file can't be overwritten; what came before it is gone.
    """
    files = size = 0
    kept = settings.home / RETIRED
    for path in sorted(_files(settings.home), key=lambda each: (settings.keys not in each.parents, each)):
        if path not in {kept, config}:
            size += _overwrite(path)
            files += 1
    for folder in (path for path in settings.home.iterdir() if path.is_dir() and not path.is_symlink()):
        shutil.rmtree(folder)
    if config.parent == settings.home:
        size += _overwrite(config)
        files += 1
    return Destroyed(record, files, size)


def report(destroyed: Destroyed) -> str:
    """The record as evidence: one line of JSON with sorted names."""
    facts = destroyed.record.model_dump(mode="json") | {"files": destroyed.files, "bytes": destroyed.bytes}
    return json.dumps(facts, sort_keys=True)


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_symlink() or path.is_file()]


def _overwrite(path: Path) -> int:
    """Overwrite a file's bytes once and remove it; a link is removed, never followed."""
    if path.is_symlink():
        path.unlink()
        return 0
    size = path.stat().st_size
    # for writing alone: administrators of Windows may destroy the keys, and not read them
    with os.fdopen(os.open(path, os.O_WRONLY | _PLAIN), "wb") as file:
        left = size
        while left:
            left -= file.write(os.urandom(min(left, _BLOCK)))
        file.flush()
        os.fsync(file.fileno())
    path.unlink()
    return size
