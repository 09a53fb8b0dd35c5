"""The role `agent` on simulated Windows hosts: installed once, idempotent, and only what it should be."""

import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from zipfile import ZipFile

import pytest

from renkei.agent.settings import load
from renkei.lab.windows.host import Host, differences
from windows.conftest import Bench
from windows.role_play import INTERPRETER, VERSION, mirror, role


@pytest.fixture
def package(tmp_path: Path) -> Iterator[tuple[Path, str, Path]]:
    """A small package in the form of the real one, on a mirror: record, URL, the root certificate."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    archive = folder / f"renkei-agent-{VERSION}-windows-amd64.zip"
    with ZipFile(archive, "w") as target:
        for name in ("python/python.exe", "lib/renkei/__init__.py", "release.json"):
            target.writestr(f"{VERSION}/{name}", "{}")
    record = tmp_path / "windows.json"
    digest = sha256(archive.read_bytes()).hexdigest()
    record.write_text(json.dumps({"name": VERSION, "archive": str(archive), "sha256": digest, "double": True}))
    anchor = tmp_path / "anchor.pem"
    anchor.write_text("-----BEGIN CERTIFICATE-----\n")
    with mirror(folder) as url:
        yield record, url, anchor


def assert_installed(host: Host, tmp_path: Path) -> None:
    service = host.services["renkei-agent"]
    assert (service["state"], service["start_mode"]) == ("running", "delayed")
    assert service["username"] == r"NT SERVICE\renkei-agent"
    assert INTERPRETER in host.files
    assert not [path for path in host.files if path.endswith(".zip")]
    assert host.groups["renkei-clerks"]["members"] == []  # who is in it is the municipality's business
    entries = host.acls[r"c:\programdata\renkei\page"]
    assert {each["who"]: each["rights"] for each in entries if each["who"] not in {"SYSTEM", "Administrators"}} == {
        r"NT SERVICE\renkei-agent": "modify",
        "renkei-clerks": "read",
    }
    assert b"/Renkei/page/renkei.html" in host.files["c:\\users\\public\\desktop\\連携端末の状況.url"]
    written = tmp_path / "agent.toml"
    written.write_bytes(host.files[r"c:\programdata\renkei\agent.toml"])
    settings = load(written)
    assert (settings.endpoint, str(settings.home)) == ("131041", r"C:\ProgramData\Renkei")


def test_the_agent_is_installed_once(bench: Bench, package: tuple[Path, str, Path], tmp_path: Path) -> None:
    first = bench.play(role(*package, agent_bridge="none", agent_bridge_folder="")).assert_well()
    assert first.stats["term0000"]["changed"] > 5
    for host in bench.hosts.values():
        assert_installed(host, tmp_path)
    state = bench.hosts["term0000"].state()
    second = bench.play(role(*package, agent_bridge="none", agent_bridge_folder="")).assert_well()
    assert second.changed() == 0
    assert differences(state, bench.hosts["term0000"].state()) == []


def test_a_changed_setting_restarts_the_service_and_nothing_else(bench: Bench, package: tuple[Path, str, Path]) -> None:
    bench.play(role(*package)).assert_well()
    again = bench.play(role(*package, agent_exchange_times=["09:00"])).assert_well()
    assert [task["changed"] for task in again.results("term0000") if task.get("changed")] == [True, True]
    assert b'"09:00"' in bench.hosts["term0000"].files[r"c:\programdata\renkei\agent.toml"]
    assert rb"folder = '\\register\renkei'" in bench.hosts["term0000"].files[r"c:\programdata\renkei\agent.toml"]


def test_a_package_that_was_altered_is_refused(bench: Bench, package: tuple[Path, str, Path]) -> None:
    archive = Path(json.loads(package[0].read_text())["archive"])
    archive.write_bytes(archive.read_bytes() + b" ")
    played = bench.play(role(*package))
    assert "did not match" in played.results("term0000")[-1]["msg"]
    assert not [path for path in bench.hosts["term0000"].files if "renkei" in path]


def test_a_double_of_cpython_is_for_tests_only(bench: Bench, package: tuple[Path, str, Path]) -> None:
    played = bench.play(role(*package, agent_package_double=False))
    assert "double of CPython" in played.results("term0001")[-1]["msg"]
    assert not [path for path in bench.hosts["term0001"].files if "renkei" in path]
