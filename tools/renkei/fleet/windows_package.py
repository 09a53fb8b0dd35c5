r"""The agent's package for Windows terminals: a zip whose only top folder is the release, unpacked into `versions\`.

    VERSION\python\          CPython as python.org's embeddable archive has it, taken by its digest
    VERSION\lib\             the rooms of `renkei` that an agent needs, and the wheels for Windows, by the lock's hashes
    VERSION\release.json     the last member, the mark of a whole copy; it names what the launcher consists of

Nothing in it unpacks itself, nothing is compiled here: what runs is what python.org and the wheels' makers signed or
published, so that application allow-listing can name it. The same input gives the same bytes (docs/windows-agent.md).
"""

import hashlib
import io
import json
import shutil
import tempfile
import tomllib
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path

from renkei.fleet.libraries import (
    ReleaseError,
    System,
    builder_identity,
    compile_modules,
    digest_of,
    install_libraries,
    locked_closure,
)

WINDOWS = System(
    extras=("agent",),
    platform="x86_64-pc-windows-msvc",
    environment={"sys_platform": "win32", "platform_system": "Windows", "os_name": "nt", "platform_machine": "AMD64"},
    left_out=(
        "pythonwin",
        "win32com",
        "win32comext",
        "adodbapi",
        "isapi",
        "win32/Demos",
        "win32/scripts",
        "win32/test",
    ),
)
"""Windows terminals, 64 bit; of pywin32 they need no COM, no editor and no web server."""

ROOMS = ("domain", "exchange", "store", "client", "agent")

_LAUNCHER_MODULES = (
    "renkei/__init__.py",
    "renkei/agent/__init__.py",
    "renkei/agent/versions.py",
    "renkei/agent/windows/__init__.py",
    "renkei/agent/windows/launcher.py",
    "renkei/agent/windows/layout.py",
    "renkei/agent/windows/relay.py",
    "renkei/agent/windows/supervision.py",
)
_LAUNCHER_LIBRARIES = ("win32/", "pywin32_system32/")
_PATHS = "python311.zip\n.\n..\\lib\n..\\lib\\win32\n..\\lib\\win32\\lib\n"
"""python311._pth: where this interpreter looks, and nowhere else; with it no variable of the environment counts."""

_MOMENT = (1980, 1, 1, 0, 0, 0)
_LIMIT = 64 * 1024 * 1024
_KEPT = 4


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A CPython for Windows: its version, the archive's name and SHA-256, and what it is if not python.org's."""

    version: str
    archive: str
    sha256: str
    double: bool = False


CPYTHON = Interpreter(
    version="3.11.9",
    archive="python-3.11.9-embed-amd64.zip",
    sha256="009d6bf7e3b2ddca3d784fa09f90fe54336d5b60f0e0f305c37f400bf83cfd3b",
)
"""The one place that says which CPython terminals get (docs/adr/ says why this one, and how it is replaced)."""

SOURCE = f"https://www.python.org/ftp/python/{CPYTHON.version}/{CPYTHON.archive}"


@dataclass(frozen=True, slots=True)
class WindowsPackage:
    """A package: `name` is VERSION-DIGEST and its only top folder, `archive` its path, `size` its length in bytes.

    `double` says that its CPython is a test double, which no terminal may get.
    """

    name: str
    version: str
    digest: str
    archive: Path
    sha256: str
    size: int
    cpython: str
    double: bool
    rebuilt: bool

    def record(self) -> dict[str, str | int]:
        """Return what build/releases/windows.json says, which the role `agent` and the terminals' media read."""
        fields = asdict(self) | {"archive": str(self.archive)}
        del fields["rebuilt"]
        return fields


def build_windows_package(
    root: Path, cpython: Path, *, out: Path | None = None, interpreter: Interpreter = CPYTHON
) -> WindowsPackage:
    """Build the package of the checkout at `root` into `out` (default build/releases), or find that it is there.

    Beside it stand `NAME.zip.sha256` and `windows.json`, the record of the package that was asked for last.

    Args:
        root: the checkout.
        cpython: the embeddable archive.
        out: a folder.
        interpreter: what the archive must be; tests give their double.

    Raises:
        ReleaseError: the archive isn't the one, or a library can't be had as locked.
    """
    out = out or root / "build" / "releases"
    out.mkdir(parents=True, exist_ok=True)
    version = tomllib.loads((root / "pyproject.toml").read_text())["project"]["version"]
    locked = locked_closure(root, WINDOWS)
    sources = {path.as_posix(): (root / "tools" / path).read_bytes() for path in agent_sources(root / "tools")}
    identity = builder_identity(Path(__file__))
    named = [part for path, content in sources.items() for part in (path.encode(), content)]
    digest = digest_of([locked.encode(), identity, json.dumps(asdict(interpreter)).encode(), *named])
    name = f"{version}-{digest[:12]}"
    archive = out / f"renkei-agent-{name}-windows-amd64.zip"
    checksum = archive.with_name(f"{archive.name}.sha256")
    rebuilt = not (archive.exists() and checksum.exists())
    if rebuilt:
        python = _unpacked(cpython, interpreter)
        libraries = install_libraries(root, locked, WINDOWS, identity)
        with tempfile.TemporaryDirectory(prefix=".windows-", dir=out) as folder:
            stage = Path(folder) / name
            _stage(stage, libraries, sources, python, version)
            about = {"name": name, "version": version, "digest": digest, "cpython": asdict(interpreter)}
            fresh = Path(folder) / archive.name
            _pack(stage, about, fresh)
            sha256 = hashlib.sha256(fresh.read_bytes()).hexdigest()
            fresh.replace(archive)
        checksum.write_text(f"{sha256}  {archive.name}\n")
        _prune(out)
    package = WindowsPackage(
        name=name,
        version=version,
        digest=digest,
        archive=archive,
        sha256=checksum.read_text().split()[0],
        size=archive.stat().st_size,
        cpython=interpreter.version,
        double=interpreter.double,
        rebuilt=rebuilt,
    )
    (out / "windows.json").write_text(json.dumps(package.record(), indent=2) + "\n")
    return package


def agent_sources(tools: Path) -> list[Path]:
    """List the files of `renkei` that a Windows agent gets, sorted, relative to `tools`."""
    package = tools / "renkei"
    found = [path for path in package.iterdir() if path.is_file() and path.suffix in {".py", ".typed"}]
    for room in ROOMS:
        files = (path for path in (package / room).rglob("*") if path.is_file() and path.suffix != ".pyc")
        found += [path for path in files if package / "store" / "hub" not in path.parents]
    found += [package / "cli" / "__init__.py", *(package / "cli").glob("agent*.py")]
    return sorted(path.relative_to(tools) for path in found)


def _unpacked(cpython: Path, interpreter: Interpreter) -> dict[str, bytes]:
    """Read the files of the embeddable archive."""
    try:
        content = cpython.read_bytes() if cpython.stat().st_size <= _LIMIT else b""
    except OSError as error:
        raise ReleaseError(f"{cpython}: can't be read ({error.strerror}); fetch it from {SOURCE}") from error
    found = hashlib.sha256(content).hexdigest()
    if found != interpreter.sha256:
        raise ReleaseError(
            f"{cpython}: is not {interpreter.archive}: its SHA-256 is {found}, not {interpreter.sha256}; fetch it anew "
            f"from {SOURCE}"
        )
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/")]
        if outside := [name for name in names if "/" in name or "\\" in name or ":" in name]:
            raise ReleaseError(f"{cpython}: {outside[0]} lies in a folder; the embeddable archive has none")
        return {name: archive.read(name) for name in names if not name.endswith("._pth")}


def _stage(stage: Path, libraries: Path, sources: dict[str, bytes], python: dict[str, bytes], version: str) -> None:
    shutil.copytree(libraries, stage / "lib")
    metadata = f"Metadata-Version: 2.1\nName: renkei\nVersion: {version}\n".encode()
    files = {f"lib/{path}": content for path, content in sources.items()}
    files |= {f"lib/renkei-{version}.dist-info/METADATA": metadata}
    files |= {f"python/{name}": content for name, content in python.items()}
    files |= {"python/python311._pth": _PATHS.encode()}
    for name, content in files.items():
        target = stage / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    compile_modules(stage / "lib" / "renkei")


def _pack(stage: Path, about: dict[str, object], archive: Path) -> None:
    """Write the zip without times and owners, and `release.json` last."""
    names = sorted(path.relative_to(stage).as_posix() for path in stage.rglob("*") if path.is_file())
    launcher = [name for name in names if name.startswith("python/") or _is_launchers(name.removeprefix("lib/"))]
    digest = digest_of(part for name in launcher for part in (name.encode(), (stage / name).read_bytes()))
    record = about | {"launcher": {"digest": digest, "files": launcher}}
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as target:
        for name in names:
            target.writestr(_member(f"{stage.name}/{name}"), (stage / name).read_bytes())
        target.writestr(_member(f"{stage.name}/release.json"), json.dumps(record, indent=1) + "\n")


def _is_launchers(name: str) -> bool:
    return name in _LAUNCHER_MODULES or name.startswith(_LAUNCHER_LIBRARIES)


def _member(name: str) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name, _MOMENT)
    member.compress_type = zipfile.ZIP_DEFLATED
    member.create_system = 0  # FAT: no modes
    member.external_attr = 0
    return member


def _prune(out: Path) -> None:
    archives = sorted(out.glob("renkei-agent-*.zip"), key=lambda path: path.stat().st_mtime, reverse=True)
    for archive in archives[_KEPT:]:
        archive.unlink()
        archive.with_name(f"{archive.name}.sha256").unlink(missing_ok=True)
