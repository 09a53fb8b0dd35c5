import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from renkei.store import room
from renkei.store.room import MIB, shortage


def test_there_is_room_until_the_reserve_is_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room.shutil, "disk_usage", lambda _: SimpleNamespace(free=64 * MIB))
    assert shortage(tmp_path, 64 * MIB) == ""
    assert "64 MiB free of the 65 MiB" in shortage(tmp_path, 65 * MIB)


def test_a_folder_that_is_gone_or_read_only_has_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "can't be reached" in shortage(tmp_path / "gone", 1)
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert "read-only" in shortage(tmp_path, 1)
