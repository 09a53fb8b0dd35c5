"""A fleet whose ASP has a second machine: what it adds, and that it moves nothing that was there."""

from typing import Any

import pytest

from renkei.fleet.loader import load_fleet
from renkei.fleet.model import Fleet
from renkei.fleet.policy import check_policy, rules
from renkei.fleet.variables import fleet_variables, host_variables

from .conftest import Draft


@pytest.fixture
def fleet(draft: Draft) -> Fleet:
    draft.add_databases()
    return load_fleet(draft.folder)


def opened(fleet: Fleet, name: str) -> set[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    """What the flow of the database opens on a host: chain, sources, destinations."""
    found = rules(fleet, fleet.hosts[name])
    return {(each.chain.value, each.sources, each.destinations) for each in found if each.flow == "database"}


def test_it_adds_one_host_and_moves_no_other(fleet: Fleet, lab: Fleet) -> None:
    assert set(fleet.hosts) - set(lab.hosts) == {"asp-hub-2"}
    assert {name: fleet.hosts[name].addresses for name in lab.hosts} == {
        name: host.addresses for name, host in lab.hosts.items()
    }


def test_both_hubs_are_gateways_and_databases(fleet: Fleet, lab: Fleet) -> None:
    for group in ("hubs", "gateways", "databases"):
        assert [host.name for host in fleet.groups[group]] == ["asp-hub", "asp-hub-2"]
    assert lab.groups["databases"] == []


def test_the_second_hub_is_one_like_the_first_at_its_own_address(fleet: Fleet) -> None:
    common = fleet_variables(fleet)
    first, second = (common | host_variables(fleet, fleet.hosts[name]) for name in ("asp-hub", "asp-hub-2"))
    assert (first["renkei_part"], second["renkei_part"]) == ("hub", "hub")
    for listener in ("renkei_gateway", "renkei_enrolment"):
        assert (first[listener]["address"], second[listener]["address"]) == ("10.64.0.74", "10.64.0.76")
        assert first[listener]["name"] == second[listener]["name"]
    assert [
        entry["address"] for entry in common["renkei_names"] if first["renkei_gateway"]["name"] in entry["names"]
    ] == [
        "10.64.0.74",
        "10.64.0.76",
    ]


@pytest.mark.parametrize("standby", ["asp-hub-2", None])
def test_everybody_is_told_who_is_written_to_and_who_follows(draft: Draft, standby: str | None) -> None:
    draft.add_databases(standby=standby)
    told: dict[str, Any] = fleet_variables(load_fleet(draft.folder))
    assert told["renkei_databases"] == {
        "machines": [{"name": "asp-hub", "address": "10.64.0.74"}, {"name": "asp-hub-2", "address": "10.64.0.76"}],
        "primary": "asp-hub",
        "standby": standby or "",
    }


def test_a_fleet_of_one_machine_is_told_of_no_database(lab: Fleet) -> None:
    assert "renkei_databases" not in fleet_variables(lab)


def test_the_two_machines_alone_reach_the_database(fleet: Fleet, lab: Fleet) -> None:
    first, second = ("10.64.0.74",), ("10.64.0.76",)
    assert opened(fleet, "asp-hub") == {("output", first, second), ("input", second, first)}
    assert opened(fleet, "asp-hub-2") == {("output", second, first), ("input", first, second)}
    assert not any(opened(fleet, name) for name in fleet.hosts if name not in {"asp-hub", "asp-hub-2"})
    assert not any(opened(lab, name) for name in lab.hosts)
    assert check_policy(fleet) == check_policy(lab) == []


def test_a_primary_that_follows_itself_is_named(draft: Draft) -> None:
    draft.add_databases(primary="asp-hub-2", standby="asp-hub-2")
    [problem] = draft.problems()
    assert problem.startswith(
        f"fleet.yml:{draft.line('fleet.yml', '    standby:')}: asp-hub-2 can't follow itself; name"
    )


def test_a_machine_that_is_none_of_the_two_is_named(draft: Draft) -> None:
    draft.add_databases(primary="asp-mirror")
    assert len(draft.problems()) == 1
