"""The malware scan of a medium, by the real ClamAV with patterns of this test's own."""

import hashlib
import shutil
from pathlib import Path
from typing import Any

import pytest

from renkei.agent import media
from renkei.agent.exchange import take_offline
from renkei.agent.home import Home
from renkei.agent.intake import Watch
from renkei.exchange.parties import MINISTRY

pytestmark = pytest.mark.thorough

UTASHINAI = "012271"
needs_clamav = pytest.mark.skipif(
    shutil.which("clamscan") is None,
    reason="clamscan isn't here; the scenario `agent` of `./kit test roles` runs it for real (test_media_scan.py)",
)


def sides(fleet: Any, tmp_path: Path, residence_csv: Any, **settings: Any) -> tuple[Home, Path, Path]:
    """The ministry with its scanner's settings, a medium with three notices for it, and the export's folder."""
    ministry = fleet.agent("ministry", media=settings)
    endpoint = fleet.agent(UTASHINAI, link="media")
    fleet.exchange(endpoint)
    medium = Path(fleet.medium(ministry, tmp_path / "medium", UTASHINAI))
    (endpoint.settings.outbox / "day.csv").write_bytes(residence_csv(3, UTASHINAI))
    take_offline(endpoint, Watch(0))
    return ministry, medium, medium / media.export(endpoint, medium, MINISTRY).folder


def patterns(folder: Path, *contents: bytes) -> str:
    """A database of ClamAV that knows files of exactly these contents."""
    folder.mkdir()
    # a database without an entry is none: the first stands for malware that isn't on the medium
    lines = [f"{hashlib.md5(c).hexdigest()}:{len(c)}:Renkei.Test" for c in (b"malware", *contents)]  # noqa: S324 - .hdb
    (folder / "test.hdb").write_text("\n".join([*lines, ""]))
    return str(folder)


@needs_clamav
def test_a_clean_medium_is_scanned_and_taken(fleet: Any, tmp_path: Path, residence_csv: Any) -> None:
    database = patterns(tmp_path / "patterns")
    ministry, medium, _ = sides(fleet, tmp_path, residence_csv, scan="required", database=database)
    brought = media.import_all(ministry, medium)
    assert (brought.scanned, brought.notices, brought.refused) == (True, 3, 0)


@needs_clamav
def test_what_the_scanner_knows_is_refused_and_alarmed(fleet: Any, tmp_path: Path, residence_csv: Any) -> None:
    database = tmp_path / "patterns"
    ministry, medium, export = sides(fleet, tmp_path, residence_csv, scan="if_present", database=str(database))
    (sealed,) = (export / "sealed").iterdir()
    patterns(database, sealed.read_bytes())
    brought = media.import_all(ministry, medium)
    assert (brought.exports, brought.refused, brought.notices) == (0, 1, 0)
    (alarm,) = ministry.spool.alarms()
    assert (alarm.kind, "Renkei.Test" in alarm.text) == ("malware", True)
    assert export.is_dir()


def test_a_required_scan_without_a_scanner_takes_nothing(fleet: Any, tmp_path: Path, residence_csv: Any) -> None:
    ministry, medium, export = sides(fleet, tmp_path, residence_csv, scan="required", scanner="no-such-scanner")
    with pytest.raises(media.MediaError, match="no-such-scanner isn't installed; nothing was taken"):
        media.import_all(ministry, medium)
    assert export.is_dir()


def test_without_a_scanner_a_medium_is_taken_where_none_is_required(
    fleet: Any, tmp_path: Path, residence_csv: Any
) -> None:
    ministry, medium, _ = sides(fleet, tmp_path, residence_csv, scan="if_present", scanner="no-such-scanner")
    brought = media.import_all(ministry, medium)
    assert (brought.scanned, brought.notices) == (False, 3)


@needs_clamav
def test_a_scanner_that_fails_takes_nothing(fleet: Any, tmp_path: Path, residence_csv: Any) -> None:
    ministry, medium, _ = sides(fleet, tmp_path, residence_csv, scan="if_present", database=str(tmp_path / "no"))
    with pytest.raises(media.MediaError, match=r"clamscan failed: .*; nothing was taken"):
        media.import_all(ministry, medium)
