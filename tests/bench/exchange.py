"""The exchange against what else the same machine can do, a whole day of the country, and a bad line.

Real parts throughout: the hub's process, Debian's nginx with the gateway role's configuration, mTLS, OpenSSH. What is
measured and how stands in the modules of `exchanging`. A run takes some seven minutes.
"""

import csv
import shutil
import sys
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[1]))  # what benches and tests of faults share lies beside this folder

from bench.exchanging import as2, bad_line, day, durable

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build" / "bench" / "exchange"


def run() -> list[dict[str, Any]]:
    """Measure; rows of `{name, value, unit, against, ratio, target, holds}`."""
    with (ROOT / "inventory" / "municipalities.csv").open(encoding="utf-8") as file:
        codes = [row["code"] for row in csv.DictReader(file)]
    return [
        *durable.measure(_fresh("durable"), codes),
        *as2.measure(_fresh("as2")),
        *day.measure(_fresh("day"), codes),
        *bad_line.measure(_fresh("line")),
    ]


def _fresh(name: str) -> Path:
    folder = BUILD / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
