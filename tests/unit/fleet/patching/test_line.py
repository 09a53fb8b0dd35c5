"""Patch states read at the hub: from a cursor on, through kills and restores, beside a wave that reads them."""

import signal
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from renkei.client.errors import BadAnswer, HubUnreachable
from renkei.exchange.documents import peek
from renkei.exchange.updates import PatchState
from renkei.fleet.patching.intake import Believer, Taken, Taking, files_of
from renkei.fleet.patching.line import Hub, hand_in, take_by_line
from renkei.fleet.signed import read_signed
from renkei.fleet.waves.post import FolderPost
from renkei.store.patch_states import PatchStates
from unit.dying import die_at
from unit.fleet.patching.line_double import SHINJUKU, URL, Line

from .scenes import DAY, NOW, Ministry, said


@pytest.fixture(scope="module")
def ministry() -> Ministry:
    return Ministry()


@pytest.fixture
def line(ministry: Ministry) -> Line:
    return Line(ministry)


def read(line: Line, file: Path, *, again: bool = False) -> Taken:
    with PatchStates(file) as states:
        taking = Taking(states, Believer(line.ministry.anchor), NOW)
        take_by_line(taking, cast("Hub", line), URL, again=again)
        return taking.taken


def test_each_run_goes_on_where_the_last_one_ended(line: Line, tmp_path: Path) -> None:
    file = tmp_path / "states.db"
    for days in (9, 8, 7):
        line.hear(days)
    assert read(line, file) == Taken(3, 0, (), ())
    line.hear(6)
    line.asked.clear()
    assert read(line, file) == Taken(1, 0, (), ())
    assert line.asked == [3, 4]
    assert read(line, file, again=True) == Taken(0, 4, (), ())


def test_what_cant_be_believed_is_named_and_stops_nobody(line: Line, tmp_path: Path) -> None:
    line.hear(3)
    line.items.append(SimpleNamespace(cursor=2, entry=line.ministry.entry("011011", "T-2"), envelope=b"{}"))
    line.hear(1)
    taken = read(line, tmp_path / "states.db")
    assert (taken.new, [each.place for each in taken.refused]) == (2, [f"{URL} patch-state 2"])
    assert read(line, tmp_path / "states.db") == Taken(0, 0, (), ())


def test_a_restored_hub_is_read_from_its_beginning(line: Line, tmp_path: Path) -> None:
    file = tmp_path / "states.db"
    for days in (9, 8, 7):
        line.hear(days)
    read(line, file)
    line.restore(9, 6, 5, 4)  # as many as before and more: the old cursor would skip three
    assert read(line, file) == Taken(3, 1, (), ())
    line.items = line.items[:1]  # and without a new epoch
    assert read(line, file) == Taken(0, 1, (), ())


def test_a_hub_that_is_restored_while_it_is_read_is_read_again(line: Line, tmp_path: Path) -> None:
    for days in (9, 8, 7):
        line.hear(days)

    def once() -> None:
        if len(line.asked) == 2:
            line.restore(6, 5, 4)

    line.when_asked = once
    assert read(line, tmp_path / "states.db").new == 5


def test_what_came_before_the_line_was_cut_is_kept_and_not_fetched_again(line: Line, tmp_path: Path) -> None:
    for days in (9, 8, 7, 6):
        line.hear(days)

    def cut() -> None:
        if len(line.asked) == 2:
            raise HubUnreachable("the line was cut")

    line.when_asked = cut
    with pytest.raises(HubUnreachable):
        read(line, tmp_path / "states.db")
    assert read(line, tmp_path / "states.db") == Taken(2, 0, (), ())
    assert line.asked == [0, 2, 2, 4]


def test_a_hub_whose_pages_never_end_is_found_out(line: Line, tmp_path: Path) -> None:
    line.hear(1)
    line.stuck = True
    with pytest.raises(BadAnswer, match="never ends"):
        read(line, tmp_path / "states.db")


def test_what_came_as_files_is_handed_to_the_hub_once_for_its_journal(line: Line, tmp_path: Path) -> None:
    file, folder = tmp_path / "states.db", tmp_path / "in"
    folder.mkdir()
    line.hear(3)
    for days in (3, 2):  # the first one the hub has by line
        line.ministry.put(folder, said(*SHINJUKU, NOW - days * DAY), f"T-{days}")

    def run() -> Taken:
        with PatchStates(file) as states:
            taking = Taking(states, Believer(line.ministry.anchor), NOW)
            taking.read(files_of(folder))
            take_by_line(taking, cast("Hub", line), URL)
            hand_in(taking, cast("Hub", line), URL)
            return taking.taken

    line.refuses = True
    refused = run().refused
    assert [each.why.partition(":")[0] for each in refused] == [URL.partition(":")[0]]
    assert "into its journal" in refused[0].why
    line.refuses = False
    assert (run().refused, len(line.put)) == ((), 1)
    assert (run().refused, len(line.put)) == ((), 1)
    assert PatchState.read(peek(line.put[0][2]).payload).checked_at == NOW - 2 * DAY


def test_what_a_restored_hub_has_forgotten_is_handed_in_again(line: Line, tmp_path: Path) -> None:
    """It keeps the newest word of each stage: what is older than what it has would be handed in for nothing."""
    file, folder = tmp_path / "states.db", tmp_path / "in"
    folder.mkdir()
    other = ("011011", "R2025-0001")
    for days in (9, 8, 5):
        line.hear(days)
    line.ministry.put(folder, said(*SHINJUKU, NOW - 4 * DAY), "file")
    line.ministry.put(folder, said(*other, NOW - 6 * DAY), "other")

    def run() -> set[tuple[str, int]]:
        line.put.clear()
        with PatchStates(file) as states:
            taking = Taking(states, Believer(line.ministry.anchor), NOW)
            taking.read(files_of(folder))
            take_by_line(taking, cast("Hub", line), URL)
            hand_in(taking, cast("Hub", line), URL)
        said_of = [(place, PatchState.read(peek(envelope).payload)) for place, _, envelope in line.put]
        return {(place, (NOW - state.checked_at).days) for place, state in said_of}

    everything = {("131041", 4), ("011011", 6)}
    assert run() == everything
    assert run() == set()
    line.restore(8)  # from a backup of a week ago; what came by line since is lost, too
    assert run() == everything | {("131041", 5)}
    assert run() == set()
    line.restore()  # and with nothing at all
    line.refuses = True
    assert run() == set()
    line.refuses = False
    assert run() == everything | {("131041", days) for days in (9, 8, 5)}  # a refusal, or a kill, costs no word
    assert run() == set()
    line.restore(8)
    with PatchStates(file) as states:  # read alone, and then cut
        take_by_line(Taking(states, Believer(line.ministry.anchor), NOW), cast("Hub", line), URL)
    assert run() == everything | {("131041", 5)}
    line.items = []  # and without a new epoch
    assert run() == everything | {("131041", days) for days in (9, 8, 5)}


def test_a_wave_by_folder_leaves_what_it_read_for_patch_take(ministry: Ministry, tmp_path: Path) -> None:
    post = FolderPost(tmp_path / "post")
    for days in (3, 2, 1):
        ministry.put(tmp_path / "post" / "in", said(*SHINJUKU, NOW - days * DAY), f"T-{days}")
    first, second, _ = [each.name for each in post.heard()]
    post.settle(first, refused=False)
    with PatchStates(tmp_path / "states.db") as states:
        taking = Taking(states, Believer(ministry.anchor), NOW)
        files = files_of(tmp_path / "post")
        taking.look("the first", *_signed(next(files)))
        post.settle(second, refused=False)  # the wave goes on while it is read
        taking.read(files)
        assert taking.taken == Taken(3, 0, (), ())
    FolderPost(tmp_path / "post").settle(first, refused=False)  # a second controller that heard it, too
    assert len(list((tmp_path / "post" / "settled").iterdir())) == 2


def _signed(file: Path) -> tuple[Any, bytes]:
    signed = read_signed(file)
    return signed.entry, signed.envelope


FORK = get_context("fork")
_STEPS: tuple[tuple[Any, tuple[str, ...]], ...] = (
    (PatchStates, ("keep", "begin_epoch")),
    (Line, ("patch_states", "state")),
)


@pytest.mark.thorough
@settings(max_examples=8, deadline=None)
@given(days=st.lists(st.integers(1, 30), min_size=1, max_size=5, unique=True), restored=st.booleans())
def test_killed_between_any_two_steps_it_has_everything_once(
    ministry: Ministry,
    tmp_path_factory: Any,
    *,
    days: list[int],
    restored: bool,
) -> None:
    file, line = tmp_path_factory.mktemp("kill") / "states.db", Line(ministry)
    for each in days:
        line.hear(each)
    if restored:
        read(line, file)
        line.restore(*days, 31)
    expected = len(days) + restored

    def work(fatal: int) -> None:
        die_at(fatal, _STEPS)
        read(line, file)

    for fatal in range(1, 100):
        process = FORK.Process(target=work, args=(fatal,))
        process.start()
        process.join(60)
        assert process.exitcode in {0, -signal.SIGKILL}
        if process.exitcode == 0:
            break
    with PatchStates(file) as states:
        assert len(list(states.between(0, int(NOW.timestamp())))) == expected
    assert read(line, file).new == 0
