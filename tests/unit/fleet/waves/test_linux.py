"""A wave over Linux hosts: who takes part, in which order, and that all of them get the same versions."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from renkei.cli import updates, wave
from renkei.domain.halting import Fault
from renkei.exchange.certificates import key_to_pem, make_key
from renkei.exchange.direct import DirectOrder
from renkei.exchange.documents import Signer, peek
from renkei.exchange.packages import Package, PackageSet
from renkei.exchange.parties import AUTHORITY
from renkei.exchange.signed import Signed
from renkei.fleet.loader import load_fleet
from renkei.fleet.model import Fleet
from renkei.fleet.waves.direct import Told
from renkei.fleet.waves.linux import LinuxWish, plan_linux
from renkei.fleet.waves.plan import Plan, PlanError
from renkei.fleet.waves.state import Phase
from renkei.store.waves.ledger import open_ledger
from unit.fleet.conftest import INVENTORY, Draft
from unit.fleet.patching.host_desk import Desk, package
from unit.fleet.waves.plans import BEGIN, WAVE
from unit.fleet.waves.staging_bench import NAME, Scene

PLAYBOOKS = INVENTORY.parent / "ansible" / "playbooks"
PACKAGES = [
    Package(name=name, version="2", architecture="amd64", sha256="ab" * 32, size=1000, urgency="routine")
    for name in ("bash", "nginx")
]


def nights(site: str, start: datetime, until: datetime) -> list[tuple[datetime, datetime]]:
    del site
    first = start.replace(hour=13, minute=0, second=0, microsecond=0)
    days = [first + timedelta(days=day) for day in range((until - start).days + 1)]
    return [(day, day + timedelta(hours=4)) for day in days if start <= day < until]


def planned(fleet: Fleet, urgency: str = "routine", **wish: Any) -> Plan:
    packages = [each.model_copy(update={"urgency": urgency}) for each in PACKAGES]
    wanted = PackageSet(number=7, issued_at=BEGIN, hosts=9, packages=packages)
    words = {"planner": "sato", "hosts": frozenset(fleet.hosts), **wish}
    return plan_linux(LinuxWish(**words), fleet, (wanted, "cd" * 32), nights, WAVE, BEGIN)


def groups(plan: Plan) -> dict[str, list[str]]:
    return {group: [host.terminal for host in plan.hosts if host.group == group] for group in plan.groups}


def test_the_rings_come_first_and_of_two_hubs_one_always_answers(draft: Draft) -> None:
    draft.add_databases()
    found = groups(planned(load_fleet(draft.folder)))
    assert list(found)[-2:] == ["standby", "central"]
    assert found["standby"] == ["asp-hub-2"]
    assert {"asp-hub", "asp-mirror", "moj-linkage"} <= set(found["central"])
    assert "m131041-firewall" in found["canary"]
    assert not [name for names in found.values() for name in names if "terminal" in name]
    draft.edit("fleet.yml", "primary: asp-hub\n", "primary: asp-hub-2\n")
    draft.edit("fleet.yml", "standby: asp-hub-2\n", "standby: asp-hub\n")
    assert groups(planned(load_fleet(draft.folder)))["standby"] == ["asp-hub"]


def test_who_doesnt_run_debian_takes_no_part_and_a_ring_can_be_chosen(lab: Fleet) -> None:
    assert groups(planned(lab, hosts=["asp-hub", "m131041-router"])) == {
        "canary": ["m131041-router"],
        "central": ["asp-hub"],
    }
    assert list(groups(planned(lab, rings=("central",)))) == ["central"]
    with pytest.raises(PlanError, match="no ring x; it has canary"):
        planned(lab, rings=("x",))
    with pytest.raises(PlanError, match=r"look\.yml"):
        planned(lab, hosts=[])
    with pytest.raises(PlanError, match="no window of 300 minutes"):
        planned(lab, minutes=300)


def test_security_updates_wait_for_the_group_before_and_for_nothing_else(lab: Fleet) -> None:
    slow, fast = planned(lab), planned(lab, "urgent")
    first = {group: min(h.windows[0].opens for h in slow.hosts if h.group == group) for group in slow.groups}
    assert sorted(first.values()) == list(first.values())
    assert first[slow.groups[-1]] > first[slow.groups[0]]
    assert {host.windows[0].opens for host in fast.hosts} == {first[slow.groups[0]]}


class Hosts:
    """A player over hosts that have both packages at version 1; it counts what it is told to install."""

    def __init__(self, bad: str = "") -> None:
        self.bad = bad
        self.has: dict[str, str] = {}
        self.orders: list[Mapping[str, Any]] = []

    def play(self, orders: Mapping[str, Mapping[str, Any]], tell: Any, seconds: int) -> None:
        assert seconds >= 20 * 60
        for host, order in orders.items():
            self.orders.append(order)
            for seen in self._seen(host, order):
                tell(Told(host, seen))

    def _seen(self, host: str, order: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        yield {"stage": "begun"}
        assert host not in self.has, "it was done twice"
        self.has[host] = order["packages"][0]["version"]
        yield {"stage": "checking"}
        served = self.bad not in host or not self.bad
        yield {"stage": "done", "packages": [f"bash={self.has[host]}"], "served": served, "problem": ""}


def run(tmp_path: Path, plan: Plan, hosts: Hosts) -> Any:
    with open_ledger(str(tmp_path / "waves.db")) as ledger:
        scene = Scene(ledger, plan, tmp_path, player=hosts)
        state = scene.go(minutes=14 * 24 * 60)
        return state, ledger.acts(NAME)


def test_every_host_gets_the_same_versions_once(lab: Fleet, tmp_path: Path) -> None:
    hosts = Hosts()
    state, acts = run(tmp_path, planned(lab, "urgent"), hosts)
    assert state.phase is Phase.FINISHED
    assert {each.end for each in state.hosts.values()} == {"well"}
    assert set(hosts.has) == {host.terminal for host in state.plan.hosts}
    orders = [DirectOrder.read(peek(act.document).payload) for act in acts if act.what == "order"]
    assert {json.dumps([each.model_dump() for each in order.packages]) for order in orders} == {
        json.dumps([each.model_dump() for each in PACKAGES]).replace("routine", "urgent")
    }


def test_a_set_that_breaks_routers_never_reaches_the_centre(lab: Fleet, tmp_path: Path) -> None:
    state, _ = run(tmp_path, planned(lab, "urgent"), Hosts(bad="router"))
    assert state.phase is Phase.HALTED
    assert str(Fault.NO_EXCHANGE) in (state.halted or "")
    assert not [name for name, each in state.hosts.items() if each.end and name.startswith("asp")]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def resolved(desk: Desk) -> Path:
    """A signed set for two hosts, and a planner's key."""
    desk.put("asp-hub", "12.15", package("bash", "5.2-3", "urgent"))
    desk.put("m131041-router")
    signed, fleet = desk.folder / "set.json", ["--fleet", str(INVENTORY / "lab")]
    desk.run(updates.app, "resolve", str(desk.found), "--number", "4", *fleet, *desk.signing, "--out", str(signed))
    (desk.folder / "sato.pem").write_text(key_to_pem(make_key()))
    return signed


def test_who_has_none_of_the_sets_packages_takes_no_part_and_is_counted(desk: Desk) -> None:
    wanted = PackageSet(number=7, issued_at=BEGIN, hosts=3, packages=[package("postgresql-15", "15.14-1")])
    signed = Signed(desk.ministry.entry(AUTHORITY, "authority"), wanted.sign(Signer(desk.ministry.key)))
    (desk.folder / "set.json").write_bytes(signed.to_json())
    desk.put("asp-hub", packages=("bash=5.2-2", "postgresql-15=15.13-1"))
    desk.put("m131041-router")
    desk.put("m131041-firewall", packages=())
    words = ["plan-linux", "--packages", str(desk.folder / "set.json"), "--found", str(desk.found), *desk.root]
    words += ["--as", "sato", "--key", str(desk.folder / "key.pem"), "--ledger", str(desk.folder / "waves.db")]
    words += ["--fleet", str(INVENTORY / "lab"), "--dry-run"]
    shown = desk.run(wave.app, *words, "--json")
    made = json.loads(shown.stdout)
    assert [each["terminal"] for of in made["groups"].values() for each in of["hosts"]] == ["asp-hub"]
    assert shown.stderr == "2 of the hosts looked at take no part: they have none of the set's packages\n"
    (desk.found / "asp-hub.json").unlink()
    assert "has any of the set's packages" in desk.run(wave.app, *words, code=1).output


@pytest.mark.thorough
def test_a_wave_over_linux_hosts_is_planned_from_a_signed_set(desk: Desk) -> None:
    signed, fleet = resolved(desk), ["--fleet", str(INVENTORY / "lab")]
    person = ["--as", "sato", "--key", str(desk.folder / "sato.pem"), "--ledger", str(desk.folder / "waves.db")]
    words = ["plan-linux", "--packages", str(signed), "--found", str(desk.found), *desk.root, *person, *fleet]
    made = json.loads(desk.run(wave.app, *words, "--json").stdout)
    assert {group: [each["terminal"] for each in of["hosts"]] for group, of in made["groups"].items()} == {
        "canary": ["m131041-router"],
        "central": ["asp-hub"],
    }
    assert "bash=5.2-3" in desk.run(wave.app, "status", *person[4:]).stdout
    assert "nothing was kept" in desk.run(wave.app, *words, "--dry-run").stdout
    assert "look.yml" in desk.run(wave.app, *words[:4], str(desk.folder), *words[5:], code=1).output


@pytest.mark.thorough
def test_the_playbook_of_ministry_it_plans_it_too(desk: Desk) -> None:
    given = {
        "patch_packages": str(resolved(desk)),
        "patch_found": str(desk.found),
        "patch_as": "sato",
        "patch_key": str(desk.folder / "sato.pem"),
        "patch_trust_anchor": str(desk.folder / "root.pem"),
        "patch_ledger": str(desk.folder / "waves.db"),
    }
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "--check", f"--extra-vars={json.dumps(given)}"]
    command += [f"--inventory={INVENTORY / 'lab' / 'fleet.yml'}", str(PLAYBOOKS / "patch.yml")]
    environment = {**os.environ, "ANSIBLE_CONFIG": str(PLAYBOOKS.parent / "ansible.cfg")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    said = " ".join(done.stdout.split())
    assert done.returncode == 0, done.stdout + done.stderr
    assert "canary: 1 machines" in said
    assert "central: 1 machines" in said
    assert "which was not kept (--check)" in said
