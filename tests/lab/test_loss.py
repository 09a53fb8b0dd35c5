"""Nothing acknowledged is lost, nothing comes twice: hub and agents are killed in the middle, a line is cut."""

import random
import time
from contextlib import suppress

from lab.scenes import AGENT, IMMIGRATION, agent_status, put_notices, rows, send_from_immigration, wait_until, waiting
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
    """Whether nothing is on its way any more, up to the immigration system."""
    lab.exec("moj-immigration", ["systemctl", "start", "renkei-drop.service"])
    hosts = ("moj-linkage", f"m{ONLINE}-terminal", f"m{ON_DEMAND}-terminal")
    return all(waiting(lab, host) == 0 for host in hosts)


def at_ministry(lab: Lab) -> int:
    return sum(rows(lab, "moj-immigration", f"{IMMIGRATION}/from-municipalities").values())


def test_kills_of_hub_and_agents_in_the_middle_lose_and_double_nothing(lab: Lab) -> None:
    dice = random.Random(20260614)  # noqa: S311 - repeatable, not secret
    terminals = {code: f"m{code}-terminal" for code in (ONLINE, ON_DEMAND)}
    before_there = at_ministry(lab)
    before_here = {code: rows(lab, host, f"{AGENT}/inbox") for code, host in terminals.items()}
    for number in range(4):
        for code in terminals:
            put_notices(lab, code, seed=7000 + number)
        send_from_immigration(lab, list(terminals), seed=7000 + number)
        for _ in range(3):
            host, unit = dice.choice(_UNITS)
            lab.exec(host, ["systemctl", "kill", "--signal=KILL", unit])
            time.sleep(dice.uniform(0.1, 0.9))
    wait_until("everything is delivered after the kills", lambda: all_delivered(lab), 240)
    wait_until(
        "every notice of the endpoints has come to the immigration system",
        lambda: all_delivered(lab) and at_ministry(lab) - before_there >= 2 * 4 * 20,
    )
    assert at_ministry(lab) - before_there == 2 * 4 * 20
    received = {code: rows(lab, host, f"{AGENT}/inbox") - before_here[code] for code, host in terminals.items()}
    assert sum(sum(counted.values()) for counted in received.values()) == 4 * 40
    assert max(rows(lab, "moj-immigration", f"{IMMIGRATION}/from-municipalities").values()) == 1
    assert all(max(counted.values()) == 1 for counted in received.values())


def test_a_cut_line_recovers_without_a_hand(lab: Lab) -> None:
    router, terminal = f"m{ONLINE}-router", f"m{ONLINE}-terminal"
    before = at_ministry(lab)
    lab.exec(router, ["ip", "link", "set", "wan0", "down"])
    try:
        put_notices(lab, ONLINE, seed=8000)
        wait_until("the notices are sealed and wait", lambda: agent_status(lab, terminal)["outbox_files"] == 0)
        time.sleep(5)
        assert waiting(lab, terminal) > 0
        assert at_ministry(lab) == before
    finally:
        lab.exec(router, ["ip", "link", "set", "wan0", "up"])
    wait_until("the line is back and so are the notices", lambda: all_delivered(lab), 180)
    wait_until("they have come", lambda: all_delivered(lab) and at_ministry(lab) - before == 20)


def test_reboots_bring_every_service_back(lab: Lab) -> None:
    before = at_ministry(lab)
    for host in ("asp-router", "asp-firewall", "asp-hub", "moj-linkage", f"m{ONLINE}-firewall", f"m{ONLINE}-terminal"):
        with suppress(LabError):  # the host goes while it answers
            lab.exec(host, ["systemctl", "reboot", "--force"])
    wait_until("all are up again", lambda: all(status.is_good for status in lab.status()), 180)
    put_notices(lab, ONLINE, seed=9000)
    wait_until("notices travel again", lambda: all_delivered(lab) and at_ministry(lab) - before == 20, 180)
