"""A line carries its rate and no more, in both directions, also after a restart of its router."""

from collections.abc import Iterator

import pytest

from roles.machines import Machines, wait_until

KBPS = {"m131041-terminal": 4000, "moj-linkage": 8000}


@pytest.fixture(scope="module")
def url(machine: Machines) -> Iterator[str]:
    """A file that takes about three seconds over a line of 4 Mbit/s."""
    machine("asp-mirror").check_output("head --bytes=1500000 /dev/urandom > /var/lib/renkei-releases/line-1.0.tar.zst")
    yield f"http://{machine.address('asp-mirror', 'lan0')}:3142/releases/line-1.0.tar.zst"
    machine("asp-mirror").check_output("rm /var/lib/renkei-releases/line-1.0.tar.zst")


def measured_kbps(machine: Machines, name: str, url: str) -> float:
    fetched = machine.fetch(name, url)
    assert fetched.size == 1_500_000
    return fetched.size * 8 / 1000 / fetched.seconds


@pytest.mark.parametrize("name", KBPS, ids=["towards-the-site", "towards-lgwan"])
def test_a_line_carries_its_rate_and_no_more(machine: Machines, url: str, name: str) -> None:
    # the first burst isn't held back, and headers take their part of the line
    assert 0.75 * KBPS[name] < measured_kbps(machine, name, url) < 1.1 * KBPS[name]


def test_a_restarted_router_routes_and_holds_back_again(machine: Machines, url: str) -> None:
    machine.restart("m131041-router")
    mirror = machine.address("asp-mirror", "lan0")
    wait_until(lambda: machine.connect("m131041-terminal", mirror, 3142) == "open")
    assert measured_kbps(machine, "m131041-terminal", url) < 1.1 * KBPS["m131041-terminal"]
