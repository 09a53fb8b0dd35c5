"""An ISO image with Joliet and UDF names, the same to the last byte whenever and wherever it is written.

pycdlib asks the clock for every date and a random number for the UDF volume set, so both are held still while it works.
Its UDF is revision 2.60 in name, and its descriptors claim the domain's revision 1.02, which Windows reads as well.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from io import BytesIO
from pathlib import Path
from threading import Lock
from types import ModuleType, SimpleNamespace
from typing import Final

import pycdlib
from pycdlib import dates, headervd, udf
from pycdlib import pycdlib as core
from pycdlib.pycdlibexception import PyCdlibException

_CLOCKED: Final = (core, dates, headervd, udf)
_LOCK: Final = Lock()
_JOLIET_NAME = 64


class DiscError(Exception):
    """The image can't be written; the text says why."""


def write_disc(files: Mapping[str, bytes | Path], out: Path, label: str, at: datetime, number: int) -> None:
    """Write files into an image; it appears under its name once it is whole.

    Args:
        files: what goes in, content or file, by path within the image (`/` between names).
        out: the image.
        label: the volume's name, at most 32 of A-Z, 0-9 and `_`.
        at: the time of every file and of the volume.
        number: makes the volume's identifier its own; 26 bits of it are used.

    Raises:
        DiscError: a name that Joliet has no room for, or the disk is full.
    """
    if long := [path for path in files if any(len(name) > _JOLIET_NAME for name in path.split("/"))]:
        raise DiscError(f"{', '.join(long)}: a name in an image has at most {_JOLIET_NAME} characters; shorten it")
    staged = out.with_name(f".{out.name}.new")
    try:
        with _held_still(at, number):
            disc = pycdlib.PyCdlib()
            disc.new(interchange_level=4, vol_ident=label, joliet=3, udf="2.60")
            try:
                for folder in _folders(files):
                    disc.add_directory(f"/{folder}", joliet_path=f"/{folder}", udf_path=f"/{folder}")
                for path, content in sorted(files.items()):
                    name = f"/{path}"
                    if isinstance(content, bytes):
                        disc.add_fp(BytesIO(content), len(content), name, joliet_path=name, udf_path=name)
                    else:
                        disc.add_file(str(content), name, joliet_path=name, udf_path=name)
                disc.write(str(staged))
            finally:
                disc.close()
        staged.replace(out)
    except (OSError, PyCdlibException) as error:
        raise DiscError(f"{out}: can't be written ({error})") from error
    finally:
        staged.unlink(missing_ok=True)


def _folders(files: Mapping[str, bytes | Path]) -> list[str]:
    found: set[str] = set()
    for path in files:
        names = path.split("/")[:-1]
        found.update("/".join(names[: depth + 1]) for depth in range(len(names)))
    return sorted(found)


@contextmanager
def _held_still(at: datetime, number: int) -> Iterator[None]:
    """Let pycdlib see one moment, in UTC, and one number; one image at a time in a process."""
    seconds = at.timestamp()
    utc: Callable[[float], time.struct_time] = time.gmtime
    clock = SimpleNamespace(time=lambda: seconds, localtime=utc, gmtime=utc, strftime=time.strftime, mktime=time.mktime)
    chance = SimpleNamespace(getrandbits=lambda bits: number % (1 << bits))
    held: list[tuple[ModuleType, str, object]] = [(module, "time", clock) for module in _CLOCKED]
    held.append((udf, "random", chance))
    with _LOCK:
        before = [(module, name, getattr(module, name)) for module, name, _ in held]
        try:
            for module, name, stand_in in held:
                setattr(module, name, stand_in)
            yield
        finally:
            for module, name, real in before:
                setattr(module, name, real)
