"""A wave whose orders, permits and evidence travel through a hub in this process."""

from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from renkei.client.errors import CursorGone, Problem
from renkei.client.hub import HubClient
from renkei.exchange.bindings import DirectoryEntry, TrustAnchor
from renkei.exchange.parties import AUTHORITY
from renkei.exchange.signed import Signed
from renkei.exchange.updates import Order, PatchState, Stage, check_start
from renkei.fleet.loader import load_fleet
from renkei.fleet.patching.intake import Believer, Taken, Taking
from renkei.fleet.patching.line import hand_in, take_by_line
from renkei.fleet.waves.engine import Engine, Ministry, load, order_id
from renkei.fleet.waves.line import HubPost
from renkei.fleet.waves.plan import Plan
from renkei.hub import backups
from renkei.hub.settings import Settings
from renkei.store.hub.sqlite import SqliteHubStore
from renkei.store.patch_states import PatchStates
from renkei.store.waves.ledger import Act, Ledger, open_ledger
from unit.fleet.conftest import INVENTORY
from unit.fleet.waves.plans import KB, NEW, OLD, WAVE, planned
from unit.hub.conftest import START
from unit.hub.through import client_of

MINUTE = timedelta(minutes=1)


class Machine:
    """A terminal as far as a wave sees it."""

    def __init__(self, speaker: Any, anchor: TrustAnchor) -> None:
        self.machine, self.anchor = speaker.machine, anchor
        self.hub = client_of(speaker)

    @property
    def place(self) -> tuple[Any, str]:
        return self.machine.party, self.machine.terminal

    def waiting(self, now: datetime) -> dict[str, tuple[bytes, Any]]:
        return {
            each.kind: (each.envelope, self.anchor.verify_entry(each.entry, now, AUTHORITY).signing_public_key)
            for each in self.hub.orders()
        }

    def says(self, stage: Stage, now: datetime, build: str = OLD) -> None:
        self.hub.put_patch_state(*self.place, self.word(stage, now, build))

    def word(self, stage: Stage, now: datetime, build: str = OLD) -> bytes:
        state = PatchState(
            endpoint=self.machine.party,
            terminal=self.machine.terminal,
            answers=order_id(WAVE, self.machine.terminal),
            stage=stage,
            build=build,
            installed=[KB] if build == NEW else [],
            missing=[],
            catalogue=7,
            exchanged_at=now,
            problem=None,
            checked_at=now,
        )
        return state.sign(self.machine.signer)


@pytest.fixture(scope="module")
def plan() -> Plan:
    whole = planned(load_fleet(INVENTORY / "lab"), now=START)
    return whole.model_copy(update={"hosts": [host for host in whole.hosts if host.group != "media"][:1]})


@pytest.fixture
def ledger(tmp_path: Path, plan: Plan) -> Iterator[Ledger]:
    with open_ledger(str(tmp_path / "waves.db")) as ledger:
        ledger.plan(str(WAVE), plan.to_bytes(), 0, b"{}")
        ledger.add(str(WAVE), 0, lambda _: [Act("consent", detail="approver", document=b"{}")])
        yield ledger


def test_a_machine_is_ordered_permitted_and_well_by_way_of_the_hub(bench: Any, plan: Plan, ledger: Ledger) -> None:
    authority, anchor = bench.enrol("authority"), TrustAnchor(bench.pki.root_pem)
    [host] = plan.hosts
    opens = host.windows[0].opens
    terminal = Machine(bench.enrol(host.endpoint, host.terminal), anchor)

    def turn(minutes: int) -> Any:
        """A controller that begins anew each time."""
        post = HubPost(client_of(authority))
        ministry = Ministry(authority.machine.signer, anchor.verify_entry)
        bench.time = now = opens + minutes * MINUTE
        return Engine(ledger, load(ledger, str(WAVE)), ministry, post).turn(now)

    turn(0)
    envelope, key = terminal.waiting(bench.time)["order"]
    order = Order.open(envelope, key)
    terminal.says("ready", opens)
    turn(1)
    permit, key = terminal.waiting(bench.time)["permit"]
    check_start(order, envelope, permit, key, terminal.place, bench.time)
    terminal.says("restarting", opens + 20 * MINUTE)
    turn(21)
    terminal.says("done", opens + 30 * MINUTE, NEW)
    assert turn(31).hosts[host.terminal].end == "well"
    assert terminal.waiting(bench.time) == {}
    acts = len(ledger.acts(str(WAVE)))
    turn(32)
    assert len(ledger.acts(str(WAVE))) == acts


def take_and_hand_in(states: Path, believer: Believer, bench: Any, client: HubClient, *files: Path) -> Taken:
    """What `patch take --hub` does."""
    with PatchStates(states) as kept:
        taking = Taking(kept, believer, bench.time)
        taking.read(files)
        take_by_line(taking, client, "http://hub")
        hand_in(taking, client, "http://hub")
        return taking.taken


def test_wave_and_patch_take_each_read_every_word_and_the_journal_has_all_of_them(
    bench: Any, plan: Plan, ledger: Ledger, tmp_path: Path
) -> None:
    """One by line, one that the ministry hands in from a medium, one that came to `patch take` as a file."""
    authority, ministry, anchor = bench.enrol("authority"), bench.enrol("ministry"), TrustAnchor(bench.pki.root_pem)
    [host] = plan.hosts
    bench.time = begin = host.windows[0].opens
    terminal = Machine(bench.enrol(host.endpoint, host.terminal), anchor)
    client = client_of(authority)
    engine = Engine(
        ledger, load(ledger, str(WAVE)), Ministry(authority.machine.signer, anchor.verify_entry), HubPost(client)
    )
    engine.turn(begin)

    run = partial(take_and_hand_in, tmp_path / "states.db", Believer(anchor), bench, client)
    terminal.says("ready", begin)
    engine.turn(begin + MINUTE)
    assert "permit" in terminal.waiting(bench.time)
    bench.time = begin + 20 * MINUTE
    by_medium = terminal.word("restarting", bench.time)
    client_of(ministry).put_patch_state(*terminal.place, by_medium)
    file = tmp_path / "bench.json"
    file.write_bytes(Signed(client.patch_states(0).items[0].entry, terminal.word("done", bench.time, NEW)).to_json())
    assert run(file) == Taken(3, 0, (), ())
    assert engine.turn(bench.time).hosts[host.terminal].end == "well"
    assert run(file) == Taken(0, 2, (), ())  # the file, and what was handed in of it
    entries = ministry.get("/v1/journal/entries", params={"from": 0, "to": 99}).json()["entries"]
    assert [each["act"] for each in entries].count("patch-state") == 3


def test_a_hub_restored_from_a_backup_has_every_word_in_its_journal_again(
    bench: Any, settings: Settings, tmp_path: Path
) -> None:
    """Two came by line and one as a file; the backup has the first alone, and the terminal won't say it again."""
    authority, anchor = bench.enrol("authority"), TrustAnchor(bench.pki.root_pem)
    terminal = Machine(bench.enrol("131041", "T-1"), anchor)
    client = client_of(authority)

    run = partial(take_and_hand_in, tmp_path / "states.db", Believer(anchor), bench, client)

    def journalled() -> list[str]:
        entries = authority.get("/v1/journal/entries", params={"from": 0, "to": 99}).json()["entries"]
        return [each["document_sha256"] for each in entries if each["act"] == "patch-state"]

    settings.root.write_text(bench.pki.root_pem)
    terminal.says("ready", START + MINUTE)
    run()
    backups.back_up(settings, tmp_path / "backup.db", None, lambda *_: None)
    bench.time = START + 3 * MINUTE
    terminal.says("restarting", START + 2 * MINUTE)
    file = tmp_path / "bench.json"
    entry = client.patch_states(0).items[0].entry
    file.write_bytes(Signed(entry, terminal.word("done", START + 3 * MINUTE, NEW)).to_json())
    assert run(file) == Taken(2, 0, (), ())
    before = journalled()
    bench.store.close()
    backups.restore(settings, tmp_path / "backup.db", overwrite=True, progress=lambda *_: None)
    with closing(SqliteHubStore(settings.database)) as bench.hub.store:
        assert len(journalled()) == 1
        assert run() == Taken(0, 1, (), ())
        assert sorted(journalled()) == sorted(before)
        assert len(before) == 3


class Restored:
    """A hub that is restored: what lay there is gone, and its cursors begin anew."""

    def __init__(self) -> None:
        self.epoch, self.end = 1, 5
        self.put: list[bytes] = []

    def state(self) -> Any:
        return SimpleNamespace(epoch=self.epoch)

    def put_order(self, endpoint: str, terminal: str, envelope: bytes) -> None:
        assert envelope.startswith(terminal.encode()), endpoint
        self.put.append(envelope)

    def withdraw_order(self, *place: str) -> None:
        assert place == ("131041", "T-2", "id")

    def patch_states(self, after: int) -> Any:
        if after > self.end:
            raise CursorGone("GET", Problem(409, "cursor", "", ""), "")
        items = [
            SimpleNamespace(cursor=each, entry=DirectoryEntry(binding="", certificate="", issuer=""), envelope=b"")
            for each in range(after + 1, self.end + 1)
        ][:2]
        return SimpleNamespace(items=items, next=items[-1].cursor if items else after)


def test_a_restored_hub_is_given_everything_again_and_read_from_its_beginning() -> None:
    hub = Restored()
    post = HubPost(cast("HubClient", hub))

    def heard() -> list[str]:
        found = [each.name for each in post.heard()]
        for name in found:
            post.settle(name, refused=False)
        return found

    assert heard() == ["1", "2", "3", "4", "5"]
    for terminal, name in (("T-1", "order"), ("T-1", "permit"), ("T-2", "order")):
        post.send("131041", terminal, cast("Any", name), f"{terminal} {name}".encode())
    post.withdraw("131041", "T-2", "id")
    assert heard() == []
    hub.epoch, hub.end, hub.put = 2, 1, []
    assert heard() == ["1"]
    assert hub.put == [b"T-1 order", b"T-1 permit"]
    hub.end = 0  # and without a new epoch
    assert heard() == []
