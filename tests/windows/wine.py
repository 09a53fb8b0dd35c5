"""Wine, with a Windows of the tests' own: made once, copied for whoever needs one, gone with its processes."""

import contextlib
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from windows.cpython import CACHE, COMPILER, bcryptprimitives

PATIENCE = 180
"""Seconds that a program may take; a start of Wine on a busy machine takes some."""


@dataclass
class Wine:
    """A Windows of its own: `c` is its drive C:."""

    prefix: Path
    _keeper: "subprocess.Popen[bytes] | None" = None

    @property
    def c(self) -> Path:
        return self.prefix / "drive_c"

    def run(
        self, *command: str, given: bytes = b"", check: bool = True, variables: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a Windows program to its end. It needs pipes, which what it leaves running may hold open."""
        process = subprocess.Popen(
            ["wine", *command],
            env=self._environment(variables),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stdin
        readers = [_Reader(stream) for stream in (process.stdout, process.stderr) if stream]
        with contextlib.suppress(BrokenPipeError), process.stdin:
            process.stdin.write(given)
        try:
            code = process.wait(PATIENCE)
        finally:
            process.kill()
        output, errors = (reader.said(2) for reader in readers)
        if check:
            assert code == 0, (command, code, output.decode(errors="replace"), errors.decode(errors="replace"))
        return subprocess.CompletedProcess(command, code, output, errors)

    def boot(self) -> None:
        """Start Windows, and with it the services that start by themselves."""
        self._keeper = subprocess.Popen(  # services live as long as any program does
            ["wine", "cmd.exe"],
            env=self._environment(None),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.run("cmd.exe", "/c", "ver")
        self.run("net", "start", "schedule", check=False)  # on Windows it always runs

    def cut_power(self) -> None:
        """End everything at once, without a word to anybody."""
        subprocess.run(["wineserver", "-k", "-w"], env=self._environment(None), check=False, timeout=PATIENCE)
        if self._keeper is not None:
            self._keeper.kill()
            self._keeper.wait(30)

    def processes(self, *words: str) -> list[int]:
        """This machine's numbers of the Windows programs whose command line has all these words."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                line = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
                ours = f"WINEPREFIX={self.prefix}".encode() in (entry / "environ").read_bytes()
                if ours and all(any(word in part for part in line) for word in words):
                    found.append(int(entry.name))
        return found

    def to_windows(self, path: Path) -> str:
        """A path of this machine, as the Windows sees it."""
        if path.is_relative_to(self.c):
            return "C:\\" + str(path.relative_to(self.c)).replace("/", "\\")
        return "Z:" + str(path).replace("/", "\\")

    def to_here(self, path: str) -> Path:
        """A path of drive C:, as this machine sees it."""
        drive, _, rest = path.partition(":")
        assert drive.lower() == "c", path
        return self.c.joinpath(*rest.replace("\\", "/").strip("/").split("/"))

    def _environment(self, variables: dict[str, str] | None) -> dict[str, str]:
        passed = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "USER", "LANG"}}
        own = {"WINEPREFIX": str(self.prefix), "WINEDEBUG": "-all", "WINEDLLOVERRIDES": "mscoree,mshtml="}
        return {**passed, **own, "WINEARCH": "win64", **(variables or {})}


def _template() -> Path:
    """A fresh Windows 10, made once; whoever is quicker makes it."""
    template = CACHE / "prefix"
    if template.exists():
        return template
    missing = [program for program in ("wine", COMPILER) if shutil.which(program) is None]
    assert not missing, f"{', '.join(missing)}: isn't here; ./kit test windows installs it"
    CACHE.mkdir(parents=True, exist_ok=True)
    fresh = Wine(CACHE / f"prefix-{os.getpid()}")
    fresh.run("wineboot", "-i")
    fresh.run("winecfg", "-v", "win10")
    fresh.cut_power()
    bcryptprimitives(fresh.c / "windows" / "system32" / "bcryptprimitives.dll")
    if not template.exists():
        fresh.prefix.rename(template)
    return template


@contextmanager
def windows(folder: Path) -> Iterator[Wine]:
    """A Windows in a folder, with its services running."""
    prefix = folder / "prefix"
    shutil.copytree(_template(), prefix, symlinks=True, copy_function=_link_or_copy)
    wine = Wine(prefix)
    try:
        wine.boot()
        yield wine
    finally:
        wine.cut_power()


def _link_or_copy(source: str, target: str) -> str:
    """Link what a Windows never changes; copy the registry and what users have."""
    if "/windows/" in source and not source.endswith((".reg", ".ini")):
        os.link(source, target)
        return target
    return shutil.copy2(source, target)


class _Reader:
    """Collects what comes out of a pipe, until it ends or nobody wants more."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._pieces: list[bytes] = []
        self._thread = threading.Thread(target=self._read, args=(stream,), daemon=True)
        self._thread.start()

    def said(self, seconds: float) -> bytes:
        """All of it, or what there was after so many seconds."""
        self._thread.join(seconds)
        return b"".join(self._pieces)

    def _read(self, stream: IO[bytes]) -> None:
        with stream:
            while piece := os.read(stream.fileno(), 64 * 1024):
                self._pieces.append(piece)
