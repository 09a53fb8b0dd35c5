"""Backup and restore of the hub's store, as `renkei-hub backup` and `restore` do it; `migrate` too."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from renkei.hub.server import SOCKET, check_free
from renkei.hub.settings import Settings
from renkei.hub.setup import own_store, with_store
from renkei.store.copies import Progress
from renkei.store.hub import backup
from renkei.store.hub.backup import Backup, BackupError
from renkei.store.hub.postgresql import PostgresHubStore
from renkei.store.hub.store import SqlHubStore

_PREFIX = "renkei-hub-"


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore came to; `kept` is the file of the store that was replaced, if there was one."""

    backup: Backup
    epoch: int
    kept: Path | None


def back_up(settings: Settings, target: Path, keep: int | None, progress: Progress) -> tuple[Path, Backup]:
    """Back the store up into a file, or into a folder under a name with the time in it; the hub may serve meanwhile.

    Args:
        settings: of the hub.
        target: the file or folder.
        keep: in a folder, how many backups to keep, the newest; None: all.
        progress: told how far it is.

    Raises:
        BackupError: the file is there already, can't be written, or isn't sound.
        ServeError: the store can't be opened.
    """
    into_folder = target.is_dir()
    if into_folder:
        target /= f"{_PREFIX}{datetime.now(UTC):%Y%m%dT%H%M%SZ}.db"
    with backup.new_file(target) as partial:
        with_store(settings, lambda store: store.copy_to(partial, progress))
        found = backup.check(partial)
    if into_folder and keep is not None:
        for old in sorted(target.parent.glob(f"{_PREFIX}*.db"))[:-keep]:
            old.unlink()
    return target, found


def restore(settings: Settings, source: Path, *, overwrite: bool, progress: Progress) -> Restored:
    """Put a backup in the place of the store, and begin a new epoch.

    Raises:
        BackupError: it isn't sound, or the store holds something and `overwrite` isn't said.
        ServeError: the hub is serving from the file that would be replaced, or the store can't be opened.
    """
    at = int(datetime.now(UTC).timestamp())
    with backup.taken_up(source, settings.state, progress) as copy:
        found = backup.check(copy)
        if settings.store is None:
            epoch, kept = _into_file(settings, copy, overwrite=overwrite, at=at)
        else:
            epoch, kept = _into_postgresql(settings, copy, overwrite=overwrite, progress=progress, at=at), None
    return Restored(found, epoch, kept)


def _into_file(settings: Settings, copy: Path, *, overwrite: bool, at: int) -> tuple[int, Path | None]:
    path = settings.database
    check_free(settings.run / SOCKET)
    if path.exists() and not overwrite:
        raise BackupError(f"{path}: is there already; say --overwrite to replace it (it will be kept beside)")
    with backup.rows_of(copy) as transaction:
        epoch = backup.begin_epoch(transaction, backup.epoch_at(path), at)
    kept = backup.put_in_place(copy, path, at)
    own_store(settings)
    return epoch, kept


def _into_postgresql(settings: Settings, copy: Path, *, overwrite: bool, progress: Progress, at: int) -> int:
    async def put_back(store: SqlHubStore) -> int:
        if not isinstance(store, PostgresHubStore):
            raise TypeError(f"{type(store)} isn't the store that the settings name")
        if (await store.tree()).size and not overwrite:
            raise BackupError("the database holds a journal already; say --overwrite to replace all that it holds")
        return await store.put_back(copy, progress, at)

    return with_store(settings, put_back, owning=True)


def migrate(settings: Settings) -> bool:
    """Bring the database's schema up to date as its owner, and give the hub its rights; return whether it was older.

    Raises:
        BackupError: the store is a file.
        ServeError: the store can't be opened.
    """

    async def grant(store: SqlHubStore) -> bool:
        if not isinstance(store, PostgresHubStore):
            raise BackupError(f"{settings.database}: a file's schema is brought up to date by the hub that opens it")
        if settings.store is not None and settings.store.owner_url:
            await store.grant(settings.store.user)
        return store.migrated

    return with_store(settings, grant, owning=True)
