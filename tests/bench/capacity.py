"""The whole country's month: seconds that `renkei capacity` takes for all 1,892 endpoints, against its limit.

The seconds are of processor time, libraries, files and output included: what else runs here doesn't blur them, and the
program has one thread. The best of three runs counts.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PROGRAM = Path(sys.executable).parent / "renkei"
RUNS = 3
MOST_SECONDS = 10.0
ENDPOINTS = 1892


def run() -> list[dict[str, Any]]:
    """Measure; rows of `{name, value, unit, against, ratio, target, holds}`.

    Raises:
        RuntimeError: the program failed, or didn't simulate all endpoints.
    """
    plain = min(_seconds() for _ in range(RUNS))
    folder = ROOT / "build" / "bench" / "capacity"
    whole = min(_seconds("--page", str(folder / "index.html"), "--plot", str(folder / "plot.png")) for _ in range(RUNS))
    return [_row("the country as JSON", plain), _row("the country with page and plot", whole)]


def _seconds(*options: str) -> float:
    command = [str(PROGRAM), "capacity", "--fleet", str(ROOT / "inventory" / "sample"), "--json", *options]
    single = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    before = os.times()
    finished = subprocess.run(command, env=os.environ | single, capture_output=True, check=False)
    after = os.times()
    found = json.loads(finished.stdout) if finished.returncode in {0, 1} else {"endpoints": []}
    if len(found["endpoints"]) != ENDPOINTS:
        raise RuntimeError(f"{len(found['endpoints'])} endpoints were simulated: {finished.stderr.decode()[-500:]}")
    return after.children_user + after.children_system - before.children_user - before.children_system


def _row(name: str, seconds: float) -> dict[str, Any]:
    ratio = seconds / MOST_SECONDS
    return {
        "name": name,
        "value": round(seconds, 2),
        "unit": "s",
        "against": MOST_SECONDS,
        "ratio": round(ratio, 3),
        "target": 1.0,
        "holds": ratio <= 1.0,
    }
