"""Two thousand power losses for hub and agent: what was acknowledged and is lost, with `synchronous=FULL` and without.

`tests/faults/test_power.py` runs fewer of them.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

sys.path.append(str(Path(__file__).parents[1]))  # what the tests of faults share lies beside this folder

from faults.power import Agent, Hub, lose_power

TRIALS = 2000
SEED = 1


def run() -> list[dict[str, Any]]:
    """Lose power; rows of `{name, value, unit, against, ratio, target, holds}`."""
    rows = []
    for subject in (Hub(), Agent()):
        for synchronous in ("full", "normal"):
            with TemporaryDirectory() as folder:
                found = lose_power(subject, Path(folder), TRIALS, SEED, synchronous=synchronous)
            rows.append(
                {
                    "name": f"{type(subject).__name__.lower()}, synchronous={synchronous}: with a loss",
                    "value": found.lost,
                    "unit": f"of {found.trials}",
                    "against": found.acknowledged,
                    "ratio": found.lost / found.trials,
                    "target": 0 if synchronous == "full" else None,
                    "holds": found.lost == 0 if synchronous == "full" else None,
                }
            )
    return rows
