"""The list of revoked certificates at an agent: how it comes, what it stops, and when a person hears of its age."""

import datetime as dt
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from renkei.agent import crl, media
from renkei.agent.crl import Standing
from renkei.agent.exchange import take_offline
from renkei.agent.home import Home, read_anchor
from renkei.agent.intake import Watch
from renkei.agent.status import status_of
from renkei.cli.agent import app
from renkei.exchange.bindings import RevokedError
from renkei.exchange.certificates import CertificateError
from renkei.exchange.parties import MINISTRY, Party

SHINJUKU, UTASHINAI = "131041", "012271"
DAY = dt.timedelta(days=1)
DUE = 3 * DAY  # the next list, after the one before


@pytest.fixture
def shinjuku(fleet: Any) -> Home:
    home: Home = fleet.apart(fleet.agent(SHINJUKU))
    return home


@pytest.fixture
def ministry(fleet: Any) -> Home:
    home: Home = fleet.apart(fleet.agent("ministry"))
    fleet.exchange(home)
    return home


def alarms(home: Home) -> dict[tuple[str, str], str]:
    return {(alarm.kind, alarm.subject): alarm.text for alarm in status_of(home).alarms}


@pytest.mark.quick
def test_an_agent_takes_the_list_with_its_exchange_and_asks_for_it_once(fleet: Any, shinjuku: Home) -> None:
    fleet.exchange(shinjuku)
    assert status_of(shinjuku).crl.standing == Standing.MISSING
    number = fleet.publish_crl(fleet.pki.crl())
    fleet.front.requests.clear()
    for _ in range(3):
        fleet.exchange(shinjuku)
    assert [each for each in fleet.front.requests if "/v1/crl" in each] == ["GET /v1/crl HTTP/1.1"]
    found = status_of(shinjuku).crl
    assert (found.standing, found.number, found.revoked) == (Standing.CURRENT, number, 0)
    again = read_anchor(shinjuku.settings)  # as after a restart
    assert again.crl is not None
    assert again.crl.number == number


@pytest.mark.quick
def test_an_older_list_is_never_taken(fleet: Any, shinjuku: Home) -> None:
    assert crl.take(shinjuku, fleet.pki.crl(number=7))
    newest = shinjuku.settings.crl.read_bytes()
    for number in (6, 7):
        assert not crl.take(shinjuku, fleet.pki.crl(number=number))
    assert shinjuku.settings.crl.read_bytes() == newest


def test_another_process_of_the_agent_goes_by_the_list_too(fleet: Any, ministry: Home, shinjuku: Home) -> None:
    entry = ministry.keys().entry
    service = read_anchor(shinjuku.settings)
    crl.take(shinjuku, fleet.pki.crl(entry))
    running = Home(shinjuku.settings, shinjuku.spool, shinjuku.keyring, service)
    service.verify_entry(entry, dt.datetime.now(dt.UTC))
    take_offline(running, Watch(0))
    with pytest.raises(RevokedError):
        service.verify_entry(entry, dt.datetime.now(dt.UTC))


def test_a_list_in_the_home_that_is_not_whole_is_fetched_anew(fleet: Any, shinjuku: Home) -> None:
    fleet.publish_crl(fleet.pki.crl())
    fleet.exchange(shinjuku)
    whole = shinjuku.settings.crl.read_bytes()
    shinjuku.settings.crl.write_bytes(whole[:200])
    fleet.apart(shinjuku)
    assert shinjuku.anchor.crl is None
    fleet.exchange(shinjuku)
    assert shinjuku.settings.crl.read_bytes() == whole


@pytest.mark.parametrize(
    ("link", "age", "standing"),
    [
        ("online", 2 * DAY, Standing.CURRENT),
        ("online", DUE + 3 * DAY, Standing.LATE),
        ("online", DUE + 5 * DAY, Standing.OUT_OF_DATE),
        ("on_demand", DUE + 5 * DAY, Standing.OUT_OF_DATE),
        ("media", DUE + 40 * DAY, Standing.LATE),
        ("media", DUE + 43 * DAY, Standing.OUT_OF_DATE),
    ],
)
def test_a_list_is_alarmed_when_its_grace_period_is_over_as_the_link_has_it(
    fleet: Any, link: str, age: dt.timedelta, standing: Standing
) -> None:
    home = fleet.apart(fleet.agent(UTASHINAI, link=link))
    crl.take(home, fleet.pki.crl(age=age))
    assert status_of(home).crl.standing == standing
    assert (("crl", "age") in alarms(home)) == (standing is Standing.OUT_OF_DATE), "at once in the status"
    take_offline(home, Watch(0))
    assert (("crl", "age") in {(a.kind, a.subject) for a in home.spool.alarms()}) == (standing is Standing.OUT_OF_DATE)
    crl.take(home, fleet.pki.crl())
    take_offline(home, Watch(0))
    assert alarms(home) == {}


def test_the_grace_period_is_a_setting(fleet: Any) -> None:
    home = fleet.apart(fleet.agent(UTASHINAI, exchange={"crl_grace_days": 10}))
    crl.take(home, fleet.pki.crl(age=DUE + 9 * DAY))
    assert status_of(home).crl.standing == Standing.LATE


def test_a_list_that_is_out_of_date_counts_on_and_stops_nothing(
    fleet: Any, ministry: Home, shinjuku: Home, residence_csv: Any
) -> None:
    stranger = fleet.agent(UTASHINAI)
    fleet.publish_crl(fleet.pki.crl(stranger.keys().entry, age=DUE + 30 * DAY))
    (shinjuku.settings.outbox / "a.csv").write_bytes(residence_csv(1))
    for home in (shinjuku, ministry, shinjuku):
        fleet.exchange(home)
    assert shinjuku.spool.outgoing.unreceipted() == []
    assert set(alarms(shinjuku)) == {("crl", "age")}
    with pytest.raises(RevokedError):
        shinjuku.anchor.verify_entry(stranger.keys().entry, dt.datetime.now(dt.UTC))


def test_that_no_list_ever_came_is_alarmed_too(fleet: Any, ministry: Home, shinjuku: Home) -> None:
    fleet.exchange(ministry)
    fleet.exchange(shinjuku)
    assert alarms(shinjuku) == {}
    begin = dt.datetime.now(dt.UTC) - 5 * DAY
    shinjuku.spool.note(crl_missing_since=f"{begin:%Y-%m-%dT%H:%M:%SZ}")
    fleet.exchange(shinjuku)
    assert "no list of revoked certificates has come" in alarms(shinjuku)["crl", "age"]
    fleet.publish_crl(fleet.pki.crl())
    fleet.exchange(shinjuku)
    assert alarms(shinjuku) == {}


def test_the_status_shows_the_list(fleet: Any, shinjuku: Home) -> None:
    crl.take(shinjuku, fleet.pki.crl(number=1_700_000_000))
    config = str(fleet.write_config(shinjuku))
    found = json.loads(CliRunner().invoke(app, ["status", "--json", "--config", config]).stdout)["crl"]
    assert (found["standing"], found["number"], found["revoked"]) == ("current", 1_700_000_000, 0)
    shown = CliRunner().invoke(app, ["status", "--config", config]).stdout
    assert "list of revoked certificates: current, of" in shown


@pytest.mark.quick
def test_what_the_hub_accepted_of_a_machine_before_it_was_revoked_is_taken_and_told(
    fleet: Any, ministry: Home, shinjuku: Home, residence_csv: Any
) -> None:
    """A terminal broke down and was replaced while its last parcels lay at the hub: they were acknowledged."""
    (shinjuku.settings.outbox / "a.csv").write_bytes(residence_csv(2))
    fleet.exchange(shinjuku)
    assert len(shinjuku.spool.outgoing.unreceipted()) == 1
    old = shinjuku.keys().entry
    crl.take(ministry, fleet.pki.crl(old, age=-dt.timedelta(seconds=2)))
    fleet.revoke(old)
    outcome = fleet.exchange(ministry)
    assert (outcome.parcels_delivered, outcome.notices_delivered, outcome.quarantined) == (1, 2, 0)
    assert "signed before its certificate was revoked" in alarms(ministry)["revoked", f"{SHINJUKU}/T-{SHINJUKU}"]


@pytest.fixture
def offline_sides(fleet: Any, ministry: Home) -> tuple[Home, Home]:
    endpoint = fleet.apart(fleet.agent(UTASHINAI, link="media"))
    fleet.exchange(endpoint)
    fleet.exchange(ministry)
    (ministry.settings.outbox / UTASHINAI).mkdir()
    return ministry, endpoint


def test_a_medium_brings_the_list_to_who_has_no_line(
    fleet: Any, offline_sides: tuple[Home, Home], tmp_path: Path
) -> None:
    ministry, endpoint = offline_sides
    medium = fleet.medium(ministry, tmp_path / "medium", UTASHINAI)
    media.export(ministry, medium, Party(UTASHINAI))  # the ministry knows none yet
    assert media.import_all(endpoint, medium).refused == 0
    assert status_of(endpoint).crl.standing == Standing.MISSING
    number = fleet.publish_crl(fleet.pki.crl())
    fleet.exchange(ministry)
    media.export(ministry, medium, Party(UTASHINAI))
    assert media.import_all(endpoint, medium).refused == 0
    assert status_of(endpoint).crl.number == number


def test_an_old_medium_does_not_bring_an_old_list_back(
    fleet: Any, offline_sides: tuple[Home, Home], tmp_path: Path
) -> None:
    ministry, endpoint = offline_sides
    medium = fleet.medium(ministry, tmp_path / "medium", UTASHINAI)
    crl.take(ministry, fleet.pki.crl(number=5))
    media.export(ministry, medium, Party(UTASHINAI))
    crl.take(endpoint, fleet.pki.crl(number=6))
    assert media.import_all(endpoint, medium).exports == 1
    assert status_of(endpoint).crl.number == 6


def test_an_export_of_a_machine_that_was_revoked_stays_on_the_medium_whenever_it_says_that_it_was_written(
    fleet: Any, offline_sides: tuple[Home, Home], tmp_path: Path, residence_csv: Any
) -> None:
    ministry, endpoint = offline_sides
    medium = fleet.medium(ministry, tmp_path / "medium", UTASHINAI)
    (endpoint.settings.outbox / "a.csv").write_bytes(residence_csv(1, UTASHINAI))
    take_offline(endpoint, Watch(0))
    written = media.export(endpoint, medium, MINISTRY)
    crl.take(ministry, fleet.pki.crl(endpoint.keys().entry, age=-dt.timedelta(seconds=1)))
    found = media.import_all(ministry, medium)
    assert (found.exports, found.refused, found.notices) == (0, 1, 0)
    assert "certificate was revoked" in alarms(ministry)["medium", written.folder]
    assert (medium / written.folder / "cover.json").exists()


def test_an_export_may_itself_bring_the_list_that_names_its_writer(
    fleet: Any, offline_sides: tuple[Home, Home], tmp_path: Path, status_csv: Any
) -> None:
    ministry, endpoint = offline_sides
    medium = fleet.medium(ministry, tmp_path / "medium", UTASHINAI)
    (ministry.settings.outbox / UTASHINAI / "a.csv").write_bytes(status_csv(1, UTASHINAI))
    fleet.exchange(ministry)
    written = media.export(ministry, medium, Party(UTASHINAI))
    listing = fleet.pki.crl(ministry.keys().entry)
    (medium / written.folder / "entries" / "crl.pem").write_text(listing)
    fleet.cover_anew(ministry, medium / written.folder)
    found = media.import_all(endpoint, medium)
    assert (found.exports, found.refused, found.notices) == (0, 1, 0)
    assert (medium / written.folder).exists(), "nothing of it was taken"


def test_a_list_on_a_medium_that_nobody_signed_is_alarmed_and_the_rest_is_taken(
    fleet: Any, offline_sides: tuple[Home, Home], tmp_path: Path, status_csv: Any
) -> None:
    ministry, endpoint = offline_sides
    medium = fleet.medium(ministry, tmp_path / "medium", UTASHINAI)
    (ministry.settings.outbox / UTASHINAI / "a.csv").write_bytes(status_csv(1, UTASHINAI))
    fleet.exchange(ministry)
    written = media.export(ministry, medium, Party(UTASHINAI))
    (medium / written.folder / "entries" / "crl.pem").write_text("no list")
    fleet.cover_anew(ministry, medium / written.folder)
    assert media.import_all(endpoint, medium).notices == 1
    assert "can't be believed" in alarms(endpoint)["medium", f"{written.folder}/entries/crl.pem"]
    assert endpoint.anchor.crl is None


def test_a_medium_that_was_registered_before_goes_on_serving(
    fleet: Any, offline_sides: tuple[Home, Home], tmp_path: Path
) -> None:
    ministry, endpoint = offline_sides
    medium = fleet.medium(endpoint, tmp_path / "medium", UTASHINAI)
    crl.take(ministry, fleet.pki.crl(endpoint.keys().entry, age=-dt.timedelta(seconds=1)))
    assert media.read_registration(ministry, medium).endpoint == UTASHINAI
    shutil.rmtree(medium)


@pytest.mark.quick
def test_only_the_authoritys_list_is_taken(fleet: Any, shinjuku: Home, tmp_path_factory: Any) -> None:
    stranger = type(fleet.pki)(tmp_path_factory.mktemp("stranger"))
    with pytest.raises(CertificateError, match="not signed by the root"):
        crl.take(shinjuku, stranger.crl())
    assert not shinjuku.settings.crl.exists()
