"""What is removed once it has been kept for long enough: notices for their year (施行令34条), sealed bytes for a month.

Receipts and acceptances stay in the spool: they are proofs without a word of a notice. The inbox and the outbox belong
to those who read and write them.
"""

from datetime import datetime, timedelta
from pathlib import Path

from renkei.agent.home import Home, log
from renkei.exchange.clock import format_time

KEPT_AFTER_RECEIPT = timedelta(days=30)
"""How long sealed bytes are held beyond the receipt: as old as a backup may be from which a hub is restored."""


def remove_old(home: Home, at: datetime) -> None:
    """Remove what is older at the time `at` than the settings say; what can't be removed now is tried again.

    A file's age counts from when it was written or moved here, whichever is later.
    """
    home.spool.outgoing.forget(format_time(at - KEPT_AFTER_RECEIPT))
    before = at - timedelta(days=home.settings.keep_days)
    home.spool.imports.forget(format_time(before))
    home.spool.dispatches.forget(format_time(before))
    removed = sum(_remove_files(folder, before.timestamp()) for folder in (home.settings.done, home.settings.rejected))
    if removed:
        log.info("%d files of done/ and rejected/ were removed after %d days", removed, home.settings.keep_days)


def _remove_files(folder: Path, before: float) -> int:
    removed = 0
    for path in folder.rglob("*"):
        try:
            status = path.lstat()
            if path.is_dir() or max(status.st_mtime, status.st_ctime) >= before:
                continue
            path.unlink()
        except OSError as error:
            log.warning("%s can't be removed after its time: %s", path.parent, error.strerror)
            continue
        removed += 1
    return removed
