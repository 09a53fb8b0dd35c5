"""A wave of the ministry's and the agents that it orders, put together: what one signs the other believes, both ways.

The post is carried between the two folders as somebody with a stick, or Ansible at the staging bench, would carry it.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from renkei.agent import media
from renkei.agent.home import Home
from renkei.agent.keys import point_of
from renkei.agent.media import importing
from renkei.agent.updates import documents, handing, orders, patching
from renkei.agent.updates.places import Places
from renkei.exchange.bindings import DirectoryEntry
from renkei.exchange.certificates import make_key, make_request
from renkei.exchange.clock import format_time, whole_seconds
from renkei.exchange.documents import Signer
from renkei.exchange.parties import Party
from renkei.exchange.signed import Signed
from renkei.exchange.updates import Catalogue, Window
from renkei.fleet.patching.intake import Believer, Taken, Taking, files_of
from renkei.fleet.waves.engine import Engine, Ministry, load
from renkei.fleet.waves.plan import PlannedHost
from renkei.fleet.waves.post import FolderPost
from renkei.fleet.waves.state import Phase, WaveState
from renkei.store.patch_states import PatchStates
from renkei.store.waves.ledger import Act, Ledger, open_ledger
from unit.agent.update_host import AFTER, HOUR, MINUTE, Host
from unit.agent.update_hub import Hub
from unit.agent.update_package import CONTENT, package
from unit.agent.waves import MODEL, WAVE, approved

ENDPOINT = Party("131041")


@dataclass
class Country:
    """One terminal, and the ministry's wave that patches it."""

    home: Home
    host: Host
    post: Path
    ledger: Ledger
    engine: Engine
    catalogue: bytes

    def carry(self) -> None:
        """Bring what is there from one folder to the other, as often as somebody comes by."""
        places = Places(self.home.settings.home)
        places.arriving.mkdir(parents=True, exist_ok=True)
        places.leaving.mkdir(parents=True, exist_ok=True)
        (places.arriving / "catalogue.json").write_bytes(self.catalogue)
        for path in (self.post / "out" / ENDPOINT / "T").glob("*.json"):
            (places.arriving / path.name).write_bytes(path.read_bytes())
        for path in places.leaving.glob("*.json"):
            path.replace(self.post / "in" / path.name)

    def run(self, minutes: int, *, by_hand: bool = True) -> WaveState:
        state = self.engine.state
        for _ in range(0, minutes, 5):
            if by_hand:
                self.home.spool.note(exchanged_at=self.host.now.strftime("%Y-%m-%dT%H:%M:%SZ"))
            state = self.engine.turn(self.host.now)
            if by_hand:
                self.carry()
            patching.tend(self.home, self.host)
            if by_hand:
                self.carry()
            self.host.run_to(self.host.now + 5 * MINUTE)
        return state

    def ends(self) -> list[str]:
        return [act.detail for act in self.ledger.acts(str(WAVE)) if act.what == "end"]


@pytest.fixture
def country(request: Any, offline: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Country]:
    way = getattr(request, "param", "online")  # "down": a link by line whose line doesn't work
    link = "media" if way == "media" else "online"
    begin: datetime = whole_seconds(offline.now())
    host = Host(now=begin)
    for module in (documents, orders, patching):
        monkeypatch.setattr(module, "now", lambda: host.now)
    key = make_key()
    entry = offline.pki.entry(
        make_request(key, Party("authority"), "linkage"),
        "authority",
        "linkage",
        point_of(make_key().public_key()),
    )
    window = Window(opens=begin + 30 * MINUTE, closes=begin + 5 * HOUR)
    group = "canary" if way == "online" else "media"
    planned = PlannedHost(endpoint=ENDPOINT, terminal="T", model=MODEL, group=group, windows=[window])
    signed = Catalogue(number=7, issued_at=begin, updates=[package()]).sign(Signer(key)).decode()
    catalogue = json.dumps({"entry": json.loads(entry.to_json()), "envelope": signed}).encode()
    with open_ledger(str(tmp_path / "waves.db")) as ledger:
        approved(ledger, begin, [planned], [package()])
        ministry = Ministry(Signer(key), offline.pki.anchor.verify_entry)
        home = offline.agent(ENDPOINT, link=link, media={"scan": "off"})
        post = tmp_path / "post"
        engine = Engine(ledger, load(ledger, str(WAVE)), ministry, FolderPost(post))
        yield Country(home, host, post, ledger, engine, catalogue)


def test_a_wave_patches_a_terminal_and_has_its_word_for_it(country: Country) -> None:
    state = country.run(110)
    assert country.ends() == ["well"]
    assert state.phase is Phase.FINISHED
    assert country.host.build == AFTER
    assert len(country.host.began) == len(country.host.restarts) == 1
    assert list((country.post / "refused").iterdir()) == []


@pytest.mark.thorough
def test_a_bad_update_counts_as_failed_and_a_halt_lets_nobody_begin(country: Country) -> None:
    country.host.faults = {"loop"}
    country.run(4 * 60)
    assert country.ends() == ["failed"]
    assert len(country.host.began) == 1


@pytest.mark.thorough
def test_a_wave_that_was_halted_by_hand_gives_no_permit(country: Country) -> None:
    country.run(20)
    country.ledger.add(str(WAVE), 10**9, lambda _: [Act("halt", detail="suzuki: wait", document=b"{}")])
    country.run(60)
    assert country.host.began == []


@pytest.mark.thorough
@pytest.mark.parametrize("by_hub", [False, True], ids=["post", "hub"])
@pytest.mark.parametrize("country", ["media", "down"], indirect=True)
def test_the_same_wave_goes_by_medium_where_there_is_no_line_or_it_is_down(
    country: Country,
    offline: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    by_hub: bool,
) -> None:
    """Wave, export, medium, agent, medium, import: the wave ends well, and `patch take` has every word of it."""
    monkeypatch.setattr(importing, "stamp", lambda: format_time(country.host.now))
    ministry = offline.agent("ministry", media={"scan": "off"})
    places = Places(ministry.settings.home)
    country.post.rename(places.updates)
    country.engine = Engine(
        country.ledger, load(country.ledger, str(WAVE)), country.engine._ministry, FolderPost(places.updates)
    )
    places.packages.mkdir()
    (places.packages / package().file).write_bytes(CONTENT)
    (places.updates / "catalogue.json").write_bytes(country.catalogue)
    medium = tmp_path / "medium"
    medium.mkdir()
    media.register(country.home, medium, ENDPOINT, "USB-01")
    country.engine.turn(country.host.now)
    country.host.run_to(country.host.now + MINUTE)
    at_hub = []
    if by_hub:  # the wave's post is the hub, so the folder has no order
        order = places.leaving / ENDPOINT / "T" / "order.json"
        at_hub = [Signed(json_entry(country.catalogue), order.read_bytes())]
        order.unlink()
    assert media.export(ministry, medium, ENDPOINT, at_hub).orders == 1
    assert media.import_all(country.home, medium).updates == 2
    country.run(3 * 60, by_hand=False)
    assert len(country.host.began) == 1
    media.export(country.home, medium, Party("ministry"))
    assert media.import_all(ministry, medium).refused == 0
    hub = Hub()
    assert handing.hand_in(ministry, hub.contact()) == len(hub.got) > 1
    with PatchStates(tmp_path / "states.db") as states:
        taking = Taking(states, Believer(offline.pki.anchor), country.host.now)
        files = files_of(places.updates)
        taking.look("first", *reading(next(files)))
        country.engine.turn(country.host.now)  # the wave takes them out of the folder meanwhile
        taking.read(files)
        assert taking.taken == Taken(len(hub.got), 0, (), ())
    assert country.host.build == AFTER
    assert country.ends() == ["well"]


def json_entry(catalogue: bytes) -> DirectoryEntry:
    return Signed.from_json(catalogue).entry


def reading(file: Path) -> tuple[DirectoryEntry, bytes]:
    signed = Signed.from_json(file.read_bytes())
    return signed.entry, signed.envelope
