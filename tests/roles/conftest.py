"""What the scenarios' verifications share. Pytest collects only test_scenarios.py here; molecule runs the rest."""

import os
from typing import Any

import pytest

from renkei.fleet.loader import load_fleet
from renkei.fleet.variables import fleet_variables
from roles.environment import FLEET
from roles.machines import Machines

if "MOLECULE_FILE" not in os.environ:
    collect_ignore_glob = ["molecule/*"]


@pytest.fixture(scope="session")
def machine() -> Machines:
    return Machines(load_fleet(FLEET / "fleet.yml"))


@pytest.fixture(scope="session")
def declared(machine: Machines) -> dict[str, Any]:
    """The variables that all hosts of the fleet have."""
    return fleet_variables(machine.fleet)
