"""What the agent's package for Windows is made of; that it runs, `tests/windows` shows."""

import hashlib
import io
import zipfile
from pathlib import Path

import pytest

from renkei.fleet.libraries import ReleaseError, locked_closure
from renkei.fleet.windows_package import (
    CPYTHON,
    WINDOWS,
    Interpreter,
    agent_sources,
    build_windows_package,
)

ROOT = Path(__file__).parents[3]


def embeddable(folder: Path, *names: str) -> tuple[Path, Interpreter]:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name in names:
            archive.writestr(name, b"MZ")
    path = folder / "cpython.zip"
    path.write_bytes(content.getvalue())
    return path, Interpreter("3.11.9", path.name, hashlib.sha256(content.getvalue()).hexdigest(), double=True)


def test_a_terminal_gets_what_windows_needs_and_nothing_of_the_hub() -> None:
    names = {line.split("==")[0] for line in locked_closure(ROOT, WINDOWS).splitlines() if "==" in line}
    assert {"pywin32", "colorama", "apsw", "cryptography", "httpx", "pydantic-core"} <= names
    assert not {"uvloop", "psycopg", "ansible-core", "pytest"} & names


def test_every_library_of_a_terminal_is_pinned_with_its_hashes() -> None:
    lines = locked_closure(ROOT, WINDOWS).splitlines()
    assert all("==" in line or line.strip().startswith("--hash=sha256:") for line in lines)


def test_a_terminal_gets_the_agents_rooms_and_commands() -> None:
    files = {path.as_posix() for path in agent_sources(ROOT / "tools")}
    assert {"renkei/agent/windows/launcher.py", "renkei/cli/agent.py", "renkei/cli/agent_service.py"} <= files
    assert not [name for name in files if name.startswith(("renkei/hub/", "renkei/store/hub/", "renkei/fleet/"))]


def test_another_archive_than_the_pinned_one_is_refused(tmp_path: Path) -> None:
    path, _ = embeddable(tmp_path, "python.exe")
    with pytest.raises(ReleaseError, match=CPYTHON.sha256):
        build_windows_package(ROOT, path, out=tmp_path)
    with pytest.raises(ReleaseError, match=r"python\.org"):
        build_windows_package(ROOT, tmp_path / "missing.zip", out=tmp_path)
    assert not list(tmp_path.glob("renkei-agent-*"))


@pytest.mark.parametrize("name", ["../python.exe", "folder/python.exe", "c:python.exe", "a\\b.exe"])
def test_an_archive_whose_files_lie_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    path, interpreter = embeddable(tmp_path, "python.exe", name)
    with pytest.raises(ReleaseError, match="lies in a folder"):
        build_windows_package(ROOT, path, out=tmp_path, interpreter=interpreter)
