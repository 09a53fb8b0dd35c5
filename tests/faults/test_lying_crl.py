"""A hub that lies about who was revoked: it withholds, replays or forges the list, or goes on serving the revoked."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from faults.lies import SAPPORO, SHINJUKU, alarms, lie, put_out, sides
from faults.promises import numbers
from renkei.agent.contact import HubNotGenuine, establish
from renkei.agent.home import Home
from renkei.agent.receiving import read_inbox
from renkei.agent.status import status_of
from renkei.exchange.bindings import DirectoryEntry, RevokedError
from renkei.exchange.crl import read_crl
from unit.agent.conftest import Fleet, Pki, fleet, pki, residence_csv, status_csv

__all__ = ["fleet", "pki", "residence_csv", "sides", "status_csv"]


def apart(fleet: Fleet, sides: tuple[Home, Home]) -> tuple[Home, Home]:
    ministry, shinjuku = (fleet.apart(home) for home in sides)
    return ministry, shinjuku


def test_an_old_list_of_revoked_certificates_is_found_and_the_newer_one_stays(
    fleet: Fleet, sides: tuple[Home, Home]
) -> None:
    """A hub replays the list from before somebody was revoked, and then shows none at all."""
    _, shinjuku = apart(fleet, sides)
    stolen = fleet.agent(SAPPORO).keys().entry
    fleet.publish_crl(fleet.pki.crl(age=timedelta(minutes=1)))
    before = lie(fleet, "SELECT number, document FROM crl")[0]
    number = fleet.publish_crl(fleet.pki.crl(stolen))
    fleet.exchange(shinjuku)
    for statement, values, shown in (
        ("UPDATE crl SET number = ?, document = ?", before, f"now the older {before[0]}"),
        ("DELETE FROM crl", (), "now none"),
    ):
        lie(fleet, statement, values)
        fleet.exchange(shinjuku)
        assert f"showed the list {number} of revoked certificates and {shown}" in alarms(shinjuku)["withheld"]
        assert status_of(shinjuku).crl.number == number
        with pytest.raises(RevokedError):
            shinjuku.anchor.verify_entry(stolen, datetime.now(UTC))
    fleet.publish_crl(fleet.pki.crl(stolen, number=number + 1))
    fleet.exchange(shinjuku)
    assert alarms(shinjuku) == {}


def test_a_list_that_is_withheld_is_found_by_its_age(fleet: Fleet, sides: tuple[Home, Home]) -> None:
    """The authority signs one every day; the hub goes on showing that of ten days ago as its newest."""
    _, shinjuku = apart(fleet, sides)
    old = fleet.pki.crl(age=timedelta(days=10))
    fleet.publish_crl(old)
    fleet.publish_crl(fleet.pki.crl())
    lie(fleet, "UPDATE crl SET number = ?, document = ?", (read_crl(old).number, old.encode()))
    fleet.exchange(shinjuku)
    assert "or the hub withholds it" in alarms(shinjuku)["crl"]
    assert status_of(shinjuku).crl.standing == "out of date"


def test_a_list_under_a_greater_number_than_its_own_is_found(fleet: Fleet, sides: tuple[Home, Home]) -> None:
    _, shinjuku = apart(fleet, sides)
    number = fleet.publish_crl(fleet.pki.crl())
    fleet.exchange(shinjuku)
    lie(fleet, "UPDATE crl SET number = number + 10")
    fleet.exchange(shinjuku)
    assert f"says that it has list {number + 10}" in alarms(shinjuku)["crl"]
    assert status_of(shinjuku).crl.number == number


@pytest.mark.parametrize("way", ["another CA", "a changed list"])
def test_a_forged_list_revokes_nobody(
    fleet: Fleet, sides: tuple[Home, Home], residence_csv: Any, tmp_path: Path, way: str
) -> None:
    ministry, shinjuku = apart(fleet, sides)
    true = fleet.pki.crl()
    fleet.publish_crl(true)
    fleet.exchange(shinjuku)
    (tmp_path / "rogue").mkdir()
    rogue = Pki(tmp_path / "rogue").crl(ministry.keys().entry, number=2**40)
    forged = (
        rogue if way == "another CA" else rogue.partition("-----BEGIN CERT")[0] + true[true.index("-----BEGIN CERT") :]
    )
    lie(fleet, "UPDATE crl SET number = ?, document = ?", (2**40, forged.encode()))
    put_out(shinjuku, residence_csv(1))
    for home in (shinjuku, ministry, shinjuku):
        fleet.exchange(home)
    assert "can't be believed" in alarms(shinjuku)["crl"]
    assert shinjuku.spool.outgoing.unreceipted() == []


def test_a_hub_that_keeps_a_revoked_terminal_in_its_directory_is_found_and_nothing_is_sealed_to_it(
    fleet: Fleet, sides: tuple[Home, Home], status_csv: Any
) -> None:
    ministry, shinjuku = apart(fleet, sides)
    fleet.publish_crl(fleet.pki.crl(shinjuku.keys().entry))  # and the hub has "lost" the revocation
    (ministry.settings.outbox / SHINJUKU).mkdir(exist_ok=True)
    (ministry.settings.outbox / SHINJUKU / "a.csv").write_bytes(status_csv(1))
    fleet.exchange(ministry)
    assert f"{SHINJUKU}/T-{SHINJUKU}, whose certificate was revoked" in alarms(ministry)["directory"]
    assert ministry.spool.outgoing.unreceipted() == []
    assert len(list((ministry.settings.outbox / SHINJUKU).iterdir())) == 1, "it waits for the next terminal"


def test_what_a_revoked_terminal_sends_with_the_help_of_a_hub_is_not_believed(
    fleet: Fleet, sides: tuple[Home, Home], residence_csv: Any
) -> None:
    ministry, shinjuku = apart(fleet, sides)
    fleet.publish_crl(fleet.pki.crl(shinjuku.keys().entry, age=timedelta(seconds=1)))
    fleet.exchange(ministry)
    object.__setattr__(shinjuku, "anchor", fleet.pki.anchor)  # the thief's agent goes by no list
    put_out(shinjuku, residence_csv(1))
    fleet.exchange(shinjuku)
    outcome = fleet.exchange(ministry)
    assert outcome.parcels_delivered == 0
    assert "certificate was revoked" in alarms(ministry)["document"]
    assert numbers(ministry.settings.inbox / SHINJUKU) == []


def test_a_hub_whose_own_certificate_was_revoked_is_no_hub(fleet: Fleet, sides: tuple[Home, Home]) -> None:
    _, shinjuku = apart(fleet, sides)
    ((entry,),) = lie(fleet, "SELECT entry FROM bindings WHERE party = 'hub'")
    fleet.publish_crl(fleet.pki.crl(DirectoryEntry.from_json(entry)))
    with pytest.raises(HubNotGenuine, match="hub/hub-1, whose certificate was revoked"):
        fleet.exchange(shinjuku)
    assert "revoked" in alarms(shinjuku)["hub"]


def test_a_list_that_comes_after_the_parcel_still_holds_it_back(
    fleet: Fleet, sides: tuple[Home, Home], residence_csv: Any
) -> None:
    """The ministry heard too late: what a thief sent lies in its spool already, and goes no further."""
    ministry, shinjuku = apart(fleet, sides)
    put_out(shinjuku, residence_csv(1))
    fleet.exchange(shinjuku)
    with ministry.connect() as client:
        contact = establish(ministry, client)
        read_inbox(ministry, contact)
        fleet.publish_crl(fleet.pki.crl(shinjuku.keys().entry, age=timedelta(minutes=1)))
    outcome = fleet.exchange(ministry)
    assert (outcome.parcels_delivered, outcome.quarantined) == (0, 1)
    assert "certificate was revoked" in alarms(ministry)["quarantine"]
