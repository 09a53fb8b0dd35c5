"""The agent's spool keeps the order of a stream in SQL; it must decide as `mailbox.send` and `mailbox.receive` do."""

from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from renkei.exchange.mailbox import (
    Accepted,
    Arrived,
    Connected,
    Deliver,
    Entry,
    Incoming,
    Offer,
    Outgoing,
    Queued,
    Receipted,
    ReceiveEvent,
    Refuse,
    RepeatReceipt,
    SendEvent,
    Voided,
    receive,
    send,
)
from renkei.store.incoming import IncomingMessage, News, State
from renkei.store.outgoing import Draft, Source
from renkei.store.spool import Spool

ARRIVALS = st.builds(
    lambda sequence, twin, content: Arrived(Entry(sequence, UUID(int=sequence + 100 * twin), content)),
    st.integers(1, 6),
    st.sampled_from([0, 0, 0, 0, 1]),
    st.sampled_from(["a", "a", "a", "b"]),
)
EVENTS = st.lists(ARRIVALS | ARRIVALS | ARRIVALS | st.builds(Voided, st.integers(1, 6)), max_size=30)


def message_of(entry: Entry) -> IncomingMessage:
    place = {"sender": "ministry", "id": str(entry.id), "stream": "notices", "sequence": entry.sequence}
    times = {"announced_at": "2026-11-23T09:00:00Z"}
    return IncomingMessage(
        **place, count=1, manifest=b"m", entry="{}", content_sha256=entry.content_sha256, size=1, **times
    )


def settle(spool: Spool) -> list[tuple[int, str]]:
    """Fetch and deliver all that may be delivered."""
    delivered = []
    for message in spool.incoming.in_state(State.ANNOUNCED):
        spool.incoming.mark(message, State.FETCHED)
    while ready := spool.incoming.deliverable():
        for message in ready:
            spool.incoming.deliver(message, b"receipt", "2026-11-23T09:00:00Z")
            delivered.append((message.sequence, message.content_sha256))
    return delivered


@settings(max_examples=60, deadline=None)
@given(EVENTS)
def test_the_spool_delivers_what_the_mailbox_delivers(events: list[ReceiveEvent]) -> None:
    with TemporaryDirectory() as folder:
        spool = Spool(Path(folder) / "state.db")
        state, past = Incoming(), dict[int, Entry]()
        for event in events:
            state, actions = receive(state, event, past.get)
            expected = [action.entry for action in actions if isinstance(action, Deliver)]
            past |= {entry.sequence: entry for entry in expected}
            if isinstance(event, Arrived):
                news = spool.incoming.announce(message_of(event.entry))
                if any(isinstance(action, RepeatReceipt) for action in actions):
                    assert news is News.REPEATED
                if any(isinstance(action, Refuse) and "another" in action.reason for action in actions):
                    assert news is News.CLASH
            else:
                spool.incoming.void("ministry", "notices", event.sequence, b"void")
            assert settle(spool) == [(entry.sequence, entry.content_sha256) for entry in expected]


SENDING = st.lists(
    st.just("queue")
    | st.builds(Accepted, st.integers(1, 6), st.integers(1, 3))
    | st.builds(lambda sequence: Receipted(Entry(sequence, UUID(int=sequence), "a")), st.integers(1, 6)),
    max_size=30,
)


def queue(spool: Spool, number: int) -> None:
    draft = Draft(str(UUID(int=number)), b"m", b"s", b"c", "a", "f", 1)
    source = Source(f"{number}", "", f"{number}.csv", "2026-11-23T09:00:00Z", 1, 0)
    assert spool.outgoing.take(source, "ministry", "notices", [lambda _: draft]) == [number]


@settings(max_examples=60, deadline=None)
@given(SENDING)
def test_the_spool_offers_what_the_mailbox_offers(events: list[SendEvent | str]) -> None:
    """Receipts follow acceptances here: after one by medium the hub is still given the parcel, for its order."""
    with TemporaryDirectory() as folder:
        spool, state, accepted = Spool(Path(folder) / "state.db"), Outgoing(), set[int]()
        for event in events:
            match event:
                case Accepted(sequence=sequence, epoch=epoch) if sequence < state.next_sequence:
                    state, _ = send(state, event)
                    accepted.add(sequence)
                    spool.outgoing.accept(str(UUID(int=sequence)), epoch, b"acceptance")
                case Receipted(entry=entry) if entry.sequence in accepted:
                    state, _ = send(state, event)
                    spool.outgoing.receipt(str(entry.id), b"receipt", "2026-11-23T09:00:00Z")
                case "queue":
                    queue(spool, state.next_sequence)
                    state, _ = send(state, Queued(UUID(int=state.next_sequence), "a"))
            for epoch in (1, 2, 3):
                offers = [action for action in send(state, Connected(epoch))[1] if isinstance(action, Offer)]
                found = spool.outgoing.to_offer("ministry", "notices", epoch)
                assert (found.sequence if found else None) == (offers[0].entry.sequence if offers else None)
            assert [message.sequence for message in spool.outgoing.unreceipted()] == sorted(state.waiting)
