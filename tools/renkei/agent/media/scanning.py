"""The malware scan of a medium before anything of it is taken, by ClamAV where it is there (control 28)."""

import shutil
import subprocess
from pathlib import Path

from renkei.agent.media.registration import MediaError
from renkei.agent.settings import MediaSettings, Scan

_SECONDS = 1800
_FOUND, _SHOWN = 1, 300


class Infected(Exception):
    """The scanner found something; the text is its report."""


def scan(folder: Path, settings: MediaSettings) -> bool:
    """Have a folder scanned; return whether that was done.

    Raises:
        Infected: something was found.
        MediaError: a scan is required and there is no scanner, or it failed.
    """
    if settings.scan is Scan.OFF:
        return False
    program = shutil.which(settings.scanner)
    if program is None:
        if settings.scan is Scan.REQUIRED:
            raise MediaError(f"a scan is required, but {settings.scanner} isn't installed; nothing was taken")
        return False
    database = [f"--database={settings.database}"] if settings.database else []
    command = [program, *database, "--infected", "--no-summary", "--recursive", "--stdout", "--", str(folder)]
    try:
        finished = subprocess.run(  # noqa: S603 - the administrator's own setting
            command, capture_output=True, text=True, errors="replace", timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise MediaError(f"{settings.scanner} took over {_SECONDS} s; nothing was taken") from None
    if finished.returncode == _FOUND:
        raise Infected(finished.stdout.strip()[:_SHOWN])
    if finished.returncode != 0:
        raise MediaError(f"{settings.scanner} failed: {finished.stderr.strip()[:_SHOWN]}; nothing was taken")
    return True
