"""Keys and certificates that change while notices are on their way: none is lost, none comes twice."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from faults.promises import numbers
from renkei.agent import roots
from renkei.agent.home import Home, read_anchor
from renkei.agent.status import status_of
from renkei.cli import hub as hub_cli
from renkei.exchange.anchors import Anchors
from renkei.exchange.certificates import (
    Authority,
    certificate_from_pem,
    cross_sign,
    issue_authority,
    make_authority_request,
    make_key,
    make_root,
)
from renkei.exchange.enrolment import EnrolmentFields
from unit.agent.conftest import Fleet, Pki, fleet, residence_csv, status_csv

__all__ = ["fleet", "residence_csv", "status_csv"]

SHINJUKU = "131041"


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    """A root of this test's own: it changes."""
    return Pki(tmp_path)


@pytest.fixture
def sides(fleet: Fleet) -> tuple[Home, Home]:
    ministry, shinjuku = fleet.agent("ministry"), fleet.agent(SHINJUKU)
    for home in (shinjuku, ministry):
        fleet.apart(home)
        fleet.exchange(home)
    return ministry, shinjuku


class Traffic:
    """Notices of one endpoint that are handed in step by step."""

    def __init__(self, fleet: Fleet, sides: tuple[Home, Home], csv: Any) -> None:
        self.fleet, (self.ministry, self.shinjuku), self.csv, self.given = fleet, sides, csv, 0

    def hand_in(self) -> None:
        self.given += 1
        (self.shinjuku.settings.outbox / f"{self.given}.csv").write_bytes(self.csv(1, first=self.given))

    def settle(self) -> None:
        for home in (self.shinjuku, self.ministry, self.shinjuku):
            self.fleet.exchange(home)

    def check(self) -> None:
        """Everything arrived once, in order, with its receipt, and nobody has to do anything."""
        arrived = numbers(self.ministry.settings.inbox / SHINJUKU)
        assert arrived == [f"N-{SHINJUKU}-{n:06d}" for n in range(1, self.given + 1)]
        assert self.shinjuku.spool.outgoing.unreceipted() == []
        for home in (self.ministry, self.shinjuku):
            assert status_of(home).alarms == ()


@pytest.fixture
def traffic(fleet: Fleet, sides: tuple[Home, Home], residence_csv: Any) -> Traffic:
    return Traffic(fleet, sides, residence_csv)


@pytest.mark.parametrize("who", ["ministry", "shinjuku"])
def test_an_agents_new_generation_takes_over_while_parcels_for_the_old_one_are_on_their_way(
    fleet: Fleet, traffic: Traffic, who: str
) -> None:
    traffic.hand_in()
    fleet.exchange(traffic.shinjuku)  # sealed to the ministry's first generation, by the endpoint's first
    fleet.enrol(getattr(traffic, who))
    traffic.hand_in()
    traffic.settle()
    traffic.check()


def renew_hub(fleet: Fleet, generation: int) -> None:
    config = str(fleet.folder / "hub.toml")
    words = ["renew", "--config", config, "--terminal", "hub-1"]
    asked = CliRunner().invoke(hub_cli.app, words)
    assert asked.exit_code == 0, asked.output
    assert CliRunner().invoke(hub_cli.app, words).output == asked.output, "keys that wait aren't made anew"
    point = EnrolmentFields.model_validate_json(asked.stdout).receiving_key
    entry = fleet.pki.entry(json.loads(asked.stdout)["csr"], "hub", "hub-1", point, generation)
    path = fleet.folder / "entry.json"
    path.write_bytes(entry.to_json())
    installed = CliRunner().invoke(hub_cli.app, ["install-entry", str(path), "--config", config])
    assert installed.output == "changed\n", installed.output


def restart(fleet: Fleet) -> None:
    """A hub that goes on looks for its keys every five minutes; a test doesn't wait for that."""
    fleet.stop_hub()
    fleet.start_hub()


def test_the_hub_signs_with_a_new_key_and_what_the_old_one_accepted_still_counts(
    fleet: Fleet, traffic: Traffic
) -> None:
    traffic.hand_in()
    fleet.exchange(traffic.shinjuku)
    for generation in (2, 3):
        old = fleet.contact(traffic.shinjuku).hub.fingerprint
        renew_hub(fleet, generation)
        restart(fleet)
        hub = fleet.contact(traffic.shinjuku).hub
        assert (hub.generation, hub.fingerprint != old) == (generation, True)
        # As if the answer had been lost: the very acceptance that the old key signed comes again.
        traffic.shinjuku.spool.outgoing.offer_from("ministry", "notices", 1)
        assert fleet.exchange(traffic.shinjuku).parcels_sent == 1
        assert status_of(traffic.shinjuku).alarms == ()
    traffic.hand_in()
    traffic.settle()
    traffic.check()


def new_issuing(fleet: Fleet, root: Authority) -> None:
    """The authority uses another issuing CA from here on."""
    key, begin = make_key(), dt.datetime.now(dt.UTC) - dt.timedelta(minutes=5)
    certificate = issue_authority(make_authority_request(key, "next issuing"), root, begin, 1500)
    fleet.pki.issuing = Authority(certificate, key)


def renew_everybody(fleet: Fleet, traffic: Traffic) -> None:
    """Each party in turn, with a notice on its way in between; the gateway's server certificate last."""
    for home in (traffic.shinjuku, traffic.ministry):
        traffic.hand_in()
        fleet.exchange(traffic.shinjuku)
        fleet.enrol(home)
    renew_hub(fleet, 2)
    restart(fleet)
    server = fleet.pki.server(fleet.folder, "localhost")
    fleet.front.context.load_cert_chain(server.chain, server.key)
    traffic.hand_in()
    traffic.settle()


def test_a_new_issuing_ca_under_the_same_root_and_all_certificates_with_it(fleet: Fleet, traffic: Traffic) -> None:
    traffic.hand_in()
    fleet.exchange(traffic.shinjuku)
    new_issuing(fleet, fleet.pki.root)
    renew_everybody(fleet, traffic)
    traffic.check()


def succeed(fleet: Fleet) -> Authority:
    """A new root, which the old one signs; the hub, its gateway and the authority trust both from here on."""
    begin = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=5)
    root = make_root("next root", make_key(), begin, 3650)
    cross = cross_sign(root.certificate, fleet.pki.root, begin, 730)
    path = fleet.folder / "anchors.pem"
    path.write_text(Anchors((fleet.pki.root.certificate, root.certificate), (cross,)).to_pem())
    config = fleet.folder / "hub.toml"
    config.write_text(config.read_text().replace(str(fleet.pki.anchor_file), str(path)))
    fleet.front.context.load_verify_locations(path)
    fleet.pki.anchor.succeed(path.read_text(), dt.datetime.now(dt.UTC))
    restart(fleet)
    return root


def forget_day(*homes: Home) -> None:
    for home in homes:
        home.spool.note(roots_at="2026-01-01T00:00:00Z")


def test_a_new_root_reaches_agents_through_the_hub_and_everything_moves_under_it(
    fleet: Fleet, traffic: Traffic
) -> None:
    traffic.hand_in()
    fleet.exchange(traffic.shinjuku)
    root = succeed(fleet)
    forget_day(traffic.shinjuku, traffic.ministry)
    traffic.settle()
    for home in (traffic.shinjuku, traffic.ministry):
        assert root.certificate in Anchors.read(home.settings.anchor_file.read_text()).roots
    new_issuing(fleet, root)
    fleet.pki.anchor_file = fleet.folder / "anchors.pem"  # what the authority's own line trusts
    renew_everybody(fleet, traffic)
    traffic.check()
    entry = traffic.shinjuku.keys().entry
    again = read_anchor(traffic.shinjuku.settings)  # as after a restart
    assert again.verify_entry(entry, dt.datetime.now(dt.UTC)).party == SHINJUKU
    assert certificate_from_pem(entry.issuer).issuer == root.certificate.subject


def test_a_root_that_the_old_one_did_not_sign_is_refused_and_named(fleet: Fleet, traffic: Traffic) -> None:
    stranger = make_root("renkei root", make_key(), dt.datetime.now(dt.UTC) - dt.timedelta(days=1), 3650)

    class Lying:
        def roots(self) -> str:
            return Anchors((fleet.pki.root.certificate, stranger.certificate)).to_pem()

    forget_day(traffic.shinjuku)
    roots.tend(traffic.shinjuku, Lying())  # type: ignore[arg-type]  # what a hub answers is all that counts
    assert [(alarm.kind, "vouched for by none" in alarm.text) for alarm in status_of(traffic.shinjuku).alarms] == [
        ("roots", True)
    ]
    assert not traffic.shinjuku.settings.roots.exists()
