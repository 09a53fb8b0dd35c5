"""The archive of the software that hosts install: built once per content, the same bytes from the same input.

It holds the rooms of `renkei` that run on hosts, the libraries that they need as `requirements.lock` pins them, all
compiled, and launchers that see nothing but these and Python's own library. Where hosts find it: docs/topology.md.
"""

import gzip
import hashlib
import json
import shutil
import tarfile
import tempfile
import tomllib
from ast import Import, ImportFrom, parse, walk
from dataclasses import asdict, dataclass
from pathlib import Path

from renkei.fleet.libraries import (
    System,
    builder_identity,
    compile_modules,
    digest_of,
    install_libraries,
    locked_closure,
)

HOSTS = System(extras=("hub", "agent", "ministry"))
"""Linux hosts: as here."""

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
    locked = locked_closure(root, HOSTS)
    sources = {path: (root / "tools" / path).read_bytes() for path in host_sources(root / "tools")}
    named = [part for path, content in sources.items() for part in (str(path).encode(), content)]
    digest = digest_of([locked.encode(), builder_identity(Path(__file__)), *named])
    name = f"{version}-{digest[:12]}"
    archive = out / f"renkei-{name}.tar.gz"
    checksum = archive.with_name(f"{archive.name}.sha256")
    rebuilt = not (archive.exists() and checksum.exists())
    if rebuilt:
        libraries = install_libraries(root, locked, HOSTS, builder_identity(Path(__file__)))
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
    compile_modules(stage / "lib" / "renkei")
    (stage / "bin").mkdir()
    for program, module in _LAUNCHERS.items():
        launcher = stage / "bin" / program
        launcher.write_text(_LAUNCHER.format(module=module))
        launcher.chmod(0o755)
    (stage / "release.json").write_text(json.dumps(about, indent=2) + "\n")


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
