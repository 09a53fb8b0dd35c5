"""An agent and its orders: what is carried out, said and signed, and who is told."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from renkei.agent.page.standing import overview
from renkei.agent.settings import UpdatesSettings
from renkei.agent.updates import orders, standing
from renkei.agent.updates.course import RESTART_TAKES, Step
from renkei.agent.updates.machine import MachineError, Work
from renkei.cli import agent_updates
from renkei.cli.agent import app
from renkei.exchange.updates import OrderError
from unit.agent.office import Office
from unit.agent.update_host import AFTER, BEFORE, HOUR, MINUTE


def test_a_terminal_carries_out_its_order_and_signs_what_became_of_it(office: Office) -> None:
    office.take(office.catalogue(7))
    given = office.order()
    assert office.take(given)
    office.pass_time(30)
    office.turn()
    assert [each.stage for each in office.said(given.id)] == ["ready"]
    office.take(office.permit(given))
    office.run(90)
    states = office.said(given.id)
    assert [each.stage for each in states] == ["ready", "restarting", "done"]
    assert states[-1].fulfils(given)
    assert (states[-1].catalogue, states[-1].missing) == (7, [])
    assert states[0].missing == ["KB5058411"]
    assert orders.active(office.home) is None
    assert len(office.host.began) == 1


def test_once_a_day_a_machine_says_what_it_has_and_what_it_lacks(office: Office) -> None:
    office.take(office.catalogue(3))
    for _ in range(3):
        office.turn()
        office.pass_time(12 * 60)
    states = office.said(None)
    assert [each.stage for each in states] == ["checked", "checked"]
    assert (states[0].build, states[0].missing, states[0].catalogue) == (BEFORE, ["KB5058411"], 3)


def test_of_what_nobody_fetched_only_the_newest_state_is_kept(office: Office) -> None:
    office.exchanges = False
    for _ in range(3):
        office.turn()
        office.pass_time(24 * 60)
    assert len(office.said(None)) == 1


def test_what_waits_for_a_person_is_alarmed_until_it_is_over(office: Office) -> None:
    given = office.order()
    office.take(given)
    office.pass_time(30)
    office.host.on_mains = False
    office.turn()
    assert [(each.kind, each.text) for each in office.home.spool.alarms()] == [
        ("updates", "the machine runs on its battery; plug it in")
    ]
    office.host.on_mains = True
    office.turn()
    assert office.home.spool.alarms() == []


def test_a_machine_that_cant_be_asked_is_alarmed_and_asked_again(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise MachineError("powershell.exe ended with code 1")

    office.take(office.order())
    with monkeypatch.context() as patched:
        patched.setattr(office.host, "survey", broken)
        office.turn()
        assert [each.text for each in office.home.spool.alarms()] == ["powershell.exe ended with code 1"]
    office.turn()
    assert office.home.spool.alarms() == []


def test_an_order_that_was_issued_later_takes_the_place_of_one_that_hasnt_begun(office: Office) -> None:
    first, second = office.order(1), office.order(2, issued_at=office.begin - 5 * MINUTE)
    office.take(first)
    office.take(second)
    office.pass_time(30)
    office.turn()
    assert office.said(first.id) == []
    assert [each.stage for each in office.said(second.id)] == ["ready"]
    with pytest.raises(OrderError, match="ended at"):
        office.take(first)


def test_an_order_that_has_begun_is_ended_before_the_next(office: Office) -> None:
    first, second = office.order(1), office.order(2, issued_at=office.begin - 5 * MINUTE)
    office.take(first)
    office.pass_time(30)
    office.turn()
    office.take(office.permit(first))
    office.turn()
    office.take(second)
    office.run(60)
    assert [each.stage for each in office.said(first.id)] == ["ready", "restarting", "done"]
    assert [each.stage for each in office.said(second.id)] == ["done"]
    assert len(office.host.began) == 1


def test_a_start_that_fails_is_tried_once_more_and_the_order_ends(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = office.order()
    office.take(given)
    office.pass_time(30)
    office.turn()
    office.take(office.permit(given))
    tries: list[int] = []

    def refuse(work: Work) -> None:
        tries.append(work.number)
        raise MachineError("the task renkei-updates can't be started")

    monkeypatch.setattr(office.host, "start", refuse)
    office.run(30)
    assert tries == [1, 2]
    last = office.said(given.id)[-1]
    assert (last.stage, last.problem) == ("done", "the installation was cut off")
    assert not last.fulfils(given)


def test_what_a_terminal_says_asks_for_an_exchange_and_ready_for_its_permit(office: Office) -> None:
    office.take(office.order())
    office.exchanges = False
    office.home.spool.note(exchanged_at=office.host.now.strftime("%Y-%m-%dT%H:%M:%SZ"))
    assert not office.turn().exchange  # what it has, for today, goes with the next
    office.pass_time(30)
    assert office.turn().exchange
    assert office.turn().exchange  # none for over three minutes: the permit may be there
    office.home.spool.note(exchanged_at=office.host.now.strftime("%Y-%m-%dT%H:%M:%SZ"))
    assert not office.turn().exchange


def test_before_its_window_the_machine_isnt_even_looked_at(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    office.take(office.order())
    office.turn()
    office.turn()
    monkeypatch.setattr(office.host, "survey", lambda: pytest.fail("looked at the machine"))
    office.turn()
    kept = orders.active(office.home)
    assert kept is not None
    assert orders.course_of(kept).step is Step.WAITING


def test_what_has_ended_is_forgotten_in_its_time(office: Office) -> None:
    given = office.order()
    office.take(given)
    office.host.build, office.host.installed = AFTER, ["KB5058411"]
    office.run(15)
    office.turn()
    assert [each.ended_at is not None for each in office.home.spool.updates.orders()] == [True]
    office.home.spool.updates.forget("9999")
    assert not office.home.spool.updates.orders()
    assert not office.home.spool.updates.since("")


def test_the_command_shows_what_is_ordered_installed_and_when(office: Office, capsys: Any) -> None:
    given = office.order()
    office.take(office.catalogue(7))
    office.take(given)
    office.pass_time(30)
    office.host.on_mains = False
    office.turn()
    found = standing.standing_of(office.home, office.host.now)
    assert (found.build, found.missing, found.needs_person) == (BEFORE, ("KB5058411",), True)
    shown = standing.ordered(office.home, office.host.now)
    assert shown == found.orders[0]
    assert shown is not None
    assert (shown.step, shown.said, shown.updates) == ("waiting", "blocked", ("KB5058411",))
    assert shown.problem == "the machine runs on its battery; plug it in"
    assert shown.window_opens == given.windows[0].opens.strftime("%Y-%m-%dT%H:%M:%SZ")
    agent_updates._show(found)
    printed = capsys.readouterr().out
    assert "missing by catalogue 7: KB5058411" in printed
    assert "order 00000000-0000-0000-0000-000000000001: install KB5058411" in printed
    assert all(len(line) <= 80 for line in printed.splitlines())


def test_what_has_ended_well_waits_for_nobody(office: Office) -> None:
    assert not standing.standing_of(office.home, office.host.now).needs_person
    given = office.order()
    office.take(given)
    office.pass_time(30)
    office.turn()
    office.take(office.permit(given))
    office.run(90)
    found = standing.standing_of(office.home, office.host.now)
    assert (found.build, found.needs_person, found.orders[0].step) == (AFTER, False, "ended")
    assert standing.ordered(office.home, office.host.now) is None


def test_the_clerks_page_says_when_the_machine_is_updated(office: Office) -> None:
    assert overview(office.home).planned is None
    given = office.order()
    office.take(given)
    planned = overview(office.home).planned
    assert planned is not None
    assert (planned.opens, planned.closes) == (given.windows[0].opens, given.windows[0].closes)
    assert not planned.going_on
    office.pass_time(30)
    office.turn()
    office.take(office.permit(given))
    office.turn()
    planned = overview(office.home).planned
    assert planned is not None
    assert planned.going_on
    office.pass_time(20)
    office.turn()
    planned = overview(office.home).planned
    assert planned is not None
    assert planned.restarting


def test_whatever_an_order_says_nothing_begins_or_restarts_in_the_terminals_own_office_hours(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    closes = {"start": office.begin + 3 * HOUR, "restart": office.begin + 4 * HOUR}

    def against(_settings: UpdatesSettings, moment: datetime, takes: timedelta) -> str:
        return "office hours" if moment < closes["restart" if takes == RESTART_TAKES else "start"] else ""

    monkeypatch.setattr(UpdatesSettings, "against", against)
    given = office.order()
    office.take(given)
    office.pass_time(30)
    office.run(120)
    assert office.said(given.id) == office.host.began == []
    office.pass_time(30)
    office.turn()
    office.take(office.permit(given))
    office.run(55)
    assert len(office.host.began) == 1
    assert office.host.restarts == []
    office.run(30)
    assert len(office.host.restarts) == 1


def test_the_commands_end_with_codes_that_programs_can_use(office: Office, pki: Any, tmp_path: Path) -> None:
    office.take(office.order())
    office.pass_time(30)
    office.host.on_mains = False
    office.turn()
    config = tmp_path / "agent.toml"
    config.write_text(
        f'endpoint = "131041"\nterminal = "T"\nmachine_serial = "S"\nhome = "{office.home.settings.home}"\n'
        f'trust_anchor = "{pki.anchor_file}"\ngateway = "https://localhost:1"\nenrolment = "https://localhost:1"\n'
    )
    shown = CliRunner().invoke(app, ["updates", "--config", str(config), "--json"])
    assert shown.exit_code == 1, shown.output
    found = json.loads(shown.stdout)
    assert (found["build"], found["orders"][0]["updates"]) == (BEFORE, ["KB5058411"])
    assert found["orders"][0]["problem"] == "the machine runs on its battery; plug it in"
    office.host.on_mains = True
    office.turn()
    assert CliRunner().invoke(app, ["updates", "--config", str(config)]).exit_code == 0
    refused = CliRunner().invoke(app, ["install-updates", "--config", str(config)])
    assert refused.exit_code == 1
    assert "waves install them" in " ".join(refused.output.split())
