"""What an agent removes by itself: sealed bytes after a month, notices after their year (施行令34条), then proofs.

Receipts, acceptances and manifests prove what was for as long as somebody may ask: the year, and the time that it takes
to look into it, like the heads of the hub's journal by which they are proven. By then every certificate that signed
anything has ended, so nothing that old can come a second time. Numbers stay: no stream begins anew.

The inbox and the outbox belong to those who read and write them.
"""

from datetime import datetime, timedelta
from pathlib import Path

from renkei.agent.contact import KEPT_HEADS
from renkei.agent.home import Home, log
from renkei.exchange.clock import format_time

KEPT_AFTER_RECEIPT = timedelta(days=30)
"""How long sealed bytes are held beyond the receipt: as old as a backup may be from which a hub is restored."""

KEPT_PROOFS = KEPT_HEADS
"""How long the documents of a settled message are kept; longer than any certificate lives."""


def remove_old(home: Home, at: datetime) -> None:
    """Remove what is older at the time `at` than the settings say; what can't be removed now is tried again.

    A file's age counts from when it was written or moved here, whichever is later.
    """
    before = at - timedelta(days=home.settings.keep_days)
    home.spool.outgoing.forget(format_time(at - KEPT_AFTER_RECEIPT), format_time(before))
    proofs_before = format_time(at - max(KEPT_PROOFS, timedelta(days=home.settings.keep_days)))
    settled = home.spool.outgoing.remove_settled(proofs_before)
    settled += home.spool.incoming.remove_settled(proofs_before, unsent=home.settings.is_offline)
    if settled:
        log.info("the documents of %d messages were removed after %d days", settled, KEPT_PROOFS.days)
    home.spool.imports.forget(format_time(before))
    home.spool.dispatches.forget(format_time(before))
    home.spool.updates.forget(proofs_before)
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
