"""The ledger of waves, on both databases."""

from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread

import pytest

from clusters import USER, Cluster
from renkei.store.errors import StoreError
from renkei.store.waves.ledger import Act, Ledger, open_ledger

WAVE = "6a1d9d0e-9d3b-4f0a-8f43-5d8f3d6f3d11"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.thorough)])
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Ledger]:
    if request.param == "sqlite":
        return lambda: open_ledger(str(tmp_path / "waves.db"))
    cluster: Cluster = request.getfixturevalue("cluster")
    schema = cluster.new_schema()
    url = f"postgresql://{USER}@/postgres?host={cluster.folder}&options=-csearch_path%3D{schema}"
    return lambda: open_ledger(url)


@pytest.fixture
def ledger(reopen: Callable[[], Ledger]) -> Iterator[Ledger]:
    with reopen() as opened:
        opened.plan(WAVE, b"plan", 100, b"consent")
        yield opened


def nothing(news: list[Act]) -> list[Act]:
    del news
    return []


def test_what_was_added_is_there_in_order_for_whoever_opens_it(ledger: Ledger, reopen: Callable[[], Ledger]) -> None:
    added = ledger.add(
        WAVE, 1, lambda _: [Act("order", "T-1", document=b"o", at=101), Act("halt", detail="why", at=102)]
    )
    assert [act.number for act in added] == [2, 3]
    with reopen() as again:
        assert again.waves() == [(WAVE, 100)]
        assert again.plan_of(WAVE) == b"plan"
        assert again.acts(WAVE) == [Act("consent", "", "planner", b"consent", 100, 1), *added]
        assert again.acts(WAVE, 2) == added[1:]
        assert again.plan_of("another") is None
        assert again.acts("another") == []


def test_who_decides_sees_what_others_have_added(ledger: Ledger, reopen: Callable[[], Ledger]) -> None:
    seen: list[Act] = []
    with reopen() as other:
        other.add(WAVE, 1, lambda _: [Act("halt", detail="by another")])
    assert ledger.add(WAVE, 1, lambda news: seen.extend(news) or []) == seen
    assert [act.detail for act in seen] == ["by another"]


def test_between_a_halt_and_a_permit_there_is_no_gap(ledger: Ledger, reopen: Callable[[], Ledger]) -> None:
    """Each of many adds what nobody may add twice, if it isn't there yet; all at once."""

    def one() -> None:
        with reopen() as mine:
            for _ in range(20):
                mine.add(WAVE, 1, lambda news: [] if any(a.what == "halt" for a in news) else [Act("halt")])

    threads = [Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [act.what for act in ledger.acts(WAVE)] == ["consent", "halt"]


@pytest.mark.parametrize("what", ["order", "end"])
def test_the_database_refuses_to_do_a_machine_twice_and_keeps_nothing_of_that_turn(ledger: Ledger, what: str) -> None:
    ledger.add(WAVE, 1, lambda _: [Act(what, "T-1")])  # type: ignore[arg-type]  # one of the words
    with pytest.raises(StoreError, match="twice"):
        ledger.add(WAVE, 2, lambda _: [Act("permit", "T-1"), Act(what, "T-1")])  # type: ignore[arg-type]
    assert [act.what for act in ledger.acts(WAVE)] == ["consent", what]


def test_a_wave_is_planned_once_and_nothing_is_added_to_one_that_is_not_there(ledger: Ledger) -> None:
    with pytest.raises(StoreError, match="in the ledger already"):
        ledger.plan(WAVE, b"other", 101, b"consent")
    with pytest.raises(StoreError, match="a wave that isn't there"):
        ledger.add("another", 0, lambda _: [Act("halt")])
    assert ledger.plan_of(WAVE) == b"plan"


def test_who_raises_while_deciding_adds_nothing(ledger: Ledger) -> None:
    def decide(news: list[Act]) -> list[Act]:
        raise ValueError(f"{len(news)}")

    with pytest.raises(ValueError, match="1"):
        ledger.add(WAVE, 0, decide)
    assert ledger.add(WAVE, 1, nothing) == []
