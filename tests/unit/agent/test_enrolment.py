import dataclasses
import datetime as dt
import stat
from typing import Any

import pytest

from renkei.agent import enrolment, renewal
from renkei.agent.enrolment import EnrolmentRefused, NeedsCode, Standing
from renkei.agent.home import NotEnrolled
from renkei.agent.status import status_of
from renkei.client.errors import HubUnreachable
from renkei.exchange.codes import CodeError, new_code
from renkei.exchange.enrolment import EnrolmentError
from renkei.exchange.parties import Party
from unit.agent.enrolling import SHINJUKU, answer


@pytest.mark.quick
def test_a_machine_enrols_with_its_code_and_can_exchange(fleet: Any) -> None:
    home, code = fleet.home(SHINJUKU), new_code()
    assert enrolment.enrol(home, code, 0).standing is Standing.PENDING
    with pytest.raises(NotEnrolled):
        home.connect()
    assert answer(fleet, code) == 1
    assert enrolment.enrol(home, None, 0).generation == 1
    fleet.exchange(home)
    assert enrolment.enrol(home, None, 0).standing is Standing.ENROLLED


def test_enrolling_learns_the_ministry_so_that_parcels_can_be_sealed_without_a_line(
    fleet: Any,
) -> None:
    fleet.agent("ministry")
    home, code = fleet.home(SHINJUKU), new_code()
    enrolment.enrol(home, code, 0)
    answer(fleet, code)
    enrolment.enrol(home, None, 0)
    assert home.spool.peer("ministry").generation == 1


def test_enrolling_says_what_is_read_here_to_those_who_send_by_medium(fleet: Any) -> None:
    home, code = fleet.home(SHINJUKU, link="media"), new_code()
    enrolment.enrol(home, code, 0)
    answer(fleet, code)
    enrolment.enrol(home, None, 0)
    with fleet.authority() as client:
        assert client.directory(Party(SHINJUKU)).profile is not None


def test_a_request_is_the_same_at_every_try(fleet: Any) -> None:
    home, code = fleet.home(SHINJUKU), new_code()
    enrolment.enrol(home, code, 0)
    enrolment.enrol(home, code, 0)
    assert answer(fleet, code) == 1


def test_a_request_that_found_no_hub_is_sent_by_the_next_call(fleet: Any) -> None:
    home, code = fleet.home(SHINJUKU), new_code()
    fleet.stop_hub()
    with pytest.raises(HubUnreachable):
        enrolment.enrol(home, code, 0)
    fleet.start_hub()
    enrolment.enrol(home, code, 0)
    assert answer(fleet, code) == 1


@pytest.mark.quick
def test_a_mistyped_code_is_found_before_anything_is_sent(fleet: Any) -> None:
    home, code = fleet.home(SHINJUKU), new_code()
    wrong = ("0" if code[0] != "0" else "1") + code[1:]
    with pytest.raises(CodeError):
        enrolment.enrol(home, wrong, 0)
    assert answer(fleet) == 0


@pytest.mark.quick
def test_a_code_of_another_terminal_proves_nothing(fleet: Any) -> None:
    home, other = fleet.home(SHINJUKU), new_code()
    enrolment.enrol(home, other, 0)
    with pytest.raises(EnrolmentError):
        answer(fleet, new_code())


def test_without_a_request_a_code_is_needed(fleet: Any) -> None:
    with pytest.raises(NeedsCode):
        enrolment.enrol(fleet.home(SHINJUKU), None, 0)


def test_a_refusal_says_why_and_the_keys_are_thrown_away(fleet: Any) -> None:
    home = fleet.home(SHINJUKU)
    enrolment.enrol(home, new_code(), 0)
    before = home.keyring.pending().request_pem
    with fleet.authority() as client:
        client.refuse(client.enrolments()[0].id, "the code has expired")
    with pytest.raises(EnrolmentRefused, match="the code has expired"):
        enrolment.enrol(home, None, 0)
    enrolment.enrol(home, new_code(), 0)
    assert home.keyring.pending().request_pem != before


@pytest.mark.quick
@pytest.mark.parametrize("fault", ["receiving key", "root"])
def test_an_answer_that_is_not_for_these_keys_under_this_root_is_not_adopted(
    fleet: Any, tmp_path_factory: pytest.TempPathFactory, fault: str
) -> None:
    home = fleet.home(SHINJUKU)
    enrolment.enrol(home, new_code(), 0)
    if fault == "receiving key":
        answer(fleet, receiving=fleet.home("ministry").keyring.prepare(Party("ministry"), "x").receiving_point)
    else:
        answer(fleet)
        home = dataclasses.replace(home, anchor=type(fleet.pki)(tmp_path_factory.mktemp("other")).anchor)
    with pytest.raises(EnrolmentRefused, match="can't be believed"):
        enrolment.enrol(home, None, 0)
    assert home.keyring.current() is None
    assert [alarm.kind for alarm in status_of(home).alarms] == ["enrolment"]


@pytest.mark.quick
def test_keys_are_made_on_the_machine_and_only_its_owner_reads_them(fleet: Any) -> None:
    home = fleet.agent(SHINJUKU)
    folder = home.keys().folder
    for name in ("signing.pem", "receiving.pem"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600


def test_a_certificate_is_renewed_when_two_thirds_of_its_life_are_over(fleet: Any, status_csv: Any) -> None:
    ministry, home = fleet.agent("ministry"), fleet.agent(SHINJUKU, age=300)
    (ministry.settings.outbox / SHINJUKU).mkdir()
    (ministry.settings.outbox / SHINJUKU / "change.csv").write_bytes(status_csv(1))
    fleet.exchange(ministry)
    with home.connect() as client:
        renewal.tend(home, client)
        assert answer(fleet, generation=2) == 1
        renewal.tend(home, client)
    assert home.keys().number == 2
    assert fleet.exchange(home).notices_delivered == 1  # sealed to generation 1, receipted by generation 2
    assert fleet.exchange(ministry).receipts_received == 1


@pytest.mark.quick
def test_a_young_certificate_is_left_alone(fleet: Any) -> None:
    home = fleet.agent(SHINJUKU, age=200)
    with home.connect() as client:
        renewal.tend(home, client)
    assert home.keyring.pending() is None


def test_a_renewal_that_nobody_answers_is_alarmed_when_the_end_is_near(fleet: Any) -> None:
    home = fleet.agent(SHINJUKU, age=380)
    with home.connect() as client:
        renewal.tend(home, client)
    (alarm,) = status_of(home).alarms
    end = dt.datetime.now(dt.UTC) + dt.timedelta(days=17)
    assert f"{end:%Y-%m}" in alarm.text
