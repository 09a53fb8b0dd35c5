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
TERMINAL = "m131041-terminal"


@pytest.fixture
def terminal(machine: Machines) -> Host:
    return machine(TERMINAL)


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
    assert play(CONVERGE, "--limit", TERMINAL).returncode == 0
    machine(TERMINAL).check_output("rm -rf /opt/renkei/releases/%s", name)


def test_its_programs_run_for_anybody(terminal: Host) -> None:
    for program in ("renkei", "renkei-hub", "renkei-agent"):
        assert terminal.run("runuser -u nobody -- %s --help", program).rc == 0, program


def test_its_programs_see_no_library_of_the_host(terminal: Host) -> None:
    until_its_imports = "sed '/^from renkei/,$d' /opt/renkei/current/bin/renkei; echo 'print(sys.path)'"
    terminal.check_output(f"({until_its_imports}) > /run/probe && chmod 755 /run/probe")
    assert "dist-packages" not in terminal.check_output("/run/probe")


def test_nobody_but_root_can_alter_it(terminal: Host) -> None:
    assert terminal.check_output("find -L /opt/renkei ! -user root -o -perm /022") == ""


def test_an_altered_archive_is_refused_and_what_runs_stays(machine: Machines, terminal: Host, release: str) -> None:
    mirror, mark = machine("asp-mirror"), f"/opt/renkei/releases/{release}/release.json"
    archive = f"{RELEASES}/renkei-{release}.tar.gz"
    terminal.check_output("mv %s /run/mark", mark)
    mirror.check_output("echo more >> %s", archive)
    try:
        refused = play(CONVERGE, "--limit", TERMINAL)
    finally:
        mirror.check_output("truncate --size=-5 %s", archive)
    assert refused.returncode != 0
    assert "checksum" in refused.stdout
    assert not terminal.file(mark).exists
    assert terminal.run("renkei-agent --help").rc == 0


def test_a_copy_that_was_interrupted_is_made_whole(terminal: Host, release: str) -> None:
    folder = f"/opt/renkei/releases/{release}"
    terminal.check_output("rm -rf %s/release.json %s/lib/renkei/agent", folder, folder)
    assert play(CONVERGE, "--limit", TERMINAL).returncode == 0
    assert terminal.run("renkei-agent --help").rc == 0


def test_the_former_release_stays_and_one_before_it_goes(terminal: Host, release: str, next_record: Path) -> None:
    terminal.check_output("mkdir -p /opt/renkei/releases/0.0.1-old")
    terminal.check_output("touch --date=2020-01-01 /opt/renkei/releases/0.0.1-old")
    variables = {"release_record": str(next_record), "release_services": ["none*.service"]}
    updated = play(CONVERGE, "--limit", TERMINAL, "--extra-vars", json.dumps(variables))
    assert updated.returncode == 0, updated.stdout
    assert terminal.file("/opt/renkei/current").linked_to == "/opt/renkei/releases/9.9.9-test"
    assert set(terminal.check_output("ls /opt/renkei/releases").split()) == {"9.9.9-test", release}
    back = play(CONVERGE, "--limit", TERMINAL)
    assert back.returncode == 0, back.stdout
    assert terminal.file("/opt/renkei/current").linked_to == f"/opt/renkei/releases/{release}"
