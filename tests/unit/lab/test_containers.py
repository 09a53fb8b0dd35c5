"""What is run as containers, and whose containers are left alone."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from renkei.lab.containers import (
    FoundContainer,
    FoundNetwork,
    configuration_of,
    refuse_foreign,
    refuse_overlaps,
    run_arguments,
)
from renkei.lab.errors import LabError
from renkei.lab.inventory import read_plan
from renkei.lab.plan import LabPlan

ROOT = Path(__file__).parents[3]
GIVEN = {"image": "sha256:1", "public_key": "ssh-ed25519 AAAA", "package_cache": Path("/cache/apt")}


@pytest.fixture(scope="module")
def lab() -> LabPlan:
    return read_plan(ROOT / "inventory" / "lab", ROOT)


def container(name: str, **labels: str) -> FoundContainer:
    named = {f"renkei.{key}": value for key, value in labels.items()}
    return FoundContainer(name, "1", "running", 1, "sha256:1", datetime(2026, 11, 23, tzinfo=UTC), named)


def network(name: str, *subnets: str, internal: bool = True, **labels: str) -> FoundNetwork:
    named = {f"renkei.{key}": value for key, value in labels.items()}
    return FoundNetwork(name, "podman7", internal, frozenset(subnets), named)


def test_no_host_may_set_the_machines_clock_or_is_privileged(lab: LabPlan) -> None:
    for host in lab.hosts:
        arguments = " ".join(run_arguments(lab, host, **GIVEN))
        assert "SYS_TIME" not in arguments
        assert "--privileged" not in arguments


def test_only_the_mirror_gets_names_from_outside_and_keeps_packages(lab: LabPlan) -> None:
    for host in lab.hosts:
        arguments = run_arguments(lab, host, **GIVEN)
        is_mirror = host.name == "asp-mirror"
        assert ("--dns=none" in arguments) is not is_mirror
        assert ("/cache/apt:/var/cache/apt-cacher-ng" in arguments) is is_mirror


def test_the_same_host_has_the_same_configuration_digest(lab: LabPlan) -> None:
    host = lab.host("asp-hub")
    assert configuration_of(run_arguments(lab, host, **GIVEN)) == configuration_of(run_arguments(lab, host, **GIVEN))


@pytest.mark.parametrize("changed", [{"image": "sha256:2"}, {"public_key": "ssh-ed25519 BBBB"}])
def test_another_image_or_key_is_another_configuration(lab: LabPlan, changed: dict[str, str]) -> None:
    host = lab.host("asp-hub")
    before = configuration_of(run_arguments(lab, host, **GIVEN))
    assert configuration_of(run_arguments(lab, host, **{**GIVEN, **changed})) != before


def test_the_lab_of_another_checkout_is_named_and_refused(tmp_path: Path) -> None:
    mine, other = tmp_path / "mine", tmp_path / "other"
    other.mkdir()
    found = [container("renkei-lab-asp-hub", checkout=str(other), fleet="lab")]
    with pytest.raises(LabError, match=f"belongs to the checkout {other}"):
        refuse_foreign(found, mine, frozenset(), "lab")


def test_another_checkouts_lab_of_another_fleet_is_no_hindrance(tmp_path: Path) -> None:
    found = [container("renkei-roles-asp-hub", checkout=str(tmp_path), fleet="roles")]
    refuse_foreign(found, tmp_path / "mine", frozenset({"renkei-lab-asp-hub"}), "lab")


def test_what_a_removed_checkout_left_behind_can_be_taken_over(tmp_path: Path) -> None:
    found = [container("renkei-lab-asp-hub", checkout=str(tmp_path / "gone"), fleet="lab")]
    refuse_foreign(found, tmp_path, frozenset(), "lab")


def test_somebody_elses_network_of_our_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LabError, match='"renkei-lab-lgwan" on this machine was not made by renkei'):
        refuse_foreign([network("renkei-lab-lgwan")], tmp_path, frozenset({"renkei-lab-lgwan"}), "lab")


def test_an_overlapping_network_is_named_with_its_owner(lab: LabPlan) -> None:
    with pytest.raises(LabError, match=r"overlaps podman's theirs \(172\.21\.0\.0/16; made by /other\)"):
        refuse_overlaps(lab, [network("theirs", "172.21.0.0/16", checkout="/other", fleet="big")])


def test_networks_beside_ours_and_our_own_are_no_overlap(lab: LabPlan) -> None:
    refuse_overlaps(lab, [network("podman", "10.88.0.0/16"), network("own", "172.20.0.0/15", fleet="lab")])


@pytest.mark.parametrize(
    ("subnets", "internal", "same"),
    [
        (("172.20.0.0/15", "fd72:656e:ac14::/64"), True, True),
        (("172.20.0.0/15", "fd72:656e:ac14::/64"), False, False),
        (("172.20.0.0/15",), True, False),
        (("172.20.0.0/16", "fd72:656e:ac14::/64"), True, False),
    ],
)
def test_a_network_that_leads_out_or_has_other_addresses_is_not_the_planned_one(
    lab: LabPlan, subnets: tuple[str, ...], *, internal: bool, same: bool
) -> None:
    lgwan = lab.network("lgwan")
    assert lgwan is not None
    assert network("renkei-lab-lgwan", *subnets, internal=internal).matches(lgwan) is same
