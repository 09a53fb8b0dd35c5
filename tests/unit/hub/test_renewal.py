"""The hub's own renewal: asked for in time, proven by its own key, answered like a terminal's, used by itself."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from renkei.exchange.bindings import DirectoryEntry, TrustAnchor, bind
from renkei.exchange.certificates import certificate_from_pem, issue_client, public_key_of
from renkei.exchange.documents import key_id
from renkei.exchange.enrolment import EnrolmentRequest
from renkei.hub.identity import find_identity, verified_binding
from renkei.hub.settings import read_settings
from renkei.hub.setup import with_store
from renkei.store.hub.contract import Enrolment
from unit.hub.processes import Place

TWO_THIRDS = timedelta(days=266)


@pytest.fixture
def new_place(tmp_path: Path, pki: Any) -> Any:
    def make(age: timedelta) -> Place:
        place = Place(tmp_path, pki)
        entry = place.issue(datetime.now(UTC) - age)
        assert place.run("install-entry", place.file("entry.json", entry)).output == "changed\n"
        return place

    return make


def queue(place: Place, state: Any = "pending") -> list[Enrolment]:
    return with_store(read_settings(place.config), lambda store: store.enrolments(state, 10))


def used_key(place: Place) -> str:
    settings = read_settings(place.config)
    identity = with_store(settings, lambda store: find_identity(store, settings.keys, int(time.time())))
    assert identity is not None
    return identity.signer.key_id


def answer(place: Place, asked: Enrolment, begin: datetime, generation: int) -> DirectoryEntry:
    """What the authority does with a renewal that it finds in the queue."""
    request = EnrolmentRequest.from_json(asked.request)
    issuing = place.pki.issuing
    certificate = issue_client(request.csr, request.endpoint, request.terminal, issuing, begin)
    return bind(certificate, request.receiving_key, generation, issuing, begin, begin + timedelta(days=398))


def approve(place: Place, asked: Enrolment, entry: DirectoryEntry) -> None:
    settings = read_settings(place.config)
    binding, _ = verified_binding(TrustAnchor(place.pki.root_pem), entry, datetime.now(UTC))
    assert with_store(settings, lambda store: store.approve(asked.id, binding, "authority", int(time.time())))


def test_before_two_thirds_of_its_time_nothing_is_asked(new_place: Any) -> None:
    place = new_place(TWO_THIRDS - timedelta(days=2))
    assert place.run("renew", "--when-due", "--terminal", "asp-hub").output.startswith("not due: the certificate ends")
    assert queue(place) == []
    assert not (place.folder / "keys" / "next").exists()


def test_the_request_waits_in_the_hubs_own_queue_proven_by_the_present_key(new_place: Any) -> None:
    place = new_place(TWO_THIRDS)
    for said in ("asked", "waiting", "waiting"):
        assert place.run("renew", "--when-due", "--terminal", "asp-hub").output.startswith(said)
    (asked,) = queue(place)
    assert (asked.kind, asked.endpoint, asked.terminal) == ("renewal", "hub", "asp-hub")
    request = EnrolmentRequest.from_json(asked.request)
    present = DirectoryEntry.from_json((place.folder / "entry.json").read_bytes())
    request.check_renewal(public_key_of(certificate_from_pem(present.certificate)))


def test_the_authoritys_answer_is_used_by_itself_and_the_year_after_too(new_place: Any) -> None:
    place = new_place(TWO_THIRDS)
    words = ("renew", "--when-due", "--terminal", "asp-hub")
    known = used_key(place)
    for generation in (2, 3):
        assert place.run(*words).output.startswith("asked")
        (asked,) = queue(place)
        approve(place, asked, answer(place, asked, datetime.now(UTC) - TWO_THIRDS, generation))
        assert used_key(place) != known
        known = used_key(place)
    settings = read_settings(place.config)
    newest = with_store(settings, lambda store: store.bindings("hub", int(time.time())))[0]
    certificate = certificate_from_pem(DirectoryEntry.from_json(newest.entry).certificate)
    assert key_id(public_key_of(certificate)) == known


def test_what_was_refused_is_asked_again(new_place: Any) -> None:
    place = new_place(TWO_THIRDS)
    words = ("renew", "--when-due", "--terminal", "asp-hub")
    place.run(*words)
    (asked,) = queue(place)
    settings = read_settings(place.config)
    with_store(settings, lambda store: store.refuse(asked.id, "not today", "authority", 1))
    assert place.run(*words).output.startswith("asked")
    assert [each.id for each in queue(place)] == [asked.id]


def test_a_hub_without_an_entry_is_told_what_to_do(tmp_path: Path, pki: Any) -> None:
    place = Place(tmp_path, pki)
    found = place.run("renew", "--when-due")
    assert found.exit_code == 1
    assert "renkei-hub init and install-entry first" in found.output
