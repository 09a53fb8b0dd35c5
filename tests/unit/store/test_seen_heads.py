"""The heads that an agent keeps: one an hour, later one a day, at last none."""

from datetime import datetime, timedelta
from pathlib import Path

from renkei.exchange.clock import format_time, parse_time
from renkei.store.heads import SignedHead
from renkei.store.spool import Spool

START = parse_time("2026-11-01T00:10:00Z")


def keep(spool: Spool, at: datetime, mark: str = "") -> None:
    head = SignedHead(format_time(at), f"{format_time(at)}{mark}".encode(), "key", "{}")
    spool.heads.keep(head, 1, format_time(at - timedelta(days=30)), format_time(at - timedelta(days=400)))


def test_the_newest_of_each_hour_stays_and_old_days_have_one(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "state.db")
    for step in range(2 * 24 * 3):
        keep(spool, START + timedelta(minutes=30 * step))
    assert len(spool.heads.all()) == 3 * 24
    keep(spool, START + timedelta(days=40))
    assert [each.signed_at for each in spool.heads.all()] == [
        "2026-11-01T23:40:00Z",
        "2026-11-02T23:40:00Z",
        "2026-11-03T23:40:00Z",
        "2026-12-11T00:10:00Z",
    ]
    keep(spool, START + timedelta(days=420))
    assert len(spool.heads.all()) == 2
    spool.close()
