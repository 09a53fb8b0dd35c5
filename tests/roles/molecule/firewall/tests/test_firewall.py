"""What a flow names passes and is counted; everything else is dropped and written down; nobody locks himself out."""

import json
import socket
from typing import Any

import pytest

from roles.machines import Machines, wait_until

TERMINAL, REGISTER = "m131041-terminal", "m131041-register"
ON_THE_WAY = ("m131041-firewall", "m131041-router", "asp-router", "asp-firewall")


def drop_of(machine: Machines, name: str, prefix: str, **fields: Any) -> dict[str, Any]:
    """Wait for the line that a host writes about a dropped packet."""
    wanted = {"oob.prefix": prefix, **fields}

    def found() -> dict[str, Any] | None:
        return next((line for line in machine.drops(name) if wanted.items() <= line.items()), None)

    drop: dict[str, Any] = wait_until(found, 10)
    return drop


def spoofs_refused(machine: Machines) -> int:
    """Count what the terminal's firewall refused because no way leads back to its source by where it came in."""
    name = "TcpExtIPReversePathFilter"
    said = machine("m131041-firewall").check_output("nstat --json --zeros --ignore --noupdate %s", name)
    return int(json.loads(said)["kernel"][name])


def gets_in(address: str) -> bool:
    """Tell whether the controller can open a new connection to a host's sshd."""
    try:
        with socket.create_connection((address, 22), 2) as line:
            line.settimeout(5)
            return line.recv(4) == b"SSH-"
    except OSError:
        return False


def test_a_packet_that_a_flow_names_passes_and_every_host_on_its_way_counts_it(machine: Machines) -> None:
    hosts = (TERMINAL, *ON_THE_WAY, "asp-mirror")

    def counted() -> dict[str, int]:
        before = {name: machine.counter(name, "flow-packages") for name in hosts}
        assert machine.connect(TERMINAL, machine.address("asp-mirror", "lan0"), 3142) == "open"
        return {name: machine.counter(name, "flow-packages") - before[name] for name in hosts}

    # at the ASP others may fetch at the same moment
    wait_until(lambda: counted() == dict.fromkeys(hosts, 1), 60)


def test_a_packet_that_no_flow_names_does_not_leave_and_is_written_down(machine: Machines) -> None:
    hub = machine.address("asp-hub", "lan0")
    before = machine.counter(TERMINAL, "dropped-output")
    assert machine.connect(TERMINAL, hub, 8080) == "silence"
    assert machine.counter(TERMINAL, "dropped-output") > before
    assert drop_of(machine, TERMINAL, "output", dest_ip=hub, dest_port=8080)["oob.out"] == "lan0"


def test_a_conquered_terminal_gets_no_further_than_its_firewall(machine: Machines) -> None:
    hub = machine.address("asp-hub", "lan0")
    before = machine.counter("m131041-router", "dropped-forward")
    with machine.conquered(TERMINAL):
        assert machine.connect(TERMINAL, hub, 8081) == "silence"
    drop = drop_of(machine, "m131041-firewall", "forward", dest_ip=hub, dest_port=8081)
    assert (drop["oob.in"], drop["oob.out"], drop["src_ip"]) == ("lan0", "edge0", machine.address(TERMINAL, "lan0"))
    assert machine.counter("m131041-router", "dropped-forward") == before


def test_a_conquered_terminal_does_not_reach_the_firewall_itself(machine: Machines) -> None:
    firewall = machine.address("m131041-firewall", "lan0")
    with machine.conquered(TERMINAL):
        assert machine.connect(TERMINAL, firewall, 22) == "silence"
    assert drop_of(machine, "m131041-firewall", "input", dest_ip=firewall, dest_port=22)["oob.in"] == "lan0"


def test_a_conquered_neighbour_can_not_pretend_to_be_somebody_else(machine: Machines) -> None:
    mirror, foreign = machine.address("asp-mirror", "lan0"), machine.address("moj-linkage", "lan0")
    before, refused_before = machine.counter("m131041-router", "flow-packages"), spoofs_refused(machine)
    machine(TERMINAL).check_output("ip address add %s/32 dev lo", foreign)
    with machine.conquered(TERMINAL):
        spoof = "import socket, sys; socket.create_connection((sys.argv[1], 3142), 2, (sys.argv[2], 0))"
        assert machine(TERMINAL).run("python3 -c %s %s %s", spoof, mirror, foreign).rc != 0
    machine(TERMINAL).check_output("ip address del %s/32 dev lo", foreign)
    assert spoofs_refused(machine) > refused_before
    assert machine.counter("m131041-router", "flow-packages") == before


def test_ipv6_is_dropped_even_where_somebody_gives_it_an_address(machine: Machines) -> None:
    ends = {TERMINAL: "fd00:db8::1", "m131041-firewall": "fd00:db8::2"}
    before = machine.counter("m131041-firewall", "dropped-ipv6")
    for name, address in ends.items():
        machine(name).check_output("ip address add %s/64 dev lan0 nodad", address)
    try:
        assert machine(TERMINAL).run("ping -6 -c 2 -i 0.2 -W 1 %s", ends["m131041-firewall"]).rc != 0
        assert drop_of(machine, TERMINAL, "ipv6")
        with machine.conquered(TERMINAL):
            machine(TERMINAL).check_output("nft insert rule inet renkei input accept")
            assert machine(TERMINAL).run("ping -6 -c 2 -i 0.2 -W 1 %s", ends["m131041-firewall"]).rc != 0
    finally:
        for name, address in ends.items():
            machine(name).check_output("ip address del %s/64 dev lan0", address)
    assert machine.counter("m131041-firewall", "dropped-ipv6") > before


def test_a_rotated_log_goes_on(machine: Machines) -> None:
    machine(TERMINAL).check_output("logrotate --force /etc/logrotate.d/ulogd2")
    machine.connect(TERMINAL, machine.address("asp-hub", "lan0"), 8082)
    assert drop_of(machine, TERMINAL, "output", dest_port=8082)


def test_rules_that_lock_the_controller_out_are_taken_back(machine: Machines) -> None:
    register, address = machine(REGISTER), machine.address(REGISTER, "mgmt0")
    kept = register.file("/etc/renkei/firewall/rules.nft").content_string
    assert gets_in(address)
    register.check_output("sed '/mgmt0/d' /etc/renkei/firewall/rules.nft > /etc/renkei/firewall/candidate.nft")
    assert register.check_output("renkei-firewall try 5") == "on trial"
    assert not gets_in(address)
    wait_until(lambda: gets_in(address), 30)
    assert register.file("/etc/renkei/firewall/rules.nft").content_string == kept
    assert not register.file("/etc/renkei/firewall/candidate.nft").exists


def test_rules_on_trial_do_not_outlive_a_restart(machine: Machines) -> None:
    register = machine(REGISTER)
    kept = register.file("/etc/renkei/firewall/rules.nft").content_string
    register.check_output("sed '/mgmt0/d' /etc/renkei/firewall/rules.nft > /etc/renkei/firewall/candidate.nft")
    register.check_output("renkei-firewall try 600")
    machine.restart(REGISTER)
    wait_until(lambda: gets_in(machine.address(REGISTER, "mgmt0")))
    assert register.file("/etc/renkei/firewall/rules.nft").content_string == kept


def test_a_restarted_firewall_filters_and_forwards_again(machine: Machines) -> None:
    machine.restart("m131041-firewall")
    mirror = machine.address("asp-mirror", "lan0")
    wait_until(lambda: machine.connect(TERMINAL, mirror, 3142) == "open")
    assert machine.counter("m131041-firewall", "flow-packages") > 0


@pytest.mark.parametrize(
    ("name", "forwards"), [("m131041-firewall", 1), ("m131041-router", 1), (TERMINAL, 0), ("asp-mirror", 0)]
)
def test_only_routers_and_firewalls_pass_packets_on(machine: Machines, name: str, forwards: int) -> None:
    assert machine(name).sysctl("net.ipv4.ip_forward") == forwards


def test_a_firewall_without_rules_forwards_nothing(machine: Machines) -> None:
    firewall = machine("m131041-firewall")
    firewall.check_output("mv /etc/renkei/firewall/rules.nft /etc/renkei/firewall/lost.nft")
    try:
        machine.restart("m131041-firewall")
        assert not firewall.service("renkei-firewall.service").is_running
        assert firewall.sysctl("net.ipv4.ip_forward") == 0
    finally:
        firewall.check_output("mv /etc/renkei/firewall/lost.nft /etc/renkei/firewall/rules.nft")
        firewall.check_output("systemctl restart renkei-firewall.service")
    assert firewall.sysctl("net.ipv4.ip_forward") == 1
