import base64
import datetime as dt
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from renkei.agent import media, platform
from renkei.agent.exchange import take_offline
from renkei.agent.home import Home, stamp
from renkei.agent.intake import Watch
from renkei.agent.media import inspecting
from renkei.agent.status import status_of
from renkei.exchange.documents import canonical
from renkei.exchange.parties import MINISTRY, Party
from renkei.store.media import LostMedium
from unit.agent.killing import export_to, import_from, killed_at

UTASHINAI = "012271"
STRIDE = 9


@pytest.fixture
def sides(fleet: Any) -> tuple[Home, Home]:
    """The ministry and an endpoint whose line went down after it was enrolled."""
    ministry, endpoint = fleet.agent("ministry"), fleet.agent(UTASHINAI, link="media")
    fleet.exchange(endpoint)
    fleet.exchange(ministry)
    (ministry.settings.outbox / UTASHINAI).mkdir()
    return ministry, endpoint


@pytest.fixture
def medium(fleet: Any, sides: tuple[Home, Home], tmp_path: Path) -> Path:
    return Path(fleet.medium(sides[0], tmp_path / "medium", UTASHINAI))


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


@pytest.mark.quick
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


@pytest.mark.quick
def test_an_export_is_taken_once_and_deleted(
    fleet: Any, sides: Any, medium: Path, residence_csv: Any, status_csv: Any, tmp_path: Path
) -> None:
    ministry, _ = sides
    written = send(fleet, sides, medium, residence_csv, status_csv)
    shutil.copytree(medium / written.folder, tmp_path / "kept")
    brought = media.import_all(ministry, medium)
    assert (brought.exports, brought.wiped, brought.digests) == (1, 1, [written.digest])
    assert [path.name for path in medium.iterdir()] == ["renkei-medium.json"]
    before = sorted((ministry.settings.inbox / UTASHINAI).iterdir())
    shutil.copytree(tmp_path / "kept", medium / written.folder)  # somebody puts it back
    again = media.import_all(ministry, medium)
    assert (again.exports, again.replayed, again.parcels, again.repeated) == (0, 1, 0, 0)
    assert [alarm.kind for alarm in ministry.spool.alarms()] == ["medium"]
    assert sorted((ministry.settings.inbox / UTASHINAI).iterdir()) == before


def test_an_export_that_is_copied_onto_another_medium_is_refused(
    fleet: Any, sides: Any, medium: Path, residence_csv: Any, status_csv: Any, tmp_path: Path
) -> None:
    ministry, endpoint = sides
    written = send(fleet, sides, medium, residence_csv, status_csv)
    other = fleet.medium(endpoint, tmp_path / "other", UTASHINAI)
    shutil.copytree(medium / written.folder, other / written.folder)
    copied = media.import_all(ministry, other)
    assert (copied.exports, copied.refused, copied.notices) == (0, 1, 0)
    assert media.import_all(ministry, medium).notices == 3


@pytest.mark.quick
def test_a_medium_that_nobody_registered_is_refused(sides: Any, tmp_path: Path) -> None:
    ministry, endpoint = sides
    with pytest.raises(media.MediaError, match="is no registered medium"):
        media.export(endpoint, tmp_path, MINISTRY)
    with pytest.raises(media.MediaError, match="is no registered medium"):
        media.import_all(ministry, tmp_path)


def test_a_registration_counts_for_one_endpoint_by_one_of_its_own(
    fleet: Any, sides: Any, medium: Path, tmp_path: Path
) -> None:
    ministry, _ = sides
    other = fleet.agent("131041")
    with pytest.raises(media.MediaError, match="registered for 012271, not for 131041"):
        media.import_all(other, medium)
    with pytest.raises(media.MediaError, match="registered for 012271, not for 131041"):
        media.export(ministry, medium, Party("131041"))
    with pytest.raises(media.MediaError, match="registers no medium for the exchange of 012271"):
        fleet.medium(other, tmp_path / "foreign", UTASHINAI)
    document = json.loads((medium / "renkei-medium.json").read_text())
    signed = json.loads(document["envelope"])
    said = json.loads(base64.b64decode(signed["payload"])) | {"endpoint": "131041"}
    signed["payload"] = base64.b64encode(canonical(said)).decode()
    (medium / "renkei-medium.json").write_text(json.dumps(document | {"envelope": json.dumps(signed)}))
    with pytest.raises(media.MediaError, match="can't be believed"):
        media.import_all(other, medium)


def test_a_registration_is_bound_to_its_file_system(
    sides: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    volumes = {"one": "1F2E-3D4C", "two": "5B6A-7980"}
    monkeypatch.setattr(platform, "volume_of", lambda folder: volumes[folder.name])
    for name in volumes:
        (tmp_path / name).mkdir()
    media.register(sides[0], tmp_path / "one", Party(UTASHINAI), "USB-01")
    shutil.copy(tmp_path / "one" / "renkei-medium.json", tmp_path / "two")
    assert media.read_registration(sides[1], tmp_path / "one").volume == "1F2E-3D4C"
    with pytest.raises(media.MediaError, match="is a copy of the medium USB-01"):
        media.read_registration(sides[1], tmp_path / "two")


def test_a_lost_medium_is_struck_off(sides: Any, medium: Path) -> None:
    ministry, _ = sides
    known = media.read_registration(ministry, medium)
    assert ministry.spool.media.lose(LostMedium(str(known.id), "left on a train", stamp()))
    with pytest.raises(media.MediaError, match="left on a train"):
        media.import_all(ministry, medium)


def test_an_export_older_than_the_notices_are_kept_is_refused(
    fleet: Any, sides: Any, medium: Path, residence_csv: Any, status_csv: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ministry, _ = sides
    written = send(fleet, sides, medium, residence_csv, status_csv)
    monkeypatch.setattr(inspecting, "KEPT_COVER", dt.timedelta(seconds=-60))
    assert media.import_all(ministry, medium).refused == 1
    assert (medium / written.folder).is_dir()


def test_a_medium_can_be_read_by_whoever_carries_it(
    fleet: Any, sides: Any, medium: Path, residence_csv: Any, status_csv: Any
) -> None:
    written = send(fleet, sides, medium, residence_csv, status_csv)
    found = [path.stat().st_mode & 0o777 for path in (medium / written.folder).rglob("*")]
    assert set(found) == {0o644, 0o755}


def test_an_export_for_the_other_side_is_left_alone(
    fleet: Any, sides: Any, medium: Path, residence_csv: Any, status_csv: Any
) -> None:
    written = send(fleet, sides, medium, residence_csv, status_csv)
    brought = media.import_all(sides[1], medium)
    assert (brought.exports, brought.foreign, brought.wiped) == (0, 1, 0)
    assert (medium / written.folder).is_dir()


@pytest.mark.parametrize("name", ["renkei-x/../../etc", "documents/00009-void.json", "autorun.inf"])
def test_what_is_not_listed_is_not_on_the_medium(
    fleet: Any, sides: Any, medium: Path, residence_csv: Any, status_csv: Any, name: str
) -> None:
    written = send(fleet, sides, medium, residence_csv, status_csv)
    path = medium / written.folder / name.replace("/..", "")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    assert media.import_all(sides[0], medium).refused == 1


@pytest.mark.parametrize("damage", ["sealed", "manifest", "entry", "missing", "cover", "listing"])
def test_damage_on_the_medium_is_found_and_a_good_copy_is_taken_later(
    fleet: Any, sides: Any, medium: Path, residence_csv: Any, status_csv: Any, damage: str
) -> None:
    ministry, _ = sides
    written = send(fleet, sides, medium, residence_csv, status_csv)
    folder = medium / written.folder
    copy = shutil.copytree(medium, medium.with_name("copy"))
    place = {"sealed": "sealed/*", "manifest": "documents/*-manifest.*", "entry": "entries/*", "missing": "sealed/*",
             "cover": "cover.json", "listing": "SHA256SUMS"}  # fmt: skip
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


@pytest.mark.thorough
@pytest.mark.parametrize("side", ["export", "import"])
def test_a_medium_pulled_out_at_any_step_leaves_both_sides_whole(
    fleet: Any, sides: Any, medium: Path, residence_csv: Any, side: str
) -> None:
    """Each step that writes is the last one, in turn; the next try with the same medium brings everything once."""
    ministry, endpoint = sides
    config = fleet.write_config(endpoint if side == "export" else ministry)
    expected, kills, step = 0, 0, 1
    while True:
        (endpoint.settings.outbox / f"{step:03}.csv").write_bytes(residence_csv(1, UTASHINAI, first=step))
        take_offline(endpoint, Watch(0))
        expected += 1
        if side == "import":
            media.export(endpoint, medium, MINISTRY)
        killed = killed_at(fleet, config, step, export_to if side == "export" else import_from, medium)
        kills += killed
        if side == "export":
            media.export(endpoint, medium, MINISTRY)
        media.import_all(ministry, medium)
        arrived = [line.split(",")[1] for path in sorted((ministry.settings.inbox / UTASHINAI).iterdir())
                   for line in path.read_text().splitlines()[1:]]  # fmt: skip
        assert len(arrived) == len(set(arrived)) == expected
        assert [alarm.kind for alarm in ministry.spool.alarms()] == []
        assert [path.name for path in medium.iterdir() if not path.name.startswith(".")] == ["renkei-medium.json"]
        media.export(ministry, medium, Party(UTASHINAI))
        media.import_all(endpoint, medium)
        assert endpoint.spool.outgoing.unreceipted() == []
        if not killed:
            break
        step += STRIDE
    assert kills >= 4


def test_a_full_medium_is_said_and_left_as_it_was(fleet: Any, sides: Any, residence_csv: Any, tmp_path: Path) -> None:
    _, endpoint = sides
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48k", "tmpfs", str(folder)], check=True)
    try:
        medium = fleet.medium(endpoint, folder, UTASHINAI)
        (endpoint.settings.outbox / "day.csv").write_bytes(residence_csv(800, UTASHINAI))
        with pytest.raises(media.MediaError, match="No space left on device"):
            fill_and_export(endpoint, medium, MINISTRY)
        assert [path.name for path in medium.iterdir()] == ["renkei-medium.json"]
        subprocess.run(["mount", "-o", "remount,size=4m", str(folder)], check=True)
        assert media.export(endpoint, medium, MINISTRY).notices == 800
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_what_waited_for_a_medium_longer_than_a_certificate_is_signed_anew(
    fleet: Any, sides: Any, medium: Path, residence_csv: Any, status_csv: Any
) -> None:
    """Notices and a receipt, both signed by a key whose certificate has ended when the medium comes."""
    ministry, endpoint = sides
    (ministry.settings.outbox / UTASHINAI / "change.csv").write_bytes(status_csv(2, UTASHINAI))
    fleet.exchange(ministry)
    media.export(ministry, medium, Party(UTASHINAI))
    media.import_all(endpoint, medium)
    (endpoint.settings.outbox / "day.csv").write_bytes(residence_csv(3, UTASHINAI))
    take_offline(endpoint, Watch(0))
    first = endpoint.keys().folder
    fleet.enrol(endpoint)
    shutil.rmtree(first)  # nobody can believe its entry any more
    media.export(endpoint, medium, MINISTRY)
    brought = media.import_all(ministry, medium)
    assert (brought.notices, brought.receipts, brought.refused) == (3, 1, 0)


def test_a_medium_that_is_not_there_is_named(sides: Any, tmp_path: Path) -> None:
    with pytest.raises(media.MediaError, match="nowhere"):
        media.export(sides[0], tmp_path / "nowhere", Party(UTASHINAI))
    with pytest.raises(media.MediaError, match="nowhere"):
        media.import_all(sides[0], tmp_path / "nowhere")
