"""Files are handed over exactly once, wherever the program is killed."""

import itertools
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from renkei.ministry.handover import Handover, Input, Output


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    names = ("in", "out-a", "out-b")
    for name in names:
        (tmp_path / name).mkdir()
    return [tmp_path / name for name in names]


def _hand_over(folders: list[Path], tmp_path: Path, at: Callable[[str], None] = lambda _moment: None) -> None:
    source, first, second = folders
    handover = Handover(tmp_path / "handover.db", at=at)
    handover.recover([first, second])
    inputs = [Input.of(path, path.name, path.read_bytes()) for path in sorted(source.iterdir())]
    if inputs:
        handover.hand_over(inputs, [Output(first, "x.csv", b"for a"), Output(second, "x.csv", b"for b")])
    handover.close()


def _visible(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(folder.iterdir()) if not path.name.startswith(".")]


def _killed(folders: list[Path], tmp_path: Path, moment: int) -> bool:
    """Hand over in a process of its own that is killed at the given moment; true when it got that far."""
    child = os.fork()
    if child == 0:
        counter = itertools.count()

        def at(_name: str) -> None:
            if next(counter) == moment:
                os.kill(os.getpid(), signal.SIGKILL)

        _hand_over(folders, tmp_path, at)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


@pytest.mark.parametrize("taken_at_once", [False, True], ids=["left", "taken"])
def test_a_kill_between_any_two_steps_neither_loses_nor_doubles_a_file(
    folders: list[Path], tmp_path: Path, *, taken_at_once: bool
) -> None:
    source, first, second = folders
    got: dict[Path, list[bytes]] = {first: [], second: []}

    def take() -> None:
        for folder in (first, second):
            got[folder] += _visible(folder)
            for path in folder.iterdir():
                if not path.name.startswith("."):
                    path.unlink()

    moments = 0
    for moment in itertools.count():
        (source / "1.csv").write_bytes(b"both")
        killed = _killed(folders, tmp_path, moment)
        if taken_at_once:
            take()
        _hand_over(folders, tmp_path)
        take()
        assert got == {first: [b"for a"] * (moment + 1), second: [b"for b"] * (moment + 1)}, f"moment {moment}"
        assert [*source.iterdir(), *first.iterdir(), *second.iterdir()] == []
        moments = moment
        if not killed:
            break
    assert moments == 6  # staged, recorded, 2 × renamed, removed, closed: all were tried


def test_batches_sort_in_the_order_in_which_they_were_handed_over(folders: list[Path], tmp_path: Path) -> None:
    source, first, _ = folders
    for number in range(12):
        (source / f"{99 - number}.csv").write_bytes(b"x")
        _hand_over(folders, tmp_path)
    names = [path.name for path in sorted(first.iterdir())]
    assert names == [f"{number:010d}-x.csv" for number in range(1, 13)]


def test_a_file_that_led_somewhere_before_is_known_by_name_and_content(folders: list[Path], tmp_path: Path) -> None:
    source, first, second = folders
    handover = Handover(tmp_path / "handover.db")
    (source / "1.csv").write_bytes(b"x")
    item = Input.of(source / "1.csv", "1.csv", b"x")
    assert not handover.was_taken(item, first)
    handover.hand_over([item], [Output(first, "1.csv", b"x")])
    assert handover.was_taken(item, first)
    assert handover.was_taken(item, first.parent)
    assert not handover.was_taken(item, second)
    assert not handover.was_taken(replace(item, name="2.csv"), first)
    assert not handover.was_taken(Input.of(item.path, item.name, b"y"), first)
    handover.close()


def test_batches_long_past_are_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("renkei.ministry.handover._REMEMBERED", 2)
    handover = Handover(tmp_path / "handover.db")
    items = [Input.of(tmp_path / f"{number}.csv", f"{number}.csv", b"x") for number in range(3)]
    for item in items:
        handover.hand_over([item], [Output(tmp_path, item.name, b"x")])
    assert [handover.was_taken(item, tmp_path) for item in items] == [False, True, True]
    assert handover.hand_over([], []) == 4
    handover.close()


def test_what_can_not_be_finished_now_is_finished_later(folders: list[Path], tmp_path: Path) -> None:
    source, first, second = folders
    (source / "1.csv").write_bytes(b"both")
    handover = Handover(tmp_path / "handover.db")
    item = Input.of(source / "1.csv", "1.csv", b"both")
    blocked = first / "0000000001-x.csv"
    blocked.mkdir()
    (blocked / "in the way").touch()
    with pytest.raises(OSError, match=r"directory|Directory"):
        handover.hand_over([item], [Output(first, "x.csv", b"for a"), Output(second, "x.csv", b"for b")])
    (blocked / "in the way").unlink()
    blocked.rmdir()
    assert handover.recover(folders) == 1
    assert (_visible(first), _visible(second), list(source.iterdir())) == ([b"for a"], [b"for b"], [])
    handover.close()
