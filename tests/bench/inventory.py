"""What Ansible pays for the whole country: the plugin against the same hosts as a static YAML inventory.

Both are the same program, `ansible-inventory --list`, and both must print the same variables. They run in turn; of each
the best run counts. Times are seconds of processor time: the programs have one thread, so an idle machine takes as
long, and what else runs here doesn't blur the ratio.
"""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
FLEET = ROOT / "inventory" / "sample" / "fleet.yml"
BUILD = ROOT / "build" / "bench"
PROGRAMS = Path(sys.executable).parent
RUNS = 2
MOST_OF_STATIC = 0.25
MOST_SECONDS = 5.0
MOST_SECONDS_TO_LIST = 1.5


@dataclass(frozen=True, slots=True)
class Run:
    """A finished program: processor seconds, peak memory in MiB, and what it printed."""

    seconds: float
    memory: float
    output: bytes


def run() -> list[dict[str, Any]]:
    """Measure; rows of `{name, value, unit, against, ratio, target, holds}`."""
    BUILD.mkdir(parents=True, exist_ok=True)
    static_file = BUILD / "static.yml"
    static_file.write_bytes(_ansible_inventory(FLEET, "renkei", "--yaml", "--export").output)
    plugin_runs, static_runs, list_runs = [], [], []
    for _ in range(RUNS):
        plugin_runs.append(_ansible_inventory(FLEET, "renkei"))
        static_runs.append(_ansible_inventory(static_file, "yaml"))
        list_runs.append(_measure([str(PROGRAMS / "renkei"), "inventory", "list", "--fleet", str(FLEET)], {}))
    if _variables(plugin_runs[0]) != _variables(static_runs[0]):
        raise RuntimeError("the static inventory has other hosts or variables than the plugin's: nothing to compare")
    plugin, static, listing = (min(runs, key=lambda run: run.seconds) for runs in (plugin_runs, static_runs, list_runs))
    ratio = plugin.seconds / static.seconds
    memory_ratio = plugin.memory / static.memory
    return [
        _row("ansible-inventory --list, time", (plugin.seconds, static.seconds, "s"), ratio, MOST_OF_STATIC),
        _row("ansible-inventory --list, seconds", (plugin.seconds, None, "s"), None, MOST_SECONDS),
        _row("ansible-inventory --list, memory", (plugin.memory, static.memory, "MiB"), memory_ratio, None),
        _row("renkei inventory list, seconds", (listing.seconds, None, "s"), None, MOST_SECONDS_TO_LIST),
    ]


def _row(
    name: str, measured: tuple[float, float | None, str], ratio: float | None, target: float | None
) -> dict[str, Any]:
    """Make a row; the target is for the ratio where there is one, else for the value."""
    value, against, unit = measured
    judged = value if ratio is None else ratio
    return {
        "name": name,
        "value": round(value, 2),
        "unit": unit,
        "against": against and round(against, 2),
        "ratio": ratio and round(ratio, 3),
        "target": target,
        "holds": None if target is None else judged <= target,
    }


def _ansible_inventory(source: Path, plugin: str, *options: str) -> Run:
    command = [str(PROGRAMS / "ansible-inventory"), "-i", str(source), "--list", *options]
    settings = {"ANSIBLE_CONFIG": str(ROOT / "ansible" / "ansible.cfg"), "ANSIBLE_INVENTORY_ENABLED": plugin}
    return _measure(command, settings)


def _measure(command: list[str], settings: dict[str, str]) -> Run:
    with subprocess.Popen(command, env=os.environ | settings, stdout=subprocess.PIPE) as process:
        output = process.stdout.read() if process.stdout else b""
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"{command[0]} ended with {process.returncode}")
    return Run(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, output)


def _variables(listed: Run) -> Any:
    return json.loads(listed.output)["_meta"]["hostvars"]
