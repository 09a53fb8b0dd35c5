"""No host reaches what no flow names, and a stranger's certificate gets nowhere: tried from every host of the lab."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from renkei.cli.kit import FLEET
from renkei.fleet.addresses import dotted
from renkei.fleet.loader import load_fleet
from renkei.fleet.model import Fleet, Host
from renkei.fleet.policy import pairs
from renkei.lab import Lab

PORTS = (22, 80, 443, 445, 3142, 8443, 8444)

#: Tries to open all connections at once and prints those that got an answer, be it a refusal: a drop gives none.
_PROBE = """
import errno, json, selectors, socket, sys, time
targets, answered = json.load(sys.stdin), []
waiting = selectors.DefaultSelector()
for target in targets:
    family = socket.AF_INET6 if ":" in target[0] else socket.AF_INET
    connection = socket.socket(family, socket.SOCK_STREAM)
    connection.setblocking(False)
    if connection.connect_ex(tuple(target)) == errno.EINPROGRESS:
        waiting.register(connection, selectors.EVENT_WRITE, target)
end = time.monotonic() + 4
while waiting.get_map() and (left := end - time.monotonic()) > 0:
    for key, _ in waiting.select(left):
        error = key.fileobj.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error in (0, errno.ECONNREFUSED):
            answered.append(key.data)
        waiting.unregister(key.fileobj)
        key.fileobj.close()
print(json.dumps(answered))
"""


@pytest.fixture(scope="module")
def fleet() -> Fleet:
    return load_fleet(FLEET)


def probe(lab: Lab, host: str, targets: list[tuple[str, int]]) -> set[tuple[str, int]]:
    answered = lab.exec(host, ["python3", "-c", _PROBE], stdin=json.dumps(targets).encode())
    return {(address, port) for address, port in json.loads(answered)}


def declared(fleet: Fleet, host: Host) -> set[tuple[str, int]]:
    """Address and port of every connection that a flow lets this host open to another host."""
    allowed = set()
    for flow in fleet.flows:
        if flow.protocol != "tcp":
            continue
        for source, destination in pairs(fleet, flow):
            if source is host and destination is not None:
                management = flow.plane == "management"
                address = destination.management if management else destination.addresses[destination.part.uplink]
                allowed |= {
                    (dotted(address), port) for ports in flow.ports for port in range(ports.first, ports.last + 1)
                }
    return allowed


def test_every_host_reaches_exactly_what_its_flows_name(lab: Lab, fleet: Fleet) -> None:
    addresses = {host.name: {dotted(address) for address in host.addresses.values()} for host in fleet.hosts.values()}

    def differences(host: Host) -> dict[str, set[tuple[str, int]]]:
        others = [address for name, own in addresses.items() if name != host.name for address in own]
        reached = probe(lab, host.name, [(address, port) for address in others for port in PORTS])
        wanted = {target for target in declared(fleet, host) if target[1] in PORTS}
        return {"too much": reached - wanted, "too little": wanted - reached}

    with ThreadPoolExecutor(4) as pool:
        found = dict(zip(fleet.hosts, pool.map(differences, fleet.hosts.values()), strict=True))
    assert {name: wrong for name, wrong in found.items() if any(wrong.values())} == {}


def test_ipv6_is_dropped_between_neighbours(lab: Lab) -> None:
    for near, far in (
        ("m131041-terminal", "m131041-firewall"),
        ("m131041-firewall", "m131041-router"),
        ("asp-hub", "asp-firewall"),
    ):
        leg = next(leg for leg in lab.plan.host(near).legs if leg.interface in {"lan0", "edge0"})
        other = next(each for each in lab.plan.host(far).legs if each.network == leg.network)
        assert leg.ipv6 is not None
        assert other.ipv6 is not None
        switches = [
            (host, f"net.ipv6.conf.{its.interface}.disable_ipv6", its.ipv6) for host, its in ((near, leg), (far, other))
        ]
        before = [lab.exec(host, ["sysctl", "-n", switch]).strip() for host, switch, _ in switches]
        try:
            for host, switch, address in switches:
                lab.exec(host, ["sysctl", "-qw", f"{switch}=0"])
                lab.exec(host, ["ip", "-6", "address", "replace", str(address), "dev", switch.split(".")[3], "nodad"])
            assert probe(lab, near, [(str(other.ipv6.ip), port) for port in (22, 443)]) == set()
        finally:
            for (host, switch, _), value in zip(switches, before, strict=True):
                lab.exec(host, ["sysctl", "-qw", f"{switch}={value}"])


def test_a_foreign_certificate_gets_nowhere(lab: Lab) -> None:
    """A stranger in a terminal's place, with a certificate of his own making, doesn't get past the gateway."""
    script = """
set -e
cd "$(mktemp -d)"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=131041 -days 2 \\
  -keyout key.pem -out cert.pem 2>/dev/null
python3 - <<'PYTHON'
import socket, ssl
context = ssl.create_default_context(cafile="/etc/renkei/pki/root.pem")
context.load_cert_chain("cert.pem", "key.pem")
with socket.create_connection(("gateway.asp.renkei.test", 8443), timeout=10) as line:
    with context.wrap_socket(line, server_hostname="gateway.asp.renkei.test") as tls:
        try:
            tls.sendall(b"GET /v1/hub HTTP/1.1\\r\\nHost: gateway.asp.renkei.test\\r\\nConnection: close\\r\\n\\r\\n")
            print(tls.recv(100).split(b"\\r\\n")[0].decode() or "closed")
        except (ssl.SSLError, ConnectionError) as error:
            print("refused", error)
PYTHON
"""
    answer = lab.exec("m131041-terminal", ["sh", "-c", script])
    assert answer.strip() == "HTTP/1.1 403 Forbidden"
