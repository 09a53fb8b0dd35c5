"""Room on a disk: new work stops while there is still room for what must go on: receipts, alarms, the log."""

import os
import shutil
from pathlib import Path

MIB = 1024 * 1024


def shortage(folder: Path, reserve: int) -> str:
    """Say why nothing new should be taken into a folder; "" while there is no reason.

    Args:
        folder: on the disk in question.
        reserve: bytes that must stay free.
    """
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return f"{folder} can't be reached ({error.strerror}); check its disk"
    if not os.access(folder, os.W_OK):
        return f"{folder} is read-only; check its disk and mount it writable"
    if free < reserve:
        return f"{folder} has {free // MIB} MiB free of the {reserve // MIB} MiB kept in reserve; make room on its disk"
    return ""
