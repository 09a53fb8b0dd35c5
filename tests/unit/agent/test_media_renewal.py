"""An endpoint without a line renews its certificate by medium, with the proofs of the line and keys of its own."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from renkei.agent import media
from renkei.agent.exchange import take_offline
from renkei.agent.home import Home
from renkei.agent.intake import Watch
from renkei.agent.status import status_of
from renkei.client.answers import QueuedEnrolment
from renkei.exchange.certificates import make_key
from renkei.exchange.documents import Signer
from renkei.exchange.parties import MINISTRY, Party

UTASHINAI = "012271"
DUE = 266  # days: two thirds of 398


@pytest.fixture
def new_sides(fleet: Any) -> Any:
    def make(age: int) -> tuple[Home, Home]:
        ministry, endpoint = fleet.agent("ministry"), fleet.agent(UTASHINAI, link="media", age=age)
        fleet.exchange(endpoint)  # before its line went down
        fleet.exchange(ministry)
        return ministry, endpoint

    return make


class Trip:
    """A medium that goes to and fro."""

    def __init__(self, fleet: Any, sides: tuple[Home, Home], medium: Path) -> None:
        self.fleet, (self.ministry, self.endpoint) = fleet, sides
        self.medium = fleet.medium(self.ministry, medium, UTASHINAI)

    def out(self) -> media.Import:
        media.export(self.endpoint, self.medium, MINISTRY)
        found = media.import_all(self.ministry, self.medium)
        self.fleet.exchange(self.ministry)
        return found

    def back(self) -> media.Import:
        media.export(self.ministry, self.medium, Party(UTASHINAI))
        return media.import_all(self.endpoint, self.medium)

    def queue(self) -> tuple[QueuedEnrolment, ...]:
        with self.fleet.authority() as client:
            found: tuple[QueuedEnrolment, ...] = client.enrolments()
        return found

    def answer(self, generation: int = 2, reason: str = "") -> None:
        """What the authority does with the one request in the hub's queue."""
        (queued,) = self.queue()
        asked = queued.request
        with self.fleet.authority() as client:
            if reason:
                client.refuse(queued.id, reason)
                return
            entry = self.fleet.pki.entry(asked.csr, UTASHINAI, asked.terminal, asked.receiving_key, generation)
            client.approve(queued.id, entry)
        self.fleet.exchange(self.ministry)


@pytest.fixture
def trip(fleet: Any, new_sides: Any, tmp_path: Path) -> Trip:
    return Trip(fleet, new_sides(DUE), tmp_path / "medium")


def kinds(home: Home) -> set[str]:
    return {alarm.kind for alarm in status_of(home).alarms}


@pytest.mark.quick
def test_request_out_and_answer_in(trip: Trip, residence_csv: Any) -> None:
    assert trip.out().refused == 0
    (queued,) = trip.queue()
    assert (queued.kind, queued.request.endpoint) == ("renewal", UTASHINAI)
    trip.answer()
    assert trip.back().refused == 0
    assert status_of(trip.endpoint).generation == 2
    assert trip.endpoint.keyring.pending() is None
    (trip.endpoint.settings.outbox / "a.csv").write_bytes(residence_csv(1, UTASHINAI))
    take_offline(trip.endpoint, Watch(0))
    assert trip.out().notices == 1, "the new key signs, and is believed"
    assert trip.back().receipts == 1
    assert [status_of(side).alarms for side in (trip.ministry, trip.endpoint)] == [(), ()]


@pytest.mark.quick
def test_the_keys_never_leave_the_machine_that_will_use_them(trip: Trip) -> None:
    written = media.export(trip.endpoint, trip.medium, MINISTRY)
    request = json.loads((trip.medium / written.folder / "entries" / "renewal-request.json").read_bytes())
    assert set(request) == {"endpoint", "terminal", "machine_serial", "csr", "receiving_key", "proof"}
    everything = b"".join(path.read_bytes() for path in (trip.medium / written.folder).rglob("*") if path.is_file())
    assert b"PRIVATE KEY" not in everything
    pending = trip.endpoint.keyring.pending()
    assert pending is not None
    assert pending.request_pem == request["csr"]


def test_before_two_thirds_of_its_time_nothing_is_asked(fleet: Any, new_sides: Any, tmp_path: Path) -> None:
    trip = Trip(fleet, new_sides(DUE - 3), tmp_path / "medium")
    trip.out()
    assert trip.queue() == ()
    assert trip.endpoint.keyring.pending() is None


def test_a_medium_that_is_lost_either_way_costs_only_time(trip: Trip) -> None:
    lost = media.export(trip.endpoint, trip.medium, MINISTRY)
    shutil.rmtree(trip.medium / lost.folder)
    for _ in range(3):
        trip.out()
    assert len(trip.queue()) == 1, "the same request, every time"
    trip.answer()
    lost = media.export(trip.ministry, trip.medium, Party(UTASHINAI))
    shutil.rmtree(trip.medium / lost.folder)
    for _ in range(2):
        assert trip.back().refused == 0
    assert status_of(trip.endpoint).generation == 2
    assert kinds(trip.endpoint) == set()


def test_a_hub_that_was_restored_in_between_gets_the_request_again(fleet: Any, trip: Trip) -> None:
    fleet.back_up()
    trip.out()
    fleet.restore()
    for _ in range(2):  # the ministry's agent finds that it is gone, and hands it in anew
        fleet.exchange(trip.ministry)
    assert len(trip.queue()) == 1
    trip.answer()
    trip.back()
    assert status_of(trip.endpoint).generation == 2


def test_a_refusal_comes_back_too_and_the_next_medium_asks_with_new_keys(trip: Trip) -> None:
    trip.out()
    first = trip.queue()[0].request.csr
    trip.answer(reason="the inventory says that this terminal is retired")
    trip.fleet.exchange(trip.ministry)
    assert trip.back().refused == 1
    assert "retired" in next(a.text for a in status_of(trip.endpoint).alarms if a.kind == "certificate")
    trip.out()
    assert trip.queue()[0].request.csr != first
    trip.answer()
    trip.back()
    assert status_of(trip.endpoint).generation == 2
    assert kinds(trip.endpoint) == set()


def test_a_certificate_that_ends_soon_is_alarmed_earlier_than_on_a_line(fleet: Any, new_sides: Any) -> None:
    _, endpoint = new_sides(398 - 80)
    take_offline(endpoint, Watch(0))
    assert "import the one that comes back" in next(
        a.text for a in status_of(endpoint).alarms if a.kind == "certificate"
    )
    online = fleet.agent("131041", age=398 - 80)
    take_offline(online, Watch(0))
    assert "certificate" not in kinds(online)


def replaced(trip: Trip, home: Home, recipient: Party, name: str, change: Any) -> media.Import:
    """Write an export, change the file of the renewal, sign the whole anew, and import it on the other side."""
    written = media.export(home, trip.medium, recipient)
    path = trip.medium / written.folder / "entries" / name
    path.write_bytes(change(path.read_bytes()))
    trip.fleet.cover_anew(home, trip.medium / written.folder)
    return media.import_all(trip.ministry if recipient == MINISTRY else trip.endpoint, trip.medium)


def test_a_request_that_another_key_proves_or_of_another_machine_goes_no_further(fleet: Any, trip: Trip) -> None:
    fields = json.loads(media.renewing.request_to_write(trip.endpoint) or b"")
    pending = trip.endpoint.keyring.pending()
    assert pending is not None
    asked = media.renewing.enrolment.fields(trip.endpoint, pending)
    stranger = asked.prove_by_old_key(Signer(make_key())).to_json()
    other = asked.model_copy(update={"terminal": "T-OTHER"}).prove_by_old_key(trip.endpoint.keys().signer).to_json()
    tampered = json.dumps({**fields, "machine_serial": "ANOTHER"}).encode()
    for number, text in enumerate((stranger, other, tampered, b"{", b"")):
        found = replaced(trip, trip.endpoint, MINISTRY, "renewal-request.json", lambda _, text=text: text)
        assert (found.exports, found.refused) == (1, 1), number
    fleet.exchange(trip.ministry)
    assert trip.queue() == ()
    assert kinds(trip.ministry) == {"medium"}


def test_an_answer_for_other_keys_or_by_another_ca_is_not_taken(trip: Trip, tmp_path_factory: Any) -> None:
    trip.out()
    asked = trip.queue()[0].request
    trip.answer()
    rogue = type(trip.fleet.pki)(tmp_path_factory.mktemp("rogue"))
    forged = rogue.entry(asked.csr, UTASHINAI, asked.terminal, asked.receiving_key, 2)
    foreign = trip.fleet.pki.entry(
        json.loads(media.renewing.request_to_write(trip.endpoint) or b"")["csr"], UTASHINAI, asked.terminal,
        media.renewing.enrolment.fields(trip.ministry, trip.ministry.keyring.prepare(MINISTRY, "T")).receiving_key, 2,
    )  # fmt: skip
    for entry in (forged, foreign):

        def change(text: bytes, entry: Any = entry) -> bytes:
            return json.dumps({**json.loads(text), "entry": entry.model_dump()}).encode()

        found = replaced(trip, trip.ministry, Party(UTASHINAI), "renewal-answer.json", change)
        assert found.refused == 1
        assert status_of(trip.endpoint).generation == 1
    assert trip.back().refused == 0, "the true answer still does"
    assert status_of(trip.endpoint).generation == 2
