"""Unpacks a release's package into its versioned folder: whole or not there, within bounds, nowhere else."""

import os
import re
import shutil
import stat
import zipfile
from pathlib import Path
from typing import Final

RECORD: Final = "release.json"
MAX_MEMBERS: Final = 20_000
MAX_SIZE: Final = 2 * 1024**3
_CHUNK: Final = 1024 * 1024
_NAME: Final = re.compile(r"[^<>:\"\\|?*\x00-\x1f/]{1,200}")


class PackageRefused(Exception):
    """The package can't be unpacked; the text says why."""


def unpack(package: Path, folder: Path) -> bool:
    """Unpack a package as `folder`; false when it was there already.

    Raises:
        PackageRefused: no zip, a name that leads elsewhere, or more than the bounds.
        OSError: it can't be written.
    """
    if (folder / RECORD).is_file():
        return False
    staged = folder.with_name(f".{folder.name}.new")
    for left in (staged, folder):  # of a try that was interrupted
        shutil.rmtree(left, ignore_errors=True)
    staged.mkdir(parents=True)
    try:
        with zipfile.ZipFile(package) as archive:
            _extract(archive, staged)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise PackageRefused(f"{package.name}: is no package ({error})") from error
    else:
        staged.rename(folder)
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    return True


def _extract(archive: zipfile.ZipFile, folder: Path) -> None:
    members = [member for member in archive.infolist() if not member.is_dir()]
    if len(members) > MAX_MEMBERS:
        raise PackageRefused(f"the package has more than {MAX_MEMBERS} files")
    records = [member.filename for member in members if member.filename.rpartition("/")[2] == RECORD]
    top = min(records, key=len, default=None)
    if top is None or top.count("/") > 1:
        raise PackageRefused(f"the package has no {RECORD} at its top")
    prefix = top.removesuffix(RECORD)
    left = MAX_SIZE
    for member in sorted(
        members, key=lambda each: each.filename == top
    ):  # the record comes last: the mark of a whole copy
        mode = member.external_attr >> 16
        name = member.filename.removeprefix(prefix)
        safe = all(_NAME.fullmatch(part) and part not in {".", ".."} for part in name.split("/"))
        if not safe or not member.filename.startswith(prefix) or stat.S_ISLNK(mode):
            raise PackageRefused(f"the package has a file of the name {member.filename!r}, which leads elsewhere")
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with archive.open(member) as source, path.open("wb") as target:
            while chunk := source.read(_CHUNK):
                left -= len(chunk)  # what it really has, not what it says
                if left < 0:
                    raise PackageRefused(f"the package unpacks to more than {MAX_SIZE} bytes")
                target.write(chunk)
            target.flush()
            os.fsync(target.fileno())
        if mode & 0o111:
            path.chmod(0o755)
