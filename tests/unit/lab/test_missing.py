"""What `./kit up` says when notices don't arrive: which, and where each waits; rendered by Ansible itself."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

ROOT = Path(__file__).parents[3]
TERMINAL, SEED = "m131041-terminal", "261126120000"
PLAY = """
- hosts: moj-immigration
  gather_facts: false
  connection: local
  tasks:
    - ansible.builtin.copy:
        content: "{{ lookup('ansible.builtin.template', template) }}"
        dest: "{{ out }}"
"""


def asked(rc: int, told: object, item: str = TERMINAL) -> dict[str, Any]:
    return {"rc": rc, "stdout": json.dumps(told), "stderr": "no route to host", "item": item}


def notice(number: int, **fate: Any) -> dict[str, Any]:
    empty = {"sent_at": None, "accepted": False, "receipted_at": None, "result": None, "waits_until": None}
    return {"number": f"L20261126-{SEED}-{number:05d}-1", "type": "市町村通知", **empty, **fate}


@pytest.fixture
def facts() -> dict[str, Any]:
    """All sides' answers: four notices of an endpoint in four places, and two of the ministry without a result."""
    sent: dict[str, Any] = {"sent_at": "2026-11-26T12:00:00Z"}
    accepted = sent | {"accepted": True}
    receipted = accepted | {"receipted_at": "2026-11-26T12:00:09Z"}
    fates = [notice(1), notice(2, **sent), notice(3, **accepted), notice(4, **receipted), notice(5, **receipted)]
    held = [{"municipality": "131041", "number": fates[3]["number"], "reason": "crossing", "waits_for": "012271"}]
    status = {"outbox_files": 2, "rejected_files": 0, "peers": [{"waiting": 3}], "alarms": []}
    alarm = {"first_at": "2026-11-26T12:00:00Z", "kind": "register", "subject": "folder", "text": "isn't mounted"}
    unanswered = {"131041": [f"L20261126-{SEED}-00006-1", f"L20261126-{SEED}-00007-1"]}
    pending = [{"number": unanswered["131041"][0], "standing_ja": "取込結果待ち"}]
    return {
        "exchange_seed": SEED,
        "exchange_linkage": "moj-linkage",
        "exchange_immigration": "moj-immigration",
        "exchange_held": asked(0, held),
        "exchange_account": asked(0, {"account": {"unanswered": unanswered}}),
        "exchange_open": {"results": [asked(1, {"notices": [*fates, {**notice(9), "number": "L20261125-1-00009-1"}]})]},
        "exchange_not_imported": {"results": [asked(1, {"pending": pending})]},
        "exchange_standing": {
            "results": [asked(255, None, "moj-linkage"), asked(1, {**status, "alarms": [alarm]})],
        },
        "ansible_failed_task": {"name": "Every notice of a municipality is imported"},
        "ansible_failed_result": {"msg": "not within 60 tries"},
    }


def by_templar(_: Path, facts: dict[str, Any]) -> list[str]:
    """By Ansible's templates in this process."""
    text = (ROOT / "ansible/playbooks/templates/missing.txt.j2").read_text()
    variables = {**facts, "hostvars": {"moj-immigration": {}, TERMINAL: {"renkei_code": "131041"}}}
    return str(Templar(loader=DataLoader(), variables=variables).template(trust_as_template(text))).splitlines()


def by_playbook(tmp_path: Path, facts: dict[str, Any]) -> list[str]:
    """By a playbook, as `./kit up` has it."""
    inventory: dict[str, dict[str, Any]] = {
        "all": {"hosts": {"moj-immigration": {}, TERMINAL: {"renkei_code": "131041"}}}
    }
    inventory["all"]["vars"] = {"ansible_python_interpreter": sys.executable}
    (tmp_path / "inventory.yml").write_text(json.dumps(inventory))
    (tmp_path / "play.yml").write_text(PLAY)
    template = ROOT / "ansible/playbooks/templates/missing.txt.j2"
    (tmp_path / "facts.json").write_text(json.dumps(facts | {"template": str(template), "out": str(tmp_path / "out")}))
    command = [str(Path(sys.executable).with_name("ansible-playbook")), f"--inventory={tmp_path}/inventory.yml"]
    done = subprocess.run(
        [*command, f"--extra-vars=@{tmp_path}/facts.json", str(tmp_path / "play.yml")],
        env={**os.environ, "ANSIBLE_LOCALHOST_WARNING": "false", "ANSIBLE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return (tmp_path / "out").read_text().splitlines()


@pytest.mark.parametrize("rendered", [by_templar, pytest.param(by_playbook, marks=pytest.mark.thorough)])
def test_every_missing_notice_is_named_with_the_place_where_it_waits(
    tmp_path: Path, facts: dict[str, Any], rendered: Callable[[Path, dict[str, Any]], list[str]]
) -> None:
    first, *missing = rendered(tmp_path, facts)
    assert first == "Every notice of a municipality is imported: not within 60 tries"
    assert [line.removeprefix(f"L20261126-{SEED}-0000").replace(" has no result", "") for line in missing] == [
        "4-1 (市町村通知) of 131041: held at moj-linkage (crossing), waits for 012271",
        f"1-1 (市町村通知) of 131041: not sent by {TERMINAL}",
        f"2-1 (市町村通知) of 131041: sealed at {TERMINAL}, waits for the line or the medium",
        "3-1 (市町村通知) of 131041: at the hub, moj-linkage hasn't receipted it",
        "5-1 (市町村通知) of 131041: receipted by moj-linkage, not held there: on its way to moj-immigration or back",
        f"6-1 to 131041 of the register at moj-immigration: 取込結果待ち at {TERMINAL}",
        f"7-1 to 131041 of the register at moj-immigration: neither waiting nor failed at {TERMINAL}",
        "moj-linkage: no status: no route to host",
        f"{TERMINAL}: 2 files in the outbox, 3 parcels without a receipt, 0 rejected",
        f"{TERMINAL}: alarm since 2026-11-26T12:00:00Z: register folder: isn't mounted",
    ]


def test_sides_that_do_not_answer_are_named_too(tmp_path: Path, facts: dict[str, Any]) -> None:
    silent = {name: asked(255, None) for name in ("exchange_held", "exchange_account")}
    lists = {name: {"results": [asked(255, None)]} for name in ("exchange_open", "exchange_not_imported")}
    found = by_templar(tmp_path, facts | silent | lists)
    assert f"{TERMINAL} can't tell what became of its notices: no route to host" in found
