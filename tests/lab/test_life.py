"""The life of a terminal, end to end: set right again, replaced when it dies, retired. Linux hosts stand in for it.

These tests come last (conftest): they make a host anew, so the lab is no longer the one that `up` made.
"""

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lab.scenes import (
    RESULT,
    agent_status,
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
from renkei.cli.kit import ROOT
from renkei.cli.terminal import app as terminal_program
from renkei.fleet.loader import load_fleet
from renkei.fleet.terminals import State
from renkei.lab import Lab
from renkei.lab.containers import remove_containers
from renkei.lab.playbooks import PlaybookRun, run_playbook
from renkei.lab.up import playbook_variables

CODE, HOST, LINKAGE = "131041", "m131041-terminal", "moj-linkage"
AGENT = "/var/lib/renkei-agent"
FIRST, SECOND, THIRD = "R2026-0001", "R2026-0091", "R2026-0092"


@dataclass(frozen=True)
class Office:
    """The operator's desk: a copy of the inventory, to change, the playbooks, and the hosts that were made anew."""

    lab: Lab
    folder: Path
    machines: list[str]

    @property
    def fleet(self) -> Path:
        return self.folder / "inventory" / "lab"

    def play(self, name: str, limit: str, **variables: object) -> PlaybookRun:
        return run_playbook(
            ROOT,
            self.fleet,
            name,
            environment=self.lab.ansible_environment(),
            variables=playbook_variables(self.lab) | variables,
            limit=limit,
        )

    def play_well(self, name: str, limit: str, **variables: object) -> PlaybookRun:
        run = self.play(name, limit, **variables)
        assert run.failures == []
        assert run.ok
        return run

    def replace_in_inventory(self, old: str, new: str, serial: str) -> None:
        words = ["replace", old, "--by", new, "--serial", serial, "--model", "RK-T300", "--fleet", str(self.fleet)]
        done = CliRunner().invoke(terminal_program, words)
        assert done.exit_code == 0, done.output

    def new_machine(self) -> None:
        """What stood in the terminal's place is gone for good; another machine stands there, set up as any."""
        self.machines.append(HOST)
        remove_containers([self.lab.plan.host(HOST).container])
        self.lab.up()
        self.lab.keys.hang_up()
        self.play_well("site.yml", HOST)


@pytest.fixture(scope="module")
def office(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    folder = tmp_path_factory.mktemp("office")
    shutil.copytree(ROOT / "inventory", folder / "inventory")
    office = Office(lab, folder, [])
    yield office
    if not office.machines:
        return
    for terminal in (SECOND, THIRD):  # the next `up` finds no machine there and lets the inventory's own one enrol
        revoke = f"renkei ministry authority revoke --endpoint={CODE} --terminal={terminal} --reason=test || true"
        lab.exec(LINKAGE, ["sh", "-c", revoke])
    remove_containers([lab.plan.host(HOST).container])


def test_repair_lists_what_differs_and_changes_it_only_when_told(office: Office, tmp_path: Path) -> None:
    lab, listed = office.lab, tmp_path / "drift.json"
    spoil = (
        "chmod 0644 /etc/renkei/agent.toml; rm /usr/share/applications/renkei-page.desktop;"
        "sed -i 's/^mode = .*/mode = \"daily\"/' /etc/renkei/agent.toml; chmod 0755 /var/lib/renkei-page"
    )
    lab.exec(HOST, ["sh", "-c", spoil])
    look = "stat --format=%a /etc/renkei/agent.toml /var/lib/renkei-page; cat /etc/renkei/agent.toml"
    spoiled = lab.exec(HOST, ["sh", "-c", look])

    only_listed = office.play_well("playbooks/repair.yml", HOST, repair_result_file=str(listed))
    assert only_listed.changes == 0
    drift = json.loads(listed.read_text())["drift"]
    assert {(each["host"], each["place"]) for each in drift} == {
        (HOST, "/etc/renkei/agent.toml"),
        (HOST, "renkei-page.desktop"),
        (HOST, "/var/lib/renkei-page"),
    }
    assert [line for each in drift for line in each["lines"] if "mode" in line and '"' in line] == [
        '-mode = "daily"',
        '+mode = "immediate"',
    ]
    assert lab.exec(HOST, ["sh", "-c", look]) == spoiled

    repaired = office.play_well("playbooks/repair.yml", HOST, repair_result_file=str(listed), repair_apply=True)
    assert repaired.changed == [
        (HOST, "The status page has a folder that its group alone can read"),
        (HOST, "The agent's settings are those of the inventory"),
        (HOST, "The desktop has a shortcut to the status page"),
        (HOST, "The agent runs with its new settings"),
    ]
    assert json.loads(listed.read_text())["drift"] == []
    put_right = lab.exec(HOST, ["sh", "-c", look])
    assert put_right.split()[:2] == ["640", "2750"]
    assert 'mode = "immediate"' in put_right


def test_a_machine_that_dies_is_replaced_and_nothing_is_lost_or_comes_twice(office: Office) -> None:
    lab = office.lab
    settle(lab)
    before_here, before_there = in_register(lab, CODE), came_to_ministry(lab)
    ours = notices_of(lab, "sent")
    keys = lab.exec(HOST, ["sh", "-c", f"tar -C {AGENT} -cz keys | base64 -w0"])
    settings = lab.exec(HOST, ["cat", "/etc/renkei/agent.toml"])
    assert {terminal for terminal, _ in live_certificates(lab)} == {FIRST}
    (generation,) = [number for _, number in live_certificates(lab)]

    lab.exec(HOST, ["systemctl", "kill", "--signal=KILL", "renkei-agent"])
    lab.exec(HOST, ["systemctl", "stop", "renkei-agent"])
    send_from_immigration(lab, [CODE], seed=8102, count=20)
    put_notices(lab, CODE, seed=8103, count=10)
    wait_until("the ministry holds parcels for the terminal", lambda: notices_of(lab, "sent") - ours == 20)
    assert for_the_terminal(lab) > 0

    office.replace_in_inventory(FIRST, SECOND, "LAB0A1391")
    office.new_machine()
    office.play_well("playbooks/replace.yml", f"{HOST},{LINKAGE}")

    assert live_certificates(lab) == [(SECOND, generation + 1)]
    assert for_the_terminal(lab) == 0
    settle(lab)
    came = in_register(lab, CODE) - before_here
    assert (sum(came.values()), max(came.values())) == (20, 1)
    sent = came_to_ministry(lab) - before_there
    by_type = Counter(row[0] == RESULT for row in sent.elements())
    assert (by_type[False], by_type[True], max(sent.values())) == (10, 20, 1)

    old = "/root/old"  # the dead machine comes to life again: it is turned away
    lab.exec(HOST, ["mkdir", "-p", old])
    lab.exec(HOST, ["sh", "-c", f"base64 -d | tar -C {old} -xz"], stdin=keys.encode())
    alone, _, _ = settings.replace(AGENT, old).partition("[bridge]")
    lab.exec(HOST, ["sh", "-c", f"cat > {old}/agent.toml"], stdin=alone.encode())
    lab.exec(HOST, ["chown", "-R", "root:root", old])
    said = lab.exec(HOST, ["sh", "-c", f"renkei-agent exchange --config {old}/agent.toml 2>&1 || echo code $?"])
    assert "403" in said, said
    assert "code" in said, said

    again = office.play_well("playbooks/replace.yml", f"{HOST},{LINKAGE}")
    assert [task for _, task in again.changed if "enrol" in task.lower() or "code" in task.lower()] == []
    assert live_certificates(lab) == [(SECOND, generation + 1)]


def test_a_retired_machine_owes_nothing_keeps_nothing_and_is_recorded(office: Office, tmp_path: Path) -> None:
    lab, records = office.lab, tmp_path / "records"
    given = {"retire_terminal": SECOND, "retire_record_dir": str(records)}
    both = f"{HOST},{LINKAGE}"
    other = office.play("playbooks/retire.yml", both, **given | {"retire_terminal": FIRST})
    assert any("stands in no host's place any more" in failure.message for failure in other.failures)

    lab.exec(HOST, ["sh", "-c", f"echo broken > {AGENT}/rejected/x.reason.txt"])
    owing = office.play("playbooks/retire.yml", both, **given)
    assert any("files of reasons" in failure.message for failure in owing.failures)
    assert lab.exec(HOST, ["systemctl", "is-active", "renkei-agent"]).strip() == "active"
    lab.exec(HOST, ["rm", f"{AGENT}/rejected/x.reason.txt"])
    for _ in range(2):  # the second finds it done
        office.play_well("playbooks/retire.yml", both, **given)
    assert lab.exec(HOST, ["ls", "-A", AGENT]).split() == ["retired.json"]
    assert lab.exec(HOST, ["sh", "-c", "ls /etc/renkei/register-share 2>&1 || true"]).count("No such file") == 1
    assert live_certificates(lab) == []
    record = json.loads((records / f"{SECOND}.json").read_text())
    assert (record["terminal"], record["abandoned"], record["revoked"]) == (SECOND, {}, True)
    assert record["files"] > 0
    assert record["erasure"] is None

    office.replace_in_inventory(SECOND, THIRD, "LAB0A1392")
    erased = {"retire_erasure": "nvme-sanitize", "retire_erased_by": "T. Sato", "retire_witness": "K. Mori"}
    for witness in ("K. Mori", "S. Abe"):  # what is recorded stays
        office.play_well("playbooks/retire.yml", LINKAGE, **given, **erased | {"retire_witness": witness})
    record = json.loads((records / f"{SECOND}.json").read_text())
    said = {key: record["erasure"][key] for key in ("method", "by", "witness")}
    assert said == {"method": "nvme-sanitize", "by": "T. Sato", "witness": "K. Mori"}
    dead = {"retire_terminal": FIRST, "retire_record_dir": str(records), "retire_abandon": True}
    office.play_well("playbooks/retire.yml", LINKAGE, **dead, **erased | {"retire_erasure": "destruction"})
    record = json.loads((records / f"{FIRST}.json").read_text())
    assert (record["retired_at"], record["erasure"]["method"]) == (None, "destruction")
    assert len(record["certificates"]) >= 1

    states = {each.asset_number: each.state for each in load_fleet(office.fleet).terminals}
    assert (states[FIRST], states[SECOND], states[THIRD]) == (State.RETIRED, State.RETIRED, State.IN_SERVICE)


def settle(lab: Lab) -> None:
    """Let everything that is on its way between the register and the immigration system come to its end."""

    def nothing_waits() -> bool:
        lab.exec("moj-immigration", ["systemctl", "start", "renkei-drop.service"])
        confirm_all(lab, CODE)
        let_register_import(lab, CODE)
        left = unfetched(lab, CODE) + waiting(lab, HOST) + for_the_terminal(lab)
        return left == 0 and not set(agent_status(lab, HOST)["register_waiting"]) - {"failed"}

    wait_until("everything has come", nothing_waits)
    wait_until("and once more, with the results", nothing_waits)


def live_certificates(lab: Lab) -> list[tuple[str, int]]:
    """Terminal and generation of the endpoint's certificates that aren't revoked."""
    issued = json.loads(lab.exec(LINKAGE, ["renkei", "ministry", "authority", "list", "--json"]))
    return [
        (each["terminal"], each["generation"])
        for each in issued
        if each["endpoint"] == CODE and each["revoked_at"] is None
    ]


def notices_of(lab: Lab, way: str) -> int:
    """How many notices the ministry's agent has `sent` to the endpoint, or `received` from it."""
    peers = agent_status(lab, LINKAGE)["peers"]
    return sum(int(peer[f"notices_{way}"]) for peer in peers if peer["party"] == CODE)


def for_the_terminal(lab: Lab) -> int:
    """Parcels at the ministry without the terminal's receipt."""
    return sum(int(peer["waiting"]) for peer in agent_status(lab, LINKAGE)["peers"] if peer["party"] == CODE)
