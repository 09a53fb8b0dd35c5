"""What the hub sees of exchanges, as a wave takes it: whose failures count, against whom, and that it halts."""

import json
import logging
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from renkei.client.answers import ExchangesSeen, TerminalExchanges, read
from renkei.client.connection import Answer
from renkei.client.errors import BadAnswer, CursorGone, Problem
from renkei.fleet.waves.engine import Engine, Ministry, load
from renkei.fleet.waves.plan import Plan
from renkei.fleet.waves.state import Phase, WaveState
from renkei.fleet.waves.watch import HEARD, Watch
from renkei.store.waves.ledger import Act, Ledger, open_ledger
from unit.fleet.waves.controller import MINUTE, NAME, OPEN, Controller
from unit.fleet.waves.plans import SIGNER


class Hub:
    """A hub's counts, as its client tells them."""

    def __init__(self) -> None:
        self.items: dict[str, TerminalExchanges] = {}
        self.asked: list[int] = []
        self.old = False
        self.end = 0

    def heard(
        self, endpoint: str, terminal: str, at: datetime, failed_at: datetime | None = None, **failed: int
    ) -> None:
        self.end += 1
        before = self.items.get(terminal)
        self.items[terminal] = TerminalExchanges(
            cursor=self.end,
            endpoint=endpoint,
            terminal=terminal,
            exchanged_at=at,
            failed_at=failed_at or (before.failed_at if before else None),
            failed=failed or (before.failed if before else {}),
        )

    def exchanges(self, after: int) -> ExchangesSeen | None:
        self.asked.append(after)
        if self.old:
            return None
        if after > self.end:
            raise CursorGone("GET", Problem(409, "cursor", "", ""), "")
        items = sorted((each for each in self.items.values() if each.cursor > after), key=lambda each: each.cursor)[:50]
        return ExchangesSeen(items=tuple(items), next=items[-1].cursor if items else after)


class Watched(Controller):
    """A controller that asks a hub."""

    def begin(self) -> None:
        self.hub = getattr(self, "hub", None) or Hub()
        ministry = Ministry(SIGNER, self.believe)
        self.engine = Engine(self.ledger, load(self.ledger, NAME), ministry, self, Watch(self.hub.exchanges))

    def all_exchange(self, now: datetime) -> None:
        for host in self.plan.hosts:
            self.hub.heard(host.endpoint, host.terminal, now)

    def fails(self, terminal: str, at: datetime, **failed: int) -> None:
        self.hub.heard(self.host(terminal).endpoint, terminal, at, at, **(failed or {"cut": 1}))

    def update(self, *terminals: str, now: datetime) -> WaveState:
        """Have machines ask, begin and end well."""
        for terminal in terminals:
            self.says(terminal, "ready", now)
        self.turn(now)
        for terminal in terminals:
            self.says(terminal, "done", now + 30 * MINUTE)
        return self.turn(now + 31 * MINUTE)

    def failing(self) -> dict[str, str]:
        return {act.terminal: act.detail for act in self.ledger.acts(NAME) if act.what == "failing"}


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with open_ledger(str(tmp_path / "waves.db")) as opened:
        yield opened


@pytest.fixture
def country(ledger: Ledger, plan: Plan) -> Watched:
    """A canary ring of 300 machines of one model."""
    hosts = [
        host.model_copy(update={"model": "RK-T100", "group": "canary", "windows": plan.hosts[0].windows})
        for host in plan.hosts[:300]
    ]
    watched = Watched(ledger, plan.model_copy(update={"hosts": hosts}))
    watched.all_exchange(OPEN)
    watched.turn()
    return watched


def names(country: Watched) -> list[str]:
    return [host.terminal for host in country.plan.hosts]


def test_two_updated_machines_whose_exchanges_fail_halt_the_wave_and_are_named(country: Watched) -> None:
    first, second, *_ = names(country)
    assert country.update(first, second, now=OPEN + MINUTE).phase is Phase.RUNNING
    country.fails(first, OPEN + 40 * MINUTE, signature=3)
    assert country.turn(OPEN + 41 * MINUTE).phase is Phase.RUNNING
    country.fails(second, OPEN + 50 * MINUTE)
    state = country.turn(OPEN + 51 * MINUTE)
    assert state.phase is Phase.HALTED
    assert "exchange failures at the hub: 2 of 2 machines" in (state.halted or "")
    assert f"{first} (signature 3), {second} (cut 1)" in (state.halted or "")
    assert "0 of 298 that it hasn't" in (state.halted or "")
    assert load(country.ledger, NAME).failures == state.failures


@pytest.mark.parametrize("how", ["\x1b[2J", "a b", "<b>", ""])
def test_what_the_hub_calls_a_failure_is_a_plain_word_since_it_stands_on_terminals_and_pages(how: str) -> None:
    item = {"cursor": 1, "endpoint": "131041", "terminal": "T-1", "exchanged_at": None, "failed_at": None}
    told = {"items": [{**item, "failed": {how: 1}}], "next": 1}
    with pytest.raises(BadAnswer, match=r"breaks the protocol at items\.0\.failed") as caught:
        read(ExchangesSeen, Answer(200, json.dumps(told).encode()), "GET /v1/exchanges")
    assert str(caught.value).isprintable()


def test_the_others_fail_as_well_and_it_goes_on(country: Watched) -> None:
    first, second, *others = names(country)
    country.update(first, second, now=OPEN + MINUTE)
    for each in (*others[:100], first, second):
        country.fails(each, OPEN + 40 * MINUTE)
    assert country.turn(OPEN + 41 * MINUTE).phase is Phase.RUNNING
    assert len(country.failing()) == 102


def test_a_machine_counts_once_and_a_controller_that_begins_anew_finds_the_same(country: Watched) -> None:
    first, second, *_ = names(country)
    country.update(first, second, now=OPEN + MINUTE)
    for minutes in (40, 50, 60):
        country.fails(first, OPEN + minutes * MINUTE, cut=minutes)
        state = country.turn(OPEN + (minutes + 1) * MINUTE)
    assert state.phase is Phase.RUNNING
    assert country.failing() == {first: "cut 40"}
    country.begin()
    assert country.turn(OPEN + 62 * MINUTE).failures == state.failures
    assert country.failing() == {first: "cut 40"}


def test_who_is_being_updated_or_failed_before_or_is_not_heard_of_is_in_neither_group(country: Watched) -> None:
    busy, line, fine, *_ = names(country)
    country.fails(line, OPEN - timedelta(days=2))
    country.says(busy, "ready", OPEN)
    country.turn(OPEN + MINUTE)
    country.fails(busy, OPEN + 10 * MINUTE)  # its restart
    country.turn(OPEN + 11 * MINUTE)
    assert country.failing() == {line: "before the wave: cut 1"}
    country.says(busy, "done", OPEN + 30 * MINUTE)
    country.turn(OPEN + 31 * MINUTE)
    assert busy not in country.failing(), "it failed before it was through"
    country.fails(fine, OPEN + 32 * MINUTE)
    state = country.turn(OPEN + 33 * MINUTE)
    [[one], [same]] = state.failures.values()
    assert (one.is_updated, one.updated, one.others) == (False, 1, 298)
    assert one == same
    late = OPEN + HEARD + timedelta(hours=1)
    last, lost = names(country)[3:5]
    country.fails(last, late)
    country.turn(late)
    assert [each.others for each in country.engine.state.failures[None]] == [298, 1], "only who is heard of can fail"
    country.fails(lost, late - HEARD)
    country.turn(late)
    assert country.failing()[lost].startswith("heard of late")


def test_a_resumed_wave_is_judged_by_what_comes_after(country: Watched) -> None:
    first, second, *_ = names(country)
    country.update(first, second, now=OPEN + MINUTE)
    for each in (first, second):
        country.fails(each, OPEN + 40 * MINUTE)
    country.turn(OPEN + 41 * MINUTE)
    country.ledger.add(NAME, 10**9, lambda _: [Act("resume", detail="suzuki: the firewall is mended")])
    state = country.turn(OPEN + 42 * MINUTE)
    assert (state.phase, state.failures) == (Phase.RUNNING, {})


def test_the_hub_is_asked_for_news_at_each_turn_and_for_all_once_an_hour_also_when_it_was_restored() -> None:
    hub = Hub()
    for number in range(120):
        hub.heard("131041", f"T-{number}", OPEN)
    watch = Watch(hub.exchanges)
    watch.look(OPEN)
    assert hub.asked == [0, 50, 100, 120]
    watch.look(OPEN + MINUTE)
    assert hub.asked[4:] == [120]
    hub.items, hub.end, hub.asked = {}, 0, []
    watch.look(OPEN + 2 * MINUTE)
    assert hub.asked == [120, 0]
    hub.asked = []
    watch.look(OPEN + 61 * MINUTE)
    assert hub.asked == [0]


def test_an_older_hub_is_accepted_and_said_so_once(country: Watched, caplog: Any) -> None:
    country.hub.old = True
    country.begin()
    with caplog.at_level(logging.WARNING):
        first = names(country)[0]
        assert country.update(first, now=OPEN + MINUTE).hosts[first].end == "well"
    [said] = [record.message for record in caplog.records if "earlier release" in record.message]
    assert "judged by the machines' own word alone; upgrade the hub" in said
