"""An agent and its orders: which documents are taken, what is said and signed, and that nothing is lost by a kill."""

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from typer.testing import CliRunner

from renkei.agent.home import Home
from renkei.agent.keys import point_of
from renkei.agent.page.standing import overview
from renkei.agent.settings import UpdatesSettings
from renkei.agent.updates import documents, orders, patching, standing
from renkei.agent.updates.course import RESTART_TAKES, Step
from renkei.agent.updates.machine import MachineError, Work
from renkei.agent.updates.places import Places
from renkei.cli import agent_updates
from renkei.cli.agent import app
from renkei.exchange.bindings import BindingError, DirectoryEntry
from renkei.exchange.certificates import certificate_from_pem, make_key, make_request, public_key_of
from renkei.exchange.clock import whole_seconds
from renkei.exchange.documents import DocumentError, Signer, payload_sha256, peek
from renkei.exchange.parties import Party
from renkei.exchange.payloads import Payload
from renkei.exchange.updates import Catalogue, Consent, Order, OrderError, PatchState, Permit
from renkei.store.spool import Spool
from renkei.store.sqlite import Database
from unit.agent.update_host import AFTER, BEFORE, HOUR, MINUTE, Host, order, update


@dataclass
class Office:
    """A terminal with its host, and the authority that signs for it."""

    offline: Any
    home: Home
    host: Host
    begin: datetime
    signer: Signer
    entry: DirectoryEntry
    exchanges: bool = True
    turns: list[patching.Turn] = field(default_factory=list)

    def take(self, document: Payload) -> bool:
        return documents.take(self.home, document.sign(self.signer), self.entry)

    def order(self, number: int = 1, **changes: Any) -> Order:
        return order(number, self.begin, **changes)

    def permit(self, given: Order, **changes: Any) -> Permit:
        values = {
            "endpoint": given.endpoint,
            "terminal": given.terminal,
            "order": given.id,
            "order_sha256": payload_sha256(given.sign(self.signer)),
            "given_at": self.host.now,
            "expires": self.host.now + 15 * MINUTE,
        }
        return Permit(**{**values, **changes})

    def catalogue(self, number: int) -> Catalogue:
        updates = [update("KB5043080", "26100.1742"), update(), update("KB5000001", "22621.1")]
        return Catalogue(number=number, issued_at=self.begin, updates=updates)

    def turn(self) -> patching.Turn:
        if self.exchanges:
            self.home.spool.note(exchanged_at=self.host.now.strftime("%Y-%m-%dT%H:%M:%SZ"))
            for said in self.home.spool.updates.to_send():
                self.home.spool.updates.sent(said.number, said.at)
        self.turns.append(patching.tend(self.home, self.host))
        return self.turns[-1]

    def pass_time(self, minutes: int) -> None:
        self.host.run_to(self.host.now + minutes * MINUTE)

    def run(self, minutes: int) -> None:
        for _ in range(0, minutes, 5):
            self.turn()
            self.pass_time(5)

    def said(self, answers: UUID | None) -> list[PatchState]:
        every = self.home.spool.updates.since("")
        key = public_key_of(certificate_from_pem(self.home.keys().entry.certificate))
        states = [PatchState.open(each.envelope, key) for each in every]
        return [each for each in states if each.answers == answers]

    def reopen(self) -> None:
        """A kill, and a start: nothing but the disk is left."""
        self.home.spool.close()
        fresh = Home(self.home.settings, Spool(self.home.settings.database), self.home.keyring, self.home.anchor)
        self.offline.homes[:] = [fresh if each is self.home else each for each in self.offline.homes]
        self.home = fresh


@pytest.fixture
def office(offline: Any, monkeypatch: pytest.MonkeyPatch) -> Office:
    begin = whole_seconds(offline.now())
    host = Host(now=begin)
    for module in (documents, orders, patching):
        monkeypatch.setattr(module, "now", lambda: host.now)
    key = make_key()
    request = make_request(key, Party("authority"), "linkage")
    entry = offline.pki.entry(request, "authority", "linkage", point_of(make_key().public_key()))
    return Office(offline, offline.agent("131041"), host, begin, Signer(key), entry)


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


def test_an_agent_that_is_killed_after_every_turn_does_the_same(office: Office) -> None:
    given = office.order()
    office.take(given)
    office.pass_time(30)
    office.turn()
    office.take(office.permit(given))
    for _ in range(20):
        office.reopen()
        office.run(5)
    assert [each.stage for each in office.said(given.id)] == ["ready", "restarting", "done"]
    assert len(office.host.began) == len(office.host.restarts) == 1


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


def test_a_document_comes_twice_and_counts_once(office: Office) -> None:
    given = office.order()
    office.pass_time(1)
    for document in (given, office.permit(given), office.catalogue(1)):
        assert office.take(document)
        envelope = document.sign(office.signer)
        assert not documents.take(office.home, envelope, office.entry)


def test_what_isnt_the_authoritys_word_is_refused(office: Office) -> None:
    given = office.order()
    with pytest.raises(DocumentError, match="is signed by the key"):
        documents.take(office.home, given.sign(Signer(make_key())), office.entry)
    mine = office.home.keys()
    with pytest.raises(BindingError, match="authority"):
        documents.take(office.home, given.sign(mine.signer), mine.entry)
    with pytest.raises(DocumentError, match="a consent isn't for a terminal"):
        office.take(Consent(wave=UUID(int=1), plan_sha256="ab" * 32, person="sato", role="approver", at=office.begin))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"endpoint": Party("131032")}, "the order is for 131032/T; this is 131041/T"),
        ({"terminal": "T-2"}, "the order is for 131041/T-2; this is 131041/T"),
        ({"issued_at": timedelta(minutes=20)}, "check this machine's clock"),
        ({"expires": timedelta(0)}, "ask for a new one"),
    ],
)
def test_an_order_for_others_or_another_time_is_refused(office: Office, changes: dict[str, Any], said: str) -> None:
    changed = {name: office.begin + value if isinstance(value, timedelta) else value for name, value in changes.items()}
    with pytest.raises(OrderError, match=said):
        office.take(office.order(**changed))
    assert office.home.spool.updates.orders() == []


def test_two_orders_of_one_id_and_an_older_one_are_refused(office: Office) -> None:
    office.take(office.order())
    with pytest.raises(OrderError, match="another order of the id"):
        office.take(office.order(minutes=90))
    with pytest.raises(OrderError, match="was replaced"):
        office.take(office.order(2, issued_at=office.begin - timedelta(hours=2)))


def test_an_older_catalogue_is_refused(office: Office) -> None:
    office.take(office.catalogue(8))
    with pytest.raises(OrderError, match="the catalogue 7 is older than 8"):
        office.take(office.catalogue(7))


def test_a_permit_for_nothing_a_foreign_one_an_older_one_and_one_that_is_over_are_refused(office: Office) -> None:
    given = office.order()
    with pytest.raises(OrderError, match="which isn't here"):
        office.take(office.permit(given))
    office.take(given)
    with pytest.raises(OrderError, match="which isn't here"):
        office.take(office.permit(given, order_sha256="ab" * 32))
    office.pass_time(30)
    office.take(office.permit(given))
    earlier = office.host.now - 5 * MINUTE
    with pytest.raises(OrderError, match="the one that is here at"):
        office.take(office.permit(given, given_at=earlier, expires=earlier + 15 * MINUTE))
    late = office.permit(given)
    office.pass_time(15)
    with pytest.raises(OrderError, match="say ready again"):
        office.take(late)


def test_a_permit_for_another_terminal_begins_nothing(office: Office) -> None:
    given = office.order()
    office.take(given)
    office.pass_time(30)
    office.take(office.permit(given, terminal="T-2"))
    office.run(30)
    assert office.host.began == []
    assert {each.stage for each in office.said(given.id)} == {"ready"}


def test_a_permit_that_was_used_doesnt_serve_the_next_order(office: Office) -> None:
    first = office.order()
    office.take(first)
    office.pass_time(30)
    office.turn()
    office.take(office.permit(first))
    office.run(90)
    second = office.order(2, issued_at=office.begin, updates=[update("KB5060000", "26100.4500")])
    office.take(second)
    office.run(30)
    assert [each.stage for each in office.said(second.id)] == ["ready", "ready", "ready"]
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


KILLS = 100


@pytest.mark.parametrize("step", [3, pytest.param(None, marks=pytest.mark.thorough)])
def test_a_kill_before_or_after_anything_that_is_written_or_done_changes_nothing_of_its_course(
    office: Office, monkeypatch: pytest.MonkeyPatch, step: int | None
) -> None:
    """Killed at each of its steps in turn, an agent installs once, restarts once, and says the same."""
    number, killed = 0, True
    for number in range(KILLS) if step is None else [step]:
        given = order(number + 1, office.host.now, nights=1)
        office.host.build, office.host.installed, office.host.began, office.host.restarts = BEFORE, [], [], []
        office.take(given)
        office.pass_time(30)
        killed = _live_through(office, given, monkeypatch, number)
        stages = [each.stage for each in office.said(given.id)]
        assert stages[-2:] == ["restarting", "done"], (number, stages)
        assert stages.count("done") == stages.count("restarting") == 1
        assert (len(office.host.began), len(office.host.restarts)) == (1, 1), number
        assert office.said(given.id)[-1].fulfils(given)
        office.pass_time(24 * 60)
        if not killed:
            break
    assert not killed or step is not None, "more steps than were tried"


class Killed(BaseException):
    """What no handler of the program's catches."""


def _live_through(office: Office, given: Order, monkeypatch: pytest.MonkeyPatch, step: int) -> bool:
    """Let an order be carried out by an agent that dies at its step-th step; whether it came to that."""
    counted, killed = 0, False

    def deadly(work: Any) -> Any:
        def call(*arguments: Any, **named: Any) -> Any:
            nonlocal counted, killed
            result = None
            for after in (False, True):
                if after:
                    result = work(*arguments, **named)
                counted += 1
                if counted == step + 1:
                    killed = True
                    raise Killed
            return result

        return call

    with monkeypatch.context() as patched:
        patched.setattr(Database, "write", deadly(Database.write))
        for name in ("start", "restart"):
            patched.setattr(office.host, name, deadly(getattr(office.host, name)))
        for _ in range(24):
            try:
                office.turn()
                last = office.home.spool.updates.last_said(str(given.id))
                if last is not None and last.stage == "ready":
                    office.take(office.permit(given))
            except Killed:
                office.reopen()
            office.pass_time(5)
    return killed


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
    assert "patch.yml is for it" in refused.output


def test_a_waves_post_can_be_carried_by_hand(office: Office) -> None:
    places = Places(office.home.settings.home)
    given = office.order()
    for folder in (places.arriving, places.leaving):
        folder.mkdir(parents=True)
    signed = {"entry": json.loads(office.entry.to_json()), "envelope": office.catalogue(3).sign(office.signer).decode()}
    (places.arriving / "catalogue.json").write_text(json.dumps(signed))
    (places.arriving / "a-order.json").write_bytes(given.sign(office.signer))
    office.exchanges = False
    office.home.spool.note(exchanged_at=office.host.now.strftime("%Y-%m-%dT%H:%M:%SZ"))
    office.pass_time(30)
    office.turn()
    assert list(places.arriving.iterdir()) == []
    said = [json.loads(path.read_text()) for path in sorted(places.leaving.iterdir())]
    assert {PatchState.read(peek(each["envelope"].encode()).payload).stage for each in said} == {"ready", "checked"}
    assert {json.dumps(each["entry"]) for each in said} == {json.dumps(json.loads(office.home.keys().entry.to_json()))}
    assert office.home.spool.updates.to_send() == []
    (places.arriving / "permit.json").write_bytes(office.permit(given).sign(office.signer))
    office.turn()
    assert len(office.host.began) == 1


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"entry": 1, "envelope": "x"}', '{"payload": "x"}', "[" * 100_000])
def test_what_lies_in_the_folder_and_is_no_document_is_alarmed_and_goes(office: Office, text: str) -> None:
    folder = Places(office.home.settings.home).arriving
    folder.mkdir(parents=True)
    (folder / "order.json").write_text(text)
    office.turn()
    assert [(each.kind, each.subject) for each in office.home.spool.alarms()] == [("updates", "order.json")]
    assert list(folder.iterdir()) == []
