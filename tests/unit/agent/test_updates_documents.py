"""Which documents of updates an agent takes, and which it refuses."""

import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from renkei.agent.updates import documents
from renkei.agent.updates.places import Places
from renkei.exchange.bindings import BindingError
from renkei.exchange.certificates import make_key
from renkei.exchange.documents import DocumentError, Signer, peek
from renkei.exchange.parties import Party
from renkei.exchange.updates import Consent, OrderError, PatchState
from unit.agent.office import Office
from unit.agent.update_host import MINUTE, update


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
    office.pass_time(1)
    late = office.permit(given)
    office.pass_time(15)
    with pytest.raises(OrderError, match="say ready again"):
        office.take(late)


def test_a_permit_that_lies_at_the_hub_while_the_machine_works_and_after_is_no_alarm(office: Office) -> None:
    given = office.order()
    office.take(given)
    permit = office.permit(given)
    office.take(permit)
    envelope = permit.sign(office.signer)
    office.pass_time(30)
    assert not documents.take(office.home, envelope, office.entry)
    [kept] = office.home.spool.updates.orders()
    office.home.spool.updates.advance(kept.id, kept.course, [], "2026-11-24T12:00:00Z")
    with pytest.raises(documents.Replayed, match="which ended"):
        documents.take(office.home, envelope, office.entry)


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
