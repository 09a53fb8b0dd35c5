"""A release is taken whole and unaltered, or not at all; the last one stays to go back to."""

import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from testinfra.host import Host

from roles.environment import ROLE_TESTS, ROOT
from roles.machines import Machines
from roles.probes import play

CONVERGE = ROLE_TESTS / "molecule" / "release" / "converge.yml"
RELEASES = "/var/lib/renkei-releases"
HOST = "moj-immigration"


@pytest.fixture
def host(machine: Machines) -> Host:
    return machine(HOST)


@pytest.fixture
def release() -> str:
    record = json.loads((ROOT / "build" / "releases" / "current.json").read_text())
    return str(record["name"])


@pytest.fixture
def next_record(machine: Machines, tmp_path: Path) -> Iterator[Path]:
    """The record of a further release, which the mirror has: a folder with a mark in it."""
    name = "9.9.9-test"
    with io.BytesIO() as packed:
        with tarfile.open(fileobj=packed, mode="w:gz") as tar:
            for member in ("bin/renkei", "bin/renkei-hub", "bin/renkei-agent", "release.json"):
                tar.addfile(tarfile.TarInfo(f"{name}/{member}"))
        content = packed.getvalue()
    archive = tmp_path / f"renkei-{name}.tar.gz"
    archive.write_bytes(content)
    record = {"name": name, "archive": str(archive), "sha256": hashlib.sha256(content).hexdigest()}
    (tmp_path / "record.json").write_text(json.dumps(record))
    published = play(CONVERGE, "--limit", "mirrors", "--extra-vars", f"release_record={tmp_path / 'record.json'}")
    assert published.returncode == 0, published.stdout
    yield tmp_path / "record.json"
    machine("asp-mirror").check_output("rm %s", f"{RELEASES}/{archive.name}")
    assert play(CONVERGE, "--limit", HOST).returncode == 0
    machine(HOST).check_output("rm -rf /opt/renkei/releases/%s", name)


def test_its_programs_run_for_anybody(host: Host) -> None:
    for program in ("renkei", "renkei-hub", "renkei-agent"):
        assert host.run("runuser -u nobody -- %s --help", program).rc == 0, program


def test_its_programs_see_no_library_of_the_host(host: Host) -> None:
    until_its_imports = "sed '/^from renkei/,$d' /opt/renkei/current/bin/renkei; echo 'print(sys.path)'"
    host.check_output(f"({until_its_imports}) > /run/probe && chmod 755 /run/probe")
    assert "dist-packages" not in host.check_output("/run/probe")


def test_nobody_but_root_can_alter_it(host: Host) -> None:
    assert host.check_output("find -L /opt/renkei ! -user root -o -perm /022") == ""


def test_an_altered_archive_is_refused_and_what_runs_stays(machine: Machines, host: Host, release: str) -> None:
    mirror, mark = machine("asp-mirror"), f"/opt/renkei/releases/{release}/release.json"
    archive = f"{RELEASES}/renkei-{release}.tar.gz"
    host.check_output("mv %s /run/mark", mark)
    mirror.check_output("echo more >> %s", archive)
    try:
        refused = play(CONVERGE, "--limit", HOST)
    finally:
        mirror.check_output("truncate --size=-5 %s", archive)
    assert refused.returncode != 0
    assert "checksum" in refused.stdout
    assert not host.file(mark).exists
    assert host.run("renkei-agent --help").rc == 0


def test_a_copy_that_was_interrupted_is_made_whole(host: Host, release: str) -> None:
    folder = f"/opt/renkei/releases/{release}"
    host.check_output("rm -rf %s/release.json %s/lib/renkei/agent", folder, folder)
    assert play(CONVERGE, "--limit", HOST).returncode == 0
    assert host.run("renkei-agent --help").rc == 0


def test_the_former_release_stays_and_one_before_it_goes(host: Host, release: str, next_record: Path) -> None:
    host.check_output("mkdir -p /opt/renkei/releases/0.0.1-old")
    host.check_output("touch --date=2020-01-01 /opt/renkei/releases/0.0.1-old")
    variables = {"release_record": str(next_record), "release_services": ["none*.service"]}
    updated = play(CONVERGE, "--limit", HOST, "--extra-vars", json.dumps(variables))
    assert updated.returncode == 0, updated.stdout
    assert host.file("/opt/renkei/current").linked_to == "/opt/renkei/releases/9.9.9-test"
    assert set(host.check_output("ls /opt/renkei/releases").split()) == {"9.9.9-test", release}
    back = play(CONVERGE, "--limit", HOST)
    assert back.returncode == 0, back.stdout
    assert host.file("/opt/renkei/current").linked_to == f"/opt/renkei/releases/{release}"
