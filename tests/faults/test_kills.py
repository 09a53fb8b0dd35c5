"""kill -9 at 60 system calls that write, over all kinds and all of a run; `tests/bench/kills.py` has all of them."""

from pathlib import Path
from typing import Any

import pytest

from faults.killing import SUBJECTS, Scene, kill_at
from faults.kills import stratified
from faults.work import TOGETHER, served

POINTS = 20
"""For each of the three who are killed."""


@pytest.mark.parametrize("subject", SUBJECTS)
def test_a_kill_at_any_write_loses_and_doubles_nothing(
    fleet: Any, residence_csv: Any, tmp_path: Path, subject: str
) -> None:
    scene = Scene(fleet, residence_csv)
    calls = scene.reference(subject, tmp_path / "calls")
    scene.kills = 0
    points = stratified(calls, POINTS)
    assert len(points) == POINTS
    assert scene.sizes == {1, 2}, "parcels that go whole and in parts are killed"
    assert subject == "hub" or served(fleet, TOGETHER) > 0, "and parcels that go together"
    kill_at(scene, subject, points)
    assert scene.kills == POINTS, f"{scene.kills} of {POINTS} died"
    scene.check()
