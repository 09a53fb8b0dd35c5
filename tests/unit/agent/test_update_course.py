"""The rules of an order's course: kills, power cuts and restarts at any step; windows never left, never twice."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from renkei.agent.updates.course import (
    MAX_RESTARTS,
    MAX_TRIES,
    Act,
    Course,
    Step,
    View,
    decide,
    hindrance_of,
)
from renkei.agent.updates.machine import Work
from renkei.exchange.clock import whole_seconds
from renkei.exchange.updates import PERMIT_LASTS, Order, PatchState
from unit.agent.update_host import AFTER, AT, BEFORE, FAULTS, GIB, MINUTE, Host, order

Kill = Literal["no", "before", "noted"]


@dataclass
class Terminal:
    """An agent's notes beside its host: what a turn does, and where a kill can end it."""

    order: Order
    host: Host = field(default_factory=Host)
    has_line: bool = True
    line_works: bool = True
    permit_until: datetime | None = None
    course: Course = field(default_factory=lambda: Course(since=AT))
    said: list[PatchState] = field(default_factory=list)
    exchanged_at: datetime = AT
    begins: list[datetime] = field(default_factory=list)
    """When it was noted that the installer is told to begin; a kill may keep it from being told."""

    def view(self) -> View:
        host = self.host
        window = self.order.open_at(host.now)
        fits = window is not None and host.now + self.order.minutes * MINUTE <= window.closes
        good = not self.order.permit or (self.permit_until is not None and host.now < self.permit_until)
        work = Work(self.order, self.course.tries, b"")
        view = View(
            now=host.now,
            order=self.order,
            survey=host.survey(),
            progress=host.fetch(work),
            not_now="" if fits and host.now < self.order.expires else "not in a window",
            no_permit="" if good else "no permit",
            working=host.is_working(work),
            result=host.result(work),
            exchanged_at=self.exchanged_at,
            has_line=self.has_line,
        )
        return replace(view, hindrance=hindrance_of(view, 10 * GIB))

    def turn(self, kill: Kill = "no") -> None:
        if self.line_works:
            self.exchanged_at = whole_seconds(self.host.now)
        move = decide(self.course, self.view())
        if kill == "before":
            return
        before, self.course = self.course, Course.model_validate_json(move.course.model_dump_json())
        assert before.step is not Step.ENDED or move.course == before, "what has ended is left alone"
        if move.say is not None:
            self.said.append(move.say)
        if move.act is Act.START:
            self.begins.append(self.host.now)
        if kill == "noted":
            return
        work = Work(self.order, self.course.tries, b"")
        if move.act is Act.START:
            self.host.start(work)
        elif move.act is Act.RESTART:
            self.host.restart(work)

    def pass_time(self, minutes: int) -> None:
        self.host.run_to(self.host.now + minutes * MINUTE)

    def permit(self) -> None:
        self.permit_until = self.host.now + PERMIT_LASTS

    def run(self, minutes: int, *, permits: bool = True) -> None:
        """Let it work for a time, a turn in five minutes, and give it its permit whenever it says that it is ready."""
        for _ in range(0, minutes, 5):
            self.turn()
            if permits and self.said and self.said[-1].stage == "ready":
                self.permit()
            self.pass_time(5)

    def stages(self) -> list[str]:
        return [each.stage for each in self.said]


def at_night(**changes: Any) -> Terminal:
    """A terminal at the beginning of its first window."""
    terminal = Terminal(order(**changes))
    terminal.pass_time(30)
    return terminal


def test_an_order_goes_from_ready_over_the_restart_to_the_build_that_it_names() -> None:
    terminal = at_night()
    terminal.run(120)
    assert terminal.stages() == ["ready", "restarting", "done"]
    done = terminal.said[-1]
    assert done.build == AFTER
    assert done.problem is None
    assert done.fulfils(terminal.order)
    assert len(terminal.host.began) == len(terminal.host.restarts) == 1


def test_without_a_permit_nothing_begins_and_ready_is_said_again_until_the_order_ends() -> None:
    terminal = at_night(nights=1)
    terminal.run(6 * 60, permits=False)
    assert terminal.host.began == []
    assert terminal.stages() == ["ready"] * 25 + ["done"]
    assert terminal.said[-1].problem == "the order ended; no permit came"


def test_a_permit_that_is_over_begins_nothing() -> None:
    terminal = at_night()
    terminal.turn()
    terminal.permit()
    terminal.pass_time(15)
    terminal.turn()
    assert terminal.host.began == []
    assert terminal.stages() == ["ready", "ready"]


def test_before_its_window_and_at_the_end_of_one_it_stays_as_it_is() -> None:
    terminal = Terminal(order(nights=1))
    terminal.turn()
    terminal.pass_time(30 + 4 * 60 + 1)  # an hour's work doesn't fit any more
    terminal.permit()
    terminal.turn()
    assert terminal.said == terminal.host.began == []


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"free_bytes": 9 * GIB}, "the system's volume has 9216 MiB free, 10240 are needed"),
        ({"on_mains": False}, "the machine runs on its battery; plug it in"),
        ({"fetched": False}, "the package isn't here; bring a medium"),
    ],
)
def test_what_stands_in_the_way_is_said_once_and_its_end_makes_it_ready(change: dict[str, Any], problem: str) -> None:
    terminal = at_night()
    before = {name: getattr(terminal.host, name) for name in change}
    for name, value in change.items():
        setattr(terminal.host, name, value)
    terminal.permit()
    terminal.turn()
    terminal.turn()
    assert [(each.stage, each.problem) for each in terminal.said] == [("blocked", problem)]
    for name, value in before.items():
        setattr(terminal.host, name, value)
    terminal.permit_until = None
    terminal.turn()
    assert terminal.stages() == ["blocked", "ready"]
    assert terminal.host.began == []


def test_a_line_that_hasnt_worked_for_days_blocks_it_and_a_medium_needs_none() -> None:
    terminal = at_night()
    terminal.line_works, terminal.exchanged_at = False, terminal.host.now - timedelta(days=4)
    terminal.turn()
    assert terminal.said[-1].problem == "no exchange has worked for 3 days"
    terminal.has_line = False
    terminal.turn()
    assert terminal.stages() == ["blocked", "ready"]


def test_a_machine_that_has_it_already_says_so_and_is_left_alone() -> None:
    terminal = at_night()
    terminal.host.installed.append("KB5058411")
    terminal.host.build = AFTER
    terminal.run(15)
    assert terminal.stages() == ["done"]
    assert terminal.said[0].fulfils(terminal.order)
    assert terminal.host.began == []


@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        ("disk full", "dism: 0x80070070, there is not enough space"),
        ("loop", f"the build is {BEFORE}, the order's is {AFTER}: it isn't installed"),
        ("build stays", f"the build is {BEFORE}, the order's is {AFTER}: it isn't installed"),
        ("no restart", f"the machine didn't restart, asked {MAX_RESTARTS} times"),
    ],
)
def test_what_fails_is_told_once_and_not_tried_again(fault: str, problem: str) -> None:
    terminal = at_night()
    terminal.host.faults = {fault}
    terminal.run(3 * 24 * 60)
    assert len(terminal.host.began) == 1
    assert terminal.stages().count("done") == 1
    assert terminal.said[-1].problem == problem
    assert not terminal.said[-1].fulfils(terminal.order)


def test_nothing_is_believed_installed_before_an_exchange_has_worked_afterwards() -> None:
    terminal = at_night()
    terminal.run(10)
    terminal.line_works = False
    terminal.run(120, permits=False)
    assert terminal.stages() == ["ready", "restarting"]
    terminal.line_works = True
    terminal.turn()
    assert terminal.stages()[-1] == "done"


def test_by_medium_it_needs_no_permit_and_no_exchange() -> None:
    terminal = at_night(permit=False)
    terminal.has_line = terminal.line_works = False
    terminal.run(60, permits=False)
    assert terminal.stages() == ["restarting", "done"]
    assert terminal.said[-1].fulfils(terminal.order)


def test_a_bad_update_goes_by_order() -> None:
    terminal = at_night(action="uninstall")
    terminal.host.installed.append("KB5058411")
    terminal.host.build = AFTER
    terminal.run(120)
    assert terminal.stages() == ["ready", "restarting", "done"]
    assert terminal.said[-1].build == BEFORE
    assert terminal.said[-1].fulfils(terminal.order)


def test_a_restart_that_windows_waited_for_before_comes_first() -> None:
    terminal = at_night()
    terminal.host.restart_pending = True
    terminal.run(120)
    assert len(terminal.host.restarts) == 2
    assert terminal.said[-1].fulfils(terminal.order)


def test_a_restart_waits_for_the_next_window_when_this_one_ends() -> None:
    terminal = at_night()
    terminal.pass_time(3 * 60 + 50)
    terminal.run(10)
    assert len(terminal.host.began) == 1
    terminal.pass_time(50)  # the agent was away: ten minutes are left of the window
    terminal.run(10)
    terminal.pass_time(60)
    terminal.run(60)
    assert terminal.host.restarts == []
    terminal.run(20 * 60)
    assert terminal.stages()[-1] == "done"
    assert terminal.said[-1].fulfils(terminal.order)


def test_killed_before_the_installer_was_told_it_begins_all_the_same_as_for_the_ministry_it_has_begun() -> None:
    terminal = at_night()
    terminal.turn()
    terminal.permit()
    terminal.turn("noted")
    assert terminal.host.began == []
    terminal.pass_time(15)  # the permit is over
    terminal.run(120, permits=False)
    assert terminal.stages() == ["ready", "restarting", "done"]
    assert terminal.said[-1].fulfils(terminal.order)


def test_cut_off_without_a_trace_it_begins_once_more_and_not_again() -> None:
    terminal = at_night()
    for _ in range(6):
        terminal.run(15)
        terminal.host.cut_power(staged=False)
    terminal.run(60)
    assert len(terminal.host.began) == MAX_TRIES
    assert terminal.stages().count("done") == 1


class Life(RuleBasedStateMachine):
    """A terminal with one order, to which anything happens at any step; the host judges what is done to it."""

    @initialize(
        faults=st.sets(st.sampled_from(FAULTS), max_size=2),
        has_line=st.booleans(),
        action=st.sampled_from(["install", "install", "uninstall"]),
        nights=st.integers(1, 3),
    )
    def order(self, *, faults: set[str], has_line: bool, action: str, nights: int) -> None:
        self.terminal = Terminal(order(action=action, nights=nights, permit=has_line), has_line=has_line)
        self.terminal.host.faults = faults
        if action == "uninstall":
            self.terminal.host.installed.append("KB5058411")
            self.terminal.host.build = AFTER
        self.permits: list[datetime] = []

    @rule(kill=st.sampled_from(["no", "no", "no", "before", "noted"]))
    def turn(self, kill: Kill) -> None:
        self.terminal.turn(kill)

    @rule(minutes=st.sampled_from([1, 5, 15, 25, 60, 240, 600]))
    def time_passes(self, minutes: int) -> None:
        self.terminal.pass_time(minutes)

    @precondition(lambda self: self.terminal.said and self.terminal.said[-1].stage == "ready")
    @rule()
    def permit(self) -> None:
        self.terminal.permit()
        self.permits.append(self.terminal.host.now)

    @rule(staged=st.booleans())
    def power_cut(self, *, staged: bool) -> None:
        self.terminal.host.cut_power(staged=staged)

    @rule()
    def somebody_restarts_it(self) -> None:
        if self.terminal.host.running is None:
            self.terminal.host.boot()

    @rule(on_mains=st.booleans(), free=st.sampled_from([5, 40]))
    def hinder(self, *, on_mains: bool, free: int) -> None:
        self.terminal.host.on_mains, self.terminal.host.free_bytes = on_mains, free * GIB

    @rule(works=st.booleans())
    def line(self, *, works: bool) -> None:
        self.terminal.line_works = works

    def teardown(self) -> None:
        """Let the faults of the surroundings end: it comes to an end, well if its host lets it."""
        terminal = getattr(self, "terminal", None)
        if terminal is None:
            return
        if terminal.order.permit:
            begun = terminal.begins[:1]
            assert all(any(given <= at < given + PERMIT_LASTS for given in self.permits) for at in begun)
            assert all(at >= begun[0] for _, at in terminal.host.began)
        terminal.line_works, terminal.host.on_mains, terminal.host.free_bytes = True, True, 40 * GIB
        for _ in range(8):
            if terminal.course.step is Step.ENDED:
                break
            terminal.run(12 * 60)
        assert terminal.course.step is Step.ENDED
        assert terminal.stages().count("done") == 1
        assert terminal.said[-1].stage == "done"
        assert len(terminal.host.began) <= MAX_TRIES
        assert (terminal.said[-1].problem is None) == terminal.said[-1].fulfils(terminal.order)


TestLife = Life.TestCase
TestLife.settings = settings(
    max_examples=15, stateful_step_count=20, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


@pytest.mark.thorough
class TestManyLives(Life.TestCase):  # type: ignore[misc,valid-type]  # hypothesis makes the class
    settings = settings(max_examples=400, stateful_step_count=40, deadline=None)
