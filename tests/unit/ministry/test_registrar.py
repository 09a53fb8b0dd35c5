"""Enrolments and renewals: who gets a certificate, who doesn't, and that nobody gets one twice for one code."""

import os
import signal
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from renkei.exchange.bindings import DirectoryEntry
from renkei.exchange.clock import format_time
from renkei.exchange.documents import Signer
from renkei.exchange.enrolment import EnrolmentFields, EnrolmentRequest, code_key, new_code
from renkei.exchange.parties import Party
from renkei.ministry.issuance import revoke
from renkei.ministry.ledger import Answer
from renkei.ministry.registrar import UNPROVEN, Registrar
from renkei.ministry.settings import RegisteredTerminal

SERIAL = "LAB0A1301"


@dataclass
class Desk:
    """The registrar of a ministry, and what comes to it."""

    ministry: Any
    registrar: Registrar
    now: datetime
    terminals: list[RegisteredTerminal]

    def code(self, party: str = "131041", terminal: str = "T-131041-01", serial: str = SERIAL, hours: int = 24) -> str:
        code = new_code()
        key = code_key(code, Party(party), terminal)
        times = format_time(self.now), format_time(self.now + timedelta(hours=hours))
        self.ministry.ledger.write(lambda records: records.add_code(party, terminal, serial, key, *times))
        return code

    @staticmethod
    def fields(machine: Any, serial: str = SERIAL) -> EnrolmentFields:
        return EnrolmentFields(
            endpoint=machine.party,
            terminal=machine.terminal,
            machine_serial=serial,
            csr=machine.applicant().request,
            receiving_key=machine.point,
        )

    def request(self, machine: Any, code: str, serial: str = SERIAL) -> EnrolmentRequest:
        return self.fields(machine, serial).prove(code_key(code, machine.party, machine.terminal))

    def decide(self, request: EnrolmentRequest, *, renewal: bool = False, after: timedelta = timedelta()) -> Answer:
        return self.registrar.decide(request, renewal=renewal, at=self.now + after)


@pytest.fixture
def desk(ministry: Any, now: datetime) -> Desk:
    terminals = [
        RegisteredTerminal(asset_number=asset, endpoint=endpoint, machine_serial=serial, state=state)
        for asset, endpoint, serial, state in (
            ("T-131041-01", "131041", SERIAL, "in_service"),
            ("T-011011-01", "011011", "LAB0A0901", "staged"),
            ("T-131041-00", "131041", "LAB0A0001", "retired"),
        )
    ]
    registrar = Registrar(ministry.ledger, ministry.issuing.open, lambda: terminals)
    return Desk(ministry, registrar, now, terminals)


def alarms(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelname == "CRITICAL"]


def test_a_machine_with_its_code_gets_a_certificate(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    machine = desk.ministry.machine()
    answer = desk.decide(desk.request(machine, desk.code()))
    assert answer.state == "approved"
    verified = desk.ministry.anchor.verify_entry(DirectoryEntry.from_json(answer.entry or ""), desk.now, machine.party)
    assert verified.signing_public_key == machine.signing.public_key()
    assert verified.receiving_public_key == machine.receiving.public_key()
    assert alarms(caplog) == []


def test_the_same_request_gets_the_same_answer_as_often_as_it_is_asked(desk: Desk) -> None:
    request = desk.request(desk.ministry.machine(), desk.code(hours=1))
    first = desk.decide(request)
    assert desk.decide(request, after=timedelta(days=3)) == first
    assert len(desk.ministry.ledger.read(lambda records: records.bindings())) == 1


def test_a_used_code_is_refused_and_alarmed(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    code = desk.code()
    desk.decide(desk.request(desk.ministry.machine(), code))
    answer = desk.decide(desk.request(desk.ministry.machine(), code))
    assert (answer.state, answer.entry) == ("refused", None)
    assert "used" in (answer.reason or "")
    assert len(alarms(caplog)) == 1
    assert "131041/T-131041-01 refused: code 1 used" in alarms(caplog)[0]


@pytest.mark.parametrize(("hours", "word"), [(23, "approved"), (24, "refused")])
def test_a_code_holds_until_it_expires(desk: Desk, hours: int, word: str) -> None:
    answer = desk.decide(desk.request(desk.ministry.machine(), desk.code(hours=24)), after=timedelta(hours=hours))
    assert answer.state == word
    assert ("expired" in (answer.reason or "")) == (word == "refused")


def test_a_revoked_code_is_refused(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    code = desk.code()
    desk.ministry.ledger.write(lambda records: records.revoke_code(1, format_time(desk.now)))
    answer = desk.decide(desk.request(desk.ministry.machine(), code))
    assert "revoked" in (answer.reason or "")
    assert alarms(caplog)


def test_a_guessed_code_is_refused_alarmed_and_harms_nobody(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    code = desk.code()
    machine = desk.ministry.machine()
    for _ in range(20):
        answer = desk.decide(desk.request(desk.ministry.machine(), new_code()))
        assert (answer.state, answer.reason) == ("refused", UNPROVEN)
    assert len(alarms(caplog)) == 20
    assert desk.decide(desk.request(machine, code)).state == "approved"


def test_a_code_of_another_endpoint_or_terminal_proves_nothing(desk: Desk) -> None:
    foreign = desk.code("011011", "T-011011-01", "LAB0A0901")
    sister = desk.code("131041", "T-131041-02")
    for code in (foreign, sister):
        assert desk.decide(desk.request(desk.ministry.machine(), code)).reason == UNPROVEN


def test_a_code_of_another_machine_serial_is_refused(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    answer = desk.decide(desk.request(desk.ministry.machine(), desk.code(), serial="STOLEN"))
    assert answer.reason == "the one-time code was given out for another machine"
    assert "is for the machine LAB0A1301, STOLEN used it" in alarms(caplog)[0]


@pytest.mark.parametrize(
    ("terminal", "serial", "reason"),
    [
        ("T-131041-77", SERIAL, "no such terminal"),
        ("T-131041-01", "LAB0A9999", "another machine serial"),
        ("T-131041-00", "LAB0A0001", "retired"),
        ("T-011011-01", "LAB0A0901", "another endpoint"),
    ],
)
def test_a_good_code_does_not_help_against_the_inventory(desk: Desk, terminal: str, serial: str, reason: str) -> None:
    machine = desk.ministry.machine(terminal=terminal)
    answer = desk.decide(desk.request(machine, desk.code(terminal=terminal, serial=serial), serial))
    assert answer.state == "refused"
    assert reason in (answer.reason or "")


def test_a_refusal_for_the_inventory_ends_once_the_inventory_is_right(desk: Desk) -> None:
    row = desk.terminals.pop(0)
    request = desk.request(desk.ministry.machine(), desk.code())
    assert desk.decide(request).state == "refused"
    desk.terminals.append(row)
    assert desk.decide(request).state == "approved"


def test_the_same_refusal_is_alarmed_once(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    request = desk.request(desk.ministry.machine(), new_code())
    for _ in range(3):
        desk.decide(request)
    assert len(alarms(caplog)) == 1


def test_a_request_for_another_certificate_than_its_own_is_refused_and_the_code_stays_good(desk: Desk) -> None:
    code = desk.code()
    machine, other = desk.ministry.machine(), desk.ministry.machine("011011", "T-011011-01")
    fields = desk.fields(machine).model_copy(update={"csr": other.applicant().request})
    answer = desk.decide(fields.prove(code_key(code, machine.party, machine.terminal)))
    assert "can't be certified" in (answer.reason or "")
    assert desk.decide(desk.request(machine, code)).state == "approved"


def test_a_request_changed_on_the_way_proves_nothing(desk: Desk) -> None:
    request = desk.request(desk.ministry.machine(), desk.code())
    attacker = desk.ministry.machine()
    forged = request.model_copy(update={"csr": attacker.applicant().request, "receiving_key": attacker.point})
    assert desk.decide(forged).reason == UNPROVEN


@pytest.mark.parametrize("when", ["before the commit", "after the commit"])
def test_a_kill_between_record_and_answer_never_loses_a_used_code(desk: Desk, when: str) -> None:
    """Either nothing happened, or the code is used and the certificate that it earned is there to be told again."""
    request = desk.request(desk.ministry.machine(), desk.code())
    desk.ministry.ledger.close()
    child = os.fork()
    if child == 0:
        with desk.ministry.ledger_of(desk.ministry.state) as ledger:
            registrar = replace(desk.registrar, ledger=ledger)
            if when == "before the commit":

                def killed(records: Any) -> None:
                    records.use_code(1, format_time(desk.now))
                    os.kill(os.getpid(), signal.SIGKILL)

                ledger.write(killed)
            registrar.decide(request, renewal=False, at=desk.now)
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    with desk.ministry.ledger_of(desk.ministry.state) as ledger:
        (code,) = ledger.read(lambda records: records.codes())
        bindings = ledger.read(lambda records: records.bindings())
        assert (code.used_at is not None, len(bindings)) == ((False, 0) if when == "before the commit" else (True, 1))
        answer = replace(desk.registrar, ledger=ledger).decide(request, renewal=False, at=desk.now)
        assert answer.state == "approved"
        assert len(ledger.read(lambda records: records.bindings())) == 1
        assert not bindings or answer.entry == bindings[0].entry


def test_a_renewal_is_proven_by_the_key_that_it_replaces(desk: Desk) -> None:
    old, new = desk.ministry.machine(), desk.ministry.machine()
    desk.decide(desk.request(old, desk.code()))
    after = timedelta(days=270)
    renewed = desk.decide(desk.fields(new).prove_by_old_key(Signer(old.signing)), renewal=True, after=after)
    assert renewed.state == "approved"
    anchor, entry = desk.ministry.anchor, DirectoryEntry.from_json(renewed.entry or "")
    verified = anchor.verify_entry(entry, desk.now + after, old.party)
    assert (verified.generation, verified.signing_public_key) == (2, new.signing.public_key())


def test_a_renewal_by_a_strange_key_is_refused_and_alarmed(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    desk.decide(desk.request(desk.ministry.machine(), desk.code()))
    stranger = desk.ministry.machine()
    answer = desk.decide(desk.fields(stranger).prove_by_old_key(Signer(stranger.signing)), renewal=True)
    assert answer.state == "refused"
    assert "renewal of 131041/T-131041-01 refused" in alarms(caplog)[0]


def test_the_hub_renews_by_its_key_although_no_inventory_of_terminals_has_it(desk: Desk) -> None:
    old, new = desk.ministry.machine(Party("hub"), "asp-hub"), desk.ministry.machine(Party("hub"), "asp-hub")
    desk.ministry.issue(old.applicant())
    answer = desk.decide(desk.fields(new).prove_by_old_key(Signer(old.signing)), renewal=True)
    assert (answer.state, answer.reason) == ("approved", None)
    assert desk.decide(desk.fields(new).prove_by_old_key(Signer(new.receiving)), renewal=True).state == "refused"


@pytest.mark.parametrize("how", ["revoked", "expired"])
def test_a_certificate_that_no_longer_lives_renews_nothing(desk: Desk, how: str) -> None:
    old, new = desk.ministry.machine(), desk.ministry.machine()
    issued = desk.ministry.issue(old.applicant())
    after = timedelta(days=1 if how == "revoked" else 399)
    if how == "revoked":
        desk.ministry.ledger.write(lambda records: revoke(records, issued, "lost", desk.ministry.authority, desk.now))
    request = desk.fields(new).prove_by_old_key(Signer(old.signing))
    assert desk.decide(request, renewal=True, after=after).state == "refused"


def test_a_code_proves_no_renewal_and_a_key_no_enrolment(desk: Desk) -> None:
    old, new = desk.ministry.machine(), desk.ministry.machine()
    desk.ministry.issue(old.applicant())
    assert desk.decide(desk.request(new, desk.code()), renewal=True).state == "refused"
    assert desk.decide(desk.fields(new).prove_by_old_key(Signer(old.signing))).reason == UNPROVEN


def test_an_approval_is_not_repeated_once_its_certificate_is_revoked(desk: Desk) -> None:
    request = desk.request(desk.ministry.machine(), desk.code())
    desk.decide(request)
    (issued,) = desk.ministry.ledger.read(lambda records: records.bindings())
    desk.ministry.ledger.write(lambda records: revoke(records, issued, "lost", desk.ministry.authority, desk.now))
    assert "used" in (desk.decide(request).reason or "")


def successor(desk: Desk) -> RegisteredTerminal:
    """The inventory says that a machine takes the place of T-131041-01, which is retired by that."""
    desk.terminals[0] = desk.terminals[0].model_copy(update={"state": "retired"})
    made = RegisteredTerminal(
        asset_number="T-131041-02",
        endpoint="131041",
        machine_serial="LAB0A1302",
        state="in_service",
        replaces="T-131041-01",
    )
    desk.terminals.append(made)
    return made


def enrol_successor(desk: Desk, serial: str = "LAB0A1302") -> Answer:
    new = desk.ministry.machine(terminal="T-131041-02")
    return desk.decide(desk.request(new, desk.code(terminal="T-131041-02", serial="LAB0A1302"), serial))


def test_who_replaces_a_machine_ends_it_by_getting_its_certificate(desk: Desk) -> None:
    old, other = desk.ministry.machine(), desk.ministry.machine("011011", "T-011011-01")
    desk.decide(desk.request(old, desk.code()))
    desk.decide(desk.request(other, desk.code("011011", "T-011011-01", "LAB0A0901"), "LAB0A0901"))
    left_open = desk.code()
    successor(desk)
    answer = enrol_successor(desk)
    verified = desk.ministry.anchor.verify_entry(DirectoryEntry.from_json(answer.entry or ""), desk.now, old.party)
    assert (verified.terminal, verified.generation) == ("T-131041-02", 2)
    issued = desk.ministry.ledger.read(lambda records: records.bindings())
    assert {(each.terminal, each.revoked_at is not None) for each in issued} == {
        ("T-131041-01", True),
        ("T-131041-02", False),
        ("T-011011-01", False),
    }
    (revoked,) = desk.ministry.ledger.read(lambda records: records.revocations())
    assert revoked.reason == "replaced by T-131041-02"
    renewal = desk.fields(desk.ministry.machine()).prove_by_old_key(Signer(old.signing))
    assert desk.decide(renewal, renewal=True).state == "refused"
    assert "revoked" in (desk.decide(desk.request(desk.ministry.machine(), left_open)).reason or "")


def test_who_is_refused_replaces_nobody(desk: Desk) -> None:
    old = desk.ministry.machine()
    desk.decide(desk.request(old, desk.code()))
    successor(desk)
    assert enrol_successor(desk, serial="STRANGE").state == "refused"
    assert desk.ministry.ledger.read(lambda records: records.revocations()) == []


def test_its_own_renewal_later_ends_nobody(desk: Desk) -> None:
    desk.decide(desk.request(desk.ministry.machine(), desk.code()))
    successor(desk)
    new = desk.ministry.machine(terminal="T-131041-02")
    desk.decide(desk.request(new, desk.code(terminal="T-131041-02", serial="LAB0A1302"), "LAB0A1302"))
    fields = desk.fields(desk.ministry.machine(terminal="T-131041-02"), "LAB0A1302")
    renewed = desk.decide(fields.prove_by_old_key(Signer(new.signing)), renewal=True, after=timedelta(days=270))
    assert renewed.state == "approved"
    assert len(desk.ministry.ledger.read(lambda records: records.revocations())) == 1
