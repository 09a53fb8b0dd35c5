import shutil
from pathlib import Path
from typing import Any

import pytest

from renkei.agent import media
from renkei.agent.exchange import take_offline
from renkei.agent.home import Home
from renkei.agent.intake import Watch
from renkei.agent.status import status_of
from renkei.exchange.parties import MINISTRY, Party

UTASHINAI = "012271"


@pytest.fixture
def sides(fleet: Any) -> tuple[Home, Home]:
    """The ministry and an endpoint whose line went down after it was enrolled."""
    ministry, endpoint = fleet.agent("ministry"), fleet.agent(UTASHINAI, link="media")
    fleet.exchange(endpoint)
    fleet.exchange(ministry)
    (ministry.settings.outbox / UTASHINAI).mkdir()
    return ministry, endpoint


@pytest.fixture
def medium(tmp_path: Path) -> Path:
    folder = tmp_path / "medium"
    folder.mkdir()
    return folder


def fill_and_export(home: Home, medium: Path, recipient: Party) -> media.Export:
    take_offline(home, Watch(0))
    return media.export(home, medium, recipient)


def send(fleet: Any, sides: Any, medium: Path, residence_csv: Any, status_csv: Any) -> media.Export:
    ministry, endpoint = sides
    (ministry.settings.outbox / UTASHINAI / "change.csv").write_bytes(status_csv(2, UTASHINAI))
    fleet.exchange(ministry)
    media.export(ministry, medium, Party(UTASHINAI))
    media.import_all(endpoint, medium)
    (endpoint.settings.outbox / "day.csv").write_bytes(residence_csv(3, UTASHINAI))
    return fill_and_export(endpoint, medium, MINISTRY)


def test_parcels_and_receipts_travel_by_medium_both_ways(
    fleet: Any, sides: Any, medium: Path, residence_csv: Any, status_csv: Any
) -> None:
    ministry, endpoint = sides
    written = send(fleet, sides, medium, residence_csv, status_csv)
    assert (written.parcels, written.notices, written.receipts) == (1, 3, 1)
    brought = media.import_all(ministry, medium)
    assert (brought.notices, brought.receipts, brought.refused) == (3, 1, 0)
    media.export(ministry, medium, Party(UTASHINAI))
    assert media.import_all(endpoint, medium).receipts == 1

    assert next(endpoint.settings.inbox.iterdir()).read_bytes() == status_csv(2, UTASHINAI)
    assert next((ministry.settings.inbox / UTASHINAI).iterdir()).read_bytes() == residence_csv(3, UTASHINAI)
    for side in sides:
        (peer,) = status_of(side).peers
        assert (peer.waiting, peer.receipts_received) == (0, 1)


def test_a_medium_imported_again_changes_nothing(
    fleet: Any, sides: Any, medium: Path, residence_csv: Any, status_csv: Any
) -> None:
    ministry, _ = sides
    send(fleet, sides, medium, residence_csv, status_csv)
    media.import_all(ministry, medium)
    before = sorted((ministry.settings.inbox / UTASHINAI).iterdir())
    again = media.import_all(ministry, medium)
    assert (again.parcels, again.notices, again.refused) == (0, 0, 0)
    assert again.repeated == 2
    assert sorted((ministry.settings.inbox / UTASHINAI).iterdir()) == before


def test_a_medium_can_be_read_by_whoever_carries_it(
    fleet: Any, sides: Any, medium: Path, residence_csv: Any, status_csv: Any
) -> None:
    written = send(fleet, sides, medium, residence_csv, status_csv)
    found = [path.stat().st_mode & 0o777 for path in (medium / written.folder).rglob("*")]
    assert set(found) == {0o644, 0o755}


def test_an_export_for_somebody_else_is_passed_over(
    fleet: Any, sides: Any, medium: Path, residence_csv: Any, status_csv: Any
) -> None:
    send(fleet, sides, medium, residence_csv, status_csv)
    other = fleet.agent("131041")
    brought = media.import_all(other, medium)
    assert (brought.exports, brought.parcels, brought.foreign) == (0, 0, 2)


@pytest.mark.parametrize("damage", ["sealed", "manifest", "entry", "missing"])
def test_damage_on_the_medium_is_found_and_a_good_copy_is_taken_later(
    fleet: Any, sides: Any, medium: Path, residence_csv: Any, status_csv: Any, damage: str
) -> None:
    ministry, _ = sides
    written = send(fleet, sides, medium, residence_csv, status_csv)
    folder = medium / written.folder
    copy = shutil.copytree(medium, medium.with_name("copy"))
    place = {"sealed": "sealed/*", "manifest": "documents/*-manifest.*", "entry": "entries/*", "missing": "sealed/*"}
    (path,) = folder.glob(place[damage])
    if damage == "missing":
        path.unlink()
    else:
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    assert media.import_all(ministry, medium).notices == 0
    assert media.import_all(ministry, copy).notices == 3


def test_a_terminal_on_media_whose_line_comes_back_goes_on_by_line(
    fleet: Any, sides: Any, medium: Path, residence_csv: Any, status_csv: Any
) -> None:
    ministry, endpoint = sides
    send(fleet, sides, medium, residence_csv, status_csv)
    media.import_all(ministry, medium)
    media.export(ministry, medium, Party(UTASHINAI))
    media.import_all(endpoint, medium)
    (endpoint.settings.outbox / "next.csv").write_bytes(residence_csv(1, UTASHINAI, 50))
    assert fleet.exchange(endpoint).parcels_sent == 2  # the hub has to see the first one, too: no gap
    assert fleet.exchange(ministry).notices_delivered == 1
    fleet.exchange(endpoint)
    assert status_of(endpoint).alarms == () == status_of(ministry).alarms
    assert status_of(endpoint).peers[0].waiting == 0


def test_a_medium_that_is_not_there_is_named(sides: Any, tmp_path: Path) -> None:
    with pytest.raises(media.MediaError, match="nowhere"):
        media.export(sides[0], tmp_path / "nowhere" / "deeper", Party(UTASHINAI))
    with pytest.raises(media.MediaError, match="nowhere"):
        media.import_all(sides[0], tmp_path / "nowhere")
