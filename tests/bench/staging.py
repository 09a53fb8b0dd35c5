"""What staging costs the controller: the roles against one module call a setting, and 500 terminals.

Both set the same state on 20 simulated hosts, in one run on one machine; what is compared is processor time of the
controller (Ansible and its workers), the simulated hosts' own not counted. Then 500 terminals are staged twice.
"""

import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # a benchmark is loaded by its path; what tests share lies there

from windows.expected import AGAIN, FIRST, unexpected
from windows.singles import play_of, same_settings
from windows.staging import Run, Staging, make_staging, served

FEW, MANY = 20, 500
MOST_OF_SINGLE = 0.2


def run() -> Iterator[dict[str, Any]]:
    """Measure; yields, as they come, rows of `{name, value, unit, against, ratio, target, holds}`.

    Raises:
        RuntimeError: a terminal was skipped, out of reach, or not set up.
    """
    with tempfile.TemporaryDirectory(prefix="renkei-staging-") as folder:
        with served(make_staging(Path(folder) / "roles", FEW, endpoints=_alike(FEW))) as staging:
            empty = staging.play(_nothing(staging.folder))
            roles = _well(staging, staging.stage(), FIRST)
        with served(make_staging(Path(folder) / "singles", FEW, endpoints=_alike(FEW))) as other:
            file = other.folder / "singles.yml"
            file.write_text(json.dumps(play_of(other)))
            singles = _well(other, other.play(file))
        if problems := same_settings(staging, other):
            raise RuntimeError(f"the two didn't set the same: {problems[:5]}")
        yield _row(
            "controller CPU a terminal, roles / one call a setting", roles, singles, empty.seconds, MOST_OF_SINGLE
        )
        with served(make_staging(Path(folder) / "many", MANY, endpoints=_alike(MANY))) as staging:
            first = _well(staging, staging.stage(), FIRST)
            yield _figure(f"{MANY} terminals, first run, CPU a terminal", first.seconds / MANY)
            yield _figure(f"{MANY} terminals, first run, wall", first.wall)
            second = _well(staging, staging.stage(), AGAIN)
            yield _figure(f"{MANY} terminals, second run, CPU a terminal", second.seconds / MANY)
        if second.total("changed"):
            raise RuntimeError(f"the second run changed {second.total('changed')}")


def _alike(count: int) -> dict[int, dict[str, str]]:
    """Endpoints whose terminals have the same update policy, and none without a line."""
    row = {"link": "online", "ring": "early", "line_kbps": "100000", "maintenance": ""}
    return dict.fromkeys(range(count), row)


def _nothing(folder: Path) -> Path:
    """A play of no task: what every run costs before it does something."""
    file = folder / "nothing.yml"
    file.write_text(json.dumps([{"name": "Nothing", "hosts": "terminals", "gather_facts": False, "tasks": []}]))
    return file


def _well(staging: Staging, done: Run, expected: dict[str, tuple[str, ...]] | None = None) -> Run:
    """Check that every terminal did everything: no task passed over or lost, none out of reach, each asked by name."""
    missing = set(staging.machines) - set(done.recap)
    silent = [name for name, machine in staging.machines.items() if not machine.counts.total()]
    if done.code or missing or silent or done.total("unreachable") or done.total("failed"):
        raise RuntimeError(f"not staged: {sorted(missing)[:5]} {silent[:5]}\n{done.output[-3000:]}")
    if expected and (lines := unexpected(done, staging.machines, expected)):
        raise RuntimeError(f"not as expected: {lines[:5]}")
    return done


def _row(name: str, ours: Run, theirs: Run, start: float, target: float) -> dict[str, Any]:
    mine, other = (ours.seconds - start) / FEW, (theirs.seconds - start) / FEW
    ratio = mine / other
    return {
        "name": name,
        "value": round(mine, 3),
        "unit": "s",
        "against": round(other, 3),
        "ratio": round(ratio, 3),
        "target": target,
        "holds": ratio <= target,
    }


def _figure(name: str, value: float) -> dict[str, Any]:
    return {
        "name": name,
        "value": round(value, 3),
        "unit": "s",
        "against": None,
        "ratio": None,
        "target": None,
        "holds": None,
    }
