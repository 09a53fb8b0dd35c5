"""Orders and packages go out on a medium, patch-states come back: the same documents as by line."""

import os
from pathlib import Path
from typing import Any

import pytest

from renkei.agent import media
from renkei.agent.media import MediaError
from renkei.agent.updates import line, orders, patching
from renkei.agent.updates.places import Places
from renkei.client.errors import HubUnreachable
from renkei.exchange.certificates import make_key
from renkei.exchange.clock import whole_seconds
from renkei.exchange.documents import Signer
from renkei.exchange.parties import Party
from renkei.exchange.signed import Signed
from unit.agent.media_office import ENDPOINT, Office, make_office
from unit.agent.update_host import Host
from unit.agent.update_hub import Hub
from unit.agent.update_package import CONTENT, package

ORDER = f"out/{ENDPOINT}/T/order.json"


@pytest.fixture
def office(offline: Any, tmp_path: Path) -> Office:
    return make_office(offline, tmp_path)


def test_an_order_goes_by_medium_with_its_packages_and_the_answer_comes_back(office: Office) -> None:
    given = office.order()
    office.lay_out(ORDER, given)
    brought = office.go()
    assert (brought.updates, brought.packages, brought.refused) == (2, 1, 0)
    assert (Places(office.endpoint.settings.home).packages / package().file).read_bytes() == CONTENT
    kept = orders.active(office.endpoint)
    assert kept is not None
    assert kept.id == str(given.id)

    patching.tend(office.endpoint, Host(now=whole_seconds(patching.now())))
    back = office.come_back()
    assert (back.updates, back.refused) == (1, 0)
    said = office.states()[0]
    assert (said.stage, said.catalogue, said.missing) == ("checked", 4, ["KB5058411"])
    assert said.exchanged_at is not None
    assert said.exchanged_at >= given.issued_at


def test_a_lost_medium_costs_nothing_and_what_comes_twice_counts_once(office: Office) -> None:
    office.lay_out(ORDER, office.order())
    assert office.go().updates == 2
    again = office.go()
    assert (again.updates, again.packages, again.refused) == (0, 0, 0)
    patching.tend(office.endpoint, Host(now=whole_seconds(patching.now())))
    assert office.come_back().updates == 1
    for path in (Places(office.ministry.settings.home).updates / "in").iterdir():
        path.unlink()  # the wave has it in its ledger
    assert (office.come_back().updates, office.states()) == (0, [])


def test_what_the_authority_didnt_sign_is_refused_with_an_alarm(office: Office) -> None:
    forger = Signer(make_key())
    office.lay_out(ORDER, office.order(), forger)
    office.sign_catalogue(forger)
    brought = office.go()
    assert (brought.updates, brought.packages, brought.refused) == (0, 0, 2)
    assert "is none" in office.endpoint.spool.alarms()[0].text
    assert orders.active(office.endpoint) is None


def test_an_order_of_another_terminal_is_refused(office: Office) -> None:
    office.lay_out(ORDER, office.order(terminal="T-2"))
    assert office.go().refused == 1
    assert "is for 131041/T-2" in office.endpoint.spool.alarms()[0].text


def test_a_package_that_was_changed_on_the_medium_doesnt_come_in(office: Office) -> None:
    office.lay_out(ORDER, office.order())
    media.export(office.ministry, office.medium, Party(ENDPOINT))
    (office.medium / "packages" / package().file).write_bytes(b"x" * len(CONTENT))
    brought = media.import_all(office.endpoint, office.medium)
    assert (brought.updates, brought.packages) == (2, 0)
    assert "isn't the package of KB5058411" in office.endpoint.spool.alarms()[0].text
    office.packages()
    (office.medium / "packages" / package().file).unlink()
    assert office.go().packages == 1
    assert office.endpoint.spool.alarms() == []


@pytest.mark.parametrize("content", [b"", b"{}", "catalogue"])
def test_a_file_that_is_no_order_is_named(office: Office, content: bytes | str) -> None:
    office.lay_out(ORDER, office.order())
    updates = Places(office.ministry.settings.home).updates
    if isinstance(content, str):
        content = Signed.from_json((updates / f"{content}.json").read_bytes()).envelope
    (updates / ORDER).write_bytes(content)
    with pytest.raises(MediaError, match=f"{ORDER}: isn't an order"):
        media.export(office.ministry, office.medium, Party(ENDPOINT))


@pytest.mark.parametrize("planted", ["folder", "part", "package", "pipe"])
def test_nothing_is_written_by_way_of_a_link_that_somebody_put_onto_a_medium(
    office: Office, tmp_path: Path, planted: str
) -> None:
    office.lay_out(ORDER, office.order())
    outside = tmp_path / "outside"
    outside.mkdir()
    victim = outside / package().file
    victim.write_bytes(b"of somebody else")
    packages = office.medium / "packages"
    if planted == "folder":
        packages.symlink_to(outside)
    else:
        packages.mkdir()
        name = {"part": f".{package().file}.part", "package": package().file, "pipe": f".{package().file}.part"}
        if planted == "pipe":
            os.mkfifo(packages / name[planted])
        else:
            (packages / name[planted]).symlink_to(victim)
    with pytest.raises(MediaError, match=r"packages.*: is a link, or neither file nor folder: nothing is written"):
        media.export(office.ministry, office.medium, Party(ENDPOINT))
    assert {path.name: path.read_bytes() for path in outside.iterdir()} == {victim.name: b"of somebody else"}
    assert not list(office.medium.glob("renkei-ministry-*"))


def test_a_link_in_the_place_of_an_abandoned_export_goes_and_what_it_leads_to_stays(
    office: Office, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_bytes(b"of somebody else")
    (office.medium / ".renkei-ministry").symlink_to(outside)
    (office.medium / ".renkei-file").write_bytes(b"x")
    media.export(office.ministry, office.medium, Party(ENDPOINT))
    assert (outside / "file").read_bytes() == b"of somebody else"
    assert not list(office.medium.glob(".renkei-*"))


def test_a_registration_isnt_written_by_way_of_a_link(office: Office, tmp_path: Path) -> None:
    medium = tmp_path / "another"
    medium.mkdir()
    (medium / "renkei-medium.json").symlink_to(tmp_path / "outside.json")
    with pytest.raises(MediaError, match="is registered already"):
        media.register(office.endpoint, medium, Party(ENDPOINT), "USB-02")
    assert not (tmp_path / "outside.json").exists()
    with pytest.raises(MediaError, match="can't be believed"):
        media.export(office.ministry, medium, Party(ENDPOINT))


def test_the_ministry_names_a_package_that_it_hasnt(office: Office) -> None:
    (office.packages() / package().file).unlink()
    office.lay_out(ORDER, office.order())
    with pytest.raises(MediaError, match=r"windows11\.0-kb5058411-x64\.msu"):
        media.export(office.ministry, office.medium, Party(ENDPOINT))


def test_an_order_whose_signer_isnt_known_stops_the_export(office: Office) -> None:
    office.lay_out(ORDER, office.order(), Signer(make_key()))
    with pytest.raises(MediaError, match="has no catalogue of the same signer"):
        media.export(office.ministry, office.medium, Party(ENDPOINT))
    (Places(office.ministry.settings.home).updates / "catalogue.json").write_text("{}")
    with pytest.raises(MediaError, match="isn't a document of updates"):
        media.export(office.ministry, office.medium, Party(ENDPOINT))


def test_a_terminal_speaks_for_itself_alone(office: Office, offline: Any) -> None:
    other = offline.agent("131032", link="media", media={"scan": "off"})
    patching.tend(other, Host(now=whole_seconds(patching.now())))
    said = other.spool.updates.since("")[0]
    office.endpoint.spool.updates.say(said)
    assert office.come_back().refused == 1
    assert office.states() == []


def test_what_came_by_medium_goes_on_to_the_hub_once(office: Office) -> None:
    patching.tend(office.endpoint, Host(now=whole_seconds(patching.now())))
    office.come_back()
    hub = Hub(fails=HubUnreachable("the line was cut"))
    with pytest.raises(HubUnreachable):
        line.carry(office.ministry, hub.contact())
    hub.fails = None
    line.carry(office.ministry, hub.contact())
    line.carry(office.ministry, hub.contact())
    assert [(endpoint, terminal) for endpoint, terminal, _ in hub.got] == [(ENDPOINT, "T")]
    assert office.come_back().updates == 0
    line.carry(office.ministry, hub.contact(epoch=2))  # the hub was restored, and may have lost it
    assert office.come_back().updates == 1
    line.carry(office.ministry, hub.contact(epoch=2))
    assert len(hub.got) == 2


def test_a_state_that_the_hub_refuses_is_alarmed_and_holds_nobody_up(office: Office) -> None:
    patching.tend(office.endpoint, Host(now=whole_seconds(patching.now())))
    office.come_back()
    (Places(office.ministry.settings.home).for_hub / "0.json").write_text("{}")
    hub = Hub()
    line.carry(office.ministry, hub.contact())
    assert len(hub.got) == 1
    assert [each.subject for each in office.ministry.spool.alarms() if each.kind == "updates"] == ["0.json"]


def test_an_order_that_waits_at_the_hub_goes_along_with_its_packages_once(office: Office) -> None:
    given = office.order()
    office.lay_out(ORDER, given)  # in the folder, too
    at_hub = [Signed(office.entry, (Places(office.ministry.settings.home).updates / ORDER).read_bytes())]
    written = media.export(office.ministry, office.medium, Party(ENDPOINT), at_hub)
    assert written.orders == 1
    brought = media.import_all(office.endpoint, office.medium)
    assert (brought.updates, brought.packages, brought.refused) == (2, 1, 0)
