"""Packages on their way into a folder: all or none, one who lays at a time, and nothing of a killed one left."""

import errno
import hashlib
from pathlib import Path

import pytest

from renkei.fleet.updates import laying as laying_module
from renkei.fleet.updates.laying import PackagesError, laying

OLD, NEW = b"the one before", b"a package" * 1000


def quiet(_: int) -> None:
    """Tell nobody."""


@pytest.fixture
def arrived(tmp_path: Path) -> Path:
    (tmp_path / "arrived.msu").write_bytes(NEW)
    return tmp_path / "arrived.msu"


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    (tmp_path / "packages").mkdir()
    (tmp_path / "packages" / "a.msu").write_bytes(OLD)
    return tmp_path / "packages"


def seen(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_no_copy_has_its_name_before_all_are_finished(arrived: Path, packages: Path) -> None:
    told: list[int] = []
    with laying(packages) as place:
        assert place.copy(arrived, "a.msu", told.append) == hashlib.sha256(NEW).hexdigest()
        place.copy(arrived, "b.msu", told.append)
        place.write("word.json", b"{}")
        assert {name: content for name, content in seen(packages).items() if name[0] != "."} == {"a.msu": OLD}
        place.finish()
        assert seen(packages) == {"a.msu": NEW, "b.msu": NEW, "word.json": b"{}"}
    assert sum(told) == 2 * len(NEW)


def test_what_is_not_finished_goes_and_what_was_there_stays(arrived: Path, packages: Path) -> None:
    with laying(packages) as place:
        place.copy(arrived, "a.msu", quiet)
    assert seen(packages) == {"a.msu": OLD}


def test_one_at_a_time_lays_into_a_folder_whatever_it_is_called(arrived: Path, packages: Path, tmp_path: Path) -> None:
    (tmp_path / "linked").symlink_to(packages)
    with laying(packages) as place:
        place.copy(arrived, "a.msu", quiet)
        for name in ("packages", "linked"):
            with (
                pytest.raises(PackagesError, match="packages: somebody else is importing into it"),
                laying(tmp_path / name),
            ):
                pytest.fail("two lay into one folder")
        place.finish()  # the other one has taken nothing away
    assert seen(packages) == {"a.msu": NEW}


def test_a_link_to_the_folder_that_is_changed_meanwhile_changes_nothing(
    arrived: Path, packages: Path, tmp_path: Path
) -> None:
    link, other = tmp_path / "linked", tmp_path / "other"
    link.symlink_to(packages)
    other.mkdir()
    with laying(link) as place:
        place.copy(arrived, "a.msu", quiet)
        link.unlink()
        link.symlink_to(other)
        place.finish()
    assert (seen(packages), seen(other)) == ({"a.msu": NEW}, {})


def test_what_a_killed_one_left_goes_with_the_next(arrived: Path, packages: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"of somebody else")
    (packages / ".a.msu.new").symlink_to(victim)
    (packages / ".long-ago.msu.new").write_bytes(b"half of a")
    with laying(packages) as place:
        place.copy(arrived, "a.msu", quiet)
        place.finish()
    assert seen(packages) == {"a.msu": NEW}
    assert victim.read_bytes() == b"of somebody else"


def test_a_copy_that_no_disk_holds_is_not_begun(arrived: Path, packages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        free = 10

    monkeypatch.setattr(laying_module.shutil, "disk_usage", lambda _: Full)
    with laying(packages) as place, pytest.raises(PackagesError, match="no room for 9000 bytes"):
        place.copy(arrived, "a.msu", quiet)
    assert seen(packages) == {"a.msu": OLD}


def test_a_disk_that_fills_up_while_it_is_copied_leaves_what_was_there(arrived: Path, packages: Path) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with (
        laying(packages) as place,
        pytest.raises(PackagesError, match=r"arrived\.msu: can't be copied into .*: No space"),
    ):
        place.copy(arrived, "a.msu", full)
    with laying(packages) as place:
        with pytest.raises(PackagesError):
            place.copy(arrived, "a.msu", full)
        place.finish()  # what is cut short gets no name, whoever goes on
    assert seen(packages) == {"a.msu": OLD}
