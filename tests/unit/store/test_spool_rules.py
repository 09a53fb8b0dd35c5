"""What the spool finds by SQL is what the rules of a stream want: no query passes over what a rule would choose."""

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from renkei.exchange.mailbox import ASKED_AGAIN, must_offer
from renkei.store.outgoing import Draft, Source
from renkei.store.spool import Spool
from unit.examples import examples

AT = "2026-11-23T09:00:00Z"
STATES = st.lists(st.tuples(st.sampled_from([None, 1, 2, ASKED_AGAIN]), st.booleans()), min_size=1, max_size=6)


@settings(max_examples=examples(80), deadline=None)
@given(STATES, st.integers(1, 3))
def test_the_lowest_number_that_must_be_offered_is_found(states: list[tuple[int | None, bool]], epoch: int) -> None:
    with TemporaryDirectory() as folder:
        spool = Spool(Path(folder) / "state.db")
        for number, (accepted, receipted) in enumerate(states, start=1):
            draft = Draft(f"id-{number}", b"m", b"s", b"c", "a", "f", 1)
            source = Source(f"{number}", "", f"{number}.csv", AT, 1, 0)
            spool.outgoing.take(source, "ministry", "notices", [lambda _, made=draft: made])
            if accepted is not None:
                spool.outgoing.accept(draft.id, accepted, b"acceptance")
            if receipted:
                spool.outgoing.receipt(draft.id, b"receipt", AT)
        found = spool.outgoing.to_offer("ministry", "notices", epoch)
        wanted = [
            number
            for number, (accepted, receipted) in enumerate(states, start=1)
            if must_offer(accepted, epoch, receipted=receipted)
        ]
        assert (found.sequence if found else None) == next(iter(wanted), None)
        assert small(spool, epoch) == wanted[:4]
        assert small(spool, epoch, after=2) == [number for number in wanted if number > 2][:4]
        spool.close()


def small(spool: Spool, epoch: int, after: int = 0, largest: int = 10) -> list[int]:
    found = spool.outgoing.small_to_offer("ministry", "notices", epoch, after=after, largest=largest, most=4)
    return [each.sequence for each in found]


def test_what_is_small_ends_where_something_large_has_to_go_first(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "state.db")
    for number, size in enumerate([10, 3, 11, 1], start=1):
        draft = Draft(f"id-{number}", b"m", bytes(size), b"c", "a", "f", 1)
        spool.outgoing.take(
            Source(f"{number}", "", "x.csv", AT, 1, 0), "ministry", "notices", [lambda _, made=draft: made]
        )
    assert small(spool, 1) == [1, 2]
    assert small(spool, 1, after=1) == [2]
    assert small(spool, 1, after=2) == []
    assert small(spool, 1, after=3) == [4]
    spool.close()
