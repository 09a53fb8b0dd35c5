"""The hub's store: a random history of parcels against a simple model, and what the check of the store finds."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from renkei.exchange.journal import verify_inclusion
from renkei.store.errors import StoreError
from renkei.store.hub.contract import Enrolment
from renkei.store.hub.patch_words import HostState, Order, OrderKind, PatchState
from renkei.store.hub.refusals import (
    ConflictRefusal,
    QuotaRefusal,
    SequenceRefusal,
    UnknownRefusal,
)
from renkei.store.hub.sqlite import SqliteHubStore
from renkei.store.hub.store import SqlHubStore
from renkei.store.hub.words import Horizon, ServerAsking, Settlement
from unit.examples import examples
from unit.store.conftest import (
    PLENTY,
    RECIPIENT,
    SENDER,
    SIGNERS,
    Place,
    binding,
    digest,
    message,
    receipt,
    run,
    sign,
    void,
)
from unit.store.history import History


def test_a_stream_through_everything_that_can_happen(new_place: Callable[[], Place]) -> None:
    wanted = examples(15) if new_place().cluster is None else 4  # a statement takes a hundred times as long on a server
    some = settings(max_examples=wanted, stateful_step_count=20, deadline=None)
    run_state_machine_as_test(lambda: History(new_place()), settings=some)  # type: ignore[no-untyped-call]


def test_an_act_and_its_journal_entry_are_one_transaction(store: SqlHubStore) -> None:
    before = run(store.tree())
    run(store.put_part(SENDER, digest(b"part"), b"part", PLENTY, 1))

    def failing(index: int, epoch: int) -> bytes:
        raise RuntimeError(f"no signature for {index} in {epoch}")

    with pytest.raises(RuntimeError, match="no signature"):
        run(store.accept(message(1, 1, [b"part"]), failing, PLENTY, 1))
    assert run(store.tree()) == before
    assert run(store.message(SENDER, "id-1")) is None
    assert run(store.stream(SENDER, RECIPIENT, "notices")).next_sequence == 1
    assert run(store.accept(message(1, 1, [b"part"]), sign, PLENTY, 1)) == (sign(before.size, 1), True)


def test_many_at_once_get_their_own_place_in_the_journal(store: SqlHubStore) -> None:
    async def offer() -> list[bytes]:
        await asyncio.gather(*(store.put_part(SENDER, digest(b"%d" % n), b"%d" % n, PLENTY, 1) for n in range(40)))
        offers = (store.accept(message(n, n + 1, [b"%d" % n]), sign, PLENTY, 1) for n in range(40))
        return [acceptance for acceptance, _ in await asyncio.gather(*offers)]

    size = run(store.tree()).size
    assert run(offer()) == [sign(size + n, 1) for n in range(40)]
    assert max(store.statistics.batches) > 1
    assert run(store.check()) == []


def test_the_newest_horizon_of_a_stream_is_kept_and_never_one_that_runs_ahead(store: SqlHubStore) -> None:
    def horizon(number: int, moment: int) -> Horizon:
        envelope = b'{"horizon":[%d,%d]}' % (number, moment)
        return Horizon(SENDER, RECIPIENT, "notices", number, moment, envelope, SIGNERS[SENDER])

    assert run(store.horizon(SENDER, RECIPIENT, "notices")) is None
    assert run(store.put_horizons([horizon(2, 50)])) == [(0, 1)]
    run(store.put_part(SENDER, digest(b"part"), b"part", PLENTY, 1))
    run(store.accept(message(1, 1, [b"part"]), sign, PLENTY, 1))
    assert run(store.put_horizons([horizon(1, 90), horizon(2, 50), horizon(2, 40), horizon(3, 99)])) == [(3, 2)]
    kept = run(store.horizon(SENDER, RECIPIENT, "notices"))
    assert (kept.envelope, kept.entry) == (b'{"horizon":[2,50]}', b"{}")
    assert run(store.horizon(RECIPIENT, SENDER, "notices")) is None


def test_a_stream_goes_on_behind_what_is_settled_and_stays_without_a_gap(store: SqlHubStore) -> None:
    def settlement(moment: int, *settled: tuple[int, int]) -> Settlement:
        envelope = b'{"settlement":%d}' % moment
        return Settlement(SENDER, RECIPIENT, "notices", settled, moment, envelope, SIGNERS[SENDER])

    size = run(store.tree()).size
    assert run(store.settle(settlement(1, (2, 4)), 9)) == 1
    assert run(store.tree()).size == size, "it changed nothing"
    assert run(store.settle(settlement(3, (1, 4), (6, 8)), 9)) == 5
    assert run(store.settle(settlement(2, (1, 4)), 9)) == 5
    assert run(store.tree()).size == size + 1
    kept = run(store.settlement(SENDER, RECIPIENT, "notices"))
    assert (kept.envelope, kept.entry) == (b'{"settlement":3}', b"{}")
    assert run(store.settlement(RECIPIENT, SENDER, "notices")) is None
    run(store.put_part(SENDER, digest(b"part"), b"part", PLENTY, 1))
    run(store.accept(message(1, 5, [b"part"]), sign, PLENTY, 1))
    assert run(store.settle(settlement(4, (1, 4), (6, 8)), 9)) == 9
    assert run(store.check()) == []


def test_a_returned_receipt_settles_a_message_and_goes_into_no_inbox(store: SqlHubStore) -> None:
    run(store.put_part(SENDER, digest(b"part"), b"part", PLENTY, 1))
    run(store.accept(message(1, 1, [b"part"]), sign, PLENTY, 1))
    returned = replace(receipt(1), returned=True)
    assert [run(store.receipt(returned, 9)), run(store.receipt(returned, 9))] == [True, False]
    assert run(store.inbox(SENDER, 0, 9, PLENTY)).items == () == run(store.inbox(RECIPIENT, 0, 9, PLENTY)).items
    assert run(store.stream(SENDER, RECIPIENT, "notices")).unreceipted == ()
    assert {each.party: each.receipts for each in run(store.counts())}[SENDER] == 1
    assert run(store.check()) == []


def test_a_quota_is_a_senders_own(store: SqlHubStore) -> None:
    assert run(store.put_part(SENDER, digest(b"12345678"), b"12345678", 10, 1))
    with pytest.raises(QuotaRefusal, match="131041 holds its quota of 10 bytes"):
        run(store.put_part(SENDER, digest(b"123"), b"123", 10, 1))
    assert run(store.put_part(RECIPIENT, digest(b"123"), b"123", 10, 1))
    with pytest.raises(QuotaRefusal):
        run(store.accept(message(1, 1, [b"12345678"]), sign, 10, 1))
    assert run(store.check()) == []


def test_the_queue_keeps_its_bounds_and_expires(open_store: Callable[..., SqlHubStore]) -> None:
    store = open_store(pending_enrolments=3, pending_enrolments_per_address=2)

    def ask(number: int, address: str) -> bool:
        asked = Enrolment(f"e{number}", "enrolment", "131041", "T-1", b"{}", address)
        return bool(run(store.enqueue(asked, number)))

    assert [ask(1, "x"), ask(1, "x"), ask(2, "x")] == [True, False, True]
    with pytest.raises(QuotaRefusal, match="from this address"):
        ask(3, "x")
    assert ask(4, "y")
    with pytest.raises(QuotaRefusal, match="3 enrolments are waiting"):
        ask(5, "z")
    assert [each.id for each in run(store.enrolments("pending", 10))] == ["e1", "e2", "e4"]
    assert run(store.refuse("e1", "no", "authority", 9))
    assert ask(5, "x")
    assert run(store.expire(0, 3, 0)) == 2
    assert [each.id for each in run(store.enrolments("pending", 10))] == ["e4", "e5"]
    assert run(store.pending_enrolments()) == 2


def test_settled_messages_go_after_their_time_and_the_journals_proof_stays(store: SqlHubStore) -> None:
    for number in (1, 2, 3, 4):
        part = b"part %d" % number
        run(store.put_part(SENDER, digest(part), part, PLENTY, 10))
        run(store.accept(message(number, number, [part]), sign, PLENTY, 10))
    run(store.receipt(receipt(1), 20))
    run(store.void(void(2), 30))
    run(store.receipt(receipt(3), 400))
    head = run(store.tree())
    assert run(store.expire(0, 0, 20)) == 0
    assert run(store.expire(0, 0, 400)) == 2
    assert run(store.expire(0, 0, 400)) == 0
    assert [run(store.message(SENDER, f"id-{n}")) is None for n in (1, 2, 3, 4)] == [True, True, False, False]
    assert [item.envelope for item in run(store.inbox(SENDER, 0, 100, PLENTY)).items] == [receipt(3).envelope]
    assert [item.kind for item in run(store.inbox(RECIPIENT, 0, 100, PLENTY)).items] == ["manifest"]
    assert run(store.tree()) == head
    assert len(run(store.journal_entries(0, 100))) == head.size
    proof = [bytes.fromhex(step) for step in run(store.inclusion_proof(2, head.size))]
    verify_inclusion(run(store.journal_entries(2, 2))[0], 2, head.size, proof, bytes.fromhex(head.root))
    assert run(store.check()) == []
    with pytest.raises(SequenceRefusal) as refusal:
        run(store.accept(message(1, 1, []), sign, PLENTY, 500))
    assert refusal.value.expected == 5
    part = b"part 5"
    run(store.put_part(SENDER, digest(part), part, PLENTY, 500))
    assert run(store.accept(message(5, 5, [part]), sign, PLENTY, 500))[1]
    assert run(store.check()) == []


def test_answers_are_given_once(store: SqlHubStore) -> None:
    run(store.enqueue(Enrolment("e1", "renewal", "131041", "T-1", b"{}"), 1))
    new = binding("131041", "c" * 64)
    assert run(store.enrolment("e1", "enrolment")) is None
    assert run(store.approve("e1", new, "authority", 2))
    assert run(store.approve("e1", new, "authority", 2)) is False
    assert run(store.binding("c" * 64)) == new
    found = run(store.enrolment("e1", "renewal"))
    assert (found.state, found.entry) == ("approved", new.entry)
    with pytest.raises(ConflictRefusal):
        run(store.refuse("e1", "no", "authority", 3))
    with pytest.raises(UnknownRefusal):
        run(store.approve("e9", new, "authority", 3))


def test_bindings_are_live_within_their_time_and_until_revoked(store: SqlHubStore) -> None:
    old = binding("131041", "c" * 64, not_before=10, not_after=20, generation=3)
    new = binding("131041", "d" * 64, not_before=15, not_after=30, generation=4)
    for each in (old, new):
        run(store.add_binding(each, "authority", 1))

    def live(at: int) -> list[int]:
        return [each.generation for each in run(store.bindings("131041", at))]

    assert [live(at) for at in (9, 10, 15, 20, 30)] == [[1], [3, 1], [4, 3, 1], [4, 1], [1]]
    assert run(store.revoke("d" * 64, b"{}", "authority", 16))
    assert live(17) == [3, 1]
    assert run(store.expiring(17, 25)) == (3, 1)
    assert run(store.binding("d" * 64)).revoked


@pytest.mark.parametrize(
    ("harm", "found"),
    [
        ("UPDATE journal SET entry = acceptance FROM messages WHERE position = 1", "journal: entry 1"),
        ("DELETE FROM journal WHERE position = 0", "journal: entry 0 is missing"),
        (
            "UPDATE tree_nodes SET digest = (SELECT acceptance FROM messages) WHERE level = 1",
            "node 1/0 of its tree",
        ),
        ("UPDATE parties SET held_bytes = held_bytes + 1 WHERE party = '131041'", "131041: held bytes are miscounted"),
        ("DELETE FROM message_parts", "131041/id-1: the content of an unreceipted message is incomplete"),
        ("UPDATE streams SET next_sequence = 9", "131041/ministry/notices: the stream has a gap"),
        ("UPDATE streams SET unreceipted = 0", "131041/ministry/notices: unreceipted messages are miscounted"),
        ("UPDATE parts SET uses = 2", "the uses of a part are miscounted"),
        ("UPDATE parts SET content = acceptance FROM messages", "the part isn't what its sender stored"),
    ],
)
def test_the_check_finds_what_was_changed_behind_the_hubs_back(
    place: Place, store: SqlHubStore, harm: str, found: str
) -> None:
    run(store.put_part(SENDER, digest(b"part"), b"part", PLENTY, 1))
    run(store.accept(message(1, 1, [b"part"]), sign, PLENTY, 1))
    assert run(store.check()) == []
    place.harm(harm)
    assert any(found in problem for problem in run(store.check()))


def test_two_processes_may_use_one_store(open_store: Callable[..., SqlHubStore]) -> None:
    first = open_store()
    second = open_store()
    assert run(first.add_binding(binding("011011", "e" * 64), "hub", 1))
    assert run(second.binding("e" * 64)).party == "011011"
    assert run(second.add_binding(binding("011011", "e" * 64), "hub", 1)) is False
    assert [run(store.tree()).size for store in (first, second)] == [3, 3]


def test_a_disk_that_is_full_loses_nothing_that_was_answered(tmp_path: Path) -> None:
    store = SqliteHubStore(tmp_path / "hub.db")
    run(store.put_part(SENDER, digest(b"part"), b"part", PLENTY, 1))
    pages = store.database.write(lambda connection: connection.pragma("page_count"))
    store.database.write(lambda connection: connection.pragma("max_page_count", pages))
    with pytest.raises(StoreError, match="full"):
        run(store.put_part(SENDER, digest(b"x" * 60_000), b"x" * 60_000, PLENTY, 1))
    store.database.write(lambda connection: connection.pragma("max_page_count", 2**30))
    assert run(store.missing_parts(SENDER, [digest(b"part"), digest(b"x" * 60_000)])) == [digest(b"x" * 60_000)]
    assert run(store.put_part(SENDER, digest(b"x" * 60_000), b"x" * 60_000, PLENTY, 1))
    assert run(store.check()) == []
    store.close()


def test_of_lists_of_revoked_certificates_the_greatest_number_is_kept(store: SqlHubStore) -> None:
    assert (run(store.crl()), run(store.crl_number())) == (None, None)
    before = run(store.tree()).size
    put = [run(store.put_crl(number, b"%d" % number, "authority", 1)) for number in (5, 4, 5, 1_800_000_000)]
    assert put == [True, False, False, True]
    assert (run(store.crl()), run(store.crl_number())) == (b"1800000000", 1_800_000_000)
    assert run(store.tree()).size == before + 2


def test_a_server_is_answered_once_and_after_a_refusal_may_ask_anew(store: SqlHubStore) -> None:
    asking, before = ServerAsking("1", b"{}"), run(store.tree()).size
    assert [run(store.enqueue_server(asking, at)) for at in (1, 2)] == [True, False]
    assert run(store.servers("pending", 10)) == [asking]
    assert [run(store.answer_server("1", None, "no", "authority", 3)) for _ in range(2)] == [True, False]
    with pytest.raises(ConflictRefusal, match="answered already: refused"):
        run(store.answer_server("1", b"chain", "", "authority", 3))
    assert run(store.server("1")) == replace(asking, state="refused", reason="no")
    assert run(store.enqueue_server(asking, 4))
    assert [run(store.answer_server("1", b"chain", "", "authority", 5)) for _ in range(2)] == [True, False]
    assert run(store.server("1")) == replace(asking, state="approved", chain=b"chain")
    assert not run(store.enqueue_server(asking, 6))
    with pytest.raises(ConflictRefusal, match="answered already: approved"):
        run(store.answer_server("1", b"other", "", "authority", 6))
    with pytest.raises(UnknownRefusal):
        run(store.answer_server("2", b"chain", "", "authority", 6))
    assert run(store.tree()).size == before + 2
    assert run(store.expire(0, 5, 0)) == 1
    assert run(store.server("1")) is None


def test_only_so_many_servers_wait(store: SqlHubStore) -> None:
    for number in range(16):
        assert run(store.enqueue_server(ServerAsking(str(number), b"{}"), number))
    with pytest.raises(QuotaRefusal, match="16 servers"):
        run(store.enqueue_server(ServerAsking("one more", b"{}"), 20))
    assert [each.id for each in run(store.servers("pending", 2))] == ["0", "1"]


def order(kind: OrderKind, number: str, issued_at: int, terminal: str = "T-0001") -> Order:
    envelope = f"{kind} {number} {issued_at}".encode()
    return Order(SENDER, terminal, kind, number, issued_at, envelope, SIGNERS[RECIPIENT])


def test_of_two_orders_the_later_waits_without_the_permit_of_the_one_before(store: SqlHubStore) -> None:
    before = run(store.tree()).size
    words = [order("order", "A", 10), order("permit", "A", 11), order("order", "A", 10), order("order", "B", 9)]
    assert [run(store.put_order(word, 1)) for word in words] == [True, True, False, False]
    assert [each.word.envelope for each in run(store.orders(SENDER, "T-0001"))] == [b"order A 10", b"permit A 11"]
    assert run(store.put_order(order("order", "B", 12), 1))
    assert run(store.put_order(order("order", "C", 12, "T-0002"), 1))
    assert [each.word.envelope for each in run(store.orders(SENDER, "T-0001"))] == [b"order B 12"]
    assert [each.terminal for each in run(store.orders(SENDER, None))] == ["T-0001", "T-0002"]
    assert run(store.orders(RECIPIENT, None)) == []
    assert run(store.tree()).size == before + 4


def test_an_order_is_withdrawn_by_its_own_number(store: SqlHubStore) -> None:
    for word in (order("order", "A", 10), order("permit", "A", 11)):
        run(store.put_order(word, 1))
    assert not run(store.withdraw_order(SENDER, "T-0001", "B"))
    assert len(run(store.orders(SENDER, "T-0001"))) == 2
    assert run(store.withdraw_order(SENDER, "T-0001", "A"))
    assert run(store.orders(SENDER, "T-0001")) == []


def test_the_newest_word_of_each_stage_is_read_once_by_whoever_goes_on_from_his_cursor(store: SqlHubStore) -> None:
    def put(stage: str, at: int) -> bool:
        said = PatchState(SENDER, "T-1", stage, at, b"%d" % at, SIGNERS[SENDER])
        return bool(run(store.put_patch_state(said, 1)))

    assert [put("ready", 10), put("done", 20), put("done", 20), put("ready", 9)] == [True, True, False, False]
    page = run(store.patch_states(0, 9))
    assert [(item.cursor, item.envelope) for item in page.items] == [(1, b"10"), (2, b"20")]
    assert put("done", 30)  # it was the newest that is replaced, and is read all the same
    page = run(store.patch_states(2, 9))
    assert [(item.cursor, item.envelope) for item in page.items] == [(3, b"30")]
    assert page.end == 3
    assert [item.envelope for item in run(store.patch_states(0, 1)).items] == [b"10"]


def test_of_each_host_the_newest_that_was_seen_is_kept_and_journalled(store: SqlHubStore) -> None:
    def put(host: str, at: int) -> bool:
        seen = HostState(host, at, "authority", b"%s %d" % (host.encode(), at), SIGNERS[SENDER])
        return bool(run(store.put_host_state(seen, 1)))

    before = run(store.tree()).size
    assert [put("asp-hub", 10), put("asp-mirror", 20), put("asp-hub", 10), put("asp-hub", 9)] == [
        True,
        True,
        False,
        False,
    ]
    page = run(store.host_states(0, 9))
    assert [(item.cursor, item.envelope, item.entry) for item in page.items] == [
        (1, b"asp-hub 10", b"{}"),
        (2, b"asp-mirror 20", b"{}"),
    ]
    assert put("asp-mirror", 30)  # it was the newest that is replaced, and is read all the same
    page = run(store.host_states(2, 9))
    assert ([(item.cursor, item.envelope) for item in page.items], page.end) == ([(3, b"asp-mirror 30")], 3)
    assert [item.envelope for item in run(store.host_states(0, 1)).items] == [b"asp-hub 10"]
    entries = [json.loads(entry) for entry in run(store.journal_entries(before, before + 9))]
    assert [(entry["act"], entry["party"]) for entry in entries] == [("host-state", "authority")] * 3
    assert entries[2]["document_sha256"] == digest(b"asp-mirror 30")
    assert run(store.check()) == []


def test_the_number_of_hosts_is_bounded(store: SqlHubStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("renkei.store.hub.patching.MAX_HOSTS", 2)

    def put(host: str, at: int) -> bool:
        return bool(run(store.put_host_state(HostState(host, at, "authority", b"seen", SIGNERS[SENDER]), 1)))

    assert put("asp-hub", 1)
    assert put("asp-mirror", 1)
    before = run(store.tree())
    with pytest.raises(QuotaRefusal, match="2 hosts are kept, and asp-router is one more"):
        put("asp-router", 1)
    assert run(store.tree()) == before
    assert len(run(store.host_states(0, 9)).items) == 2
    assert put("asp-hub", 2)
