"""Two hubs on one PostgreSQL, whose primary is killed under load: the standby takes over and nothing is lost.

As with the role postgresql, a standby that was promoted acknowledges nothing before somebody says that it goes on
alone, and another may follow it while the hubs serve.
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest

from clusters import Cluster, a_cluster, a_standby
from faults.traffic import Traffic
from renkei.exchange.bindings import DirectoryEntry
from renkei.exchange.certificates import certificate_from_pem, public_key_of
from renkei.exchange.documents import key_id, peek
from renkei.exchange.payloads import Acceptance
from unit.hub.conftest import Pki, make_pki
from unit.hub.processes import Place, add_bindings
from unit.store.conftest import HUB, OWNER

SENDERS = ("131041", "011011", "012271", "131032")
BEFORE, AFTER, WITH_ANOTHER = 80, 80, 40
"""Acceptances before the primary is killed, after the standby took over, and once another follows it."""


@pytest.fixture
def pair() -> Iterator[tuple[Cluster, Cluster]]:
    with a_cluster() as primary, a_standby(primary) as standby:
        yield primary, standby


@pytest.fixture
def pki() -> Pki:
    return make_pki()


@pytest.fixture
def hubs(tmp_path: Path, pki: Pki, pair: tuple[Cluster, Cluster]) -> list[tuple[Place, DirectoryEntry]]:
    """Two hubs that are set up, each with its own key, on one database whose tables aren't theirs."""
    primary, standby = pair
    primary.make_users(OWNER, HUB)
    primary.execute(f'ALTER SCHEMA public OWNER TO "{OWNER}"')
    urls = {name: primary.url("public", standby, user=user) for name, user in (("url", HUB), ("owner_url", OWNER))}
    hubs = []
    for name in ("hub-1", "hub-2"):
        (tmp_path / name).mkdir()
        place = Place(tmp_path / name, pki)
        with place.config.open("a", encoding="utf-8") as config:
            config.writelines(["[store]\n", *(f'{key} = "{url}"\n' for key, url in urls.items())])
        if not hubs:
            assert "run renkei-hub migrate as root" in place.run("status").stderr
            assert [place.run("migrate").output for _ in range(2)] == ["changed\n", "unchanged\n"]
        entry = place.issue(datetime.now(UTC).replace(microsecond=0), terminal=name)
        assert place.run("install-entry", place.file("own.json", entry)).output == "changed\n"
        hubs.append((place, entry))
    return hubs


def test_the_standby_takes_over_and_no_acknowledged_message_is_lost(
    tmp_path: Path, hubs: list[tuple[Place, DirectoryEntry]], pki: Pki, pair: tuple[Cluster, Cluster]
) -> None:
    (primary, standby), places = pair, [place for place, _ in hubs]
    ministry, *senders = (pki.enrol(party) for party in ("ministry", *SENDERS))
    add_bindings(places[0], [ministry, *senders], datetime.now(UTC))
    traffic = Traffic(places, senders, ministry)
    with ExitStack() as followers:
        with ExitStack() as stack:
            for place in places:
                stack.enter_context(place.serving())
            with traffic.flowing():
                traffic.wait_for(BEFORE)
                primary.kill()
                standby.promote()
                time.sleep(0.5)
                promoted = traffic.count()
                time.sleep(1)
                assert traffic.count() == promoted, "the standby went on alone before anybody said so"
                standby.go_on_alone()
                traffic.wait_for(promoted + AFTER)
                followers.enter_context(a_standby(standby))
                traffic.wait_for(traffic.count() + WITH_ANOTHER)
            assert traffic.faults == []
            check_nothing_lost(traffic)
            assert traffic.unwoken == 0
        assert places[1].run("check-store").output.startswith("the store is sound")
        backup = str(tmp_path / "backup.db")
        assert ": sound, " in places[1].run("backup", backup).output
        assert places[0].run("restore", backup, "--overwrite").output.startswith("restored ")
    keys = {key_id(key): key for key in (public_key_of(certificate_from_pem(entry.certificate)) for _, entry in hubs)}
    envelopes = [envelope for kept in traffic.accepted.values() for _, envelope in kept]
    acceptances = [Acceptance.open(envelope, keys[peek(envelope).key_id]) for envelope in envelopes]
    indexes = [each.journal_index for each in acceptances]
    assert len(set(indexes)) == len(indexes)
    assert {peek(envelope).key_id for envelope in envelopes} == set(keys), "one of the hubs took nothing"
    assert {each.epoch for each in acceptances} == {1}


def check_nothing_lost(traffic: Traffic) -> None:
    """Every acceptance is still the hub's word; everything came to the ministry once and in order."""
    for machine in traffic.senders:
        kept = traffic.accepted[machine.party]
        for parcel, acceptance in kept:
            again = traffic.ask(machine, 0, "PUT", f"/v1/messages/{machine.party}/{parcel.id}", content=parcel.manifest)
            assert (again.status_code, again.content) == (200, acceptance)
        delivered = [(sequence, id_) for sender, sequence, id_ in traffic.delivered if sender == machine.party]
        given = [(sequence, str(parcel.id)) for sequence, (parcel, _) in enumerate(kept, 1)]
        assert delivered[: len(given)] == given[: len(delivered)], "lost, doubled, or out of order"
        parcel = kept[-1][0]
        content = traffic.ask(traffic.ministry, 1, "GET", f"/v1/messages/{machine.party}/{parcel.id}/content")
        assert content.content == parcel.sealed
