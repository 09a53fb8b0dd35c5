"""The real `renkei-hub` process: set up, killed under load, restarted, stopped."""

import json
import signal
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from renkei.exchange.certificates import certificate_from_pem, public_key_of
from renkei.exchange.payloads import Acceptance
from unit.hub.processes import Place, add_bindings, content_digest

SENDERS = ("131041", "011011", "012271")
KILLS = 2
ACCEPTANCES_A_ROUND = 40

Accepted = dict[str, list[tuple[Any, bytes]]]


@pytest.fixture
def place(tmp_path: Path, pki: Any) -> Place:
    return Place(tmp_path, pki)


@pytest.fixture
def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def test_a_machine_becomes_the_hub(place: Place, now: datetime) -> None:
    entry = place.issue(now)
    keys = place.folder / "keys"
    assert [oct(path.stat().st_mode & 0o777) for path in (keys, keys / "signing.pem")] == ["0o700", "0o600"]
    assert place.run("init").output == place.run("init", "--terminal", "other").output
    authority = place.file("authority.json", place.pki.enrol("authority").entry)
    ministry = place.file("ministry.json", place.pki.enrol("ministry").entry)
    endpoint = place.file("endpoint.json", place.pki.enrol("131041").entry)
    own = place.file("own.json", entry)
    assert [place.run("install-entry", own).output for _ in range(2)] == ["changed\n", "unchanged\n"]
    assert place.run("trust", authority, ministry).output == f"changed {authority}\nchanged {ministry}\n"
    assert place.run("trust", ministry).output == f"unchanged {ministry}\n"
    for arguments, said in (
        (("trust", endpoint), "only authority and ministry are trusted this way"),
        (("trust", str(place.folder / "none")), "No such file"),
        (("trust", str(place.config)), "a directory entry has binding, certificate and issuer"),
        (("migrate",), "a file's schema is brought up to date by the hub that opens it"),
        (("install-entry", authority), "the entry is for authority, not for the hub"),
        (("install-entry", place.file("x.json", place.pki.enrol("hub").entry)), "other keys than this hub's"),
    ):
        result = place.run(*arguments)
        assert (result.exit_code, said in result.stderr.replace("\n", " ")) == (1, True), result.stderr
    assert place.run("check-store").output.startswith("the store is sound: 3 journal entries")


def test_an_entry_of_another_root_is_refused(place: Place, now: datetime, other_pki: Any) -> None:
    assert place.run("install-entry", place.file("x.json", other_pki.enrol("hub").entry)).exit_code == 1
    place.issue(now)
    result = place.run("install-entry", place.file("x.json", other_pki.enrol("hub").entry))
    assert "can't be believed" in result.stderr.replace("\n", " ")
    assert place.run("trust", place.file("a.json", other_pki.enrol("authority").entry)).exit_code == 1


@pytest.mark.thorough
def test_a_hub_without_its_entry_waits_for_it(place: Place, now: datetime) -> None:
    authority = place.pki.enrol("authority")
    with place.serving() as process, place.client("health.sock") as health:
        assert health.get("/healthz").status_code == 503
        assert place.run("install-entry", place.file("own.json", place.issue(now))).output == "changed\n"
        assert place.run("trust", place.file("a.json", authority.entry)).exit_code == 0
        with place.client(headers=authority.header) as line:
            while line.get("/v1/hub").status_code == 503:
                pass
        assert health.get("/healthz").text == "ok\n"
        assert b"renkei_hub_ready 1.0" in health.get("/metrics").content
        assert "another process listens there" in place.run("serve").stderr.replace("\n", " ")
        assert [oct((place.folder / f"{name}.sock").stat().st_mode & 0o777) for name in ("hub", "enrolment")] == [
            "0o660",
            "0o660",
        ]
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0
    parties = json.loads(place.run("status", "--json").output)["parties"]
    assert parties["authority"]["last_contact"]
    assert "authority" in place.run("status").output


@pytest.mark.thorough
def test_what_was_accepted_survives_any_kill(place: Place, now: datetime, new_parcel: Any) -> None:
    own = place.issue(now)
    place.run("install-entry", place.file("own.json", own))
    ministry = place.pki.enrol("ministry")
    machines = {code: place.pki.enrol(code) for code in SENDERS}
    add_bindings(place, [ministry, *machines.values()], now)
    accepted: Accepted = {code: [] for code in SENDERS}
    for kills in range(KILLS + 1):
        with place.serving() as process:
            for code, messages in accepted.items():
                _check_all_there(place, code, machines[code], ministry, messages)
            if kills < KILLS:
                load = Load(place, machines, ministry, accepted, new_parcel)
                load.run_until(ACCEPTANCES_A_ROUND)
                process.kill()
                load.join()
    key = public_key_of(certificate_from_pem(own.certificate))
    indexes = [Acceptance.open(envelope, key).journal_index for each in accepted.values() for _, envelope in each]
    assert len(set(indexes)) == len(indexes) >= KILLS * ACCEPTANCES_A_ROUND
    assert place.run("check-store").exit_code == 0


def _check_all_there(place: Place, code: str, machine: Any, ministry: Any, messages: list[tuple[Any, bytes]]) -> None:
    """Offer again all that was answered with 201, and download the newest of it."""
    with place.client(headers=machine.header) as line:
        state = line.get("/v1/streams/ministry/notices").json()
        assert {str(parcel.id) for parcel, _ in messages} <= {each["id"] for each in state["unreceipted"]}
        for parcel, acceptance in messages:
            again = line.put(f"/v1/messages/{code}/{parcel.id}", content=parcel.manifest)
            assert (again.status_code, again.content) == (200, acceptance)
    with place.client(headers=ministry.header) as line:
        for parcel, _ in messages[-3:]:
            assert line.get(f"/v1/messages/{code}/{parcel.id}/content").content == parcel.sealed


class Load:
    """Senders that offer parcel after parcel, each on a line of its own, and note every 201."""

    def __init__(
        self,
        place: Place,
        machines: dict[str, Any],
        ministry: Any,
        accepted: Accepted,
        new_parcel: Callable[..., Any],
    ) -> None:
        self._place = place
        self._ministry = ministry
        self._accepted = accepted
        self._new_parcel = new_parcel
        self._enough = threading.Event()
        self._before = sum(map(len, accepted.values()))
        self._goal = 0
        self._threads = [threading.Thread(target=self._send, args=each) for each in machines.items()]

    def run_until(self, goal: int) -> None:
        """Send until `goal` parcels were accepted; the senders go on while the hub is being killed."""
        self._goal = goal
        for thread in self._threads:
            thread.start()
        assert self._enough.wait(30)

    def join(self) -> None:
        for thread in self._threads:
            thread.join(10)

    def _send(self, code: str, machine: Any) -> None:
        with self._place.client(headers=machine.header) as line:
            try:
                sequence = line.get("/v1/streams/ministry/notices").json()["next_sequence"]
                while True:
                    parcel = self._new_parcel(machine, self._ministry, sequence)
                    path = f"/v1/messages/{code}/{parcel.id}"
                    digest = line.put(path, content=parcel.manifest).json()["missing"][0]
                    line.put(f"/v1/parts/{digest}", content=parcel.parts[0], headers=content_digest(digest))
                    answer = line.put(path, content=parcel.manifest)
                    assert answer.status_code == 201, answer.text
                    self._accepted[code].append((parcel, answer.content))
                    sequence += 1
                    if sum(map(len, self._accepted.values())) - self._before >= self._goal:
                        self._enough.set()
            except httpx.TransportError:
                return  # killed
