"""What the tests of faults share: see `place`."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from faults.place import Lines, fleet_behind, lines_to_hub
from unit.agent.conftest import Fleet, Pki, pki, residence_csv, status_csv

__all__ = ["pki", "residence_csv", "status_csv"]

SEED = 1


@pytest.fixture
def lines(tmp_path: Path, pki: Pki) -> Iterator[Lines]:
    with lines_to_hub(tmp_path, pki, SEED) as lines:
        yield lines


@pytest.fixture
def fleet(tmp_path: Path, pki: Pki, lines: Lines) -> Iterator[Fleet]:
    with fleet_behind(lines, tmp_path, pki) as fleet:
        yield fleet
