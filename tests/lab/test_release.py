"""The archive that the lab's hosts install: what is in it, and that the same input gives the same bytes."""

import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from renkei.fleet.release import Release, build_release

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what a release is made of, with the libraries that were installed before, if any."""
    copy = tmp_path_factory.mktemp("checkout")
    for name in ("pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / name, copy)
    shutil.copytree(ROOT / "tools", copy / "tools", ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "build").mkdir()
    (ROOT / "build" / "cache").mkdir(parents=True, exist_ok=True)
    (copy / "build" / "cache").symlink_to(ROOT / "build" / "cache")
    return copy


@pytest.fixture(scope="module")
def built(checkout: Path) -> Release:
    return build_release(checkout)


def test_the_same_input_gives_the_same_bytes(checkout: Path, built: Release, tmp_path: Path) -> None:
    again = build_release(checkout, tmp_path)
    assert (again.rebuilt, again.name, again.sha256) == (True, built.name, built.sha256)


def test_what_was_built_is_not_built_again(checkout: Path, built: Release) -> None:
    again = build_release(checkout)
    assert (again.rebuilt, again.sha256) == (False, built.sha256)


def test_the_archive_is_one_folder_and_its_mark_comes_last(built: Release) -> None:
    with tarfile.open(built.archive) as tar:
        members = tar.getmembers()
    assert {member.name.split("/")[0] for member in members} == {built.name}
    assert members[-1].name == f"{built.name}/release.json"
    assert {(member.uid, member.gid, member.mtime) for member in members} == {(0, 0, 0)}
    assert all(member.mode in {0o755, 0o644} and (member.isfile() or member.isdir()) for member in members)


def test_hosts_get_no_room_of_the_controller(built: Release) -> None:
    with tarfile.open(built.archive) as tar:
        rooms = {path.split("/")[3] for path in tar.getnames() if path.startswith(f"{built.name}/lib/renkei/")}
    assert {"hub", "agent", "ministry"} <= rooms
    assert not {"lab", "fleet", "evidence"} & rooms


def test_programs_know_their_own_version(built: Release, tmp_path: Path) -> None:
    with tarfile.open(built.archive) as tar:
        tar.extractall(tmp_path)  # noqa: S202 - our own archive; Debian 12's Python has no filters
    ask = "from importlib.metadata import version; print(version('renkei'))"
    environment = {"PYTHONPATH": str(tmp_path / built.name / "lib")}
    said = subprocess.run(
        ["/usr/bin/python3", "-S", "-c", ask], env=environment, capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == built.version
