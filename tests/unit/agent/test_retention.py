"""Notices go after their year, by a clock that is moved on; proofs stay."""

import datetime as dt
from dataclasses import replace
from pathlib import Path
from typing import Any

from renkei.agent.retention import remove_old


def contents(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_notices_are_removed_after_their_year_and_receipts_stay(fleet: Any, residence_csv: Any) -> None:
    ministry, sender = fleet.agent("ministry"), fleet.agent("131041")
    rows = residence_csv(2).splitlines(keepends=True)
    bad = b"\r\n".join([b",".join(rows[2].rstrip().split(b",")[:3])]) + b"\r\n"
    (sender.settings.outbox / "a.csv").write_bytes(b"".join([rows[0], rows[1], bad]))
    for agent in (sender, ministry, sender):
        fleet.exchange(agent)
    done, rejected = contents(sender.settings.done), contents(sender.settings.rejected)
    assert done
    assert rejected
    now = dt.datetime.now(dt.UTC)
    remove_old(sender, now + dt.timedelta(days=365))
    assert (contents(sender.settings.done), contents(sender.settings.rejected)) == (done, rejected)
    [held] = sender.spool._database.read(
        lambda c: c.execute("SELECT sealed, content, receipt FROM outgoing").fetchall()
    )
    assert held[:2] == (None, None)
    assert held[2]
    remove_old(sender, now + dt.timedelta(days=367))
    assert contents(sender.settings.done) == contents(sender.settings.rejected) == []
    assert sender.spool._database.read(lambda c: c.execute("SELECT count(receipt) FROM outgoing").fetchall()) == [(1,)]
    assert contents(ministry.settings.inbox / "131041"), "the inbox belongs to who reads it"


def test_the_settings_say_how_long(offline: Any) -> None:
    home = offline.agent("131041")
    short = home.settings.model_copy(update={"keep_days": 40})
    home = replace(home, settings=short)
    (short.done / "old.csv").write_text("x")
    now = dt.datetime.now(dt.UTC)
    remove_old(home, now + dt.timedelta(days=39))
    assert contents(short.done) == ["old.csv"]
    remove_old(home, now + dt.timedelta(days=41))
    assert contents(short.done) == []
