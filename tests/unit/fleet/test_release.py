"""What the archive of the hosts' software is made of; that it is always the same bytes, tests/lab shows."""

import shutil
from pathlib import Path

import pytest

from renkei.fleet.libraries import ReleaseError, locked_closure
from renkei.fleet.release import HOSTS, host_sources

ROOT = Path(__file__).parents[3]


def test_hosts_get_the_commands_that_import_nothing_else() -> None:
    commands = {path.stem for path in host_sources(ROOT / "tools") if path.parent.name == "cli"}
    assert {"renkei", "hub", "agent", "ministry"} <= commands
    assert not {"lab", "release", "inventory"} & commands


def test_every_library_is_pinned_with_its_hashes() -> None:
    lines = locked_closure(ROOT, HOSTS).splitlines()
    names = {line.split("==")[0] for line in lines if "==" in line}
    assert {"apsw", "cryptography", "httpx", "jinja2", "starlette", "uvicorn"} <= names
    assert not {"ansible-core", "pytest", "opencc"} & names
    assert all("==" in line or line.strip().startswith("--hash=sha256:") for line in lines)


def test_a_library_that_the_lock_lacks_is_named(tmp_path: Path) -> None:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    lock = (ROOT / "requirements.lock").read_text()
    (tmp_path / "requirements.lock").write_text(lock.replace("apsw==", "apsv=="))
    with pytest.raises(ReleaseError, match="lacks apsw"):
        locked_closure(tmp_path, HOSTS)
