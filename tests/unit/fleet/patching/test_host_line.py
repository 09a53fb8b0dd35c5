"""What was seen on hosts: signed once, handed to the hub, and taken from it elsewhere."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from renkei.cli import patch, patch_sign
from renkei.client.errors import HubRefused, HubUnreachable, Problem
from renkei.exchange.parties import AUTHORITY
from renkei.exchange.signed import Signed
from renkei.fleet.hosts.found import sort_found
from renkei.fleet.patching.hosts import read_seen
from renkei.fleet.patching.intake import Believer

from .host_desk import Desk
from .scenes import Ministry


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_states_are_signed_without_the_hub_that_the_environment_names(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RENKEI_HUB", "https://hub.test:8443")
    desk.put("asp-hub")
    sign = ["sign", str(desk.found), *desk.signing, "--out", str(desk.seen)]
    desk.run(patch.app, *sign)
    assert (desk.seen / "asp-hub.json").exists()
    assert "--hub needs --chain" in desk.run(patch.app, *sign, "--hub", "https://hub", code=2).output


def test_of_a_host_the_newer_look_is_kept_and_one_that_is_signed_isnt_signed_again(desk: Desk) -> None:
    sign = ["sign", str(desk.found), *desk.signing, "--out", str(desk.seen)]
    desk.put("asp-hub")
    desk.run(patch.app, *sign)
    file = desk.seen / "asp-hub.json"
    first = file.read_bytes()
    desk.run(patch.app, *sign)
    desk.put("asp-hub", "12.5", at=-timedelta(hours=1))
    desk.run(patch.app, *sign)
    assert file.read_bytes() == first  # the digest that the journal has stays true
    looked = sort_found(desk.found)[0]["asp-hub"].state()
    ahead = looked.model_copy(update={"seen_at": looked.seen_at + timedelta(hours=9)})
    other = looked.model_copy(update={"host": "asp-mirror"})
    entry = desk.ministry.entry(AUTHORITY, "authority")
    wrong = [Signed(entry, each.sign(desk.ministry.signer)).to_json() for each in (ahead, other)]
    for content in (first[:-9], *wrong):
        file.write_bytes(content)
        desk.run(patch.app, *sign)
        assert read_seen(desk.seen, Believer(desk.ministry.anchor), datetime.now(UTC))["asp-hub"].state == looked


def test_a_host_whose_clock_is_ahead_isnt_signed(desk: Desk) -> None:
    desk.put("asp-hub", at=timedelta(minutes=9))
    desk.put("asp-mirror", at=timedelta(minutes=3))
    shown = desk.run(patch.app, "sign", str(desk.found), *desk.signing, "--out", str(desk.seen), code=2)
    assert "asp-hub: its clock is ahead" in shown.stderr
    assert [file.name for file in desk.seen.iterdir()] == ["asp-mirror.json"]


def test_a_host_with_more_than_a_document_holds_keeps_nothing_from_the_others(desk: Desk) -> None:
    desk.put("asp-hub", packages=tuple(f"p{number:079}=1" for number in range(1000)))
    desk.put("asp-mirror")
    shown = desk.run(patch.app, "sign", str(desk.found), *desk.signing, "--out", str(desk.seen), code=2)
    assert "asp-hub: it has too many packages to be signed: an envelope is at most 65536 bytes" in shown.stderr
    assert [file.name for file in desk.seen.iterdir()] == ["asp-mirror.json"]


@pytest.mark.parametrize(("content", "said"), [(None, "No such file"), ("rubbish", "isn't the chain of")])
def test_a_chain_that_is_none_is_named(desk: Desk, content: str | None, said: str) -> None:
    desk.put("asp-hub")
    chain = desk.folder / "chain.pem"
    if content:
        chain.write_text(content)
    sign = ["sign", str(desk.found), *desk.signing, *desk.root, "--out", str(desk.seen)]
    shown = desk.run(patch.app, *sign, "--hub", "https://hub.test", "--chain", str(chain), code=2)
    assert f"{chain}: {said}" in shown.stderr


@dataclass
class HostLine:
    """A hub that keeps host states, two a page."""

    ministry: Ministry
    items: list[Any] = field(default_factory=list)
    journal: list[bytes] = field(default_factory=list)
    keeps_host_states: bool = True
    refuses: str = ""
    cut: bool = False
    epoch: int = 1
    asked: list[int] = field(default_factory=list)

    def state(self) -> Any:
        if self.cut:
            raise HubUnreachable("no answer")
        return SimpleNamespace(epoch=self.epoch)

    def patch_states(self, after: int) -> Any:
        return SimpleNamespace(items=(), next=after)

    def put_host_state(self, host: str, envelope: bytes) -> bool:
        if host == self.refuses:
            raise HubRefused("PUT", Problem(400, "clock", "", "which has not come yet"), "")
        if envelope in self.journal:
            return False
        self.journal.append(envelope)
        self.items = [each for each in self.items if each.host != host]
        entry = self.ministry.entry(AUTHORITY, "authority")
        self.items.append(SimpleNamespace(cursor=len(self.journal), host=host, entry=entry, envelope=envelope))
        return True

    def host_states(self, after: int) -> Any:
        self.asked.append(after)
        page = [each for each in self.items if each.cursor > after][:2]
        return SimpleNamespace(items=page, next=page[-1].cursor if page else after)


@pytest.fixture
def line(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> HostLine:
    line = HostLine(desk.ministry)

    @contextmanager
    def client(*words: Any) -> Iterator[HostLine]:
        assert str(words[0]).endswith(".test")
        yield line

    monkeypatch.setattr(patch, "hub_as_authority", client)
    monkeypatch.setattr(patch_sign, "hub_as_authority", client)
    return line


HUB = ["--hub", "https://hub.test", "--chain", "chain.pem"]


def test_what_is_signed_stands_in_the_hubs_journal(desk: Desk, line: HostLine) -> None:
    sign = ["sign", str(desk.found), *desk.signing, *desk.root, "--out", str(desk.seen), *HUB]
    for host in ("asp-hub", "asp-mirror", "asp-router"):
        desk.put(host)
    line.refuses = "asp-mirror"
    shown = desk.run(patch.app, *sign, code=1)
    assert "2 new in its journal, 0 it had" in shown.stdout
    assert "asp-mirror: https://hub.test doesn't take it into its journal" in shown.stderr
    line.refuses = ""
    assert "1 new in its journal, 2 it had" in desk.run(patch.app, *sign).stdout
    assert {json.loads((desk.seen / f"{host}.json").read_text())["envelope"].encode() for host in
        ("asp-hub", "asp-mirror", "asp-router")} == set(line.journal)  # fmt: skip
    line.items, line.journal, line.epoch = [], [], 2  # restored, from before all of it
    assert "3 new in its journal, 0 it had" in desk.run(patch.app, *sign).stdout
    line.keeps_host_states = False
    assert "keeps no host states" in desk.run(patch.app, *sign, code=3).stderr
    line.cut = True
    desk.put("asp-hub", "12.14", at=timedelta(minutes=1))
    assert "no answer" in desk.run(patch.app, *sign, code=3).stderr
    assert read_seen(desk.seen, Believer(desk.ministry.anchor), datetime.now(UTC))["asp-hub"].state == (
        sort_found(desk.found)[0]["asp-hub"].state()
    )
    assert "--hub needs --chain" in desk.run(patch.app, *sign[:-2], code=2).stderr
    assert "--chain is for the hub" in desk.run(patch.app, *sign[:-4], *HUB[2:], code=2).stderr


def test_another_desk_takes_what_was_seen_from_the_hub(desk: Desk, line: HostLine) -> None:
    sign = ["sign", str(desk.found), *desk.signing, *desk.root, "--out", str(desk.seen), *HUB]
    for host in ("asp-hub", "asp-mirror", "asp-router"):
        desk.put(host)
    desk.run(patch.app, *sign)
    there = desk.folder / "there"
    take = ["take", "--states", str(desk.folder / "states.db"), *desk.root, *desk.signing[:2], *HUB]

    def took(*words: str, code: int = 0) -> Any:
        return json.loads(desk.run(patch.app, *take, "--hosts", str(there), "--json", *words, code=code).stdout)

    assert took()["hosts"] == {"new": 3, "known": 0}
    for file in desk.seen.iterdir():
        assert (there / file.name).read_bytes() == file.read_bytes()
    desk.put("asp-hub", "12.14", at=timedelta(minutes=1))
    desk.run(patch.app, *sign)
    line.asked.clear()
    assert took()["hosts"] == {"new": 1, "known": 0}
    assert line.asked == [3, 4]
    assert took("--again")["hosts"] == {"new": 0, "known": 3}
    line.epoch = 2
    assert took()["hosts"] == {"new": 0, "known": 3}
    assert took("--hub", "https://second.test")["hosts"] == {"new": 0, "known": 3}  # a cursor of its own
    assert took()["hosts"] == {"new": 0, "known": 3}
    forged = SimpleNamespace(cursor=9, host="x", entry=Ministry().entry(AUTHORITY, "x"), envelope=line.journal[0])
    line.items.append(forged)
    assert [each["file"] for each in took(code=1)["refused"]] == ["https://hub.test host-state 9"]
    shown = desk.run(patch.app, *take, "--hosts", str(there))
    assert "of Linux hosts and network devices 0 new, 0 known" in shown.stdout
    (there / ".hub.json").write_text("{")
    assert took(code=1)["hosts"] == {"new": 0, "known": 3}
    assert (
        "--hosts is filled from the hub"
        in desk.run(patch.app, "take", str(desk.found), *take[1:5], "--hosts", str(there), code=2).stderr
    )
