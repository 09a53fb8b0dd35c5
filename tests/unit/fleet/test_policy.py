"""The rules of all hosts together let pass what the flows declare, and nothing else.

A packet is sent through a model of the fleet: each host routes it by the interfaces and routes that Ansible is told,
and filters it by the rules that the lookup gives. The model shares no code with the computation of paths.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Any

import pytest
from ruamel.yaml import YAML

from renkei.fleet.loader import load_fleet
from renkei.fleet.model import Fleet
from renkei.fleet.policy import Chain, check_policy, pairs, rule_variables, rules
from renkei.fleet.variables import interfaces

from .conftest import INVENTORY, Draft

_TCP, _UDP = (22, 53, 80, 443, 3142, 5432, 5986, 8443, 8444, 8530, 8531), (53, 123)
PORTS = [("tcp", port) for port in _TCP] + [("udp", port) for port in _UDP]
BEYOND = IPv4Address("198.51.100.7")
CONTROLLER = "controller"


@dataclass
class Machine:
    """A host as the model sees it: interfaces and rules as plain data."""

    name: str
    interfaces: list[dict[str, Any]]
    rules: list[dict[str, Any]]
    seen: dict[str, set[IPv4Network]] = field(default_factory=dict)

    @cached_property
    def addresses(self) -> dict[str, IPv4Address]:
        return {each["name"]: IPv4Interface(each["address"]).ip for each in self.interfaces}

    @cached_property
    def routes(self) -> list[tuple[IPv4Network, str, IPv4Address | None]]:
        """Network, interface, next hop: the longest prefix first."""
        found: list[tuple[IPv4Network, str, IPv4Address | None]] = []
        for each in self.interfaces:
            found.append((IPv4Interface(each["address"]).network, each["name"], None))
            if "gateway" in each:
                found.append((IPv4Network("0.0.0.0/0"), each["name"], IPv4Address(each["gateway"])))
            found += [
                (IPv4Network(route["to"]), each["name"], IPv4Address(route["via"])) for route in each.get("routes", [])
            ]
        return sorted(found, key=lambda route: -route[0].prefixlen)

    def way(self, to: IPv4Address) -> tuple[str, IPv4Address] | None:
        for network, name, via in self.routes:
            if to in network:
                return name, via or to
        return None

    def passes(self, chain: str, ways: tuple[str, str], ends: tuple[IPv4Address, IPv4Address], service: Any) -> bool:
        return any(
            (rule["chain"], rule["in_interface"], rule["out_interface"], rule["protocol"]) == (chain, *ways, service[0])
            and str(service[1]) in rule["ports"]
            and all(
                not rule[side] or any(end in IPv4Network(text) for text in rule[side])
                for side, end in zip(("sources", "destinations"), ends, strict=True)
            )
            for rule in self.rules
        )


class World:
    """All machines and the networks that join them."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.machines = {
            name: Machine(name, interfaces(fleet, host), [rule_variables(fleet, r) for r in rules(fleet, host)])
            for name, host in fleet.hosts.items()
        }
        self.owner = {
            address: (machine, name)
            for machine in self.machines.values()
            for name, address in machine.addresses.items()
        }

    def arrives(self, source: str, to: IPv4Address, service: tuple[str, int]) -> bool:
        """Tell whether a new connection from a host, or from the controller, reaches the address."""
        if source == CONTROLLER:
            sender = IPv4Address(self.fleet.settings.controller)
            machine, came_by = self.owner[to]
            return machine.passes("input", (came_by, ""), (sender, to), service)
        machine = self.machines[source]
        first = machine.way(to)
        if first is None:
            return False
        ends = (machine.addresses[first[0]], to)
        if not machine.passes("output", ("", first[0]), ends, service):
            return False
        out, next_hop = first
        for _ in self.machines:
            if next_hop not in self.owner:
                return out == "outside0"
            machine, came_by = self.owner[next_hop]
            assert came_by == out, f"{machine.name} is reached by {came_by} from a network called {out}"
            if to in machine.addresses.values():
                return machine.passes("input", (came_by, ""), ends, service)
            further = machine.way(to)
            if further is None or not machine.passes("forward", (came_by, further[0]), ends, service):
                return False
            out, next_hop = further
        raise AssertionError("the packet goes round in circles")


def declared(fleet: Fleet) -> Iterator[tuple[str, str, str, int, str]]:
    """What the flow file says, read anew: source, destination, protocol, port, plane; a core is its own site's only."""
    groups = {"all": list(fleet.hosts.values()), **fleet.groups}
    for flow in YAML(typ="safe").load(fleet.settings.policy)["flows"]:
        plane = flow.get("plane", "lgwan")
        sources = {host.name for name in flow["from"] for host in groups.get(name, [])} | (
            set(flow["from"]) - set(groups)
        )
        targets = {host.name for name in flow["to"] for host in groups.get(name, [])} | (set(flow["to"]) - set(groups))
        for source in sources:
            for target in targets - {source}:
                ends = [fleet.hosts[name] for name in (source, target) if name in fleet.hosts]
                in_core = plane == "lgwan" and any(end.part.uplink == "core0" for end in ends)
                if in_core and len({end.site.key for end in ends}) > 1:
                    continue
                for port in flow["ports"]:
                    yield source, target, flow["protocol"], port, plane


@pytest.fixture(scope="module")
def world(lab: Fleet) -> World:
    return World(lab)


@pytest.fixture
def world_of_two_hubs(draft: Draft) -> World:
    draft.add_databases()
    return World(load_fleet(draft.folder))


@pytest.mark.parametrize("of", ["world", "world_of_two_hubs"])
def test_exactly_the_declared_connections_pass(request: pytest.FixtureRequest, of: str) -> None:
    world: World = request.getfixturevalue(of)
    passed = set()
    for source in [*world.machines, CONTROLLER]:
        for to, (target, by) in world.owner.items():
            if target.name == source or (source == CONTROLLER and by != "mgmt0"):
                continue
            plane = "management" if by == "mgmt0" else "lgwan"
            passed |= {
                (source, target.name, *service, plane) for service in PORTS if world.arrives(source, to, service)
            }
        if source != CONTROLLER:
            passed |= {
                (source, "outside", *service, "lgwan") for service in PORTS if world.arrives(source, BEYOND, service)
            }
    assert passed == set(declared(world.fleet))


def test_a_register_sends_nothing_and_takes_its_own_terminal_at_its_share_alone(world: World) -> None:
    for machine in world.machines.values():
        if machine.name.endswith("-register"):
            shares = "m012271" not in machine.name  # there a medium is carried
            terminal = world.machines[machine.name.replace("register", "terminal")].addresses["lan0"]
            at_core = [rule for rule in machine.rules if "core0" in {rule["in_interface"], rule["out_interface"]}]
            found = [(rule["chain"], rule["sources"], rule["ports"]) for rule in at_core]
            assert found == ([("input", [str(terminal)], ["22"])] if shares else [])
            ways = [to for to, by, via in machine.routes if by == "core0" and via is not None]
            assert all(terminal in to for to in ways)
            assert len(ways) == shares


def test_a_forged_source_address_is_not_sent(world: World) -> None:
    terminal = world.machines["m131041-terminal"]
    hub = world.machines["asp-hub"].addresses["lan0"]
    right, forged = terminal.addresses["lan0"], world.machines["m011011-terminal"].addresses["lan0"]
    assert terminal.passes("output", ("", "lan0"), (right, hub), ("tcp", 8443))
    assert not terminal.passes("output", ("", "lan0"), (forged, hub), ("tcp", 8443))


@pytest.mark.parametrize(("host", "central"), [("asp-firewall", 4), ("asp-mirror", 6)])
def test_a_central_host_of_the_whole_country_has_few_rules_with_long_lists(
    sample: Fleet, host: str, central: int
) -> None:
    found = rules(sample, sample.hosts[host])
    assert len(found) <= len(sample.flows)
    packages = next(rule for rule in found if rule.flow == "packages" and rule.chain is not Chain.OUTPUT)
    covered = sum(IPv4Network(text).num_addresses for text in packages.sources)
    assert covered == 3 * 1892 + central


def test_an_asp_without_a_way_out_has_no_rules_for_one(draft: Draft) -> None:
    draft.edit("fleet.yml", "  outside:\n    address: 10.31.255.2/30\n    gateway: 10.31.255.1\n", "")
    world = World(load_fleet(draft.folder))
    mirror = world.machines["asp-mirror"]
    inside = {"time", "packages", "windows-updates", "provisioning", "provisioning-packages"}
    assert {rule["flow"] for rule in mirror.rules} == inside
    assert world.arrives("m131041-terminal", mirror.addresses["lan0"], ("tcp", 3142))
    assert not world.arrives("asp-mirror", BEYOND, ("tcp", 443))


def edit_flows(draft: Draft, text: str) -> None:
    file = draft.folder.parent / "policy" / "flows.yml"
    file.write_text("flows:\n" + text, encoding="utf-8")


FLOW = """
  - id: {id}
    why: For the sake of this test.
    from: [{source}]
    to: [{to}]
    protocol: tcp
    ports: [{ports}]
"""


def flow(source: str, to: str, name: str = "one", ports: str = "80") -> str:
    return FLOW.format(id=name, source=source, to=to, ports=ports)


def test_a_register_is_joined_with_the_terminal_of_its_own_site_only(draft: Draft) -> None:
    edit_flows(draft, flow("terminals", "registers"))
    fleet = load_fleet(draft.folder)
    joined = {(a.name, b.name) for a, b in pairs(fleet, fleet.flows[0]) if a and b}
    assert joined == {(f"m{code}-terminal", f"m{code}-register") for code in ("011011", "012271", "131041")}
    world = World(fleet)
    for source in world.machines:
        for target in world.machines.values():
            if target.name.endswith("-register") and source != target.name:
                reached = world.arrives(source, target.addresses["core0"], ("tcp", 80))
                assert reached == ((source, target.name) in joined)


def test_a_flow_between_all_hosts_passes_everywhere_but_across_core_networks(draft: Draft) -> None:
    edit_flows(draft, flow("all", "hubs, linkages, terminals, registers, immigrations"))
    fleet = load_fleet(draft.folder)
    world = World(fleet)
    for source, host in fleet.hosts.items():
        for target in fleet.groups["hubs"] + fleet.groups["terminals"] + fleet.groups["registers"]:
            uplinks = {host.part.uplink, target.part.uplink}
            if host is not target:
                reached = world.arrives(source, IPv4Address(target.addresses[target.part.uplink]), ("tcp", 80))
                assert reached == (host.site is target.site or "core0" not in uplinks), (source, target.name)


def test_a_firewall_of_an_asp_with_all_central_services_lets_pass_each_pair_and_no_other(draft: Draft) -> None:
    edit_flows(draft, flow("terminals, hubs, mirrors, routers", "terminals, hubs, firewalls"))
    fleet = load_fleet(draft.folder)
    world = World(fleet)
    wanted = {(a.name, b.name) for a, b in pairs(fleet, fleet.flows[0]) if a and b}
    passed = {
        (source, target.name)
        for source in world.machines
        for address, (target, by) in world.owner.items()
        if by != "mgmt0" and source != target.name and world.arrives(source, address, ("tcp", 80))
    }
    assert passed == wanted


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (flow("registers", "gateways"), "flow 'one' joins no two hosts"),
        (flow("immigrations", "registers"), "flow 'one' joins no two hosts"),
    ],
)
def test_a_flow_out_of_a_core_network_is_a_problem(draft: Draft, text: str, what: str) -> None:
    edit_flows(draft, text)
    assert [(problem.line, problem.what) for problem in check_policy(load_fleet(draft.folder))] == [(3, what)]


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        (flow("terminal", "hubs"), 5, "flow 'one' can't be from 'terminal'; the groups are"),
        (flow("terminals", "controller"), 6, "flow 'one' can't be to 'controller'; the controller only opens"),
        (flow("controller", "hubs"), 5, "flow 'one' can't be from 'controller'; the controller only opens"),
        (flow("terminals", "outside"), 6, "flow 'one' can't be to 'outside'; only mirrors reach outside"),
        (flow("terminals", "hubs", ports="90-80"), 8, "ports 90-80 is no range"),
        (flow("terminals", "hubs", ports="80-70000"), 8, "ports 80-70000 is no range"),
        (flow("terminals", "hubs", ports="0"), 8, "flows.0.ports.0: 0 is not valid"),
        (flow("terminals", "hubs") + flow("linkages", "hubs"), 10, "flow 'one' stands in line 3 already"),
        (flow("terminals", "hubs", name="One"), 3, "flows.0.id: 'One' does not match"),
        ("  - id: one\n", 2, "'why' is a required property"),
        (flow("terminals", "hubs") + "    port: 3\n", 3, "'port' was unexpected"),
    ],
)
def test_a_bad_flow_is_named_with_its_line(draft: Draft, text: str, line: int, what: str) -> None:
    edit_flows(draft, text)
    found = [problem for problem in draft.problems() if problem.startswith(f"flows.yml:{line}: ")]
    assert any(what in problem for problem in found), draft.problems()


def test_port_ranges_reach_the_rules_as_they_were_written(draft: Draft) -> None:
    edit_flows(draft, flow("terminals", "hubs", ports="80, 5000-5010"))
    fleet = load_fleet(draft.folder)
    assert rules(fleet, fleet.hub)[0].ports == ("80", "5000-5010")


def test_the_committed_policy_has_no_problems(lab: Fleet, sample: Fleet) -> None:
    assert check_policy(lab) == check_policy(sample) == []
    assert lab.settings.policy.resolve() == INVENTORY / "policy" / "flows.yml"
