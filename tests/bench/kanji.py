"""What names in kanji cost: 100,000 of them, against the same by OpenCC, in seconds of processor time.

Names have two to four characters, drawn by a fixed seed from all 8,105 of 通用规范汉字表, the frequent ones more often.
OpenCC only replaces; ours says for every character which rule decided and which 正字 are permitted.
"""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import opencc

from renkei.domain.kanji import convert

CHARACTERS = Path(__file__).parents[1] / "unit" / "domain" / "tghb.txt"
NAMES = 100_000
MOST_SECONDS = 2.0
MOST_SECONDS_TO_LOAD = 0.1
_LOAD = """
import time
import renkei.domain.kanji as kanji
start = time.process_time()
kanji.convert("张")
print(time.process_time() - start)
"""


def run() -> list[dict[str, Any]]:
    """Measure; rows of `{name, value, unit, against, ratio, target, holds}`."""
    names = _names()
    ours = _seconds(convert, names)
    theirs = _seconds(opencc.OpenCC("s2t").convert, names)
    loading = subprocess.run([sys.executable, "-c", _LOAD], capture_output=True, check=True, text=True)
    load = float(loading.stdout)
    return [
        _row(f"{NAMES:,} names, against OpenCC", ours, theirs, None),
        _row(f"{NAMES:,} names, seconds", ours, None, MOST_SECONDS),
        _row("reading the tables, seconds", load, None, MOST_SECONDS_TO_LOAD),
    ]


def _names() -> list[str]:
    random = Random("names in kanji")  # noqa: S311 - names for a measurement need no secrecy
    first, second, third = CHARACTERS.read_text(encoding="utf-8").splitlines()
    levels = [first, first, first, first + second + third]
    return ["".join(random.choice(random.choice(levels)) for _ in range(random.randint(2, 4))) for _ in range(NAMES)]


def _seconds(converter: Callable[[str], object], names: list[str]) -> float:
    start = time.process_time()
    for name in names:
        converter(name)
    return time.process_time() - start


def _row(name: str, value: float, against: float | None, target: float | None) -> dict[str, Any]:
    return {
        "name": name,
        "value": round(value, 3),
        "unit": "s",
        "against": against and round(against, 3),
        "ratio": against and round(value / against, 3),
        "target": target,
        "holds": None if target is None else value <= target,
    }
