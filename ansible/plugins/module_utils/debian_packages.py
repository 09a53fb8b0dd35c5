"""What Debian's own programs say of a host's packages, and what they are asked to do: apt-get, apt-cache, dpkg-query.

No version is compared and no dependency resolved here: apt does both, and the wave's list decides what it may do. Works
on the host's own Python, without anything of the kit.
"""

# ruff: noqa: INP001 - Ansible finds it by its folder, not as a package

from __future__ import annotations

import fcntl
import hashlib
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    Run = Callable[[list[str]], tuple[int, str, str]]
    """Runs a command: exit code, standard output, standard error."""

ENVIRONMENT = {
    "LC_ALL": "C.UTF-8",
    "LANGUAGE": "C",
    "DEBIAN_FRONTEND": "noninteractive",
    "APT_LISTCHANGES_FRONTEND": "none",
    "NEEDRESTART_MODE": "a",  # where it is installed it restarts services and asks nobody
}
APT = ["apt-get", "--quiet", "--yes", "--option=APT::Get::Show-User-Simulation-Note=false"]
#: A file that the host's administrator changed stays; a new one is put where there is none.
KEEP_FILES = ["--option=Dpkg::Options::=--force-confdef", "--option=Dpkg::Options::=--force-confold"]
LOCKS = ("/var/lib/dpkg/lock-frontend", "/var/lib/dpkg/lock", "/var/lib/apt/lists/lock")
APT_ARCHIVES = Path("/var/cache/apt/archives")
SECURITY = "Debian-Security:"
_STEP = re.compile(r"(Inst|Remv) (\S+)(?: \[([^]]+)\])?(?: \((\S+)(?: (.*?))? \[([a-z0-9-]+)\]\))?")
_MOST_LINES = 6


class AptError(RuntimeError):
    """A program of Debian's failed or said what nobody expected; the text has its last lines."""


@dataclass(frozen=True)
class Step:
    """What apt would do with a package: `before` is empty for a new one, `after` for one that would be removed."""

    name: str
    before: str
    after: str
    security: bool


class Debian:
    """The packages of this host."""

    def __init__(self, run: Run, archives: Path) -> None:
        """Speak to Debian's programs by `run`; packages that are fetched lie in `archives`."""
        self._run, self._archives = run, archives

    def installed(self) -> dict[str, str]:
        """Give the version of each installed package of this machine's own architecture, by name."""
        form = "${db:Status-Status}\t${Architecture}\t${Package}\t${Version}\n"
        own = self.architecture()
        found = {}
        for line in self._said(["dpkg-query", "--show", f"--showformat={form}"]).splitlines():
            status, architecture, name, version = line.split("\t")
            if status == "installed" and architecture in {own, "all"}:
                found[name] = version
        return found

    def architecture(self) -> str:
        """Give this machine's architecture as Debian calls it."""
        return self._said(["dpkg", "--print-architecture"]).strip()

    def broken(self) -> list[str]:
        """Name the packages that an installation which broke off has left half done."""
        return [line for line in self._said(["dpkg", "--audit"]).splitlines() if line.strip()]

    def repair(self) -> None:
        """Bring an installation to an end that was cut off, from the files that it had fetched."""
        self._said(["dpkg", "--configure", "--pending", "--force-confdef", "--force-confold"])
        self._said([*APT, *self._options, *KEEP_FILES, "--fix-broken", "install"])

    def held_back(self) -> set[str]:
        """Name the packages that somebody has put on hold."""
        return set(self._said(["apt-mark", "showhold"]).split())

    def refresh(self) -> None:
        """Fetch the mirror's lists; apt verifies them by the archive's keys."""
        self._said(["apt-get", "--quiet", "update", "--error-on=any"])

    def upgrades(self) -> list[Step]:
        """Say what an upgrade to all that the mirror offers would do; nothing is removed by it."""
        return self._steps(["--with-new-pkgs", "upgrade"])

    def plan(self, wanted: Mapping[str, str]) -> list[Step]:
        """Say what bringing these packages to these versions would do, with all that comes along."""
        return self._steps(["install", *_named(wanted)]) if wanted else []

    def is_newer(self, version: str, other: str) -> bool:
        """Tell whether a version is newer than another, as dpkg sees it."""
        return self._run(["dpkg", "--compare-versions", version, "gt", other])[0] == 0

    def offered(self, wanted: Mapping[str, str]) -> list[dict[str, object]]:
        """Give name, version, architecture, size and SHA-256 of packages as the mirror's lists have them."""
        said = self._said(["apt-cache", "show", *_named(wanted)]) if wanted else ""
        found: dict[str, dict[str, object]] = {}
        for paragraph in said.split("\n\n"):
            fields = dict(line.split(": ", 1) for line in paragraph.splitlines() if re.match(r"[A-Za-z0-9-]+: ", line))
            name = fields.get("Package", "")
            if wanted.get(name) == fields.get("Version") and "SHA256" in fields:
                found[name] = {
                    "name": name,
                    "version": fields["Version"],
                    "architecture": fields["Architecture"],
                    "sha256": fields["SHA256"],
                    "size": int(fields["Size"]),
                }
        return [found[name] for name in sorted(found)]

    def fetch(self, wanted: Mapping[str, str]) -> None:
        """Fetch packages with all that comes along, and install nothing."""
        self._said([*APT, *self._options, "--download-only", "install", *_named(wanted)])

    def keep(self, name: str, version: str) -> bool:
        """Keep a package's file, from apt's own folder or the mirror; tell whether it is here now."""
        for file in _files(APT_ARCHIVES, name, version):
            shutil.copyfile(file, self._archives / file.name)
        if not self.files(name, version):
            self._run(["env", f"--chdir={self._archives}", "apt-get", "--quiet", "download", f"{name}={version}"])
        return bool(self.files(name, version))

    def files(self, name: str, version: str) -> list[Path]:
        """Give the fetched files of a package: none or one."""
        return _files(self._archives, name, version)

    def install(self, wanted: Mapping[str, str]) -> None:
        """Bring packages to exactly these versions in one call, from what was fetched; newcomers stay automatic."""
        new = sorted(set(wanted) - set(self.installed()))
        self._said([*APT, *self._options, *KEEP_FILES, "--no-remove", "install", *_named(wanted)])
        if new:
            self._said(["apt-mark", "auto", *new])

    def take_back(self, before: Mapping[str, str], newcomers: Iterable[str]) -> None:
        """Bring packages back to older versions from the files that were kept, and remove what had come along."""
        files = [str(file) for name in sorted(before) for file in self.files(name, before[name])]
        gone = [f"{name}-" for name in sorted(newcomers)]
        self._said([*APT, *self._options, *KEEP_FILES, "--allow-downgrades", "install", *files, *gone])

    def forget(self, keep: Iterable[Path]) -> None:
        """Remove fetched files but these: what is installed now, and what was before."""
        kept = set(keep)
        for file in self._archives.glob("*.deb"):
            if file not in kept:
                file.unlink()

    def _steps(self, arguments: list[str]) -> list[Step]:
        steps = []
        for line in self._said([*APT, *self._options, "--simulate", *arguments]).splitlines():
            if (found := _STEP.match(line)) is not None:
                does, name, before, after, sources, _ = found.groups()
                security = SECURITY in (sources or "")
                steps.append(Step(name, before or "", (after or "") if does == "Inst" else "", security))
        return steps

    @property
    def _options(self) -> list[str]:
        return [f"--option=Dir::Cache::archives={self._archives}/", "--no-install-recommends"]

    def _said(self, command: list[str]) -> str:
        code, out, err = self._run(command)
        if code:
            lines = [line for line in (err or out).splitlines() if line.strip()][-_MOST_LINES:]
            raise AptError(f"{' '.join(command[:2])} ended with {code}: {' '.join(lines)}")
        return out


def _named(wanted: Mapping[str, str]) -> list[str]:
    return [f"{name}={wanted[name]}" for name in sorted(wanted)]


def _files(folder: Path, name: str, version: str) -> list[Path]:
    return sorted(folder.glob(f"{name}_{version.replace(':', '%3a')}_*.deb"))


def digest(file: Path) -> str:
    """Give a file's SHA-256."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def lock_holder() -> str:
    """Name the lock by which another program is at the packages just now, or nothing."""
    for path in LOCKS:
        if not Path(path).exists():
            continue
        with Path(path).open("rb+") as handle:
            try:
                fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return path
    return ""


def needs_restart(root: Path = Path("/")) -> list[str]:
    """Say what of the running system isn't what is installed: a flag, the kernel, programs of replaced files."""
    found = []
    if (root / "run/reboot-required").exists():
        found.append("/run/reboot-required is there")
    kernels = [file.name.removeprefix("vmlinuz-") for file in (root / "boot").glob("vmlinuz-*")]
    running = (root / "proc/sys/kernel/osrelease").read_text().strip()
    if running in kernels and max(kernels, key=_numbers) != running:
        found.append(f"the kernel {max(kernels, key=_numbers)} is installed, {running} runs")
    stale = sorted({name for name in map(_stale, (root / "proc").glob("[0-9]*")) if name})
    if stale:
        found.append(f"replaced files are in use by {', '.join(stale[:_MOST_LINES])}")
    return found


def _stale(process: Path) -> str:
    """Name a process that runs code of a file which a package has replaced since."""
    try:
        lines = (process / "maps").read_text(errors="replace").splitlines()
        name = (process / "comm").read_text(errors="replace").strip()
    except OSError:  # it has ended meanwhile
        return ""
    for line in lines:
        _addresses, access, *_place, file = line.split(None, 5)  # what is of no file ends in a number
        if "x" in access and file.endswith(" (deleted)") and file.startswith(_PROGRAMS):
            return name
    return ""


_PROGRAMS = ("/usr/", "/lib/", "/lib64/", "/bin/", "/sbin/")


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"[0-9]+", version)]
