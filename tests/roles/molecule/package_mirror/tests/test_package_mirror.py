"""What the mirror gives, what it refuses, and how far its own service can reach."""

from collections.abc import Iterator

import pytest

from roles.machines import Machines, wait_until

MIRROR, CLIENT = "asp-mirror", "asp-hub"
RELEASES = "/var/lib/renkei-releases"

_ASK_TIME = """
import socket, struct, sys, time
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
    udp.settimeout(3)
    udp.sendto(b"\\x23" + 47 * b"\\0", (sys.argv[1], 123))
    answer = udp.recv(48)
print(answer[1], abs(struct.unpack("!I", answer[40:44])[0] - 2208988800 - time.time()) < 2)
"""

_ASK_TUNNEL = """
import socket, sys
with socket.create_connection((sys.argv[1], 3142), 5) as line:
    line.sendall(b"CONNECT deb.debian.org:443 HTTP/1.1\\r\\nHost: deb.debian.org:443\\r\\n\\r\\n")
    print(line.recv(64).split()[1].decode())
"""


@pytest.fixture(scope="module")
def mirror(machine: Machines) -> str:
    """The address at which the client finds the mirror."""
    return machine.address(MIRROR, "lan0")


@pytest.fixture
def release(machine: Machines) -> Iterator[str]:
    machine(MIRROR).check_output("echo content > %s/test-1.0.tar.zst", RELEASES)
    yield "test-1.0.tar.zst"
    machine(MIRROR).check_output("rm %s/test-1.0.tar.zst", RELEASES)


def test_it_serves_the_repositories_of_its_own_sources(machine: Machines, mirror: str) -> None:
    sources = machine(MIRROR).check_output("apt-get indextargets --format '$(REPO_URI)dists/$(RELEASE)/InRelease'")
    for url in set(sources.splitlines()):
        answer = machine.fetch(CLIENT, url, proxy=f"http://{mirror}:3142")
        assert answer.status == 200, url
        assert answer.size > 1000, url


@pytest.mark.parametrize(
    "url",
    ["http://example.org/", "http://snapshot.debian.org/archive/debian/20250101T000000Z/dists/bookworm/InRelease"],
)
def test_it_fetches_from_nowhere_else(machine: Machines, mirror: str, url: str) -> None:
    assert machine.fetch(CLIENT, url, proxy=f"http://{mirror}:3142").status == 403


def test_it_makes_no_tls_tunnel(machine: Machines, mirror: str) -> None:
    assert machine(CLIENT).check_output("python3 -c %s %s", _ASK_TUNNEL, mirror) == "403"


def test_it_serves_releases(machine: Machines, mirror: str, release: str) -> None:
    assert machine.fetch(CLIENT, f"http://{mirror}:3142/releases/{release}").size == len("content\n")


@pytest.mark.parametrize(
    "path",
    [
        "acng-report.html",
        "acng-report.html?doExpire=Start",
        "acng-doc/",
        "releases/../../etc/passwd",
        "releases/%2e%2e/x",
    ],
)
def test_it_shows_neither_its_administration_nor_other_files(machine: Machines, mirror: str, path: str) -> None:
    assert machine.fetch(CLIENT, f"http://{mirror}:3142/{path}").status == 403


def test_it_listens_on_the_management_and_the_lan_address_only(machine: Machines, mirror: str) -> None:
    listening = machine(MIRROR).check_output("ss --no-header --listening --numeric --tcp 'sport = 3142'")
    found = {line.split()[3] for line in listening.splitlines()}
    assert found == {f"{mirror}:3142", f"{machine.address(MIRROR, 'mgmt0')}:3142"}


@pytest.mark.parametrize("folder", ["/etc", RELEASES, "/var/lib", "/usr/local/bin"])
def test_its_service_writes_nowhere_but_into_its_cache_and_log(machine: Machines, folder: str) -> None:
    assert machine.touch(MIRROR, "apt-cacher-ng.service", "/var/cache/apt-cacher-ng/test") == ""
    assert "Read-only file system" in machine.touch(MIRROR, "apt-cacher-ng.service", f"{folder}/test")


def test_its_service_has_no_privilege_left(machine: Machines) -> None:
    pid = machine(MIRROR).check_output("systemctl show --property=MainPID --value apt-cacher-ng.service")
    status = machine(MIRROR).file(f"/proc/{pid}/status").content_string
    fields = dict(line.split(":\t", 1) for line in status.splitlines())
    assert int(fields["CapBnd"], 16) == 0
    assert fields["NoNewPrivs"] == "1"
    assert fields["Seccomp"] == "2"


def test_it_serves_time(machine: Machines, mirror: str) -> None:
    stratum, right = machine(CLIENT).check_output("python3 -c %s %s", _ASK_TIME, mirror).split()
    assert int(stratum) == 10
    assert right == "True"


def test_after_a_restart_it_serves_again(machine: Machines, mirror: str) -> None:
    machine.restart(MIRROR)
    wait_until(lambda: machine.connect(CLIENT, mirror, 3142) == "open")
    wait_until(lambda: machine(CLIENT).run("python3 -c %s %s", _ASK_TIME, mirror).rc == 0)
