"""The libraries that a release brings along: what of requirements.lock it needs, installed for the system it is for."""

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

#: What an installer notes for itself; it differs from run to run and serves nobody on a host.
_INSTALLER_NOTES = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json", ".lock", "uv_cache.json", "uv_build.json"}


class ReleaseError(Exception):
    """The archive can't be built; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class System:
    """What a release is for.

    Attributes:
        extras: of pyproject.toml, whose libraries it needs.
        platform: uv's name of the system, empty for this one.
        environment: what markers say there, where it differs from here (PEP 508).
        left_out: folders of libraries that nothing of ours imports.
    """

    extras: tuple[str, ...]
    platform: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()


def locked_closure(root: Path, system: System) -> str:
    """Return the part of requirements.lock that a system's libraries need, with its hashes.

    What needs what is read from the installed libraries, which the lock decided. What only the other system has isn't
    installed here: it must need nothing further.

    Raises:
        ReleaseError: a needed library isn't installed or isn't in the lock.
    """
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    wanted = project["dependencies"] + [
        line for extra in system.extras for line in project["optional-dependencies"][extra]
    ]
    names = sorted(_closure([Requirement(line) for line in wanted], system))
    entries = _lock_entries((root / "requirements.lock").read_text())
    if missing := [name for name in names if name not in entries]:
        raise ReleaseError(f"requirements.lock lacks {', '.join(missing)}; make the lock anew from pyproject.toml")
    return "".join(entries[name] for name in names)


def _closure(todo: list[Requirement], system: System) -> set[str]:
    todo = [need for need in todo if _applies(need, system)]
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
            if requirement.marker is not None and not requirement.marker.evaluate():
                continue
            raise ReleaseError(f"{name} is needed on hosts but isn't in .venv/; run ./kit env") from error
        todo += [need for need in needs if _applies(need, system, extras)]
    return {name for name, _ in seen}


def _applies(need: Requirement, system: System, extras: frozenset[str] = frozenset()) -> bool:
    return need.marker is None or any(
        need.marker.evaluate({**system.environment, "extra": extra}) for extra in extras or {""}
    )


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


def builder_identity(builder: Path) -> bytes:
    """Say what else decides the bytes: the module that builds, this one, the interpreter, the machine."""
    here = f"{platform.python_version()} {platform.machine()} ".encode()
    return here + builder.read_bytes() + Path(__file__).read_bytes()


def digest_of(parts: Iterable[bytes]) -> str:
    """Return the SHA-256 of parts and of where each ends."""
    total = hashlib.sha256()
    for part in parts:
        total.update(len(part).to_bytes(8))
        total.update(part)
    return total.hexdigest()


def install_libraries(root: Path, locked: str, system: System, identity: bytes) -> Path:
    """Install the locked libraries into a folder of build/cache, compile them, and return it; once per lock.

    Args:
        root: the checkout.
        locked: what `locked_closure` returned.
        system: for which.
        identity: what else decides the bytes.

    Raises:
        ReleaseError: a library can't be had for the system, or not with its hash.
    """
    cache = root / "build" / "cache" / f"release-{system.platform or 'here'}"
    libraries = cache / digest_of([locked.encode(), identity])[:16]
    if libraries.exists():
        return libraries
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".libraries-", dir=cache) as folder:
        requirements, target = Path(folder) / "requirements.txt", Path(folder) / "lib"
        requirements.write_text(locked)
        command = [str(Path(sys.executable).with_name("uv")), "pip", "install", "--quiet", "--python", sys.executable]
        command += ["--require-hashes", "--no-deps", "--only-binary", ":all:", "--link-mode", "copy"]
        command += ["--target", str(target), "--requirements", str(requirements)]
        if system.platform:
            command += ["--python-platform", system.platform]
        finished = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own uv
        if finished.returncode != 0:
            raise ReleaseError(f"uv could not install the hosts' libraries:\n{finished.stderr.strip()}")
        for name in ("bin", "Scripts", *system.left_out):
            shutil.rmtree(target / name, ignore_errors=True)
        for path in [path for path in target.rglob("*") if path.name in _INSTALLER_NOTES]:
            path.unlink()
        compile_modules(target)
        for former in cache.glob("[0-9a-f]*"):
            shutil.rmtree(former)
        target.rename(libraries)
    return libraries


def compile_modules(folder: Path) -> None:
    """Compile every module, one after the other and with fixed hashes, so that the bytes are always the same.

    Bytecode is the same on every system; it belongs to a minor version of CPython.
    """
    command = [sys.executable, "-I", "-m", "compileall", "-q", "-j", "1", "--invalidation-mode", "unchecked-hash"]
    command += ["-s", str(folder.parent), str(folder)]
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    finished = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    if finished.returncode != 0:
        raise ReleaseError(f"a module can't be compiled:\n{finished.stdout.strip()}")
