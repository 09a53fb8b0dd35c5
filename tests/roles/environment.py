"""Runs a program with what it needs to reach the scenarios' hosts.

For example: `.venv/bin/python tests/roles/environment.py molecule converge -s base`.
"""

import os
import sys
from pathlib import Path

from renkei.lab import Lab

ROLE_TESTS = Path(__file__).resolve().parent
FLEET = ROLE_TESTS / "fleet"
ROOT = ROLE_TESTS.parents[1]


def scenario_lab() -> Lab:
    """Name the lab whose hosts all scenarios share."""
    return Lab(FLEET, ROOT)


def scenario_environment(lab: Lab) -> dict[str, str]:
    """Give molecule's environment: the keys for ssh, podman's settings, the kit's own programs first."""
    programs = Path(sys.executable).parent
    return {
        **os.environ,
        **lab.ansible_environment(),
        **lab.podman_environment,
        "NO_COLOR": "1",
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
    }


if __name__ == "__main__":
    if not sys.argv[1:]:
        sys.exit("usage: environment.py PROGRAM [ARGUMENT ...]")
    os.chdir(ROLE_TESTS)
    os.execvpe(sys.argv[1], sys.argv[1:], scenario_environment(scenario_lab()))  # noqa: S606 - handing over is its purpose
