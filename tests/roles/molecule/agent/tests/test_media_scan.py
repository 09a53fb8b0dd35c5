"""`agent_media_scan: required`, by Debian's real ClamAV with patterns of this test's own and none from elsewhere."""

import json
from collections.abc import Callable, Iterator

import pytest
from testinfra.backend.base import CommandResult
from testinfra.host import Host

from roles.environment import ROLE_TESTS
from roles.machines import Machines
from roles.probes import given, play

CONVERGE = ROLE_TESTS / "molecule" / "agent" / "converge.yml"
CODE, MEDIUM, PATTERNS = "131041", "/run/renkei-medium", "/var/lib/clamav/renkei.hdb"
AS_AGENT = "runuser --user=renkei-agent --"


@pytest.fixture(scope="module")
def terminal(machine: Machines) -> Host:
    return machine("m131041-terminal")


@pytest.fixture(scope="module", autouse=True)
def required(terminal: Host) -> Iterator[None]:
    """The terminal as the role makes it where a scan is required, and afterwards as it was."""
    limit = ("--limit", "m131041-terminal,moj-linkage")
    made = play(CONVERGE, *limit, "--extra-vars", "agent_media_scan=required")
    assert made.returncode == 0, made.stdout
    assert 'scan = "required"' in terminal.file("/etc/renkei/agent.toml").content_string
    yield
    assert play(CONVERGE, *limit).returncode == 0


@pytest.fixture
def export(machine: Machines, terminal: Host) -> Callable[[], str]:
    """Writes a medium at the ministry and brings it to the terminal; gives the export's folder there."""
    linkage = machine("moj-linkage")

    def write() -> str:
        for host in (linkage, terminal):
            host.check_output(f"rm --recursive --force {MEDIUM} && install -d -o renkei-agent -g renkei-agent {MEDIUM}")
        linkage.check_output(f"renkei-agent media register {MEDIUM} --label=scanned --to={CODE}")
        written = json.loads(linkage.check_output(f"renkei-agent media export {MEDIUM} --to={CODE} --json"))
        carried = linkage.check_output(f"tar --create --gzip --directory={MEDIUM} . | base64 --wrap=0")
        given(terminal, carried, f"base64 --decode | {AS_AGENT} tar --extract --gzip --directory={MEDIUM}")
        return f"{MEDIUM}/{written['folder']}"

    return write


def make_known(terminal: Host, path: str) -> None:
    """Add a pattern by which ClamAV knows files of exactly this content: MD5:LENGTH:NAME."""
    pattern = f'echo "$(md5sum <{path} | cut -d" " -f1):$(stat --format=%s {path}):Renkei.Test" >>{PATTERNS}'
    terminal.run_expect([0], "sh -c %s", pattern)


def brought(terminal: Host) -> CommandResult:
    return terminal.run(f"renkei-agent media import {MEDIUM} --json")


def test_without_a_scanner_nothing_is_taken(terminal: Host, export: Callable[[], str]) -> None:
    folder = export()
    assert not terminal.exists("clamscan"), "the role installs no scanner: which one is the machine's own business"
    told = brought(terminal)
    assert told.rc != 0
    assert "a scan is required, but clamscan isn't installed; nothing was taken" in told.stderr
    assert terminal.file(folder).is_directory


@pytest.fixture(scope="module")
def scanner(terminal: Host) -> None:
    """Debian's ClamAV, kept from fetching patterns, with one for something that is on no medium."""
    terminal.check_output("systemctl mask clamav-freshclam.service")
    install = "DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends clamav >/dev/null"
    terminal.check_output(install)
    given(terminal, "malware", "tee /run/malware >/dev/null")
    make_known(terminal, "/run/malware")
    assert terminal.check_output("ls /var/lib/clamav") == "renkei.hdb"


@pytest.mark.usefixtures("scanner")
def test_a_clean_medium_is_scanned_and_taken(terminal: Host, export: Callable[[], str]) -> None:
    folder = export()
    told = brought(terminal)
    assert told.rc == 0, told.stderr
    outcome = json.loads(told.stdout)
    assert (outcome["exports"], outcome["refused"], outcome["scanned"]) == (1, 0, True)
    assert not terminal.file(folder).exists


@pytest.mark.usefixtures("scanner")
def test_what_a_pattern_knows_is_refused_and_alarmed_and_stays_on_the_medium(
    terminal: Host, export: Callable[[], str]
) -> None:
    folder = export()
    make_known(terminal, f"{folder}/cover.json")
    told = brought(terminal)
    outcome = json.loads(told.stdout)
    assert (told.rc, outcome["exports"], outcome["refused"]) == (1, 0, 1)
    alarms = json.loads(terminal.run("renkei-agent status --json").stdout)["alarms"]
    found = [alarm["text"] for alarm in alarms if alarm["kind"] == "malware"]
    assert len(found) == 1
    assert "Renkei.Test" in found[0]
    assert terminal.file(folder).is_directory
    terminal.check_output("renkei-agent acknowledge")
