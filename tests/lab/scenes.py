"""What the lab's tests do and ask: put notices in, wait, count what came."""

import csv
import io
import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from renkei.lab import Lab, LabError
from renkei.lab.result import Result

AGENT = "/var/lib/renkei-agent"
IMMIGRATION = "/var/lib/renkei-immigration"


@dataclass(frozen=True)
class Up:
    """The lab as `./kit up` left it."""

    lab: Lab
    result: Result


def wait_until(what: str, holds: Callable[[], bool], seconds: float = 120) -> None:
    """Wait until `holds()`; a host that is just restarting may fail to answer for a while."""
    end = time.monotonic() + seconds
    reason = ""
    while time.monotonic() < end:
        try:
            if holds():
                return
        except LabError as error:
            reason = str(error)
        time.sleep(1)
    pytest.fail(f"not within {seconds:.0f} s: {what}. {reason}")


def agent_status(lab: Lab, host: str) -> dict[str, Any]:
    """The agent's own account of itself; exit code 1 only says that somebody should look."""
    return json.loads(lab.exec(host, ["sh", "-c", "renkei-agent status --json || [ $? = 1 ]"]))


def waiting(lab: Lab, host: str) -> int:
    """Files and parcels that a host's agent still has to bring to their recipients."""
    status = agent_status(lab, host)
    return int(status["outbox_files"]) + sum(int(peer["waiting"]) for peer in status["peers"])


def put_notices(lab: Lab, code: str, *, seed: int, count: int = 20) -> None:
    """Let a municipality's register put notices into its terminal's outbox."""
    make = ["renkei", "ministry", "simulate-register", f"--out={AGENT}/outbox", f"--endpoint={code}"]
    lab.exec(
        f"m{code}-terminal", ["runuser", "--user=renkei-agent", "--", *make, f"--notices={count}", f"--seed={seed}"]
    )


def send_from_immigration(lab: Lab, codes: list[str], *, seed: int, count: int = 40) -> None:
    """Let the immigration system put notices for endpoints into the ministry's drop."""
    make = [
        "renkei",
        "ministry",
        "simulate",
        f"--out={IMMIGRATION}/to-municipalities",
        f"--endpoints={','.join(codes)}",
    ]
    lab.exec("moj-immigration", ["runuser", "--user=immigration", "--", *make, f"--notices={count}", f"--seed={seed}"])
    lab.exec("moj-immigration", ["systemctl", "start", "renkei-drop.service"])


def rows(lab: Lab, host: str, folder: str) -> Counter[tuple[str, ...]]:
    """Count the rows of all CSV files below a folder of a host; headers aside."""
    found: Counter[tuple[str, ...]] = Counter()
    script = f"find {folder} -name '*.csv' -not -name '.*' -print0 | sort -z | xargs -0 -r cat"
    for row in csv.reader(io.StringIO(lab.exec(host, ["sh", "-c", script]).replace("\ufeff", ""))):
        if row and row[0] != "通知種別":
            found[tuple(row)] += 1
    return found
