"""The hosts of the scenarios' lab, as the verifications reach them: as root, past their networks and packet filters."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from testinfra.host import Host

from renkei.fleet.model import Fleet
from renkei.fleet.variables import host_variables
from roles.entering import EnteringBackend

DROPS = "/var/log/ulog/renkei-drops.json"

#: Opens a connection and says what came of it: `open`, `refused` (somebody answered) or `silence`.
_CONNECT = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), 2).close()
    print("open")
except ConnectionRefusedError:
    print("refused")
except OSError:
    print("silence")
"""


#: Fetches a URL, by a proxy if one is given; prints the status, the number of bytes and the seconds.
_FETCH = """
import sys, time, urllib.error, urllib.request
proxies = {"http": sys.argv[2]} if len(sys.argv) > 2 else {}
opener = urllib.request.build_opener(urllib.request.ProxyHandler(proxies))
started = time.monotonic()
try:
    with opener.open(sys.argv[1], timeout=20) as answer:
        print(answer.status, len(answer.read()), time.monotonic() - started)
except urllib.error.HTTPError as refusal:
    print(refusal.code, 0, time.monotonic() - started)
"""


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came of a request: HTTP status, bytes of the body, seconds."""

    status: int
    size: int
    seconds: float


def wait_until(condition: Callable[[], Any], seconds: float = 30) -> Any:
    """Ask until the answer is true and give it; fail after so many seconds."""
    end = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < end, f"it didn't come true in {seconds} seconds"
        time.sleep(0.3)
    return answer


@dataclass(frozen=True, slots=True)
class Machines:
    """All of them; one by its name in the inventory."""

    fleet: Fleet

    def __call__(self, name: str) -> Host:
        """Give a host to testinfra."""
        return Host(EnteringBackend(self._container(name)))

    def running(self, name: str) -> Host:
        """Give a host to testinfra once it runs: another scenario may be restarting it."""
        host = self(name)
        wait_until(lambda: host.run("true").rc == 0)
        return host

    def address(self, name: str, interface: str) -> str:
        """Give an interface's address, without the prefix length."""
        legs = host_variables(self.fleet, self.fleet.hosts[name])["renkei_interfaces"]
        return next(str(leg["address"]).partition("/")[0] for leg in legs if leg["name"] == interface)

    def put(self, name: str, source: Path, target: str) -> None:
        """Put a file of the controller onto a host."""
        done = self(name).backend.run_local("podman cp %s %s", str(source), f"{self._container(name)}:{target}")
        assert done.rc == 0, done.stderr

    def restart(self, name: str) -> None:
        """Reboot a host and wait until it has started all that it starts."""
        self(name).backend.run_local("podman restart --time=10 %s", self._container(name))
        wait_until(lambda: self(name).run("systemctl is-system-running").stdout.strip() in {"running", "degraded"}, 60)

    def beside(self, name: str, command: list[str], folder: Path) -> str:
        """Run a program of the controller as if it stood beside a host: its networks, and the names that it knows."""
        hosts = folder / "hosts"
        hosts.write_text(self(name).file("/etc/hosts").content_string)
        pid = self(name).backend.run_local("podman inspect --format {{.State.Pid}} %s", self._container(name)).stdout
        inside = "mount --bind %s /etc/hosts && exec nsenter --net=/proc/%s/ns/net --wdns=/ " + " ".join(
            ["%s"] * len(command)
        )
        script = self(name).backend.get_command(inside, str(hosts), pid.strip(), *command)
        done = self(name).backend.run_local("unshare --mount sh -c %s", script)
        assert done.rc == 0, done.stdout + done.stderr
        return str(done.stdout)

    def connect(self, name: str, address: str, port: int) -> str:
        """Let a host open a TCP connection: `open`, `refused` or `silence`."""
        return str(self(name).check_output("python3 -c %s %s %s", _CONNECT, address, str(port)))

    def fetch(self, name: str, url: str, *, proxy: str | None = None) -> Fetched:
        """Let a host fetch a URL."""
        arguments = [url, proxy] if proxy else [url]
        said = self(name).check_output(f"python3 -c %s{' %s' * len(arguments)}", _FETCH, *arguments).split()
        return Fetched(int(said[0]), int(said[1]), float(said[2]))

    @contextmanager
    def conquered(self, name: str) -> Iterator[None]:
        """Let a host send whatever it likes, as if somebody had taken it over: others must stop it."""
        self(name).check_output("nft insert rule inet renkei output accept")
        try:
            yield
        finally:
            self(name).check_output("renkei-firewall load")

    def touch(self, name: str, unit: str, path: str) -> str:
        """Let root write a file where a unit's sandbox puts it; give what the system said, nothing if it let it."""
        pid = self(name).check_output("systemctl show --property=MainPID --value %s", unit)
        local = self(name).backend.run_local
        pairs = local("podman top %s pid hpid", self._container(name)).stdout.splitlines()
        outer = next(line.split()[1] for line in pairs if line.split()[0] == pid)
        return str(local("nsenter --target=%s --mount touch %s", outer, path).stderr)

    def counter(self, name: str, counter: str) -> int:
        """Read how many packets a host's packet filter counted."""
        listing = json.loads(self(name).check_output("nft --json list counter inet renkei %s", counter))
        return int(listing["nftables"][-1]["counter"]["packets"])

    def drops(self, name: str) -> list[dict[str, Any]]:
        """Read what a host's packet filter wrote of the packets that it dropped."""
        return [json.loads(line) for line in self(name).file(DROPS).content_string.splitlines()]

    def _container(self, name: str) -> str:
        return f"renkei-{self.fleet.settings.name}-{name}"
