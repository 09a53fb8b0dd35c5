"""The ministry's horizon: up to when everything is with the hub, and a hub that withholds found out by it."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import apsw
import pytest

from renkei.agent import horizons, media, publishing
from renkei.agent.exchange import exchange, take_offline
from renkei.agent.home import Home
from renkei.agent.intake import Watch
from renkei.agent.publishing import MARK
from renkei.agent.status import status_of
from renkei.client.answers import SignedWord
from renkei.exchange.clock import format_time
from renkei.exchange.parties import Party
from renkei.exchange.payloads import Horizon

PUBLISH = {"publish": {"seconds": 1}}


@pytest.fixture
def sides(fleet: Any) -> tuple[Home, Home]:
    ministry, shinjuku = fleet.agent("ministry", **PUBLISH), fleet.agent("131041")
    fleet.exchange(shinjuku)  # the ministry learns of it by what it sends
    return ministry, shinjuku


def put_out(ministry: Home, content: bytes, name: str = "a.csv", code: str = "131041") -> Path:
    folder = ministry.settings.outbox / code
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_bytes(content)
    return path


def publish_again(home: Home) -> None:
    home.spool.note(horizons_at="2026-01-01T00:00:00Z")


def sql(fleet: Any, *statements: str) -> None:
    """What a dishonest hub does to its own database."""
    fleet.stop_hub()
    connection = apsw.Connection(str(fleet.hub_settings.database))
    for statement in statements:
        connection.execute(statement)
    connection.close()
    fleet.start_hub()


def alarms(home: Home) -> set[tuple[str, str]]:
    return {(alarm.kind, alarm.subject) for alarm in status_of(home).alarms}


@pytest.mark.quick
def test_an_endpoint_learns_up_to_when_the_ministry_has_published(fleet: Any, sides: Any, status_csv: Any) -> None:
    ministry, shinjuku = sides
    assert horizons.known(shinjuku) is None
    put_out(ministry, status_csv(2))
    begin = dt.datetime.now(dt.UTC).replace(microsecond=0)
    fleet.exchange(ministry)
    assert fleet.exchange(shinjuku).withheld == 0
    found = horizons.known(shinjuku)
    assert found is not None
    assert found.next_sequence == 2
    assert begin <= found.published_up_to <= dt.datetime.now(dt.UTC)


@pytest.mark.quick
def test_a_parcel_that_the_hub_withholds_is_alarmed_until_it_comes(fleet: Any, sides: Any, status_csv: Any) -> None:
    ministry, shinjuku = sides
    put_out(ministry, status_csv(1))
    fleet.exchange(ministry)
    sql(fleet, "UPDATE inbox SET party = 'ministry', cursor = 1000 WHERE kind = 'manifest'")
    outcome = fleet.exchange(shinjuku)
    assert (outcome.withheld, outcome.needs_person) == (1, True)
    assert ("withheld", "ministry/notices") in alarms(shinjuku)
    sql(fleet, "UPDATE inbox SET party = '131041', cursor = 1 WHERE kind = 'manifest'")
    assert fleet.exchange(shinjuku).withheld == 0
    assert alarms(shinjuku) == set()


def test_a_hub_that_shows_an_older_horizon_than_before_contradicts_itself(
    fleet: Any, sides: Any, status_csv: Any
) -> None:
    ministry, shinjuku = sides
    put_out(ministry, status_csv(1))
    fleet.exchange(ministry)
    fleet.exchange(shinjuku)
    newest = horizons.known(shinjuku)
    assert newest is not None
    older = Horizon(
        sender=ministry.party,
        recipient=shinjuku.party,
        stream="notices",
        next_sequence=1,
        published_up_to=newest.published_up_to - dt.timedelta(hours=1),
    ).sign(ministry.keys().signer)
    fleet.stop_hub()
    connection = apsw.Connection(str(fleet.hub_settings.database))
    connection.execute("UPDATE horizons SET envelope = ?", (older,))
    connection.close()
    fleet.start_hub()
    fleet.exchange(shinjuku)
    assert ("withheld", "horizon") in alarms(shinjuku)
    assert horizons.known(shinjuku) == newest


def test_a_horizon_that_stands_still_is_alarmed(
    fleet: Any, sides: Any, status_csv: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ministry, shinjuku = sides
    put_out(ministry, status_csv(1))
    fleet.exchange(ministry)
    fleet.exchange(shinjuku)
    assert alarms(shinjuku) == set()
    later = dt.datetime.now(dt.UTC) + dt.timedelta(hours=25)
    monkeypatch.setattr(horizons, "now", lambda: later)
    fleet.exchange(shinjuku)
    assert ("horizon", "age") in alarms(shinjuku)


@pytest.mark.parametrize("lie", ["signer", "recipient", "moment"])
def test_a_horizon_that_cannot_be_is_not_believed(
    fleet: Any, sides: Any, lie: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ministry, shinjuku = sides
    signer = fleet.agent("011011") if lie == "signer" else ministry
    made = Horizon(
        sender=ministry.party,
        recipient=Party("011011") if lie == "recipient" else shinjuku.party,
        stream="notices",
        next_sequence=1,
        published_up_to=dt.datetime.now(dt.UTC) + dt.timedelta(hours=lie == "moment"),
    ).sign(signer.keys().signer)
    answer = {"envelope": made.decode(), "entry": signer.keys().entry.model_dump()}
    contact = fleet.contact(shinjuku)
    with contact.client:
        monkeypatch.setattr(contact.client, "horizon", lambda *_: SignedWord.model_validate(answer))
        assert horizons.fetch(shinjuku, contact) is None
    assert ("horizon", "document") in alarms(shinjuku)


def test_a_file_that_waits_holds_back_its_recipients_horizon_alone(
    fleet: Any, sides: Any, status_csv: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ministry, shinjuku = sides
    sapporo = fleet.agent("011011")
    fleet.exchange(sapporo)
    for code in ("131041", "011011"):
        put_out(ministry, status_csv(1, code), code=code)
    fleet.exchange(ministry)
    for home in (shinjuku, sapporo):
        fleet.exchange(home)
    before = horizons.known(shinjuku)
    put_out(ministry, status_csv(1, first=9), "still-growing.csv")
    publish_again(ministry)
    later = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=1)
    monkeypatch.setattr(publishing, "now", lambda: later)
    with ministry.connect() as client:
        exchange(ministry, client, Watch(600))
    fleet.exchange(shinjuku)
    fleet.exchange(sapporo)
    assert horizons.known(shinjuku) == before
    moved = horizons.known(sapporo)
    assert moved is not None
    assert before is not None
    assert moved.published_up_to > before.published_up_to


def test_with_a_connector_its_mark_is_the_moment_and_names_endpoints_that_never_got_anything(fleet: Any) -> None:
    ministry = fleet.agent("ministry", publish={"seconds": 600, "connector": True})
    sapporo = fleet.agent("011011")
    fleet.exchange(ministry)
    fleet.exchange(sapporo)
    assert horizons.known(sapporo) is None
    assert not publishing.is_due(ministry)  # or the service would exchange without end until there is a mark
    assert alarms(ministry) == set()
    moment = dt.datetime.now(dt.UTC).replace(microsecond=0) - dt.timedelta(minutes=5)
    mark = {"published_up_to": format_time(moment), "endpoints": ["011011"]}
    (ministry.settings.outbox / MARK).write_text(json.dumps(mark))
    publish_again(ministry)
    fleet.exchange(ministry)
    fleet.exchange(sapporo)
    assert horizons.known(sapporo) == horizons.Followed(1, moment)
    assert alarms(ministry) == set()


@pytest.mark.parametrize("mark", ["", "[]", '{"published_up_to": "yesterday", "endpoints": []}', "stale"])
def test_a_mark_that_says_nothing_or_stands_still_is_alarmed(fleet: Any, mark: str) -> None:
    ministry = fleet.agent("ministry", publish={"seconds": 1, "connector": True})
    if mark == "stale":
        moment = format_time(dt.datetime.now(dt.UTC) - dt.timedelta(hours=2))
        mark = json.dumps({"published_up_to": moment, "endpoints": ["011011"]})
    (ministry.settings.outbox / MARK).write_text(mark)
    fleet.exchange(ministry)
    assert alarms(ministry) == {("horizon", "mark")}


def test_a_replaced_terminal_does_not_miss_what_the_old_one_received(fleet: Any, sides: Any, status_csv: Any) -> None:
    ministry, shinjuku = sides
    put_out(ministry, status_csv(1))
    fleet.exchange(ministry)
    fleet.exchange(shinjuku)
    fleet.exchange(ministry)
    fresh = fleet.replace(shinjuku, shinjuku.keys().entry)
    assert fleet.exchange(fresh).withheld == 0
    put_out(ministry, status_csv(1, first=5), "b.csv")
    publish_again(ministry)
    fleet.exchange(ministry)
    outcome = fleet.exchange(fresh)
    assert (outcome.withheld, outcome.notices_delivered) == (0, 1)


def test_an_endpoint_on_media_learns_the_moment_by_medium(fleet: Any, tmp_path: Path, status_csv: Any) -> None:
    ministry, away = fleet.agent("ministry"), fleet.agent("012271", link="media")
    fleet.exchange(away)  # at the staging bench
    put_out(ministry, status_csv(2, "012271"), code="012271")
    fleet.exchange(ministry)
    first, second = (tmp_path / name for name in ("first", "second"))
    for medium in (first, second):
        fleet.medium(ministry, medium, "012271")
        take_offline(ministry, Watch(0))
        media.export(ministry, medium, away.party)
        put_out(ministry, status_csv(1, "012271", first=7), f"{medium.name}.csv", "012271")
    media.import_all(away, second)
    found = horizons.known(away)
    assert found is not None
    assert found.next_sequence == 3
    media.import_all(away, first)  # an old medium
    assert horizons.known(away) == found
    assert alarms(away) == set()


def test_a_medium_that_lacks_what_the_ministry_promised_is_alarmed(fleet: Any, tmp_path: Path, status_csv: Any) -> None:
    ministry, away = fleet.agent("ministry"), fleet.agent("012271", link="media")
    fleet.exchange(away)
    put_out(ministry, status_csv(2, "012271"), code="012271")
    fleet.exchange(ministry)
    medium = fleet.medium(ministry, tmp_path / "medium", "012271")
    written = media.export(ministry, medium, away.party)
    for path in medium.glob("*/documents/*-manifest.*"):
        path.unlink()
    fleet.cover_anew(ministry, medium / written.folder)
    media.import_all(away, medium)
    assert alarms(away) == {("horizon", "medium")}
    media.export(ministry, medium, away.party)
    media.import_all(away, medium)
    assert alarms(away) == set()


def test_a_forged_horizon_on_a_medium_is_refused(fleet: Any, tmp_path: Path, status_csv: Any) -> None:
    ministry, away = fleet.agent("ministry"), fleet.agent("012271", link="media")
    fleet.exchange(away)
    put_out(ministry, status_csv(1, "012271"), code="012271")
    fleet.exchange(ministry)
    medium = fleet.medium(ministry, tmp_path / "medium", "012271")
    written = media.export(ministry, medium, away.party)
    [path] = medium.glob("*/horizon.json")
    path.write_bytes(path.read_bytes().replace(b'"payload":"ey', b'"payload":"fy'))
    fleet.cover_anew(ministry, medium / written.folder)
    assert media.import_all(away, medium).refused == 1
    assert horizons.known(away) is None
