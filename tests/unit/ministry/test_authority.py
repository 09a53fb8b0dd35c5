"""The authority's service against a hub that is stood for by the protocol's words: what it tells, and when it fails."""

import json
import logging
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import apsw
import pytest

from renkei.client.errors import HubBusy, HubError, HubUnreachable, NotAllowed
from renkei.client.hub import HubClient
from renkei.exchange.bindings import DirectoryEntry
from renkei.exchange.certificates import certificate_from_pem
from renkei.exchange.documents import peek
from renkei.exchange.enrolment import EnrolmentFields, code_key
from renkei.exchange.payloads import Revocation
from renkei.ministry.authority import AuthorityService
from renkei.ministry.counter import CounterError, give_out_code, issue_locally, read_request, revoke_machine
from renkei.ministry.office import Office
from renkei.ministry.own import OwnKeys
from renkei.ministry.registrar import UNPROVEN
from renkei.ministry.service import Stop
from renkei.ministry.settings import AuthoritySettings, Settings
from unit.ministry.authority_scene import SERIAL, Hub, Scene, digest_of


@pytest.fixture
def scene(ministry: Any, tmp_path: Path, now: datetime) -> Scene:
    terminals = tmp_path / "terminals.json"
    row = {"asset_number": "T-131041-01", "endpoint": "131041", "machine_serial": SERIAL, "state": "in_service"}
    terminals.write_text(json.dumps([row]))
    settings = Settings(authority=AuthoritySettings(state=ministry.state, root=ministry.root_pem, terminals=terminals))
    own = OwnKeys(ministry.state / "keys", "linkage")
    office = Office(settings, ministry.issuing, ministry.ledger, own)
    hub = Hub()
    scene = Scene(office, hub, AuthorityService(office, hub.connect, lambda: scene.now), ministry, now)
    hub.own = office.identity(now).entry.to_json()  # whose it is, the authority doesn't ask
    hub.known.add(digest_of(hub.own))
    return scene


def test_a_queued_machine_is_answered_with_its_entry(scene: Scene) -> None:
    request = scene.enrol()
    assert scene.service.step() == 1
    entry = DirectoryEntry.from_json(json.dumps(scene.hub.answers["e-1"]["entry"]))
    verified = scene.ministry.anchor.verify_entry(entry, scene.now, request.endpoint)
    assert verified.terminal == request.terminal
    assert scene.hub.answers["e-1"]["state"] == "approved"


def test_a_refused_machine_is_told_why_and_the_next_is_served(scene: Scene) -> None:
    asked = scene.enrol("e-1")
    scene.hub.pending["e-1"] = asked.model_copy(update={"proof": "00" * 32})
    scene.enrol("e-2")
    assert scene.service.step() == 2
    assert scene.hub.answers["e-1"] == {"state": "refused", "reason": UNPROVEN}
    assert scene.hub.answers["e-2"]["state"] == "approved"


@pytest.mark.parametrize("failure", [None, 503], ids=["line cut", "hub busy"])
def test_an_answer_that_the_hub_did_not_get_is_told_again_and_the_code_is_not_lost(
    scene: Scene, failure: int | None
) -> None:
    scene.enrol()
    scene.hub.failures["PUT /v1/enrolments/e-1"] = [failure]
    with pytest.raises(HubError):
        scene.service.step()
    assert "e-1" not in scene.hub.answers
    (code,) = scene.office.ledger.read(lambda records: records.codes())
    assert code.used_at
    scene.service.step()
    assert scene.hub.answers["e-1"]["state"] == "approved"
    assert len(scene.office.ledger.read(lambda records: records.bindings("131041"))) == 1


def test_a_hub_that_refuses_one_answer_does_not_hold_up_the_others(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    scene.enrol("e-1")
    scene.enrol("e-2")
    scene.hub.failures["PUT /v1/enrolments/e-1"] = [409, 409]
    scene.service.step()
    scene.service.step()
    assert list(scene.hub.answers) == ["e-2"]
    alarms = [
        record for record in caplog.records if record.levelno == logging.CRITICAL and "e-1" in record.getMessage()
    ]
    assert len(alarms) == 1


def test_bindings_that_were_issued_locally_reach_the_hub(scene: Scene) -> None:
    machine = scene.ministry.machine("ministry", "moj-linkage")
    fields = EnrolmentFields(
        endpoint=machine.party,
        terminal=machine.terminal,
        machine_serial="X",
        csr=machine.applicant().request,
        receiving_key=machine.point,
    )
    asked = read_request(fields.model_dump_json().encode())
    entry = issue_locally(scene.office, asked, scene.now)
    assert issue_locally(scene.office, asked, scene.now) == entry
    scene.hub.failures["PUT /v1/bindings"] = [503]
    with pytest.raises(HubBusy):
        scene.service.step()
    assert digest_of(entry.encode()) not in scene.hub.known
    scene.service.step()
    assert digest_of(entry.encode()) in scene.hub.known
    assert scene.office.ledger.read(lambda records: records.unpushed_entries()) == []


def test_an_endpoints_machine_gets_nothing_at_the_counter(scene: Scene) -> None:
    asked = read_request(scene.enrol().to_json())
    with pytest.raises(CounterError, match="code new"):
        issue_locally(scene.office, asked, scene.now)


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b'{"endpoint": "131041"', b"[" * 20000], ids=lambda text: text[:9])
def test_what_is_no_request_is_said_in_words(text: bytes) -> None:
    with pytest.raises(CounterError, match="the request"):
        read_request(text)


def test_a_code_is_given_out_only_for_a_machine_of_the_inventory(scene: Scene) -> None:
    party = scene.ministry.machine().party
    with pytest.raises(CounterError, match=r"no terminal T-131041-01 with serial OTHER.*LAB0A1301, in_service"):
        give_out_code(scene.office, party, "T-131041-01", "OTHER", (scene.now, timedelta(hours=1)))


def test_a_new_code_takes_the_place_of_the_open_one(scene: Scene) -> None:
    scene.enrol("e-1")
    scene.enrol("e-2")
    scene.service.step()
    assert [scene.hub.answers[name]["state"] for name in ("e-1", "e-2")] == ["refused", "approved"]


def test_a_revocation_reaches_the_hub_and_the_list_though_the_hub_was_away(scene: Scene) -> None:
    scene.enrol()
    scene.service.step()
    assert revoke_machine(scene.office, "131041", "T-131041-01", "stolen", scene.now) == 1
    assert revoke_machine(scene.office, "131041", "T-131041-01", "stolen", scene.now) == 0
    scene.hub.failures["PUT /v1/revocations"] = [503, None]
    for failure in (HubBusy, HubUnreachable):
        with pytest.raises(failure):
            scene.service.step()
    scene.service.step()
    (envelope,) = scene.hub.revocations
    revocation = Revocation.open(envelope, scene.ministry.authority.key.public_key())
    assert (revocation.endpoint, revocation.reason) == ("131041", "stolen")
    scene.service.step()
    assert len(scene.hub.revocations) == 1


def test_a_restored_hub_is_told_again_who_may_speak_and_who_may_not(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    scene.enrol("e-1")
    scene.service.step()
    [entry] = [json.dumps(answer["entry"]).encode() for answer in scene.hub.answers.values()]
    revoked = scene.ministry.issue(scene.ministry.machine("011011", "T-011011-01").applicant())
    assert revoke_machine(scene.office, "011011", "T-011011-01", "lost", scene.now) == 1
    scene.service.step()
    own = digest_of(scene.hub.own)
    assert len(scene.hub.revocations) == 1
    scene.hub.known, scene.hub.revocations = {own}, []
    scene.service.step()
    assert (scene.hub.known, scene.hub.revocations) == ({own}, [])
    scene.hub.epoch = 1_800_000_000
    scene.service.step()
    assert digest_of(entry) in scene.hub.known
    assert revoked.certificate_sha256 not in scene.hub.known
    assert len(scene.hub.revocations) == 1
    assert "the hub was restored (epoch 1800000000)" in caplog.text


def test_a_hub_that_waits_for_its_entry_is_told_it(scene: Scene) -> None:
    scene.enrol("e-1")
    scene.hub.failures["GET /v1/hub"] = [503]
    scene.service.step()
    assert list(scene.hub.answers) == ["e-1"]


def test_a_hub_that_does_not_know_the_authority_is_not_told_anything(scene: Scene) -> None:
    scene.hub.known.clear()
    scene.enrol()
    with pytest.raises(NotAllowed):
        scene.service.step()
    assert scene.hub.answers == {}


def test_the_authority_changes_to_new_keys_only_once_the_hub_knows_them(scene: Scene) -> None:
    scene.service.step()
    old = scene.hub.caller
    scene.now += timedelta(days=280)
    scene.hub.failures["PUT /v1/bindings"] = [503]
    with pytest.raises(HubBusy):
        scene.service.step()
    assert scene.hub.caller == old
    scene.service.step()
    scene.service.step()
    assert scene.hub.caller != old
    assert scene.hub.caller in scene.hub.known
    generations = scene.office.ledger.read(lambda records: [each.generation for each in records.bindings("authority")])
    assert generations == [2, 1]


def test_keys_that_an_interrupted_change_left_are_used(scene: Scene) -> None:
    scene.now += timedelta(days=280)
    first = scene.office.own.prepare()
    second = scene.office.own.prepare()
    assert first.keys_sha256() == second.keys_sha256()
    scene.service.step()
    assert scene.office.ledger.read(lambda records: len(records.bindings("authority"))) == 2


def test_refusals_are_forgotten_after_a_month_and_used_codes_never(scene: Scene) -> None:
    scene.enrol("e-1", serial="OTHER")
    approved = scene.enrol("e-2")
    scene.service.step()
    assert _remembered(scene) == ["approved", "refused"]
    scene.now += timedelta(days=31)
    scene.service.step()
    assert _remembered(scene) == ["approved"]
    assert scene.office.registrar.decide(approved, renewal=False, at=scene.now).state == "approved"


def _remembered(scene: Scene) -> list[str]:
    with closing(apsw.Connection(str(scene.ministry.state / "codes.db"))) as connection:
        return sorted(str(state) for (state,) in connection.execute("select state from answers"))


def test_a_hub_out_of_reach_is_tried_again_until_it_answers(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    scene.enrol()
    scene.hub.failures["GET /v1/enrolments"] = [None, None]
    stop = _StopAfter(3)
    scene.service.run(stop)
    assert scene.hub.answers["e-1"]["state"] == "approved"
    messages = [record.getMessage() for record in caplog.records if record.name == "renkei.authority"]
    assert len([message for message in messages if "did not answer" in message]) == 1
    assert "the hub is served again" in messages


def test_an_unreadable_inventory_stops_no_service_and_refuses_nobody(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    scene.enrol()
    terminals = scene.office.settings.authority.terminals
    good = terminals.read_text()
    terminals.write_text("{")
    scene.service.run(_StopAfter(1))
    assert scene.hub.answers == {}
    assert any(str(terminals) in record.getMessage() for record in caplog.records)
    terminals.write_text(good)
    scene.service.run(_StopAfter(1))
    assert scene.hub.answers["e-1"]["state"] == "approved"


class _StopAfter(Stop):
    """Asks to stop at the n-th wait and never really waits."""

    def __init__(self, waits: int) -> None:
        super().__init__()
        self._left = waits

    def wait(self, seconds: float) -> bool:
        assert seconds > 0
        self._left -= 1
        if not self._left:
            self.ask()
        return self.asked


def revoke_one(scene: Scene, name: str) -> int:
    """Enrol the terminal and revoke it; its certificate's serial number."""
    scene.enrol(name)
    scene.service.step()
    entry = DirectoryEntry.from_json(json.dumps(scene.hub.answers[name]["entry"]))
    revoke_machine(scene.office, "131041", "T-131041-01", "stolen", scene.now)
    return certificate_from_pem(entry.certificate).serial_number


def test_the_list_of_revoked_certificates_goes_to_the_hub_when_it_changes_and_every_day(scene: Scene) -> None:
    scene.service.step()
    scene.service.step()
    assert [len(crl.revoked) for crl in scene.hub.crls] == [0]
    serial = revoke_one(scene, "e-1")  # within the same second
    scene.service.step()
    assert [list(crl.revoked) for crl in scene.hub.crls] == [[], [serial]]
    scene.now += timedelta(days=1)
    scene.service.step()
    numbers = [crl.number for crl in scene.hub.crls]
    assert len(numbers) == len(set(numbers)) == 3
    assert sorted(numbers) == numbers
    assert scene.hub.crls[-1].due_at == scene.now + timedelta(days=3)


def test_a_hub_that_was_restored_gets_the_list_again(scene: Scene) -> None:
    scene.service.step()
    scene.hub.epoch += 1
    scene.service.step()
    assert [crl.number for crl in scene.hub.crls] == [scene.hub.crls[0].number] * 2


def test_the_hub_hears_of_a_revocation_before_the_list_that_names_it(scene: Scene) -> None:
    revoke_one(scene, "e-1")
    scene.hub.failures["PUT /v1/revocations"] = [None]
    known = len(scene.hub.crls)
    with pytest.raises(HubUnreachable):
        scene.service.step()
    assert len(scene.hub.crls) == known
    scene.service.step()
    assert (len(scene.hub.revocations), len(scene.hub.crls)) == (1, known + 1)


def queue_successor(scene: Scene) -> str:
    """An endpoint's machine is enrolled, and another that takes its place asks; the old one's digest."""
    request = scene.enrol()
    scene.service.step()
    old = digest_of(json.dumps(scene.hub.answers["e-1"]["entry"]).encode())
    rows = [
        {"asset_number": request.terminal, "endpoint": "131041", "machine_serial": SERIAL, "state": "retired"},
        {
            "asset_number": "T-131041-02",
            "endpoint": "131041",
            "machine_serial": "LAB0A1302",
            "state": "in_service",
            "replaces": request.terminal,
        },
    ]
    scene.office.settings.authority.terminals.write_text(json.dumps(rows))
    machine = scene.ministry.machine(terminal="T-131041-02")
    span = (scene.now, timedelta(hours=1))
    code = give_out_code(scene.office, machine.party, machine.terminal, "LAB0A1302", span).code
    fields = EnrolmentFields(
        endpoint=machine.party,
        terminal=machine.terminal,
        machine_serial="LAB0A1302",
        csr=machine.applicant().request,
        receiving_key=machine.point,
    )
    scene.hub.pending["e-2"] = fields.prove(code_key(code, machine.party, machine.terminal))
    return old


class Killed(BaseException):
    """The authority's process ends here."""


@pytest.mark.parametrize("step", range(1, 9))
def test_killed_at_any_step_of_a_replacement_the_old_machine_is_dead_before_the_new_one_lives(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """Steps are what the authority does durably: its transactions, the list that it signs, what it tells the hub."""
    old = queue_successor(scene)
    done: list[str] = []

    def counted(what: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any, **named: Any) -> Any:
            done.append(what)
            if len(done) == step:
                raise Killed
            return work(*arguments, **named)

        return run

    with monkeypatch.context() as patch:
        patch.setattr(scene.office.ledger, "write", counted("write", scene.office.ledger.write))
        patch.setattr(type(scene.office), "write_crl", counted("crl", type(scene.office).write_crl))
        for name in ("put_binding", "put_revocation", "put_crl", "approve"):
            patch.setattr(HubClient, name, counted(name, getattr(HubClient, name)))
        fresh = AuthorityService(scene.office, scene.hub.connect, lambda: scene.now)
        try:
            fresh.step()
        except Killed:
            pass
        else:
            assert len(done) < step, "nothing was killed"
    _assert_order(scene, old)
    for _ in range(2):
        AuthorityService(scene.office, scene.hub.connect, lambda: scene.now).step()
    _assert_order(scene, old)
    assert scene.hub.answers["e-2"]["state"] == "approved"
    assert scene.hub.crls[-1].revoked.keys() == {
        each.serial_number for each in scene.office.ledger.read(lambda records: records.revocations())
    }
    assert len(scene.office.ledger.read(lambda records: records.bindings("131041"))) == 2


def _assert_order(scene: Scene, old: str) -> None:
    dead = {peek(each).payload["certificate_sha256"] for each in scene.hub.revocations}
    new = scene.office.ledger.read(lambda records: records.bindings("131041", "T-131041-02"))
    alive = "e-2" in scene.hub.answers or any(each.certificate_sha256 in scene.hub.known for each in new)
    assert old in dead or not alive
