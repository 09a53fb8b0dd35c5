"""Disks that are full, broken or read-only, and inboxes that nobody empties: nothing half taken, and back by itself."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from faults.killing import SUBJECTS, Scene, until
from faults.kills import stratified
from faults.promises import assert_promises, numbers
from faults.work import attempt, settle
from renkei.agent.status import status_of
from renkei.cli.agent import app
from renkei.store.errors import StoreError
from unit.agent.conftest import start_hub

SHINJUKU = "131041"
MIB = 1024 * 1024
SERVE = (
    "import sys; sys.argv = ['renkei-agent', 'serve', '--config', config]; from renkei.cli.agent import main; main()"
)
ERRORS = ("EIO", "ENOSPC", "EROFS")
ON_DISK = {"pwrite64", "fsync", "fdatasync", "ftruncate", "rename"}
POINTS = 3
"""For each error and each of the three whom it meets."""


@contextmanager
def small_disk(folder: Path, mib: int) -> Iterator[Path]:
    """A file system of this size at `folder`."""
    folder.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mib}m", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def fill(folder: Path, leave: int) -> Path:
    """Leave so many bytes; deleting the file that is returned makes room again."""
    ballast = folder / "ballast"
    with ballast.open("wb") as file:
        free = shutil.disk_usage(folder).free
        os.posix_fallocate(file.fileno(), 0, free - leave)
    return ballast


def numbered(last: int) -> list[str]:
    return [f"N-{SHINJUKU}-{number:06d}" for number in range(1, last + 1)]


def room_alarms(home: Any) -> list[str]:
    return [alarm.subject for alarm in status_of(home).alarms if alarm.kind == "room"]


EXCHANGE = {"stable_seconds": 0, "poll_seconds": 0.1, "retry_seconds": 1, "directory_seconds": 0, "reserve_mib": 8}


def test_an_agent_short_of_room_takes_nothing_and_goes_on_when_there_is_room(
    fleet: Any, residence_csv: Any, status_csv: Any, tmp_path: Path
) -> None:
    ministry = fleet.agent("ministry")
    with small_disk(tmp_path / "disk", 32) as disk:
        shinjuku = fleet.agent(SHINJUKU, home=disk / "home", exchange=EXCHANGE)
        (shinjuku.settings.outbox / "1.csv").write_bytes(residence_csv(1))
        settle(shinjuku, ministry, shinjuku)
        (ministry.settings.outbox / SHINJUKU).mkdir()
        (ministry.settings.outbox / SHINJUKU / "1.csv").write_bytes(status_csv(1))
        (shinjuku.settings.outbox / "2.csv").write_bytes(residence_csv(1, first=2))
        ballast = fill(disk, 4 * MIB)
        attempt(ministry)
        assert attempt(shinjuku)
        assert room_alarms(shinjuku) == ["disk"]
        assert [path.name for path in shinjuku.settings.outbox.iterdir()] == ["2.csv"]
        assert numbers(shinjuku.settings.inbox) == []
        ballast.unlink()
        settle(shinjuku, ministry)
        assert room_alarms(shinjuku) == []
        assert len(numbers(shinjuku.settings.inbox)) == 1
        assert_promises(ministry, shinjuku, numbered(2))
        shinjuku.spool.close()


def test_a_service_on_a_full_disk_says_so_and_goes_on_when_there_is_room(
    fleet: Any, residence_csv: Any, tmp_path: Path
) -> None:
    ministry = fleet.agent("ministry")
    with small_disk(tmp_path / "disk", 32) as disk:
        shinjuku = fleet.agent(SHINJUKU, home=disk / "home", exchange=EXCHANGE)
        settle(ministry, shinjuku)
        ballast = fill(disk, 0)
        log, config = tmp_path / "agent.log", fleet.write_config(shinjuku)
        config.write_text(config.read_text().replace("[exchange]", "[exchange]\nreserve_mib = 8"))
        begin = f"import os; os.dup2(os.open({str(log)!r}, os.O_WRONLY | os.O_CREAT), 2);"
        process = fleet.processes.Process(target=exec, args=(begin + SERVE, {"config": str(config)}), daemon=True)
        process.start()
        try:
            until(lambda: log.exists() and "CRITICAL" in log.read_text())
            assert room_alarms(shinjuku) == ["disk"]
            assert process.is_alive()
            ballast.unlink()
            (shinjuku.settings.outbox / "1.csv").write_bytes(residence_csv(1))
            until(lambda: attempt(ministry) and numbers(ministry.settings.inbox / SHINJUKU) == numbered(1))
            until(lambda: not shinjuku.spool.outgoing.unreceipted())
        finally:
            process.kill()
            process.join(10)
        assert_promises(ministry, shinjuku, numbered(1))
        shinjuku.spool.close()


def test_on_a_read_only_disk_the_agent_says_what_to_do(fleet: Any, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 16) as disk:
        shinjuku = fleet.agent(SHINJUKU, home=disk / "home", exchange=EXCHANGE)
        shinjuku.spool.close()
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        for verb in ("status", "exchange"):
            result = CliRunner().invoke(app, [verb, "--config", str(fleet.write_config(shinjuku))])
            assert result.exit_code == 2, result.output
            assert "check its disk" in result.stderr.replace("\n", " ")


def test_a_full_inbox_leaves_parcels_at_the_hub_until_somebody_takes_files(fleet: Any, residence_csv: Any) -> None:
    ministry = fleet.agent("ministry", exchange={**EXCHANGE, "inbox_files": 2})
    shinjuku = fleet.agent(SHINJUKU)
    for number in range(1, 5):
        (shinjuku.settings.outbox / f"{number}.csv").write_bytes(residence_csv(1, first=number))
        attempt(shinjuku)
        attempt(ministry)
    inbox, taken = ministry.settings.inbox / SHINJUKU, []
    assert numbers(inbox) == numbered(2)
    assert room_alarms(ministry) == ["inbox"]
    while inbox.exists() and any(inbox.iterdir()):
        taken += numbers(inbox)
        for path in inbox.iterdir():
            path.unlink()
        attempt(ministry)
    settle(shinjuku, ministry)
    assert room_alarms(ministry) == []
    assert_promises(ministry, shinjuku, numbered(4), taken)


def healthz(fleet: Any) -> tuple[int, str]:
    transport = httpx.HTTPTransport(uds=str(fleet.folder / "run" / "health.sock"))
    with httpx.Client(transport=transport, base_url="http://hub", timeout=30) as client:
        answer = client.get("/healthz")
    return answer.status_code, answer.text


@pytest.mark.parametrize("left", [4 * MIB, 0])
def test_a_hub_short_of_room_takes_no_parcels_and_goes_on_when_there_is_room(
    fleet: Any, residence_csv: Any, left: int
) -> None:
    """With something left receipts are taken all the same: they make room."""
    state = fleet.folder / "hub"
    fleet.stop_hub()
    kept = shutil.copytree(state, fleet.folder / "kept")
    with small_disk(state, 32):
        shutil.copytree(kept, state, dirs_exist_ok=True)
        config = fleet.folder / "hub.toml"
        config.write_text(config.read_text() + "reserve_mib = 8\n")
        fleet.hub = start_hub(fleet.folder)
        ministry, shinjuku = fleet.agent("ministry"), fleet.agent(SHINJUKU)
        (shinjuku.settings.outbox / "1.csv").write_bytes(residence_csv(1))
        attempt(shinjuku)
        ballast = fill(state, left)
        (shinjuku.settings.outbox / "2.csv").write_bytes(residence_csv(1, first=2))
        time.sleep(1.1)  # the hub looks once a second
        assert not attempt(shinjuku)
        assert attempt(ministry) is (left > 0)
        status, text = healthz(fleet)
        assert status == 503
        assert ("MiB free" if left else "cannot commit") in text
        ballast.unlink()
        time.sleep(1.1)
        settle(shinjuku, ministry)
        assert healthz(fleet) == (200, "ok\n")
        assert_promises(ministry, shinjuku, numbered(2))
        fleet.stop_hub()


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("subject", SUBJECTS)
def test_a_disk_that_fails_at_any_write_loses_and_doubles_nothing(
    fleet: Any, residence_csv: Any, tmp_path: Path, subject: str, error: str
) -> None:
    scene = Scene(fleet, residence_csv)
    calls = scene.reference(subject, tmp_path / "calls")
    on_disk = type(calls)({call: number for call, number in calls.items() if call in ON_DISK})
    for point in stratified(on_disk, POINTS):
        SUBJECTS[subject](scene, inject=f"{point.call}:error={error}:when={point.number}")
    scene.check()


def test_a_store_whose_file_cannot_be_read_says_so(fleet: Any) -> None:
    shinjuku = fleet.agent(SHINJUKU)
    shinjuku.spool.close()
    shinjuku.settings.database.write_bytes(b"no database at all" * 1000)
    with pytest.raises(StoreError, match=r"state\.db"):
        type(shinjuku.spool)(shinjuku.settings.database)
