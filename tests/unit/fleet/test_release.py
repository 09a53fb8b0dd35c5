"""What the archive of the hosts' software is made of; that it is always the same bytes, tests/lab shows."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from renkei.fleet.libraries import ReleaseError, locked_closure
from renkei.fleet.release import HOSTS, host_sources

ROOT = Path(__file__).parents[3]


def test_hosts_get_the_commands_that_import_nothing_else() -> None:
    commands = {path.stem for path in host_sources(ROOT / "tools") if path.parent.name == "cli"}
    assert {"renkei", "hub", "agent", "ministry"} <= commands
    assert not {"lab", "release", "inventory"} & commands


@pytest.mark.thorough
def test_the_linkage_host_makes_sealed_sheets_without_the_rooms_that_it_lacks(tmp_path: Path) -> None:
    """Only what a release has: `renkei terminal` there is `code` alone."""
    for path in host_sources(ROOT / "tools"):
        target = tmp_path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "tools" / path, target)
    program = "import sys; sys.argv[0] = 'renkei'; from renkei.cli.renkei import main; main()"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", program, "terminal", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    told = run("code", "131041", "--out", "x.pdf", "--config", str(tmp_path / "none.toml"))
    assert (told.returncode, "none.toml" in told.stderr) == (1, True), told.stderr
    assert "check-spec" not in run("--help").stdout


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
