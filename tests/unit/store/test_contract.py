"""What the hub's store keeps besides parcels, on both databases; and that no method of the contract is left out."""

import inspect
import re
from dataclasses import replace
from pathlib import Path

import pytest

from renkei.store.hub.contract import HubStore, Profile
from renkei.store.hub.exchanges import Exchanged
from renkei.store.hub.refusals import UnknownRefusal
from renkei.store.hub.store import SqlHubStore
from unit.store.conftest import PLENTY, RECIPIENT, SENDER, SIGNERS, Place, digest, message, run, sign

HERE = Path(__file__).parent
SUITE = ("test_contract.py", "test_hub.py", "history.py", "test_backup.py")
"""The files whose tests, or model of tests, run on each database."""


def test_a_head_is_kept_once_and_never_after_a_newer_one(store: SqlHubStore) -> None:
    tree = run(store.tree())
    assert run(store.newest_head()) is None
    assert run(store.keep_head(tree, b"head 1", SIGNERS[SENDER], 100))
    assert not run(store.keep_head(tree, b"head 1 again", SIGNERS[SENDER], 100)), "another hub kept the same meanwhile"
    assert not run(store.keep_head(tree, b"an hour older", SIGNERS[SENDER], 99))
    assert run(store.keep_head(tree, b"head 2", SIGNERS[RECIPIENT], 3700)), "nothing came, and an hour went by"
    assert run(store.keep_head(replace(tree, epoch=9), b"head 3", SIGNERS[SENDER], 3700)), "a restored hub"
    found = run(store.kept_heads(1, 10))
    assert [(each.number, each.epoch, each.size, each.signed_at, each.envelope, each.entry) for each in found] == [
        (1, 1, tree.size, 100, b"head 1", b"{}"),
        (2, 1, tree.size, 3700, b"head 2", b"{}"),
        (3, 9, tree.size, 3700, b"head 3", b"{}"),
    ]
    assert run(store.newest_head()) == found[2]
    assert run(store.kept_heads(2, 1)) == [found[1]]


def test_the_newest_profile_of_a_party_is_kept_and_stands_in_the_journal(store: SqlHubStore) -> None:
    before = run(store.tree()).size
    assert run(store.profile(SENDER)) is None
    put = [run(store.put_profile(Profile(SENDER, at, b"profile %d" % at), 50)) for at in (10, 10, 9, 11)]
    assert put == [True, False, False, True]
    assert run(store.profile(SENDER)) == b"profile 11"
    assert run(store.tree()).size == before + 2


def test_a_part_is_its_senders_alone(store: SqlHubStore) -> None:
    run(store.put_part(SENDER, digest(b"part"), b"part", PLENTY, 1))
    assert run(store.part(SENDER, digest(b"part"))) == b"part"
    with pytest.raises(UnknownRefusal):
        run(store.part(RECIPIENT, digest(b"part")))


def test_the_journal_is_read_as_it_stands(place: Place, store: SqlHubStore) -> None:
    run(store.put_part(SENDER, digest(b"part"), b"part", PLENTY, 1))
    run(store.accept(message(1, 1, [b"part"]), sign, PLENTY, 1))
    size = run(store.journal_size())
    page = run(store.journal_page(1, size + 5))
    assert [position for position, _ in page.entries] == [position for position, _ in page.leaves] == [1, 2]
    assert [entry for _, entry in page.entries] == run(store.journal_entries(1, 2))
    place.harm("DELETE FROM journal WHERE position = 2")
    assert run(store.journal_size()) == size == 3, "an entry that was removed is missed"


def test_contacts_only_move_forward(store: SqlHubStore) -> None:
    for contacts in ({SENDER: 50, RECIPIENT: 60}, {SENDER: 40, RECIPIENT: 70}):
        run(store.touch(contacts))
    assert {each.party: each.last_contact for each in run(store.counts())} == {SENDER: 50, RECIPIENT: 70}


def test_what_was_seen_of_exchanges_adds_up_and_who_fails_comes_again(store: SqlHubStore) -> None:
    run(store.note_exchanges([Exchanged(SENDER, "T-1", exchanged_at=50), Exchanged(SENDER, "T-2", exchanged_at=51)]))
    page = run(store.exchanges(0, 9))
    assert [(cursor, each.terminal) for cursor, each in page.items] == [(1, "T-1"), (2, "T-2")]
    run(store.note_exchanges([Exchanged(SENDER, "T-2", exchanged_at=60), Exchanged(SENDER, "T-1", 0, 61, cut=2)]))
    run(store.note_exchanges([Exchanged(SENDER, "T-1", 55, 0), Exchanged(SENDER, "T-1", 40, 41, cut=1, refused=1)]))
    [(cursor, again)] = run(store.exchanges(page.end, 9)).items
    assert again == Exchanged(SENDER, "T-1", exchanged_at=55, failed_at=61, cut=3, refused=1)
    assert run(store.exchanges(0, 9)).end == cursor
    assert [each.exchanged_at for _, each in run(store.exchanges(0, 1)).items] == [60]
    assert run(store.exchanges(cursor, 9)).items == ()


def test_a_new_store_is_of_the_first_epoch(store: SqlHubStore) -> None:
    assert run(store.epoch()) == run(store.tree()).epoch == 1


def test_a_probe_of_writing_is_written(store: SqlHubStore) -> None:
    run(store.prove_writable(77))
    assert run(store._read(lambda t: t.count("SELECT proven_writable_at FROM hub"))) == 77


def test_every_method_of_the_contract_is_used_in_this_suite() -> None:
    methods = {name for name, _ in inspect.getmembers(HubStore, inspect.isfunction) if not name.startswith("_")}
    text = "".join((HERE / name).read_text(encoding="utf-8") for name in SUITE)
    used = set(re.findall(r"store\.(\w+)\(", text))
    assert methods - used == {"arrivals"}, "not tested on both databases"  # of PostgreSQL alone: test_postgresql.py
