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

IMMIGRATION = "/var/lib/renkei-immigration"
REGISTER, SHARE = "/var/lib/renkei-register", "/srv/renkei-register/share"
RESULT = "取込結果"


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


def unfetched(lab: Lab, code: str) -> int:
    """Files that a register has written and its terminal hasn't fetched."""
    return len(lab.exec(f"m{code}-register", ["ls", f"{SHARE}/from-register"]).split())


def put_notices(lab: Lab, code: str, *, seed: int, count: int = 20) -> None:
    """Let a municipality's register write notices into the share that its terminal mounts."""
    make = ["renkei", "ministry", "simulate-register", f"--out={SHARE}/from-register", f"--endpoint={code}"]
    lab.exec(f"m{code}-register", ["runuser", "--user=register", "--", *make, f"--notices={count}", f"--seed={seed}"])


def confirm_all(lab: Lab, code: str) -> None:
    """Let a clerk confirm whatever waits for a person's word."""
    host = f"m{code}-terminal"
    told = json.loads(lab.exec(host, ["sh", "-c", "renkei-agent pending --json || [ $? = 1 ]"]))
    for each in told["pending"]:
        if each["standing"] == "unconfirmed":
            lab.exec(host, ["renkei-agent", "confirm", each["number"]])


def let_register_import(lab: Lab, code: str) -> None:
    """Let a register import what its terminal handed over, and answer it."""
    command = ["renkei", "ministry", "simulate-register-import", f"--folder={SHARE}", f"--state={REGISTER}"]
    lab.exec(f"m{code}-register", ["runuser", "--user=register", "--", *command])


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


def came_to_ministry(lab: Lab) -> Counter[tuple[str, ...]]:
    return rows(lab, "moj-immigration", f"{IMMIGRATION}/from-municipalities")


def at_ministry(lab: Lab) -> int:
    """Count the municipalities' own notices, without their results."""
    return sum(count for row, count in came_to_ministry(lab).items() if row[0] != RESULT)


def in_register(lab: Lab, code: str) -> Counter[tuple[str, ...]]:
    """What a register was handed, imported or not; without the ministry's results."""
    found = Counter[tuple[str, ...]]()
    for folder in (f"{SHARE}/to-register", f"{REGISTER}/imported"):
        found += rows(lab, f"m{code}-register", folder)
    return Counter({row: count for row, count in found.items() if row[0] != RESULT})
