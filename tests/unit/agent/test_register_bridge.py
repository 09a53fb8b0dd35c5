"""The folder between terminal and register: whole, in order, exactly once, and a share that comes and goes."""

import errno
import hashlib
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from renkei.agent.exchange import take_offline
from renkei.agent.home import Home
from renkei.agent.intake import Watch
from renkei.agent.register import bridge
from renkei.agent.register.arriving import arriving
from renkei.agent.register.share import FROM_REGISTER, MARKER, SIGN, TO_REGISTER, Share, ShareAway, prepare
from renkei.agent.settings import SettingsError
from renkei.agent.status import status_of
from renkei.domain.layouts import Layout, write
from renkei.store.outgoing import Source
from renkei.store.standings import Standing
from unit.agent.killing import exchange_once, killed_at, tend_the_bridge
from unit.agent.register_scenes import Register, amended, arrive, bridged, numbers, outcome, special, status


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "share"


@pytest.fixture
def home(offline: Any, folder: Path) -> Home:
    return bridged(offline, folder)


@pytest.fixture
def register(home: Home, folder: Path) -> Register:
    assert home.settings.bridge.folder == folder
    return Register(folder)


def alarms(home: Home) -> list[str]:
    return [alarm.kind for alarm in status_of(home).alarms]


def standing(home: Home, number: int) -> Standing:
    found = home.spool.imports.find(*numbers(number))
    assert found is not None
    return found.standing


def test_notices_reach_the_register_in_the_order_in_which_they_came(home: Home, register: Register) -> None:
    arrive(home, [status(1), status(2, card_number="AB00000002CD")])
    arrive(home, [status(3)])
    assert register.take() == numbers(1, 2, 3)
    assert standing(home, 3) is Standing.HANDED
    arrive(home, [])
    assert register.take() == []


def test_the_marker_says_what_the_file_is(home: Home, folder: Path) -> None:
    arrive(home, [status(1)])
    [marker] = (folder / TO_REGISTER).glob(f"*{MARKER}")
    said = json.loads(marker.read_text())
    content = (folder / TO_REGISTER / said["file"]).read_bytes()
    assert (said["type"], said["notices"], said["bytes"]) == ("法務省通知", 1, len(content))
    assert stat.S_IMODE((folder / TO_REGISTER / said["file"]).stat().st_mode) & 0o007 == 0


def test_before_the_folder_is_prepared_nothing_is_written_and_somebody_is_told(offline: Any, folder: Path) -> None:
    folder.mkdir()
    home = offline.agent("131041", bridge={"kind": "folder", "folder": folder})
    arrive(home, [status(1)])
    assert list(folder.iterdir()) == []
    assert alarms(home) == ["register"]
    assert "register init" in status_of(home).alarms[0].text
    prepare(home)
    bridge.tend(home)
    assert Register(folder).take() == numbers(1)
    assert alarms(home) == []


def test_a_share_that_is_not_mounted_takes_nothing_and_loses_nothing(
    home: Home, register: Register, folder: Path, tmp_path: Path
) -> None:
    folder.rename(tmp_path / "elsewhere")
    folder.mkdir()  # the bare mount point
    arrive(home, [status(1)])
    assert list(folder.iterdir()) == []
    assert alarms(home) == ["register"]
    folder.rmdir()
    arrive(home, [status(2)])  # not even a mount point
    (tmp_path / "elsewhere").rename(folder)
    bridge.tend(home)
    assert register.take() == numbers(1, 2)
    assert alarms(home) == []


@pytest.mark.parametrize("code", [errno.EIO, errno.ESTALE, errno.EROFS, errno.ENOSPC])
@pytest.mark.parametrize("call", ["open", "fsync"])
def test_whatever_the_share_answers_the_notice_waits_and_goes_once(
    home: Home, register: Register, folder: Path, monkeypatch: pytest.MonkeyPatch, code: int, call: str
) -> None:
    real = getattr(os, call)

    def fails(target: Any, *rest: Any, **named: Any) -> Any:
        path = str(Path(f"/proc/self/fd/{target}").readlink()) if call == "fsync" else str(target)
        if str(folder) in path:
            raise OSError(code, os.strerror(code), path)
        return real(target, *rest, **named)

    with monkeypatch.context() as broken:
        broken.setattr(os, call, fails)
        arrive(home, [status(1)])
        assert alarms(home) == ["register"]
        assert register.take() == []
    bridge.tend(home)
    assert register.take() == numbers(1)
    assert alarms(home) == []


def test_a_file_system_without_a_flush_of_directories_will_do(
    home: Home, register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fsync

    def picky(handle: int) -> None:
        path = Path(f"/proc/self/fd/{handle}").readlink()
        if stat.S_ISDIR(os.fstat(handle).st_mode) and path.is_relative_to(register.folder):
            raise OSError(errno.EINVAL, "Invalid argument")
        real(handle)

    monkeypatch.setattr(os, "fsync", picky)
    arrive(home, [status(1)])
    assert register.take() == numbers(1)


def test_a_folder_that_lost_the_file_but_not_its_hidden_marker_gets_it_again(
    home: Home, register: Register, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise ShareAway("gone")

    with monkeypatch.context() as broken:
        broken.setattr(Share, "rename", away)
        arrive(home, [status(1)])
    [path] = (folder / TO_REGISTER).glob("[!.]*.csv")
    path.unlink()
    bridge.tend(home)
    assert register.take() == numbers(1)


def test_a_number_that_comes_again_changes_nothing_and_with_other_content_is_named(
    home: Home, register: Register
) -> None:
    arrive(home, [status(1)])
    assert arrive(home, [status(1)]).reused == []
    assert arrive(home, [status(1, name="LI MEI")]).reused == numbers(1)
    assert register.take() == numbers(1)


def test_a_folder_of_another_endpoint_is_refused(offline: Any, home: Home, folder: Path) -> None:
    assert home.party == "131041"
    other = offline.agent("011011", bridge={"kind": "folder", "folder": folder})
    with pytest.raises(SettingsError, match="131041"):
        prepare(other)


def test_another_folder_in_the_place_of_the_prepared_one_is_not_written_to(home: Home, folder: Path) -> None:
    sign = json.loads((folder / SIGN).read_text())
    (folder / SIGN).write_text(json.dumps(sign | {"id": "0" * 32}))
    arrive(home, [status(1)])
    assert list((folder / TO_REGISTER).iterdir()) == []
    assert alarms(home) == ["register"]


def test_a_replacement_takes_over_the_folder(offline: Any, home: Home, folder: Path) -> None:
    fresh = bridged(offline, folder)
    arrive(fresh, [status(1)])
    assert Register(folder).take() == numbers(1)
    arrive(home, [status(2)])
    assert Register(folder).take() == numbers(2)


def test_a_medium_that_is_not_there_is_no_alarm(offline: Any, folder: Path, tmp_path: Path) -> None:
    home = bridged(offline, folder, "media")
    folder.rename(tmp_path / "in-the-drawer")
    arrive(home, [status(1)])
    assert alarms(home) == []
    (tmp_path / "in-the-drawer").rename(folder)
    bridge.tend(home)
    assert Register(folder).take() == numbers(1)


@pytest.mark.thorough
@pytest.mark.parametrize("busy", [True, False])
def test_killed_at_any_step_the_register_gets_everything_once(fleet: Any, folder: Path, *, busy: bool) -> None:
    """`busy`: the register system takes a file away as soon as it is marked."""
    home = bridged(fleet, folder)
    register = Register(folder)
    config = fleet.write_config(home)
    kills, step = 0, 0
    while step < 40:
        step += 1
        news = status(step, card_number=f"AB{step:08d}CD")
        home.spool._database.write(arriving(home, [news]).note)
        kills += killed_at(fleet, config, step, tend_the_bridge)
        if busy:
            register.take()
    bridge.tend(home)
    register.take()
    assert kills > 20
    assert register.taken == numbers(*range(1, step + 1))
    assert [path.name for path in (folder / TO_REGISTER).iterdir()] == []


@pytest.mark.thorough
def test_a_terminal_killed_at_any_step_of_an_exchange_hands_everything_over_once(fleet: Any, folder: Path) -> None:
    ministry, home = fleet.agent("ministry"), bridged(fleet, folder)
    config, register = fleet.write_config(home), Register(folder)
    (ministry.settings.outbox / "131041").mkdir()
    kills, steps = 0, range(3, 140, 9)
    for number, step in enumerate(steps, start=1):
        news = [status(number, card_number=f"AB{number:08d}CD")]
        (ministry.settings.outbox / "131041" / f"{number}.csv").write_bytes(write(news, Layout()))
        fleet.exchange(ministry)
        kills += killed_at(fleet, config, step, exchange_once)
        register.take()
    fleet.exchange(home)
    register.take()
    fleet.exchange(ministry)
    assert kills >= 8
    assert register.taken == numbers(*range(1, len(steps) + 1))
    assert ministry.spool.outgoing.unreceipted() == []


# -- what the register system writes


def test_a_file_of_the_register_counts_once_its_marker_is_there(home: Home, folder: Path, register: Register) -> None:
    path = folder / FROM_REGISTER / "results.csv"
    path.write_bytes(b"a,b\r\n")
    assert bridge.tend(home).fetched == []
    assert path.exists()
    register.write("results.csv", b"a,b\r\n")
    assert bridge.calls(home)
    assert len(bridge.tend(home).fetched) == 1
    [taken] = home.settings.outbox.iterdir()
    assert taken.read_bytes() == b"a,b\r\n"
    assert list((folder / FROM_REGISTER).iterdir()) == []


def test_files_of_the_register_go_in_the_order_of_their_names_and_of_their_coming(
    home: Home, register: Register
) -> None:
    for name in ("02.csv", "01.csv", "03.csv"):
        register.write(name, name.encode() * 7)
    bridge.tend(home)
    register.write("00.csv", b"later")
    bridge.tend(home)
    lying = [path.read_bytes()[:6] for path in sorted(home.settings.outbox.iterdir())]
    assert lying == [b"01.csv", b"02.csv", b"03.csv", b"later"]


@pytest.mark.quick
def test_what_the_register_wrote_goes_on_at_once_for_it_is_known_to_be_whole(fleet: Any, folder: Path) -> None:
    fleet.exchange(fleet.agent("ministry"))
    folder.mkdir()
    home = fleet.agent("131041", bridge={"kind": "folder", "folder": folder})
    prepare(home)
    fleet.exchange(home)
    (home.settings.outbox / "by-hand.csv").write_bytes(write([amended(1)], Layout()))
    watch, register = Watch(60), Register(folder)
    for number in (2, 3):
        register.write(f"{number}.csv", write([amended(number)], Layout()))
        assert take_offline(home, watch).notices_taken == 1
    assert [path.name for path in home.settings.outbox.iterdir()] == ["by-hand.csv"], "it may still be being written"


def test_a_file_that_is_not_what_its_marker_says_stays_and_is_alarmed(
    home: Home, folder: Path, register: Register
) -> None:
    register.write("results.csv", b"half", json.dumps({"sha256": "0" * 64}).encode())
    register.write("good.csv", b"whole")
    assert len(bridge.tend(home).fetched) == 1
    assert alarms(home) == ["register-file"]
    assert (folder / FROM_REGISTER / "results.csv").exists()
    register.write("results.csv", b"whole, too")
    assert len(bridge.tend(home).fetched) == 1
    assert alarms(home) == []


def test_a_marker_without_its_file_and_a_link_are_not_taken(home: Home, folder: Path, register: Register) -> None:
    (folder / FROM_REGISTER / f"lost.csv{MARKER}").touch()
    (folder / FROM_REGISTER / "link.csv").symlink_to("/etc/passwd")
    (folder / FROM_REGISTER / f"link.csv{MARKER}").touch()
    assert bridge.tend(home).fetched == []
    assert alarms(home) == ["register-file", "register-file"]
    assert list(home.settings.outbox.iterdir()) == []
    for path in (folder / FROM_REGISTER).iterdir():
        path.unlink()
    bridge.tend(home)
    assert alarms(home) == []
    assert register.take() == []


def test_what_a_kill_left_half_removed_is_finished_and_a_new_file_of_the_name_stays(
    home: Home, folder: Path, register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    register.write("results.csv", b"first")

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as killed:
        killed.setattr(Share, "remove", dies)
        with pytest.raises(KeyboardInterrupt):
            bridge.tend(home)
    register.write("results.csv", b"second")
    bridge.tend(home)
    assert sorted(path.read_bytes() for path in home.settings.outbox.iterdir()) == [b"first", b"second"]
    assert list((folder / FROM_REGISTER).iterdir()) == []


def test_a_file_that_was_sent_already_is_only_removed(home: Home, folder: Path, register: Register) -> None:
    """A kill fell between its copy and its removal, and the copy was taken meanwhile."""
    sha256 = hashlib.sha256(b"same").hexdigest()
    home.spool.outgoing.take(Source(sha256, "", "same.csv", "2026-11-20T00:00:00Z", 1, 0), "ministry", "results", [])
    register.write("same.csv", b"same")
    bridge.tend(home)
    assert list(home.settings.outbox.iterdir()) == []
    assert list((folder / FROM_REGISTER).iterdir()) == []


def test_the_share_is_not_touched_by_what_only_looks_like_one(home: Home) -> None:
    with pytest.raises(ShareAway):
        Share(home.settings.home / "nowhere").write(TO_REGISTER, "a", b"")


def test_special_permanent_residents_are_not_handed_over_by_themselves(home: Home, register: Register) -> None:
    arrive(home, [special(1), status(2)])
    assert register.take() == numbers(2)
    assert standing(home, 1) is Standing.UNCONFIRMED


def test_once_the_register_has_a_notice_nothing_of_it_stays_in_the_spools_file(home: Home, register: Register) -> None:
    def shown() -> int:
        database = home.settings.database
        content = b"".join(path.read_bytes() for path in database.parent.glob(f"{database.name}*"))
        return sum(f"AB{number:08d}CD".encode() in content for number in range(1, 61))

    arrive(home, [status(number, card_number=f"AB{number:08d}CD") for number in range(1, 61)])
    assert shown() == 60
    for number in numbers(*range(1, 61)):
        outcome(home, number)
    home.spool.close()
    assert register.take() != []
    assert shown() == 0
