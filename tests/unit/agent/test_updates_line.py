"""An agent's orders by line: what the hub holds is taken, what was said is handed over, and nothing twice."""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest

from renkei.agent.home import Home
from renkei.agent.keys import point_of
from renkei.agent.updates import line, orders
from renkei.client.errors import HubRefused, HubUnreachable, Problem
from renkei.exchange.certificates import make_key, make_request
from renkei.exchange.clock import format_time, whole_seconds
from renkei.exchange.documents import Signer, peek
from renkei.exchange.parties import Party
from renkei.exchange.patterns import PatternState
from renkei.exchange.updates import Order, PatchState
from renkei.store.updates import Said
from unit.agent.update_host import order
from unit.agent.update_hub import Hub


@dataclass
class Scene:
    home: Home
    hub: Hub
    signer: Signer
    entry: Any
    given: Order

    def hold(self, document: Any, kind: str = "order") -> None:
        envelope = document.sign(self.signer)
        self.hub.waiting.append(SimpleNamespace(kind=kind, envelope=envelope, entry=self.entry))

    def say(self, stage: Any = "ready") -> bytes:
        state = PatchState(
            endpoint=self.given.endpoint,
            terminal=self.given.terminal,
            answers=self.given.id,
            stage=stage,
            build="26100.2314",
            installed=[],
            missing=[],
            catalogue=None,
            exchanged_at=None,
            problem=None,
            checked_at=self.given.issued_at,
            patterns=PatternState(version="1.441.10.0", made_at=self.given.issued_at),
        )
        envelope = state.sign(self.home.keys().signer)
        said = Said(str(self.given.id), stage, envelope, format_time(state.checked_at))
        self.home.spool.updates.advance("none", "", [said])
        return envelope

    def alarms(self) -> list[str]:
        return [alarm.subject for alarm in self.home.spool.alarms() if alarm.kind == "updates"]


@pytest.fixture
def scene(offline: Any) -> Scene:
    key = make_key()
    request = make_request(key, Party("authority"), "linkage")
    entry = offline.pki.entry(request, "authority", "linkage", point_of(make_key().public_key()))
    begin = whole_seconds(offline.now())
    return Scene(offline.agent("131041"), Hub(), Signer(key), entry, order(1, begin))


def test_an_order_at_the_hub_is_taken_once(scene: Scene) -> None:
    scene.hold(scene.given)
    assert [line.carry(scene.home, scene.hub.contact()) for _ in range(2)] == [1, 0]
    assert [each.id for each in scene.home.spool.updates.orders()] == [str(scene.given.id)]
    assert scene.alarms() == []


def test_what_can_not_be_believed_is_alarmed_and_the_rest_is_taken(scene: Scene) -> None:
    stranger = scene.given.model_copy(update={"terminal": "stranger"})
    scene.hold(stranger)
    line.carry(scene.home, scene.hub.contact())
    assert scene.alarms() == ["hub order"]
    scene.hub.waiting.clear()
    scene.hold(scene.given)
    assert line.carry(scene.home, scene.hub.contact()) == 1
    assert scene.alarms() == []


def test_what_was_said_goes_once_and_again_to_a_hub_that_was_restored(scene: Scene) -> None:
    first, second = scene.say(), scene.say("restarting")
    for _ in range(2):
        line.carry(scene.home, scene.hub.contact())
    assert scene.hub.got == [("131041", scene.given.terminal, each) for each in (first, second)]
    for _ in range(2):
        line.carry(scene.home, scene.hub.contact(epoch=2))
    assert [envelope for *_, envelope in scene.hub.got] == [first, second, second]


def test_what_was_said_stays_while_the_line_is_cut_or_the_hub_refuses_it(scene: Scene) -> None:
    scene.say()
    scene.hub.fails = HubUnreachable("cut")
    with pytest.raises(HubUnreachable):
        line.carry(scene.home, scene.hub.contact())
    scene.hub.fails = HubRefused("PUT", Problem(400, "document", "", ""), "")
    scene.hold(scene.given)
    assert line.carry(scene.home, scene.hub.contact()) == 1
    assert scene.alarms() == ["hub patch-state"]
    scene.hub.fails = None
    line.carry(scene.home, scene.hub.contact())
    assert len(scene.hub.got) == 1
    assert scene.alarms() == []


def test_an_older_hub_is_asked_for_nothing(scene: Scene) -> None:
    scene.hub.carries_orders = False
    scene.hold(scene.given)
    scene.say()
    assert line.carry(scene.home, scene.hub.contact()) == 0
    assert scene.hub.got == []


def test_an_order_that_the_hub_shows_no_more_ends_unless_the_hub_was_restored_or_never_showed_it(scene: Scene) -> None:
    scene.hold(scene.given)
    line.carry(scene.home, scene.hub.contact())
    held, scene.hub.waiting = scene.hub.waiting, []
    line.carry(scene.home, scene.hub.contact(epoch=2))
    assert orders.counting(scene.home) is not None  # the hub has only forgotten it
    scene.home.spool.note(order_by_line="2 another")
    line.carry(scene.home, scene.hub.contact(epoch=2))
    assert orders.counting(scene.home) is not None  # it came by hand
    scene.hub.waiting = held
    line.carry(scene.home, scene.hub.contact(epoch=2))
    scene.hub.waiting = []
    line.carry(scene.home, scene.hub.contact(epoch=2))
    assert orders.counting(scene.home) is None


def test_an_older_hub_gets_the_word_without_patterns(scene: Scene) -> None:
    scene.hub.knows_patterns = False
    scene.say()
    line.carry(scene.home, scene.hub.contact())
    [(_, _, envelope)] = scene.hub.got
    assert "patterns" not in peek(envelope).payload
    assert peek(envelope).key_id == scene.home.keys().signer.key_id
