"""Receipts prove delivery: what has one never comes a second time, and nobody waits for it. Real hubs, real agents."""

import datetime as dt
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import apsw
import pytest

from renkei.agent import media
from renkei.agent.exchange import take_offline
from renkei.agent.home import Home
from renkei.agent.intake import Watch
from renkei.agent.receiving import fetch_all, read_inbox
from renkei.agent.retention import remove_old
from renkei.agent.settings import Link
from renkei.agent.status import status_of
from renkei.exchange.parties import MINISTRY, Party
from unit.agent.rows import numbers

pytestmark = pytest.mark.thorough

SHINJUKU = "131041"


class Story:
    """The ministry sends to an endpoint whose machine is replaced, by a hub that is restored."""

    def __init__(self, fleet: Any, status_csv: Any) -> None:
        self.fleet, self.status_csv = fleet, status_csv
        self.ministry, self.old = fleet.agent("ministry"), fleet.agent(SHINJUKU)
        self.outbox = self.ministry.settings.outbox / SHINJUKU
        self.outbox.mkdir()
        self.given = 0

    def give(self) -> None:
        self.given += 1
        (self.outbox / f"{self.given:03d}.csv").write_bytes(self.status_csv(1, SHINJUKU, first=self.given))

    def settle(self, count: int) -> None:
        """Parcels that come all the way, to the receipt that the ministry reads."""
        for _ in range(count):
            self.give()
            for home in (self.ministry, self.old, self.ministry):
                self.fleet.exchange(home)
        assert self.ministry.spool.outgoing.unreceipted() == []

    def restore(self, *bound: Home, revoked: Any = None) -> None:
        """Restore the hub; the authority tells it again what has become since."""
        self.fleet.restore()
        for home in bound:
            self.fleet.bind(home.keys().entry)
        if revoked is not None:
            self.fleet.revoke(revoked)

    def at_peace(self, *homes: Home) -> None:
        for _ in range(2):
            for home in (self.ministry, *homes):
                self.fleet.exchange(home)
        assert self.ministry.spool.outgoing.unreceipted() == []
        for home in (self.ministry, *homes):
            assert status_of(home).alarms == ()
            assert home.spool.gaps() == []
        assert self.fleet.command("check-store").startswith("the store is sound")


def let_pass(home: Home, days: int) -> None:
    """Let all that is settled be so many days older, and what is older than it may be go."""

    def work(connection: apsw.Connection) -> None:
        for table, column in (("outgoing", "receipted_at"), ("incoming", "delivered_at")):
            age = f"strftime('%Y-%m-%dT%H:%M:%SZ', {column}, '-{days} days')"
            connection.execute(f"UPDATE {table} SET {column} = {age}")  # noqa: S608  (the names above)

    home.spool._database.write(work)
    remove_old(home, dt.datetime.now(dt.UTC))


@pytest.mark.parametrize("first", ["the ministry", "the new machine", "the new machine, to its end"])
@pytest.mark.parametrize("replaced", ["before the restore", "after the restore"])
def test_a_restored_hub_holds_what_the_machine_that_is_gone_had_receipted(
    fleet: Any, status_csv: Any, first: str, replaced: str
) -> None:
    """Numbers 1 and 2 lie there, sealed to a key that nobody has; 3 was never there by the hub's memory."""
    story = Story(fleet, status_csv)
    for _ in range(2):
        story.give()
        fleet.exchange(story.ministry)
    fleet.back_up()
    fleet.exchange(story.old)
    fleet.exchange(story.ministry)
    story.settle(1)
    story.give()
    take_offline(story.ministry, Watch(0))  # sealed to the machine that is replaced now, not offered yet
    if replaced == "after the restore":
        story.restore()
    entry = story.old.keys().entry
    new = fleet.replace(story.old, revoked=entry)
    if replaced == "before the restore":
        story.restore(new, revoked=entry)

    if first == "the new machine":
        contact = fleet.contact(new)
        read_inbox(new, contact)
        fetch_all(new, contact)
    elif first == "the new machine, to its end":
        fleet.exchange(new)
        assert {alarm.kind for alarm in status_of(new).alarms} == {"quarantine"}
    story.at_peace(new)
    assert (numbers(story.old.settings.inbox), numbers(new.settings.inbox)) == ([1, 2, 3], [4])
    assert [v.sequence for home in (story.ministry, new) for v in home.spool.voids.all()] == [], "nobody gave any up"


@pytest.mark.parametrize("parcels", [1, 3])
def test_what_a_restored_hub_was_given_anew_has_its_receipt_before_the_machine_that_gave_it_can_be_gone(
    fleet: Any, status_csv: Any, parcels: int
) -> None:
    """The hub asks back numbers that have receipts; then, before it exchanges again, the machine is replaced."""
    story = Story(fleet, status_csv)
    fleet.back_up()
    story.settle(parcels)
    story.give()
    story.restore()
    fleet.exchange(story.ministry)
    new = fleet.replace(story.old, revoked=story.old.keys().entry)
    story.at_peace(new)
    assert (numbers(story.old.settings.inbox), numbers(new.settings.inbox)) == (
        list(range(1, parcels + 1)),
        [parcels + 1],
    )


def test_the_journal_of_a_restored_hub_has_every_receipt_that_was_returned(fleet: Any, status_csv: Any) -> None:
    story = Story(fleet, status_csv)
    story.give()
    fleet.exchange(story.ministry)
    fleet.back_up()
    story.settle(1)
    entry = story.old.keys().entry
    new = fleet.replace(story.old, revoked=entry)
    story.restore(new, revoked=entry)
    story.at_peace(new)
    with story.ministry.connect() as client:
        acts = Counter(each["act"] for each in client.journal_entries(0, 255))
    assert (acts["message"], acts["receipt"], acts["settlement"], acts["void"]) == (1, 1, 1, 0)


def test_a_receipt_that_came_by_medium_is_returned_to_a_hub_that_never_got_it(
    fleet: Any, status_csv: Any, tmp_path: Path
) -> None:
    """The line fails between two exchanges, a medium goes both ways, and then the machine is gone."""
    story = Story(fleet, status_csv)
    story.settle(1)
    story.give()
    fleet.exchange(story.ministry)
    medium = fleet.medium(story.ministry, tmp_path / "medium", SHINJUKU)
    media.export(story.ministry, medium, Party(SHINJUKU))
    media.import_all(story.old, medium)
    media.export(story.old, medium, MINISTRY)
    media.import_all(story.ministry, medium)
    assert story.ministry.spool.outgoing.unreceipted() == []
    new = fleet.replace(story.old, revoked=story.old.keys().entry)
    fleet.exchange(new)
    story.give()
    story.at_peace(new)
    assert (numbers(story.old.settings.inbox), numbers(new.settings.inbox)) == ([1, 2], [3])


@pytest.mark.parametrize("days", [370, 401], ids=["the bytes are gone", "the documents, too"])
@pytest.mark.parametrize("back", ["the machine", "one in its place"])
def test_an_endpoint_comes_back_on_the_line_after_a_year_on_media_alone(
    fleet: Any, status_csv: Any, residence_csv: Any, tmp_path: Path, days: int, back: str
) -> None:
    """The hub has seen nothing of either stream and asks for number 1, of which a receipt is left or nothing."""
    story = Story(fleet, status_csv)
    away = replace(story.old, settings=story.old.settings.model_copy(update={"link": Link.MEDIA}))
    for home in (story.ministry, story.old):
        fleet.exchange(home)
    medium = fleet.medium(story.ministry, tmp_path / "medium", SHINJUKU)

    def carry(year: int) -> None:
        story.give()
        take_offline(story.ministry, Watch(0))
        media.export(story.ministry, medium, Party(SHINJUKU))
        media.import_all(away, medium)
        (away.settings.outbox / f"{year}.csv").write_bytes(residence_csv(1, SHINJUKU, first=year))
        take_offline(away, Watch(0))
        media.export(away, medium, MINISTRY)
        media.import_all(story.ministry, medium)

    for year in (1, 2, 3):
        carry(year)
    media.export(story.ministry, medium, Party(SHINJUKU))
    media.import_all(away, medium)
    for home in (story.ministry, away):
        let_pass(home, days)
    carry(4)  # of late: its bytes are still here
    assert story.ministry.spool.outgoing.unreceipted() == []

    end = story.old
    if back == "one in its place":
        end = fleet.replace(story.old, revoked=story.old.keys().entry)
    story.give()
    if back == "the machine":
        (end.settings.outbox / "line.csv").write_bytes(residence_csv(1, SHINJUKU, first=5))
    story.at_peace(end)
    came = numbers(story.old.settings.inbox) + (numbers(end.settings.inbox) if end is not story.old else [])
    assert came == [1, 2, 3, 4, 5]
    if back == "the machine":
        assert numbers(story.ministry.settings.inbox / SHINJUKU) == [1, 2, 3, 4, 5]
        with end.connect() as client:
            assert client.stream(MINISTRY, "notices").next_sequence == 6
    with story.ministry.connect() as client:
        assert client.stream(SHINJUKU, "notices").next_sequence == 6


def test_who_has_nothing_to_offer_still_says_how_far_its_stream_is(fleet: Any, status_csv: Any, tmp_path: Path) -> None:
    """Back on the line there is nothing new; the ministry's horizon promises all the same what the hub never saw."""
    story = Story(fleet, status_csv)
    away = replace(story.old, settings=story.old.settings.model_copy(update={"link": Link.MEDIA}))
    for home in (story.ministry, story.old):
        fleet.exchange(home)
    medium = fleet.medium(story.ministry, tmp_path / "medium", SHINJUKU)
    story.give()
    take_offline(story.ministry, Watch(0))
    media.export(story.ministry, medium, Party(SHINJUKU))
    media.import_all(away, medium)
    media.export(away, medium, MINISTRY)
    media.import_all(story.ministry, medium)
    let_pass(story.ministry, 401)
    story.ministry.spool.note(horizons_at="2026-01-01T00:00:00Z")
    fleet.exchange(story.ministry)
    with story.old.connect() as client:
        assert client.horizon(MINISTRY, "notices").envelope
    story.at_peace(story.old)
    assert fleet.peek(client_horizon(story.old))["next_sequence"] == 2


def client_horizon(home: Home) -> bytes:
    with home.connect() as client:
        return client.horizon(MINISTRY, "notices").envelope


def test_with_an_older_hub_all_is_as_it_was(fleet: Any, status_csv: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It knows no settlements: a message is sealed anew for the new machine, which delivers it again."""
    monkeypatch.setattr("renkei.client.hub.HubClient.takes_settlements", False)
    story = Story(fleet, status_csv)
    story.settle(1)
    fleet.back_up()
    story.settle(1)
    entry = story.old.keys().entry
    new = fleet.replace(story.old, revoked=entry)
    story.restore(new, revoked=entry)
    story.give()
    story.at_peace(new)
    assert (numbers(story.old.settings.inbox), numbers(new.settings.inbox)) == ([1, 2], [2, 3])
