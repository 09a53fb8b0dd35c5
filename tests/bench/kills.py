"""kill -9 at every system call that writes: of the hub, of an agent that sends, of an agent that receives.

What a kill leaves behind is carried on by the next run, which is killed one call later. At the end everything that was
given must have been delivered once and in order, with receipt and journal entry. `tests/faults/test_kills.py` runs a
spread of these points.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

sys.path.append(str(Path(__file__).parents[1]))  # what the tests of faults share lies beside this folder

from faults.killing import SUBJECTS, Scene, kill_at
from faults.kills import every_point
from faults.place import fleet_behind, lines_to_hub
from faults.promises import differences
from unit.agent.conftest import Pki
from unit.agent.rows import write_residence_csv

SEED = 1


def run() -> list[dict[str, Any]]:
    """Kill; rows of `{name, value, unit, against, ratio, target, holds}`."""
    return [row for subject in SUBJECTS for row in _killed(subject)]


def _killed(subject: str) -> list[dict[str, Any]]:
    with TemporaryDirectory() as name:
        folder = Path(name)
        pki = Pki(folder)
        with lines_to_hub(folder, pki, SEED) as lines, fleet_behind(lines, folder, pki) as fleet:
            scene = Scene(fleet, write_residence_csv)
            points = every_point(scene.reference(subject, folder / "calls"))
            scene.kills = 0
            kill_at(scene, subject, points)
            scene.come_to_rest()
            lost, doubled = differences(scene.expected, scene.taken)
            scene.check()
    return [
        _row(f"{subject}: points", len(points), "calls"),
        _row(f"{subject}: died there", scene.kills, "kills", holds=scene.kills >= 0.9 * len(points)),
        _row(f"{subject}: notices given", len(scene.expected), "notices"),
        _row(f"{subject}: lost", lost, "notices", holds=lost == 0),
        _row(f"{subject}: delivered twice", doubled, "notices", holds=doubled == 0),
    ]


def _row(name: str, value: int, unit: str, *, holds: bool | None = None) -> dict[str, Any]:
    return {"name": name, "value": value, "unit": unit, "against": None, "ratio": None, "target": None, "holds": holds}
