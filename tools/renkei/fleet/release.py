"""The archive of the software that hosts install: built once per content, the same bytes from the same input.

It holds the rooms of `renkei` that run on hosts, the libraries that they need as `requirements.lock` pins them, all
compiled, and launchers that see nothing but these and Python's own library. Where hosts find it: docs/topology.md.
"""

import gzip
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from ast import Import, ImportFrom, parse, walk
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

EXTRAS = ("hub", "agent", "ministry")
"""The extras of pyproject.toml whose libraries hosts need."""

ROOMS = ("domain", "exchange", "store", "client", "hub", "agent", "ministry")
"""The rooms that hosts need; of `cli` they get the modules that import no other room."""

_LAUNCHERS = {"renkei": "renkei", "renkei-hub": "hub", "renkei-agent": "agent"}
_LAUNCHER = """\
#!/usr/bin/python3 -IS
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from renkei.cli.{module} import main

main()
"""

_KEPT = 4
"""So many archives stay in the folder, the newest."""

#: What an installer notes for itself; it differs from run to run and serves nobody on a host.
_INSTALLER_NOTES = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json", ".lock", "uv_cache.json", "uv_build.json"}


class ReleaseError(Exception):
    """The archive can't be built; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Release:
    """An archive: `name` is VERSION-DIGEST and its only top folder, `archive` its path, `size` its length in bytes."""

    name: str
    version: str
    digest: str
    archive: Path
    sha256: str
    size: int
    rebuilt: bool

    def record(self) -> dict[str, str | int]:
        """Return what build/releases/current.json says, which the role `release` reads."""
        fields = asdict(self) | {"archive": str(self.archive)}
        del fields["rebuilt"]
        return fields


def build_release(root: Path, out: Path | None = None) -> Release:
    """Build the archive of the checkout at `root` into `out` (default build/releases), or find that it is there.

    Beside it stand `NAME.tar.gz.sha256` and `current.json`, the record of the archive that was asked for last.

    Raises:
        ReleaseError: a library isn't installed as locked, or can't be had.
    """
    out = out or root / "build" / "releases"
    out.mkdir(parents=True, exist_ok=True)
    version = tomllib.loads((root / "pyproject.toml").read_text())["project"]["version"]
    locked = locked_closure(root)
    sources = {path: (root / "tools" / path).read_bytes() for path in host_sources(root / "tools")}
    named = [part for path, content in sources.items() for part in (str(path).encode(), content)]
    digest = _digest([locked.encode(), _builder_identity(), *named])
    name = f"{version}-{digest[:12]}"
    archive = out / f"renkei-{name}.tar.gz"
    checksum = archive.with_name(f"{archive.name}.sha256")
    rebuilt = not (archive.exists() and checksum.exists())
    if rebuilt:
        libraries = _install_libraries(root, locked)
        with tempfile.TemporaryDirectory(prefix=".release-", dir=out) as folder:
            stage = Path(folder) / name
            _stage(stage, libraries, sources, {"name": name, "version": version, "digest": digest})
            fresh = Path(folder) / archive.name
            _pack(stage, fresh)
            sha256 = hashlib.sha256(fresh.read_bytes()).hexdigest()
            fresh.replace(archive)
        checksum.write_text(f"{sha256}  {archive.name}\n")
        _prune(out)
    release = Release(
        name=name,
        version=version,
        digest=digest,
        archive=archive,
        sha256=checksum.read_text().split()[0],
        size=archive.stat().st_size,
        rebuilt=rebuilt,
    )
    (out / "current.json").write_text(json.dumps(release.record(), indent=2) + "\n")
    return release


def host_sources(tools: Path) -> list[Path]:
    """List the Python files that hosts get, sorted, relative to `tools`."""
    package = tools / "renkei"
    found = [path for path in package.iterdir() if path.is_file() and path.suffix in {".py", ".typed"}]
    for room in ROOMS:
        found += [path for path in (package / room).rglob("*") if path.is_file() and path.suffix != ".pyc"]
    found += [path for path in (package / "cli").glob("*.py") if _imports_only(path, {*ROOMS, "cli"})]
    return sorted(path.relative_to(tools) for path in found)


def locked_closure(root: Path) -> str:
    """Return the part of requirements.lock that the extras in `EXTRAS` need, with its hashes.

    What needs what is read from the installed libraries, which the lock decided.

    Raises:
        ReleaseError: a needed library isn't installed or isn't in the lock.
    """
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    wanted = project["dependencies"] + [line for extra in EXTRAS for line in project["optional-dependencies"][extra]]
    here = [need for need in map(Requirement, wanted) if need.marker is None or need.marker.evaluate()]
    names = sorted(_closure(here))
    entries = _lock_entries((root / "requirements.lock").read_text())
    if missing := [name for name in names if name not in entries]:
        raise ReleaseError(f"requirements.lock lacks {', '.join(missing)}; make the lock anew from pyproject.toml")
    return "".join(entries[name] for name in names)


def _closure(todo: list[Requirement]) -> set[str]:
    seen: set[tuple[str, frozenset[str]]] = set()
    while todo:
        requirement = todo.pop()
        name, extras = canonicalize_name(requirement.name), frozenset(requirement.extras)
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        try:
            needs = [Requirement(line) for line in distribution(name).requires or []]
        except PackageNotFoundError as error:
            raise ReleaseError(f"{name} is needed on hosts but isn't in .venv/; run ./kit env") from error
        todo += [
            need
            for need in needs
            if need.marker is None or any(need.marker.evaluate({"extra": extra}) for extra in extras or {""})
        ]
    return {name for name, _ in seen}


def _lock_entries(lock: str) -> dict[str, str]:
    entries: dict[str, str] = {}
    name = ""
    for line in lock.splitlines(keepends=True):
        if line[:1].isalnum():
            name = canonicalize_name(line.split("==")[0])
            entries[name] = ""
        if name and not line.lstrip().startswith("#"):
            entries[name] += line
    return entries


def _imports_only(path: Path, rooms: set[str]) -> bool:
    """Tell whether a module imports no room of `renkei` but these."""
    modules: list[str] = []
    for node in walk(parse(path.read_text())):
        if isinstance(node, ImportFrom) and node.module:
            modules.append(node.module)
        elif isinstance(node, Import):
            modules += [alias.name for alias in node.names]
    inside = [module.split(".") for module in modules if module.startswith("renkei.")]
    return all(words[1] in rooms for words in inside)


def _builder_identity() -> bytes:
    """Say what else decides the bytes: this module, the interpreter, the machine."""
    return f"{platform.python_version()} {platform.machine()} ".encode() + Path(__file__).read_bytes()


def _digest(parts: Iterable[bytes]) -> str:
    total = hashlib.sha256()
    for part in parts:
        total.update(len(part).to_bytes(8))
        total.update(part)
    return total.hexdigest()


def _install_libraries(root: Path, locked: str) -> Path:
    """Install the locked libraries into a folder of build/cache, compile them, and return it; once per lock."""
    cache = root / "build" / "cache" / "release"
    libraries = cache / _digest([locked.encode(), _builder_identity()])[:16]
    if libraries.exists():
        return libraries
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".libraries-", dir=cache) as folder:
        requirements, target = Path(folder) / "requirements.txt", Path(folder) / "lib"
        requirements.write_text(locked)
        command = [str(Path(sys.executable).with_name("uv")), "pip", "install", "--quiet", "--python", sys.executable]
        command += ["--require-hashes", "--no-deps", "--only-binary", ":all:", "--link-mode", "copy"]
        command += ["--target", str(target), "--requirements", str(requirements)]
        finished = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own uv
        if finished.returncode != 0:
            raise ReleaseError(f"uv could not install the hosts' libraries:\n{finished.stderr.strip()}")
        shutil.rmtree(target / "bin", ignore_errors=True)
        for path in [path for path in target.rglob("*") if path.name in _INSTALLER_NOTES]:
            path.unlink()
        _compile(target)
        for former in cache.glob("[0-9a-f]*"):
            shutil.rmtree(former)
        target.rename(libraries)
    return libraries


def _stage(stage: Path, libraries: Path, sources: dict[Path, bytes], about: dict[str, str]) -> None:
    """Lay out the archive's folder."""
    shutil.copytree(libraries, stage / "lib")
    for path, content in sources.items():
        target = stage / "lib" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    # Programs ask for their own version as for that of any library (importlib.metadata).
    metadata = stage / "lib" / f"renkei-{about['version']}.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text(f"Metadata-Version: 2.1\nName: renkei\nVersion: {about['version']}\n")
    _compile(stage / "lib" / "renkei")
    (stage / "bin").mkdir()
    for program, module in _LAUNCHERS.items():
        launcher = stage / "bin" / program
        launcher.write_text(_LAUNCHER.format(module=module))
        launcher.chmod(0o755)
    (stage / "release.json").write_text(json.dumps(about, indent=2) + "\n")


def _compile(folder: Path) -> None:
    """Compile every module, one after the other and with fixed hashes, so that the bytes are always the same."""
    command = [sys.executable, "-I", "-m", "compileall", "-q", "-j", "1", "--invalidation-mode", "unchecked-hash"]
    command += ["-s", str(folder.parent), str(folder)]
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    finished = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    if finished.returncode != 0:
        raise ReleaseError(f"a module can't be compiled:\n{finished.stdout.strip()}")


def _prune(out: Path) -> None:
    archives = sorted(out.glob("renkei-*.tar.gz"), key=lambda path: path.stat().st_mtime, reverse=True)
    for archive in archives[_KEPT:]:
        archive.unlink()
        archive.with_name(f"{archive.name}.sha256").unlink(missing_ok=True)


def _pack(stage: Path, archive: Path) -> None:
    """Write the folder as .tar.gz without owners and times; `release.json` comes last, the mark of a whole copy."""
    members = sorted(path for path in stage.rglob("*") if path.name != "release.json" or path.parent != stage)
    with (
        archive.open("wb") as raw,
        gzip.GzipFile(filename="", mode="wb", fileobj=raw, compresslevel=6, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as tar,
    ):
        for path in [stage, *members, stage / "release.json"]:
            member = tar.gettarinfo(path, arcname=str(path.relative_to(stage.parent)))
            member.uid = member.gid = member.mtime = 0
            member.uname = member.gname = "root"
            member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            if member.isfile():
                with path.open("rb") as stream:
                    tar.addfile(member, stream)
            else:
                tar.addfile(member)
