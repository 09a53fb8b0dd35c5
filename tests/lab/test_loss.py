"""Nothing acknowledged is lost, nothing comes twice: hub and agents are killed in the middle, a line is cut."""

import random
import time
from collections import Counter
from contextlib import suppress

from lab.scenes import (
    RESULT,
    agent_status,
    at_ministry,
    came_to_ministry,
    confirm_all,
    in_register,
    let_register_import,
    put_notices,
    send_from_immigration,
    unfetched,
    wait_until,
    waiting,
)
from renkei.lab import Lab, LabError

ONLINE, ON_DEMAND = "131041", "011011"
_UNITS = (
    ("asp-hub", "renkei-hub"),
    ("moj-linkage", "renkei-agent"),
    ("moj-linkage", "renkei-connector"),
    (f"m{ONLINE}-terminal", "renkei-agent"),
    (f"m{ON_DEMAND}-terminal", "renkei-agent"),
)


def all_delivered(lab: Lab) -> bool:
    """Whether nothing is on its way any more, between the registers and the immigration system."""
    lab.exec("moj-immigration", ["systemctl", "start", "renkei-drop.service"])
    if any(unfetched(lab, code) or waiting(lab, f"m{code}-terminal") for code in (ONLINE, ON_DEMAND)):
        return False
    if waiting(lab, "moj-linkage") == 0:
        return True
    with suppress(LabError):  # by demand: what came after its last exchange waits for the next
        lab.exec(f"m{ON_DEMAND}-terminal", ["renkei-agent", "exchange"])
    return False


def is_sealed(lab: Lab, code: str) -> bool:
    """Whether all that a register wrote is in its terminal's spool."""
    return unfetched(lab, code) == 0 == agent_status(lab, f"m{code}-terminal")["outbox_files"]


def test_kills_of_hub_and_agents_in_the_middle_lose_and_double_nothing(lab: Lab) -> None:
    dice = random.Random(20260614)  # noqa: S311 - repeatable, not secret
    codes = (ONLINE, ON_DEMAND)
    before_there, before_here = came_to_ministry(lab), {code: in_register(lab, code) for code in codes}
    for number in range(4):
        for code in codes:
            put_notices(lab, code, seed=7000 + number)
        send_from_immigration(lab, list(codes), seed=7000 + number)
        for _ in range(3):
            host, unit = dice.choice(_UNITS)
            lab.exec(host, ["systemctl", "kill", "--signal=KILL", unit])
            time.sleep(dice.uniform(0.1, 0.9))

    def received() -> list[Counter[tuple[str, ...]]]:
        for code in codes:
            confirm_all(lab, code)
        return [in_register(lab, code) - before_here[code] for code in codes]

    def sent() -> Counter[tuple[str, ...]]:
        return came_to_ministry(lab) - before_there

    wait_until("everything is delivered after the kills", lambda: all_delivered(lab), 240)
    wait_until(
        "every notice of the endpoints has come to the immigration system",
        lambda: all_delivered(lab) and sum(sent().values()) >= 2 * 4 * 20,
    )
    wait_until("the registers have theirs", lambda: sum(sum(each.values()) for each in received()) >= 4 * 40)
    assert sum(sent().values()) == 2 * 4 * 20
    assert sum(sum(each.values()) for each in received()) == 4 * 40
    for code in codes:
        let_register_import(lab, code)
    wait_until(
        "every notice of the ministry has its result",
        lambda: all_delivered(lab) and sum(sent().values()) >= 2 * 4 * 20 + 4 * 40,
    )
    assert Counter(row[0] for row in sent().elements())[RESULT] == 4 * 40
    assert max(sent().values()) == 1
    assert all(max(each.values()) == 1 for each in received())


def test_a_cut_line_recovers_without_a_hand(lab: Lab) -> None:
    router, terminal = f"m{ONLINE}-router", f"m{ONLINE}-terminal"
    before = at_ministry(lab)
    lab.exec(router, ["ip", "link", "set", "wan0", "down"])
    try:
        put_notices(lab, ONLINE, seed=8000)
        wait_until("the notices are sealed and wait", lambda: is_sealed(lab, ONLINE))
        time.sleep(5)
        assert waiting(lab, terminal) > 0
        assert at_ministry(lab) == before
    finally:
        lab.exec(router, ["ip", "link", "set", "wan0", "up"])
    wait_until("the line is back and so are the notices", lambda: all_delivered(lab), 180)
    wait_until("they have come", lambda: all_delivered(lab) and at_ministry(lab) - before == 20)


def test_reboots_bring_every_service_back(lab: Lab) -> None:
    before, parts = at_ministry(lab), ("firewall", "register", "terminal")
    for host in ("asp-router", "asp-firewall", "asp-hub", "moj-linkage", *(f"m{ONLINE}-{part}" for part in parts)):
        with suppress(LabError):  # the host goes while it answers
            lab.exec(host, ["systemctl", "reboot", "--force"])
    wait_until("all are up again", lambda: all(status.is_good for status in lab.status()), 180)
    put_notices(lab, ONLINE, seed=9000)
    wait_until("notices travel again", lambda: all_delivered(lab) and at_ministry(lab) - before == 20, 180)
