"""The ledger of waves, on both databases."""

from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Barrier, Thread

import apsw
import pytest

from clusters import USER, Cluster
from renkei.store import sqlite
from renkei.store.errors import StoreError
from renkei.store.waves.holds import Held
from renkei.store.waves.homes import Elsewhere, Home
from renkei.store.waves.ledger import MIGRATIONS, Act, Ledger, What, open_ledger

WAVE = "6a1d9d0e-9d3b-4f0a-8f43-5d8f3d6f3d11"
OTHER = "6a1d9d0e-9d3b-4f0a-8f43-5d8f3d6f3d12"
APPROVED = Act("consent", detail="approver")


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
def test_the_database_refuses_to_do_a_machine_twice_and_keeps_nothing_of_that_turn(ledger: Ledger, what: What) -> None:
    ledger.add(WAVE, 1, lambda _: [Act(what, "T-1")])
    with pytest.raises(StoreError, match="twice"):
        ledger.add(WAVE, 2, lambda _: [Act("permit", "T-1"), Act(what, "T-1")])
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


def approve(ledger: Ledger, wave: str, *terminals: str) -> None:
    ledger.add(wave, 10**9, lambda _: [APPROVED], terminals)


def test_a_machine_is_one_waves_at_a_time_until_its_end_there_or_the_abort(ledger: Ledger) -> None:
    ledger.plan(OTHER, b"plan", 101, b"consent")
    approve(ledger, WAVE, "T-1", "T-2", "T-3")
    assert ledger.held(OTHER, ["T-2", "T-4"]) == {WAVE: ["T-2"]}
    assert ledger.held(WAVE, ["T-2"]) == {}
    with pytest.raises(Held, match=f"wave {WAVE} holds 2 of its machines .T-1, T-2.*renkei wave abort {WAVE}") as held:
        approve(ledger, OTHER, "T-1", "T-2", "T-4")
    assert held.value.by == {WAVE: ["T-1", "T-2"]}
    assert [act.detail for act in ledger.acts(OTHER)] == ["planner"]
    ledger.add(WAVE, 10**9, lambda _: [Act("order", "T-1"), Act("end", "T-1", "well")])
    approve(ledger, OTHER, "T-1", "T-4")
    with pytest.raises(Held, match="T-1"):
        ledger.add(WAVE, 10**9, lambda _: [Act("order", "T-5")], ["T-1"])
    ledger.add(WAVE, 10**9, lambda _: [Act("abort", detail="why")])
    with pytest.raises(Held, match="T-2, T-3"):  # nobody has said that it isn't at work
        approve(ledger, OTHER, "T-2", "T-3")
    ledger.add(WAVE, 10**9, nothing, frees=lambda: ["T-2", "T-3", "T-4"])
    approve(ledger, OTHER, "T-2", "T-3")
    assert ledger.held(WAVE, ["T-1", "T-2", "T-3", "T-4"]) == {OTHER: ["T-1", "T-2", "T-3", "T-4"]}


def test_what_is_ordered_is_held_and_a_turn_that_orders_anothers_machine_leaves_nothing(ledger: Ledger) -> None:
    ledger.plan(OTHER, b"plan", 101, b"consent")
    ledger.add(WAVE, 1, lambda _: [Act("order", "T-1")])
    with pytest.raises(Held, match="T-1"):
        ledger.add(OTHER, 1, lambda _: [Act("order", "T-2"), Act("order", "T-1")])
    assert [act.what for act in ledger.acts(OTHER)] == ["consent"]
    assert ledger.held(WAVE, ["T-2"]) == {}


def test_of_two_controllers_at_the_same_moment_one_has_the_machine(
    ledger: Ledger, reopen: Callable[[], Ledger]
) -> None:
    waves = [OTHER.replace("12", f"{number:02}") for number in range(20, 26)]
    refused: list[str] = []

    def one(wave: str) -> None:
        with reopen() as mine:
            mine.plan(wave, b"plan", 101, b"consent")
            try:
                approve(mine, wave, "T-1")
            except Held:
                refused.append(wave)

    threads = [Thread(target=one, args=(wave,)) for wave in waves]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    [winner] = set(waves) - set(refused)
    assert ledger.held(WAVE, ["T-1"]) == {winner: ["T-1"]}


def test_what_an_earlier_release_ordered_is_held(tmp_path: Path) -> None:
    file = tmp_path / "waves.db"
    old = sqlite.Database(file, MIGRATIONS[:1], readers=1)
    acts = [
        (WAVE, "order", "T-1"),
        (WAVE, "order", "T-2"),
        (WAVE, "end", "T-2"),
        (OTHER, "order", "T-3"),
        (OTHER, "abort", ""),
    ]

    def fill(connection: apsw.Connection) -> None:
        for wave in (WAVE, OTHER):
            connection.execute("INSERT INTO waves VALUES (?, 1, x'00')", (wave,))
        for wave, what, terminal in acts:
            connection.execute(
                "INSERT INTO acts (wave, at, what, terminal, detail, document) VALUES (?, 1, ?, ?, '', x'')",
                (wave, what, terminal),
            )

    old.write(fill)
    old.close()
    with open_ledger(str(file)) as ledger:
        assert ledger.held("", ["T-1", "T-2", "T-3"]) == {WAVE: ["T-1"]}


HERE, THERE = Home("a1", "controller-1:/plays"), Home("b2", "controller-2:/plays")


def test_the_plays_of_a_wave_have_one_home_until_they_have_ended_or_somebody_says_that_it_is_gone(
    ledger: Ledger, reopen: Callable[[], Ledger]
) -> None:
    ledger.plan(OTHER, b"plan", 101, b"consent")
    ledger.move_in(WAVE, HERE)
    ledger.move_in(WAVE, HERE)  # it was killed, and begins anew
    with reopen() as other:
        other.move_in(OTHER, THERE)
        with pytest.raises(Elsewhere, match=f"wave {WAVE} run at controller-1:/plays.*--take-over"):
            other.move_in(WAVE, THERE)
        other.move_out(WAVE, THERE)  # that isn't its home
        ledger.check_home(WAVE, HERE)
        other.move_in(WAVE, THERE, take_over=True)
    with pytest.raises(Elsewhere, match="controller-2:/plays"):
        ledger.check_home(WAVE, HERE)
    with pytest.raises(Elsewhere, match="controller-2:/plays"):
        ledger.move_in(WAVE, HERE)
    ledger.move_out(WAVE, THERE)
    ledger.check_home(WAVE, HERE)
    ledger.move_in(WAVE, HERE)


@pytest.mark.usefixtures("ledger")
def test_of_two_controllers_at_the_same_moment_one_has_the_plays(reopen: Callable[[], Ledger]) -> None:
    went: list[str] = []
    ready = Barrier(2)

    def one(home: Home) -> None:
        with reopen() as mine:
            ready.wait()
            try:
                mine.move_in(WAVE, home)
            except Elsewhere:
                return
            went.append(home.name)

    threads = [Thread(target=one, args=(home,)) for home in (HERE, THERE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(went) == 1


def test_a_wave_that_is_not_there_has_no_home(ledger: Ledger) -> None:
    with pytest.raises(StoreError, match="a wave that isn't there"):
        ledger.move_in("another", HERE)
