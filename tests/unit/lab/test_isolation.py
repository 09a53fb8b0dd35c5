"""The packet filter's text; tests/lab/test_lab_hosts.py shows its effects."""

import shutil
import subprocess
from pathlib import Path

import pytest

from renkei.lab.inventory import read_plan
from renkei.lab.isolation import ruleset
from renkei.lab.plan import LabPlan

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def lab() -> LabPlan:
    return read_plan(ROOT / "inventory" / "lab", ROOT)


def bridges_of(lab: LabPlan) -> dict[str, str]:
    return {network.name: f"podman{number}" for number, network in enumerate(lab.networks, 1)}


def test_every_bridge_of_the_lab_is_closed_to_the_machine(lab: LabPlan) -> None:
    text = ruleset(lab, bridges_of(lab))
    elements = text.partition("elements = {")[2].partition("}")[0]
    closed = {name.strip().strip('"') for name in elements.split(",")}
    assert closed >= set(bridges_of(lab).values())
    assert closed >= {f"rk-{bridges_of(lab)[f'renkei-lab-{shared}']}" for shared in ("management", "outside")}


def test_only_the_mirrors_way_out_is_forwarded(lab: LabPlan) -> None:
    outside = bridges_of(lab)["renkei-lab-outside"]
    text = ruleset(lab, bridges_of(lab)).partition("table inet")[2]
    chain = text.partition("chain forward")[2].partition("chain input")[0]
    accepting = [line for line in chain.splitlines() if line.endswith(" accept") and " . " not in line]
    assert accepting
    assert all(f'"rk-{outside}"' in line for line in accepting)


def test_the_management_of_another_fleet_is_left_alone(lab: LabPlan) -> None:
    text = ruleset(lab, bridges_of(lab))
    assert "ether saddr & ff:ff:ff:f0:00:00 == 02:6d:0a:20:00:00 jump management" in text


def test_a_ruleset_replaces_its_former_self_and_nothing_else(lab: LabPlan) -> None:
    text = ruleset(lab, bridges_of(lab))
    assert "flush ruleset" not in text
    assert {line.split()[-1] for line in text.splitlines() if line.startswith("delete")} == {"renkei_lab"}


@pytest.mark.skipif(shutil.which("nft") is None, reason="nft is not installed")
def test_nft_accepts_the_ruleset(lab: LabPlan) -> None:
    argv = ["unshare", "--net", "--map-root-user", "nft", "--check", "--file", "-"]
    done = subprocess.run(argv, input=ruleset(lab, bridges_of(lab)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
