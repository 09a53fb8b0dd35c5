"""The plan of a wave over the whole sample fleet, made once."""

import pytest

from renkei.fleet.model import Fleet
from renkei.fleet.waves.plan import Plan
from unit.fleet.waves.plans import planned


@pytest.fixture(scope="session")
def plan(sample: Fleet) -> Plan:
    return planned(sample)
