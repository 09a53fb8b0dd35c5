"""The lab itself, before any role has run: a small fleet of its own, made, attacked, broken, mended and removed."""

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from renkei.lab import Lab, LabError, fleets_of, take_down
from renkei.lab.containers import find_containers, find_networks
from renkei.lab.podman import podman, run
from renkei.lab.readiness import wait_until_ready

ROOT = Path(__file__).parents[2]
PREFIX = "renkei-hosts-"
OUTSIDE = "renkei-outside"
OUTSIDE_ADDRESS, MACHINE_ADDRESS = "198.51.100.2", "198.51.100.1"
_KERNEL = ("/proc/sys/net/ipv4/ip_forward", "/proc/sys/fs/inotify/max_user_instances")

#: Answers each connection with the address it comes from.
_SERVER = """
import socket, sys
server = socket.create_server((sys.argv[1], int(sys.argv[2])))
print("listening", flush=True)
while True:
    connection, peer = server.accept()
    connection.sendall(peer[0].encode())
    connection.close()
"""


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The fleet of the roles' tests, under another name and in supernets of its own."""
    folder = tmp_path_factory.mktemp("fleet") / "hosts"
    shutil.copytree(ROOT / "tests" / "roles" / "fleet", folder)
    text = (folder / "fleet.yml").read_text()
    for old, new in {
        "name: roles": "name: hosts",
        "../../../inventory": str(ROOT / "inventory"),
        "10.128.0.0/10": "10.192.0.0/11",
        "172.24.0.0/15": "172.28.0.0/16",
        "10.48.0.0/12": "10.224.0.0/13",
        "10.31.255.6/30": "10.31.255.10/30",
        "10.31.255.5": "10.31.255.9",
    }.items():
        assert old in text
        text = text.replace(old, new)
    (folder / "fleet.yml").write_text(text)
    return folder


@pytest.fixture(scope="module")
def before() -> dict[str, set[str]]:
    """What there was on the machine before this lab; requested before the lab is made."""
    return traces()


@pytest.fixture(scope="module")
def little(before: dict[str, set[str]], fleet: Path) -> Iterator[Lab]:
    assert before
    lab = Lab(fleet, ROOT)
    lab.up()
    yield lab
    lab.down()


@pytest.fixture
def outside() -> Iterator[None]:
    """A server beyond the machine, in a network namespace of its own."""
    run(["ip", "netns", "add", OUTSIDE])
    server = None
    try:
        run(["ip", "link", "add", "rk-outside", "type", "veth", "peer", "name", "eth0", "netns", OUTSIDE])
        run(["ip", "address", "add", f"{MACHINE_ADDRESS}/30", "dev", "rk-outside"])
        run(["ip", "link", "set", "rk-outside", "up"])
        run(["ip", "-n", OUTSIDE, "address", "add", f"{OUTSIDE_ADDRESS}/30", "dev", "eth0"])
        run(["ip", "-n", OUTSIDE, "link", "set", "eth0", "up"])
        # Without NAT on the machine, answers would find their way all the same.
        run(["ip", "-n", OUTSIDE, "route", "add", "default", "via", MACHINE_ADDRESS])
        argv = ["ip", "netns", "exec", OUTSIDE, "python3", "-c", _SERVER, OUTSIDE_ADDRESS, "80"]
        server = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
        assert server.stdout is not None
        assert server.stdout.readline() == "listening\n"
        yield
    finally:
        if server:
            server.kill()
            server.wait()
        run(["ip", "link", "delete", "rk-outside"])  # the namespace goes later, when the kernel finds time
        run(["ip", "netns", "delete", OUTSIDE])


def traces() -> dict[str, set[str]]:
    """Everything of a lab that could stay behind on the machine."""
    return {
        "containers": set(find_containers()),
        "networks": set(find_networks()) - {"podman"},  # listed by podman whether it exists or not
        "tables": set(run(["nft", "list", "tables"]).splitlines()),
        # Podman's own ends of containers' cables come and go with their containers.
        "links": {link.name for link in Path("/sys/class/net").iterdir() if not link.name.startswith("veth")},
        "kernel": {f"{path}={Path(path).read_text().strip()}" for path in _KERNEL},
        "runtime": {str(path) for path in Path("/run/renkei").rglob("*") if not path.is_socket()},
        "images": set(
            podman("image", "ls", "--no-trunc", "--format", "{{.ID}}", "--filter", "label=renkei.image").split()
        ),
    }


def answer(lab: Lab, host: str, address: str, port: int) -> str | None:
    """What a TCP server says to a host, or None where there is no way to it."""
    code = (
        "import socket, sys\n"
        f"with socket.create_connection(({address!r}, {port}), timeout=1.5) as c: print(c.recv(64).decode(), end='')"
    )
    try:
        return lab.exec(host, ["python3", "-c", code])
    except LabError:
        return None


def pings(lab: Lab, host: str, address: str) -> bool:
    try:
        lab.exec(host, ["ping", "-c1", "-W1", address])
    except LabError:
        return False
    return True


def ssh(lab: Lab, host: str, command: str) -> str:
    return run(["ssh", "-F", str(lab.keys.config), "-o", "BatchMode=yes", host, command], timeout=20)


def address_on(lab: Lab, host: str, interface: str) -> str:
    return next(str(leg.ipv4.ip) for leg in lab.plan.host(host).legs if leg.interface == interface)


@contextmanager
def listening(lab: Lab, host: str, port: int) -> Iterator[None]:
    """A TCP server on all addresses of a host."""
    unit = f"listen-{port}"
    lab.exec(host, ["systemd-run", "--quiet", f"--unit={unit}", "python3", "-c", _SERVER, "", str(port)])
    try:
        own = str(lab.plan.host(host).address)
        assert any(answer(lab, host, own, port) == own for _ in range(20))
        yield
    finally:
        lab.exec(host, ["systemctl", "stop", unit])


def await_boot(lab: Lab, host: str) -> None:
    container = find_containers()[lab.plan.host(host).container]
    assert wait_until_ready(lab.plan.host(host).address, container.root, seconds=60)


def test_every_host_lets_the_controller_in_and_nobody_as_root(little: Lab) -> None:
    for host in little.plan.hosts:
        assert ssh(little, host.name, "sudo id -un; hostname").split() == ["root", host.name]
    with pytest.raises(LabError, match="Permission denied"):
        run(
            [
                "ssh",
                "-F",
                str(little.keys.config),
                "-o",
                "BatchMode=yes",
                "-o",
                "ControlPath=none",
                "-l",
                "root",
                "asp-hub",
                "id",
            ]
        )


def test_a_host_with_another_key_is_not_talked_to(little: Lab, tmp_path: Path) -> None:
    known = (little.keys.folder / "known_hosts").read_text().splitlines()
    keys = {line.split()[2] for line in known}
    assert len(keys) == len(little.plan.hosts)
    swapped = tmp_path / "known_hosts"
    names, other = known[0].split()[0], known[1].split()[2]
    swapped.write_text(f"{names} ssh-ed25519 {other}\n")
    options = ["-o", "BatchMode=yes", "-o", "ControlPath=none", "-o", f"UserKnownHostsFile={swapped}"]
    with pytest.raises(LabError, match="verification failed"):
        run(["ssh", "-F", str(little.keys.config), *options, little.plan.hosts[0].name, "true"])


def test_no_two_hosts_have_the_same_machine_id(little: Lab) -> None:
    ids = {little.exec(host.name, ["cat", "/etc/machine-id"]) for host in little.plan.hosts}
    assert len(ids) == len(little.plan.hosts)


def test_all_units_of_a_fresh_host_are_well(little: Lab) -> None:
    assert [host.name for host in little.status() if not host.is_good] == []


def test_neighbours_on_a_site_network_reach_each_other(little: Lab) -> None:
    assert pings(little, "m131041-terminal", address_on(little, "m131041-firewall", "lan0"))
    assert pings(little, "asp-router", address_on(little, "moj-router", "wan0"))


def test_hosts_do_not_reach_each_other_by_management(little: Lab) -> None:
    terminal, hub = (address_on(little, host, "mgmt0") for host in ("m131041-terminal", "asp-hub"))
    for source, target in (("asp-hub", terminal), ("m131041-terminal", hub), ("asp-mirror", hub)):
        assert not pings(little, source, target)
        assert answer(little, source, target, 22) is None
    link_local = (
        little.exec("asp-hub", ["sh", "-c", "ip -6 -brief address show dev mgmt0 scope link"])
        .split()[2]
        .partition("/")[0]
    )
    assert not pings(little, "m131041-terminal", f"{link_local}%mgmt0")


def test_a_changed_address_does_not_open_management(little: Lab) -> None:
    little.exec("m131041-terminal", ["ip", "address", "add", "10.99.0.1/24", "dev", "mgmt0"])
    little.exec("asp-hub", ["ip", "address", "add", "10.99.0.2/24", "dev", "mgmt0"])
    try:
        assert not pings(little, "m131041-terminal", "10.99.0.2")
    finally:
        little.exec("m131041-terminal", ["ip", "address", "delete", "10.99.0.1/24", "dev", "mgmt0"])
        little.exec("asp-hub", ["ip", "address", "delete", "10.99.0.2/24", "dev", "mgmt0"])


def test_hosts_reach_the_mirrors_packages_by_management_and_nothing_else_of_it(little: Lab) -> None:
    mirror = address_on(little, "asp-mirror", "mgmt0")
    with listening(little, "asp-mirror", 3142), listening(little, "asp-mirror", 3143):
        assert answer(little, "m131041-terminal", mirror, 3142) == address_on(little, "m131041-terminal", "mgmt0")
        assert answer(little, "m131041-terminal", mirror, 3143) is None
        assert answer(little, "m131041-terminal", mirror, 22) is None


def test_hosts_cannot_begin_anything_with_the_controller(little: Lab) -> None:
    controller = str(little.plan.controller.ip)
    with socket.create_server((controller, 0)) as server:
        port = server.getsockname()[1]
        assert answer(little, "m131041-terminal", controller, port) is None
        assert answer(little, "asp-mirror", controller, port) is None


@pytest.mark.usefixtures("outside")
def test_the_mirror_reaches_the_outside_under_the_machines_address(little: Lab) -> None:
    assert answer(little, "asp-mirror", OUTSIDE_ADDRESS, 80) == MACHINE_ADDRESS


@pytest.mark.usefixtures("outside")
@pytest.mark.parametrize(
    ("host", "interface"),
    [
        ("m131041-terminal", "mgmt0"),
        ("m131041-terminal", "lan0"),
        ("m131041-register", "core0"),
        ("moj-router", "wan0"),
    ],
)
def test_no_other_host_reaches_the_outside_even_with_a_route_to_the_machine(
    little: Lab, host: str, interface: str
) -> None:
    assert answer(little, host, OUTSIDE_ADDRESS, 80) is None
    # The kernel answers ARP for any address it has on any interface, so this route does lead to the machine.
    route = [f"{OUTSIDE_ADDRESS}/32", "via", str(little.plan.controller.ip), "dev", interface, "onlink"]
    little.exec(host, ["ip", "route", "add", *route])
    try:
        assert answer(little, host, OUTSIDE_ADDRESS, 80) is None
    finally:
        little.exec(host, ["ip", "route", "delete", *route])


def test_a_host_cannot_change_the_machine(little: Lab) -> None:
    for attempt in ("date --set 2001-01-01", "echo 1 >/proc/sys/vm/overcommit_memory", "hwclock --systohc"):
        with pytest.raises(LabError):
            little.exec("m131041-terminal", ["sh", "-c", attempt])


def test_units_are_really_sandboxed(little: Lab) -> None:
    attempt = ["systemd-run", "--quiet", "--wait", "--pipe", "--property=ProtectSystem=strict", "touch", "/usr/x"]
    with pytest.raises(LabError, match="Read-only file system"):
        little.exec("asp-hub", attempt)


def test_a_second_up_changes_nothing(little: Lab) -> None:
    former = little.incarnations()
    assert not little.up().changed
    assert little.incarnations() == former


def test_after_a_reboot_only_what_is_configured_is_there(little: Lab) -> None:
    host = "m131041-router"
    fresh = network_of(little, host)
    boot = find_containers()[little.plan.host(host).container].started_at
    for command in (
        "nft add table inet leftover",
        "ip address add 10.99.0.1/24 dev edge0",
        "ip route add 10.98.0.0/24 via 10.99.0.2",
        "tc qdisc add dev wan0 root tbf rate 1mbit burst 10kb latency 50ms",
        "sysctl --write net.ipv4.ip_forward=1",
    ):
        little.exec(host, ["sh", "-c", command])
    assert network_of(little, host) != fresh
    former = little.incarnations()
    little.exec(host, ["systemctl", "reboot"])
    for _ in range(200):
        if find_containers()[little.plan.host(host).container].started_at != boot:
            break
    await_boot(little, host)
    assert network_of(little, host) == fresh
    assert little.incarnations() == former
    assert not little.up().changed


def network_of(lab: Lab, host: str) -> str:
    command = (
        "nft list ruleset; ip -brief -4 address; ip -4 route; tc qdisc | cut -d' ' -f2,4-; sysctl net.ipv4.ip_forward"
    )
    text = lab.exec(host, ["sh", "-c", command])
    return "\n".join(sorted(" ".join(line.split("@if")[-1].split()) for line in text.splitlines()))


@pytest.mark.usefixtures("outside")
def test_the_mirror_keeps_its_way_out_over_a_restart(little: Lab) -> None:
    podman("restart", "--time=2", f"{PREFIX}asp-mirror")
    await_boot(little, "asp-mirror")
    assert answer(little, "asp-mirror", OUTSIDE_ADDRESS, 80) == MACHINE_ADDRESS


def test_up_mends_what_is_missing_switched_off_or_cut(little: Lab) -> None:
    former = little.incarnations()
    podman("rm", "--force", "--time=0", f"{PREFIX}asp-hub")
    podman("stop", "--time=0", f"{PREFIX}moj-linkage")
    podman("network", "rm", "--force", f"{PREFIX}131041-core")
    little.exec("m131041-terminal", ["systemctl", "stop", "ssh"])
    run(["nft", "delete", "table", "bridge", little.plan.table])
    timings = little.up()
    assert set(timings.created) == {"asp-hub", "m131041-firewall", "m131041-register"}
    assert timings.started == ("moj-linkage",)
    assert timings.restarted == ("m131041-terminal",)
    assert {host for host, one in little.incarnations().items() if one != former[host]} == set(timings.created)
    for host in little.plan.hosts:
        assert ssh(little, host.name, "hostname").strip() == host.name
    assert not pings(little, "m131041-terminal", address_on(little, "asp-hub", "mgmt0"))


def test_a_lab_of_another_checkout_under_the_same_name_is_refused(little: Lab, tmp_path: Path) -> None:
    other = Lab(little.fleet_dir, tmp_path)
    former = little.incarnations()
    for attempt in (other.up, other.down):
        with pytest.raises(LabError, match=f"belongs to the checkout {ROOT}"):
            attempt()
    assert little.incarnations() == former


def test_down_leaves_nothing(little: Lab, before: dict[str, set[str]]) -> None:
    assert "hosts" in fleets_of(ROOT)
    take_down("hosts", ROOT)  # as `./kit down` does, with no more than its name
    assert "hosts" not in fleets_of(ROOT)
    assert {kind: found ^ before[kind] for kind, found in traces().items() if found != before[kind]} == {}
    assert not little.keys.folder.exists()
    little.down()  # and again, where there is nothing to remove
