"""`renkei updates` and `renkei wave`, as two people and an authority use them, with real keys and entries."""

import json
import shutil
from base64 import b64decode, b64encode
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer import BadParameter

from renkei.cli import updates, wave, wave_carriers, wave_page, wave_run
from renkei.client.errors import HubUnreachable
from renkei.exchange.clock import format_time
from renkei.exchange.documents import Signer
from renkei.exchange.parties import Party
from renkei.exchange.updates import Order, PatchState, Permit
from renkei.fleet.loader import load_fleet
from renkei.fleet.waves.engine import load
from renkei.fleet.waves.plan import Plan
from renkei.fleet.waves.post import FolderPost
from renkei.store.waves.ledger import Act, open_ledger
from unit.exchange.conftest import NOW, Machine
from unit.fleet.conftest import INVENTORY
from unit.fleet.waves.desk import Clock, Desk
from unit.fleet.waves.plans import KB, NEW, OLD, WAVE
from unit.fleet.waves.plans import UPDATE as COUNTRYS

UPDATE = COUNTRYS.model_dump(mode="json")


def staged(folder: Path) -> Path:
    """The lab's fleet, whose terminal in Shinjuku is at the staging bench still."""
    inventory = folder / "inventory"
    if not inventory.exists():
        inventory.mkdir()
        shutil.copytree(INVENTORY / "lab", inventory / "lab")
        shutil.copytree(INVENTORY / "policy", inventory / "policy")
        shutil.copy(INVENTORY / "municipalities.csv", inventory)
        table = inventory / "lab" / "terminals.csv"
        text = table.read_text(encoding="utf-8")
        table.write_text(text.replace("LAB0A1301,in_service,2026-06-01,2026-06-15", "LAB0A1301,staged,2026-06-01,"))
    return inventory / "lab"


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    for module in (wave, wave_run, updates):
        monkeypatch.setattr(module, "datetime", Clock)
    monkeypatch.setattr(Clock, "at", NOW + timedelta(hours=3))
    return Desk(tmp_path)


def test_a_catalogue_is_listed_and_one_that_was_changed_is_refused(desk: Desk) -> None:
    desk.sign_catalogue()
    assert KB in desk.run(updates.app, "list", desk.catalogue, *desk.anchor)
    listed = json.loads(desk.run(updates.app, "list", desk.catalogue, *desk.anchor, "--json"))
    assert (listed["number"], listed["updates"]) == (7, [UPDATE])
    text = json.loads(desk.file("catalogue.json").read_text())
    envelope = json.loads(text["envelope"])
    payload = b64decode(envelope["payload"]).replace(b'"number":7', b'"number":8')
    text["envelope"] = json.dumps({**envelope, "payload": b64encode(payload).decode()}, separators=(",", ":"))
    desk.file("catalogue.json").write_text(json.dumps(text))
    desk.run(updates.app, "list", desk.catalogue, *desk.anchor, code=1)


def test_a_plan_that_is_only_tried_leaves_nothing(desk: Desk) -> None:
    shown = desk.plan("--dry-run")
    assert "nothing was kept" in shown
    assert "700 MB a machine" in shown
    assert json.loads(desk.wave("status", "--json")) == []


def test_endpoints_whose_line_is_down_are_planned_alone_and_by_medium(desk: Desk) -> None:
    found = json.loads(desk.plan("--by-medium", "131041", "--dry-run", "--json"))
    assert {name: len(each["hosts"]) for name, each in found["groups"].items()} == {"media": 1}
    desk.plan("--by-medium", "999999", "--dry-run", code=1)


def test_nobody_approves_what_he_planned_nor_with_somebody_elses_key(desk: Desk) -> None:
    number = desk.planned()
    desk.approve(number, "sato", "sato", code=1)
    desk.approve(number, "suzuki", "sato", code=1)
    desk.approve(number, "suzuki", "stranger", code=1)
    desk.approve(number, "stranger", "stranger", code=1)
    desk.go(number, "--once", code=1)
    assert not (desk.folder / "post" / "out").exists()
    assert "approved" in desk.approve(number, "suzuki", "suzuki")
    desk.approve(number, "suzuki", "suzuki", code=1)


def test_a_wave_from_plan_to_end(desk: Desk) -> None:
    number = desk.planned()
    desk.approve(number, "suzuki", "suzuki")
    desk.go(number, "--dry-run")
    assert not (desk.folder / "post").exists()
    machines: dict[str, Machine] = {}
    with open_ledger(str(desk.file("waves.db"))) as ledger:
        hosts = Plan.read(ledger.plan_of(number) or b"").hosts
    for opens in sorted({window.opens for host in hosts for window in host.windows}):
        for minutes in range(4):  # ordered, ready, permitted, done
            Clock.at = opens + timedelta(minutes=minutes)
            state = json.loads(desk.go(number, "--once", "--json"))
            for order in desk.folder.glob("post/out/*/*/order.json"):
                _answer(desk, order, machines)
        if state["phase"] == "finished":
            break
    assert state["phase"] == "finished"
    assert all(set(counts) == {"well"} for counts in state["groups"].values())
    assert set(machines) == {host.terminal for host in hosts}
    assert not list(desk.folder.glob("post/out/*/*/*"))
    assert json.loads(desk.wave("status", number, "--json"))["groups"] == state["groups"]


def _answer(desk: Desk, file: Path, machines: dict[str, Machine]) -> None:
    """Be the terminal: ask for a permit in a window, and be done once it is there."""
    order = Order.open(file.read_bytes(), desk.authority.key.public_key())
    if order.terminal not in machines:
        machines[order.terminal] = desk.world.enrol(Party(order.endpoint), order.terminal)
    done = not order.permit or (file.parent / "permit.json").exists()
    if order.open_at(Clock.at) is None:
        return
    machine = machines[order.terminal]
    envelope = PatchState(
        endpoint=order.endpoint,
        terminal=order.terminal,
        answers=order.id,
        stage="done" if done else "ready",
        build=NEW if done else OLD,
        installed=[KB] if done else [],
        missing=[],
        catalogue=7,
        exchanged_at=Clock.at,
        problem=None,
        checked_at=Clock.at,
    ).sign(Signer(machine.key))
    text = {"entry": machine.entry.model_dump(), "envelope": envelope.decode()}
    (desk.folder / "post" / "in").mkdir(parents=True, exist_ok=True)
    (desk.folder / "post" / "in" / f"{order.terminal}.json").write_text(json.dumps(text))


def test_a_person_halts_resumes_and_aborts_and_the_exit_code_tells(desk: Desk) -> None:
    number = desk.planned()
    why = ("--as", "suzuki", "--why", "smoke")
    desk.wave("halt", number, *why, code=1)
    desk.approve(number, "suzuki", "suzuki")
    desk.go(number, "--once")
    assert "suzuki: smoke" in desk.wave("halt", number, *why)
    assert "renkei wave resume" in desk.wave("status", number, code=3)
    desk.go(number, code=3)
    desk.wave("resume", number, *why)
    desk.wave("resume", number, *why, code=1)
    desk.wave("abort", number, *why)
    desk.wave("status", number, code=4)
    desk.go(number, code=4)
    assert "aborted" in desk.wave("status")


def test_a_wave_has_a_page_that_is_written_anew_when_something_changed(desk: Desk) -> None:
    number, page = desk.planned(), desk.file("pages") / "wave.html"
    asked = ("--page", str(page), "--fleet", str(INVENTORY / "lab"))
    desk.wave("status", number, *asked)
    assert "承認待ち：sato以外の担当者が承認するまで" in page.read_text(encoding="utf-8")
    desk.approve(number, "suzuki", "suzuki")
    desk.go(number, "--once", *asked)
    assert "東京都新宿区" not in page.read_text(encoding="utf-8"), "it needs nobody"
    assert '<i class="p-ordered"' in page.read_text(encoding="utf-8")
    desk.wave("halt", number, "--as", "suzuki", "--why", "smoke")
    desk.go(number, *asked, code=3)
    assert "suzuki が停止しました：smoke" in page.read_text(encoding="utf-8")
    desk.wave("status", number, "--page", str(desk.file("people.json") / "wave.html"), code=1)
    desk.wave("status", *asked, code=2)


def test_a_page_that_can_not_be_written_stops_no_wave(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    number = desk.planned()
    with open_ledger(str(desk.file("waves.db"))) as ledger:
        state = load(ledger, number)
        page = wave_page.WavePage(desk.file("people.json") / "wave.html", load_fleet(INVENTORY / "lab"), ledger)
        carrier = wave_carriers.Carrier(FolderPost(desk.file("post")))
        assert wave_run._turns(lambda _: state, carrier, every=15, once=True, page=page) is state
        assert "the page can't be written" in capsys.readouterr().err
        page.file = desk.file("wave.html")
        page.show(state, Clock.at)
        before = page.file.stat().st_mtime_ns
        page.show(state, Clock.at + timedelta(minutes=1))
        assert page.file.stat().st_mtime_ns == before, "nothing has changed"


def test_a_second_wave_over_the_same_machines_waits_for_the_first_to_let_go(desk: Desk) -> None:
    first = desk.planned()
    desk.approve(first, "suzuki", "suzuki")
    second = json.loads(desk.plan("--json", "--uninstall"))
    assert list(second["held_by"]) == [first]
    assert f"can't be approved yet: wave {first} holds" in desk.plan("--dry-run")
    who = ("--as", "suzuki", "--key", str(desk.file("suzuki.key")), "--people", str(desk.file("people.json")))
    words = ("approve", second["wave"], *who, "--ledger", str(desk.file("waves.db")))
    refused = desk.runner.invoke(wave.app, words)
    assert refused.exit_code == 1
    assert f"renkei wave abort {first}" in refused.output
    desk.go(first, "--once")
    desk.wave("abort", first, "--as", "suzuki", "--why", "bad")
    desk.go(first, code=4)
    assert not list(desk.folder.glob("post/out/*/*/*"))  # taken back
    desk.approve(second["wave"], "suzuki", "suzuki")
    desk.go(second["wave"], "--once")
    assert list(desk.folder.glob("post/out/*/*/order.json"))


def test_who_has_a_permit_of_an_aborted_wave_is_another_waves_only_when_he_is_overdue(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = desk.planned()
    desk.approve(first, "suzuki", "suzuki")
    desk.go(first, "--once")
    with open_ledger(str(desk.file("waves.db"))) as ledger:
        state = load(ledger, first)
        name, order = next((name, each.order) for name, each in state.hosts.items() if each.order)
        permit = Permit(
            endpoint=order.endpoint,
            terminal=name,
            order=order.id,
            order_sha256="0" * 64,
            given_at=Clock.at,
            expires=Clock.at + timedelta(minutes=15),
        ).sign(Signer(desk.authority.key))
        at = int(Clock.at.timestamp())
        ledger.add(first, state.seen, lambda _: [Act("permit", name, format_time(Clock.at), permit, at)])
    desk.wave("abort", first, "--as", "suzuki", "--why", "bad")
    second = json.loads(desk.plan("--json", "--uninstall"))
    assert second["held_by"] == {first: [name]}
    desk.approve(second["wave"], "suzuki", "suzuki", code=1)
    monkeypatch.setattr(Clock, "at", Clock.at + timedelta(hours=2))
    desk.approve(second["wave"], "suzuki", "suzuki")
    assert '"unreachable": 1' in desk.wave("status", first, "--json", code=4)


def test_a_wave_does_not_run_over_machines_that_another_holds(desk: Desk) -> None:
    number = desk.planned()
    desk.approve(number, "suzuki", "suzuki")
    with open_ledger(str(desk.file("waves.db"))) as ledger:
        other = str(WAVE)
        [terminal, *_] = load(ledger, number).hosts
        ledger.plan(other, b"plan", 0, b"{}")
        # as a ledger of an earlier release may be, where an approval held nothing
        ledger._database.write(lambda t: t.execute("UPDATE holds SET wave = ? WHERE terminal = ?", (other, terminal)))
    desk.go(number, "--dry-run", code=1)
    desk.go(number, "--once", code=1)
    assert not list(desk.folder.glob("post/out/*"))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda desk: desk.file("people.json").write_text("[]"),
        lambda desk: desk.file("people.json").unlink(),
        lambda desk: desk.file("authority.key").write_text("no key"),
        lambda desk: desk.file("root.pem").write_text("no root"),
    ],
)
def test_a_file_that_is_not_what_it_should_be_is_named_and_runs_nothing(
    desk: Desk, spoil: Callable[[Desk], Any]
) -> None:
    number = desk.planned()
    desk.approve(number, "suzuki", "suzuki")
    spoil(desk)
    desk.go(number, "--once", code=1)
    assert not list(desk.folder.glob("post/out/*"))


def test_a_wave_or_a_ring_that_is_not_there_is_named(desk: Desk) -> None:
    desk.wave("status", "nothing", code=1)
    desk.plan("--ring", "nobody", code=1)
    desk.plan("--minutes", "600", "--days", "1", code=1)


def test_a_wave_runs_by_a_hub_or_by_a_folder(desk: Desk) -> None:
    files = ("--key", str(desk.file("authority.key")), "--people", str(desk.file("people.json")), *desk.anchor)
    for words in ((), ("--hub", "https://hub"), ("--hub", "https://hub", "--chain", "c", "--post", "p")):
        desk.wave("run", "W", *files, *words, code=2)


def test_a_hub_of_the_environment_contradicts_no_folder(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RENKEI_HUB", "https://hub")
    files = ("--key", str(desk.file("authority.key")), "--people", str(desk.file("people.json")), *desk.anchor)
    desk.wave("run", "W", *files, "--post", "p", code=1)  # there is no such wave
    desk.wave("run", "W", *files, "--chain", "c", "--post", "p", code=2)
    desk.wave("run", "W", *files, code=2)


def test_machines_that_ansible_reaches_need_a_playbook_and_an_inventory(desk: Desk) -> None:
    number = str(json.loads(desk.plan("--bench", "only", "--json", fleet=staged(desk.folder)))["wave"])
    desk.approve(number, "suzuki", "suzuki")
    with open_ledger(str(desk.file("waves.db"))) as ledger:
        state = load(ledger, number)
    here, nowhere = desk.file("people.json"), desk.file("nowhere")

    def ways(playbook: Path | None, *inventory: Path) -> wave_carriers.Ways:
        return wave_carriers.Ways(None, None, here, playbook, inventory, (), nowhere)

    with pytest.raises(BadParameter, match="1 machines are reached by Ansible: give --playbook"):
        ways(None).check_wave(state, once=False)
    with pytest.raises(BadParameter, match="--once is for orders"):
        ways(here, here).check_wave(state, once=True)
    with pytest.raises(BadParameter, match="nowhere isn't there"):
        ways(here, nowhere).check()
    with pytest.raises(BadParameter, match="give --playbook with --inventory"):
        ways(here).check()
    ways(here, here).check_wave(state, once=False)
    desk.go(number, code=2)


def test_terminals_at_the_bench_come_first_or_alone(desk: Desk) -> None:
    fleet = staged(desk.folder)
    groups = json.loads(desk.plan("--bench", "first", "--dry-run", "--json", fleet=fleet))["groups"]
    assert list(groups) == ["bench", "early", "media"]
    assert groups["bench"]["hosts"] == [{"endpoint": "131041", "terminal": "R2026-0001"}]
    assert groups["bench"]["first"] == format_time(Clock.at)
    assert list(json.loads(desk.plan("--bench", "only", "--dry-run", "--json", fleet=fleet))["groups"]) == ["bench"]
    assert "bench" not in json.loads(desk.plan("--dry-run", "--json", fleet=fleet))["groups"]
    desk.plan("--bench", "only", code=1)  # nobody is there


def test_a_controller_waits_for_a_hub_that_is_away(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    number = desk.planned()
    with open_ledger(str(desk.file("waves.db"))) as ledger:
        state = load(ledger, number)
    answers: list[Any] = [HubUnreachable("no line"), state]
    slept: list[float] = []
    monkeypatch.setattr(wave_carriers.time, "sleep", slept.append)
    carrier = wave_carriers.Carrier(FolderPost(desk.file("post")))

    def turn(now: datetime) -> Any:
        assert now == Clock.at
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert wave_run._turns(turn, carrier, every=15, once=False) is state
    assert slept == [15]
    answers = [HubUnreachable("no line")]
    with pytest.raises(HubUnreachable):
        wave_run._turns(turn, carrier, every=15, once=True)
