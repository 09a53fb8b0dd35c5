"""The service as it runs: `renkei-agent serve` in a process of its own."""

import socket
import time
from pathlib import Path
from typing import Any

import pytest

from renkei.agent.home import Home
from renkei.agent.register.share import prepare
from renkei.agent.status import status_of
from renkei.domain.layouts import Layout, write
from renkei.domain.notices import ImportResult
from unit.agent.register_scenes import Register, numbers, status
from unit.agent.serving import PROGRAM, serving, until
from unit.domain.rows import ROWS


def waiting(home: Home) -> int:
    return sum(peer.waiting for peer in status_of(home).peers)


def test_online_agents_exchange_within_moments_of_a_file_appearing(
    fleet: Any, residence_csv: Any, status_csv: Any
) -> None:
    ministry, shinjuku = fleet.agent("ministry"), fleet.agent("131041")
    (ministry.settings.outbox / "131041").mkdir()
    with serving(fleet, ministry), serving(fleet, shinjuku):
        (shinjuku.settings.outbox / "day.csv").write_bytes(residence_csv(3))
        until(lambda: status_of(shinjuku).peers and waiting(shinjuku) == 0)
        assert len(list((ministry.settings.inbox / "131041").iterdir())) == 1
        (ministry.settings.outbox / "131041" / "change.csv").write_bytes(status_csv(1))
        until(lambda: list(shinjuku.settings.inbox.iterdir()))
        until(lambda: waiting(ministry) == 0)


@pytest.mark.thorough
@pytest.mark.parametrize("missing", ["its terminal", "what its terminal reads"])
def test_what_waits_for_a_recipient_goes_as_soon_as_the_directory_knows_it(fleet: Any, missing: str) -> None:
    """It doesn't wait for the next look, which here is an hour away."""
    ministry, shinjuku = fleet.agent("ministry"), fleet.home("131041")
    if missing != "its terminal":
        fleet.enrol(shinjuku)
    result, _ = ImportResult.parse(ROWS[ImportResult])
    assert result is not None
    folder = ministry.settings.outbox / "131041"
    folder.mkdir()
    with serving(fleet, ministry, retry_seconds=3600):
        (folder / "results.csv").write_bytes(write([result], Layout()))
        kind = "no-binding" if missing == "its terminal" else "outbox"
        until(lambda: [alarm for alarm in status_of(ministry).alarms if alarm.kind == kind])
        time.sleep(1)  # it waits at the hub again
        if missing == "its terminal":
            fleet.enrol(shinjuku)
        fleet.exchange(shinjuku)
        until(lambda: not list(folder.iterdir()))
        until(lambda: fleet.exchange(shinjuku).parcels_delivered or list(shinjuku.settings.inbox.iterdir()))
        assert [alarm for alarm in status_of(ministry).alarms if alarm.kind == kind] == []


@pytest.mark.thorough
def test_a_service_outlives_the_hub_and_goes_on_by_itself(fleet: Any, residence_csv: Any) -> None:
    ministry, shinjuku = fleet.agent("ministry"), fleet.agent("131041")
    fleet.exchange(shinjuku)
    with serving(fleet, ministry), serving(fleet, shinjuku):
        until(lambda: status_of(ministry).last_exchange_at)
        fleet.stop_hub()
        (shinjuku.settings.outbox / "day.csv").write_bytes(residence_csv(2))
        until(lambda: not list(shinjuku.settings.outbox.iterdir()))  # taken although there is no hub
        fleet.start_hub()
        until(lambda: status_of(shinjuku).peers and waiting(shinjuku) == 0)


def test_a_killed_service_goes_on_when_it_is_started_again(fleet: Any, residence_csv: Any) -> None:
    fleet.agent("ministry")
    shinjuku = fleet.agent("131041", link="on_demand")
    with serving(fleet, shinjuku) as first:
        until(lambda: status_of(shinjuku).last_exchange_at)
        (shinjuku.settings.outbox / "day.csv").write_bytes(residence_csv(2))
        first.kill()
        first.join(10)
    with serving(fleet, shinjuku):
        until(lambda: status_of(shinjuku).peers and status_of(shinjuku).peers[0].accepted == 1)


def test_a_clerk_can_ask_for_an_exchange(fleet: Any) -> None:
    shinjuku = fleet.agent("131041", link="on_demand")
    with serving(fleet, shinjuku):
        until(lambda: status_of(shinjuku).last_exchange_at)
        fleet.front.requests.clear()
        shinjuku.settings.request_file.touch()
        until(lambda: any("/v1/hub" in line for line in fleet.front.requests))
        until(lambda: not shinjuku.settings.request_file.exists())


@pytest.mark.quick
def test_the_service_says_when_it_is_ready_and_stops_when_told(fleet: Any, tmp_path: Path) -> None:
    home = fleet.home("131041")  # not enrolled: it waits for that, and is ready all the same
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.settimeout(20)
    manager.bind(str(tmp_path / "notify"))
    program = f"import os; os.environ['NOTIFY_SOCKET'] = {str(tmp_path / 'notify')!r}; {PROGRAM}"
    config = {"config": str(fleet.write_config(home))}
    process = fleet.processes.Process(target=exec, args=(program, config), daemon=True)
    process.start()
    assert manager.recv(100) == b"READY=1"
    process.terminate()
    assert manager.recv(100) == b"STOPPING=1"
    process.join(10)
    assert process.exitcode == 0
    manager.close()


@pytest.mark.thorough
def test_the_service_tends_the_bridge_both_ways_and_when_the_share_comes_back(
    fleet: Any, tmp_path: Path, residence_csv: Any
) -> None:
    share = tmp_path / "share"
    share.mkdir()
    ministry = fleet.agent("ministry", publish={"seconds": 1})
    shinjuku = fleet.agent("131041", bridge={"kind": "folder", "folder": share})
    prepare(shinjuku)
    register = Register(share)
    (ministry.settings.outbox / "131041").mkdir()
    with serving(fleet, ministry), serving(fleet, shinjuku):
        (ministry.settings.outbox / "131041" / "1.csv").write_bytes(write([status(1)], Layout()))
        until(register.take)
        register.write("day.csv", residence_csv(2))
        until(lambda: list((ministry.settings.inbox / "131041").glob("*")))
        share.rename(tmp_path / "away")
        (ministry.settings.outbox / "131041" / "2.csv").write_bytes(write([status(2)], Layout()))
        until(lambda: [alarm.kind for alarm in status_of(shinjuku).alarms] == ["register"])
        (tmp_path / "away").rename(share)
        until(register.take)
        until(lambda: status_of(shinjuku).alarms == ())
    assert register.taken == numbers(1, 2)
