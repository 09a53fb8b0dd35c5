import random
from ipaddress import IPv4Address, IPv4Network, collapse_addresses
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from renkei.domain.codes import MunicipalityCode
from renkei.fleet.addresses import Network, aggregate, dotted, parse_address
from renkei.fleet.endpoints import Endpoint, Link, RegisterBridge
from renkei.fleet.model import ENDPOINT_PARTS, Fleet, Part, Site, make_site
from renkei.fleet.municipalities import Kind, Municipality
from renkei.fleet.plan import plan_addresses
from renkei.fleet.problems import Problem

#: Any code that a municipality could ever get, not only today's.
CODES = st.integers(1000, 47999).map(lambda number: MunicipalityCode.from_body(f"{number:05}"))


def endpoint(code: MunicipalityCode, wan: int | None = None, block: Network | None = None) -> Endpoint:
    place = Municipality(code, "県", "市", "し", Kind.CITY, None)
    return Endpoint(
        place, Link.ONLINE, "main", RegisterBridge.FOLDER, 10_000, wan, block, None, None, None, None, "", "", "", 2
    )


def test_the_plan_is_that_of_the_topology(lab: Fleet) -> None:
    hosts = lab.hosts
    assert dotted(hosts["m011011-router"].addresses["wan0"]) == "172.20.4.93"  # 1101 + 16
    assert dotted(hosts["moj-router"].addresses["wan0"]) == "172.20.0.17"  # 1 + 16
    block = IPv4Network("10.64.0.0/10")[1101 * 32]
    expected = {
        ("m011011-router", "edge0"): block + 1,
        ("m011011-firewall", "edge0"): block + 2,
        ("m011011-firewall", "lan0"): block + 9,
        ("m011011-terminal", "lan0"): block + 10,
        ("m011011-firewall", "core0"): block + 17,
        ("m011011-register", "core0"): block + 18,
        ("asp-hub", "lan0"): IPv4Network("10.64.0.0/10")[2 * 32 + 10],
        ("asp-mirror", "lan0"): IPv4Network("10.64.0.0/10")[2 * 32 + 11],
        ("m011011-router", "mgmt0"): IPv4Network("10.32.0.0/12")[1101 * 8],
        ("m011011-register", "mgmt0"): IPv4Network("10.32.0.0/12")[1101 * 8 + 3],
        ("moj-immigration", "mgmt0"): IPv4Network("10.32.0.0/12")[1 * 8 + 3],
    }
    assert {key: IPv4Address(hosts[key[0]].addresses[key[1]]) for key in expected} == expected


@given(st.sets(CODES, max_size=60))
def test_computed_addresses_never_collide_and_stay_in_their_supernets(lab: Fleet, codes: set[MunicipalityCode]) -> None:
    problems: list[Problem] = []
    plan = plan_addresses(lab.settings, lab.folder, [endpoint(code) for code in codes], problems)
    assert problems == []
    sites = [make_site(Site(key, key, 1, addresses), lab.settings) for key, addresses in plan.items()]
    used = [
        (name == "mgmt0", address)
        for site in sites
        for host in site.hosts.values()
        for name, address in host.addresses.items()
    ]
    assert len(used) == len(set(used))
    nets = lab.settings.supernets
    for management, address in used:
        inside = [net for net in (nets.sites, nets.lgwan, nets.management) if net.is_usable(address)]
        assert inside == [nets.management] if management else inside != [nets.management]
    assert (True, lab.settings.controller) not in used


@given(st.sets(CODES, min_size=1, max_size=30), st.randoms(use_true_random=False))
def test_addresses_stay_when_rows_move_or_others_come_and_go(
    lab: Fleet, codes: set[MunicipalityCode], order: random.Random
) -> None:
    rows = [endpoint(code) for code in sorted(codes)]
    plan = plan_addresses(lab.settings, lab.folder, rows, [])
    kept = order.sample(rows, k=order.randint(1, len(rows)))
    again = plan_addresses(lab.settings, lab.folder, kept, [])
    assert again == {key: plan[key] for key in again}


@given(CODES, st.integers(0, 2**17 - 1), st.integers(0, 2**17 - 1))
def test_a_given_address_clashes_exactly_when_it_is_used_or_outside(
    lab: Fleet, code: MunicipalityCode, place: int, other: int
) -> None:
    nets = lab.settings.supernets
    second = MunicipalityCode.from_body(f"{1000 if code.number != 1000 else 1001:05}")
    wan = nets.lgwan.base + place
    block = Network(nets.sites.base + 32 * other, 27)
    problems: list[Problem] = []
    plan_addresses(lab.settings, lab.folder, [endpoint(code, wan, block), endpoint(second)], problems)
    taken = {1, 2, second.number}
    wan_is_bad = place - 16 in taken or not nets.lgwan.is_usable(wan)
    block_is_bad = other in taken or block.last not in nets.sites
    assert [any("wan_address" in p.what for p in problems), any("site_block" in p.what for p in problems)] == [
        wan_is_bad,
        block_is_bad,
    ]


def test_given_addresses_are_used(lab: Fleet) -> None:
    code = MunicipalityCode("131041")
    wan, block = parse_address("172.21.9.9"), Network.parse("10.100.0.0/24")
    plan = plan_addresses(lab.settings, lab.folder, [endpoint(code, wan, block)], [])
    site = make_site(Site("131041", "新宿区", 1, plan["131041"], endpoint(code)), lab.settings)
    assert dotted(site.hosts[Part.ROUTER].addresses["wan0"]) == "172.21.9.9"
    assert dotted(site.hosts[Part.TERMINAL].addresses["lan0"]) == "10.100.0.10"


@given(st.sets(st.integers(0, 2**32 - 1) | st.integers(2**31 - 40, 2**31 + 40), max_size=200))
def test_aggregated_addresses_are_exactly_those_given(addresses: set[int]) -> None:
    expected = collapse_addresses(IPv4Address(address) for address in addresses)
    assert [IPv4Network(text) for text in aggregate(addresses)] == list(expected)


@pytest.mark.thorough
def test_the_sample_gives_every_host_of_the_country_its_own_addresses(sample: Fleet) -> None:
    municipal = [host for site in sample.sites.values() if site.endpoint for host in site.hosts.values()]
    assert [host.part for host in municipal] == [*ENDPOINT_PARTS] * 1892
    assert len(sample.hosts) == 5676 + 8
    addresses = list(chain.from_iterable(host.addresses.values() for host in sample.hosts.values()))
    assert len(addresses) == len(set(addresses))
