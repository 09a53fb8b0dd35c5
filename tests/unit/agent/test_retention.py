"""Notices go after their year, by a clock that is moved on; proofs stay."""

import datetime as dt
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from renkei.agent.contact import establish
from renkei.agent.exchange import take_offline
from renkei.agent.intake import Watch
from renkei.agent.receiving import read_inbox
from renkei.agent.retention import remove_old
from renkei.agent.status import status_of
from renkei.exchange.clock import format_time


def rows_of(home: Any, table: str) -> int:
    count: int = home.spool._database.read(lambda c: c.execute(f"SELECT count(*) FROM {table}").fetchall())[0][0]  # noqa: S608  (the test's)
    return count


def contents(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.quick
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
    assert rows_of(sender, "outgoing") == rows_of(ministry, "incoming") == 1
    for agent in (sender, ministry):
        remove_old(agent, now + dt.timedelta(days=399))
    assert rows_of(sender, "outgoing") == rows_of(ministry, "incoming") == 1
    for agent in (sender, ministry):
        remove_old(agent, now + dt.timedelta(days=401))
    assert rows_of(sender, "outgoing") == rows_of(sender, "sources") == rows_of(ministry, "incoming") == 0
    assert contents(ministry.settings.inbox / "131041"), "the inbox belongs to who reads it"


def test_the_stream_goes_on_after_everything_in_it_was_removed(fleet: Any, residence_csv: Any) -> None:
    ministry, sender = fleet.agent("ministry"), fleet.agent("131041")
    for agent in (ministry, sender):
        fleet.exchange(agent)
    for number in (1, 2):
        (sender.settings.outbox / f"{number}.csv").write_bytes(residence_csv(1, first=number))
        for agent in (sender, ministry, sender):
            fleet.exchange(agent)
        for agent in (sender, ministry):
            remove_old(agent, dt.datetime.now(dt.UTC) + dt.timedelta(days=401))
    assert len(contents(ministry.settings.inbox / "131041")) == 2
    assert sender.spool.outgoing.next_number("ministry", "notices") == 3
    assert ministry.spool.gaps() == []
    assert [status_of(agent).alarms for agent in (sender, ministry)] == [(), ()]


def test_what_is_not_settled_stays_whatever_its_age(fleet: Any, residence_csv: Any) -> None:
    ministry, sender = fleet.agent("ministry"), fleet.agent("131041")
    fleet.exchange(ministry)
    (sender.settings.outbox / "a.csv").write_bytes(residence_csv(1))
    fleet.exchange(sender)
    late = dt.datetime.now(dt.UTC) + dt.timedelta(days=4000)
    remove_old(sender, late)
    [waiting] = sender.spool.outgoing.unreceipted()
    assert waiting.sealed
    with ministry.connect() as client:
        read_inbox(ministry, establish(ministry, client))
    remove_old(ministry, late)
    assert rows_of(ministry, "incoming") == 1, "announced, not delivered"
    fleet.exchange(ministry)
    ministry.spool._database.write(lambda c: c.execute("UPDATE incoming SET receipt_sent_at = NULL"))
    remove_old(ministry, late)
    assert rows_of(ministry, "incoming") == 1, "its receipt has not gone yet"


def test_an_endpoint_on_media_removes_its_notices_after_their_year_too(offline: Any) -> None:
    home = offline.agent("131041", link="media")
    home.spool._database.write(
        lambda c: c.execute(
            "INSERT INTO outgoing (id, recipient, stream, sequence, count, manifest, content_sha256,"
            " recipient_certificate_sha256, sealed, content, size, created_at, receipted_at, source_sha256)"
            " VALUES ('1', 'ministry', 'notices', 1, 1, x'', '', '', x'01', x'01', 1, ?1, ?1, ''),"
            " ('2', 'ministry', 'notices', 2, 1, x'', '', '', x'01', x'01', 1, ?1, NULL, '')",
            (format_time(offline.now() - dt.timedelta(days=367)),),
        )
    )
    take_offline(home, Watch(0))
    left = home.spool._database.read(lambda c: c.execute("SELECT id, sealed, content FROM outgoing").fetchall())
    assert left == [("1", None, None), ("2", b"\x01", b"\x01")]


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
