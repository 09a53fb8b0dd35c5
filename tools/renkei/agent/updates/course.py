"""The course of an order, as a pure function of what is noted and what is seen.

    waiting → installing → (restarting) → checking → ended
       ready?            never begun twice            done, well or not

`decide` says what is noted next, what is said of it, and what is done after both are on the disk. A kill between the
two leaves a note of something that wasn't done, never something done without a note; the next look at the machine
tells which it was. *Installed* is what the build and the list of updates say, not what an installer answered.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from pydantic import BaseModel, ConfigDict

from renkei.agent.updates.machine import Progress, Result, Survey
from renkei.exchange.clock import Time
from renkei.exchange.update_problems import say
from renkei.exchange.updates import Order, PatchState, Stage

MAX_TRIES: Final = 2
"""How often an installation is begun: again once, if it was cut off and left no trace."""

MAX_RESTARTS: Final = 3
RESTART_PATIENCE: Final = timedelta(minutes=10)
"""After so long a restart that was asked for is asked for again."""

RESTART_TAKES: Final = timedelta(minutes=15)
"""What a window must have left for a restart."""

TELLING: Final = timedelta(minutes=2)
"""How long a restart waits for the word of it to be handed over."""

READY_AGAIN: Final = timedelta(minutes=10)
"""How often a machine that is ready says so: no permit answers what was said more than 15 minutes ago."""

FRESH: Final = timedelta(days=3)
"""On a line, how old the last exchange may be of a machine that begins: afterwards an exchange must work."""

_LONGEST = 500


class Step(StrEnum):
    """Where an order is."""

    WAITING = "waiting"
    INSTALLING = "installing"
    RESTARTING = "restarting"
    CHECKING = "checking"
    ENDED = "ended"


class Course(BaseModel):
    """How far an order is.

    Attributes:
        step, since: where, and since when.
        fetched: whether all packages are here.
        tries: how often the installer was told to begin.
        restarts, restart_asked_at: how often the machine was told to restart, and when last.
        boot: the run of Windows in which the step began.
        problem: what went wrong, the first thing.
        said, said_at, said_problem: the last word to the ministry.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    step: Step = Step.WAITING
    since: Time
    fetched: bool = False
    tries: int = 0
    restarts: int = 0
    restart_asked_at: Time | None = None
    boot: str = ""
    problem: str = ""
    said: Stage | None = None
    said_at: Time | None = None
    said_problem: str = ""


class Act(StrEnum):
    """What is done once it is noted."""

    START = "start"
    RESTART = "restart"


@dataclass(frozen=True, slots=True)
class View:
    """What is seen of an order's machine at one moment.

    Attributes:
        now: aware.
        order: verified.
        survey: of the machine, just now.
        progress: of the packages.
        not_now: why the order can't begin at this moment (window, exchange), permit aside; empty if it can. In the step
            `restarting`, why the machine itself doesn't let itself be restarted now.
        no_permit: why no permit is good for it; empty if one is, or none is needed.
        hindrance: what of the machine stands in the way; empty if nothing does.
        working, result: of the installer, for the try that the course names.
        exchanged_at: the last exchange that worked; None before the first.
        has_line: false where everything goes by medium.
        told: whether the ministry has got all that was said.
        catalogue, missing: the newest catalogue's number, and what the machine lacks of it.
    """

    now: datetime
    order: Order
    survey: Survey
    progress: Progress = field(default_factory=Progress)
    not_now: str = ""
    no_permit: str = ""
    hindrance: str = ""
    working: bool = False
    result: Result | None = None
    exchanged_at: datetime | None = None
    has_line: bool = True
    told: bool = True
    catalogue: int | None = None
    missing: tuple[str, ...] = field(default=())

    def state(self, stage: Stage, problem: str = "") -> PatchState:
        """Return the machine's word on the order."""
        return PatchState(
            endpoint=self.order.endpoint,
            terminal=self.order.terminal,
            answers=self.order.id,
            stage=stage,
            build=self.survey.build,
            installed=list(self.survey.installed),
            missing=list(self.missing),
            catalogue=self.catalogue,
            exchanged_at=self.exchanged_at,
            problem=problem[:_LONGEST] or None,
            checked_at=self.now,
            patterns=self.survey.patterns,
        )

    @property
    def is_fulfilled(self) -> bool:
        """Whether the machine is as the order wants it, with nothing left for a restart to do."""
        return not self.survey.restart_pending and self.state("done").fulfils(self.order)


@dataclass(frozen=True, slots=True)
class Move:
    """What is noted, what is said with it, and what is done after that."""

    course: Course
    say: PatchState | None = None
    act: Act | None = None


def decide(course: Course, view: View) -> Move:
    """Return the next move of an order; the same course when there is nothing to do yet."""
    return _RULES[course.step](course, view)


def hindrance_of(view: View, reserve_bytes: int) -> str:
    """Say what of the machine forbids to touch it, or nothing.

    Args:
        view: without `hindrance`.
        reserve_bytes: what the system's volume must have free.
    """
    if view.survey.free_bytes < reserve_bytes:
        return say("disk-full", free=view.survey.free_bytes >> 20, needed=reserve_bytes >> 20)
    if not view.survey.on_mains:
        return say("on-battery")
    if view.has_line and (view.exchanged_at is None or view.now - view.exchanged_at > FRESH):
        return say("no-exchange", days=FRESH.days)
    return ""


def _waiting(course: Course, view: View) -> Move:
    if view.is_fulfilled or view.now >= view.order.expires:
        return _to(course, view, Step.CHECKING, problem="" if view.is_fulfilled else _why_never(course))
    if not (course.fetched or view.progress.done):
        return _say(course, view, "blocked", view.progress.problem) if view.progress.problem else Move(course)
    course = course.model_copy(update={"fetched": True})
    if view.not_now:
        return Move(course)
    if view.hindrance or view.no_permit:
        return _say(course, view, "blocked" if view.hindrance else "ready", view.hindrance)
    return _restart(course, view) if view.survey.restart_pending else _begin(course, view)


def _installing(course: Course, view: View) -> Move:
    if view.working:
        return Move(course)
    problem = view.result.problem if view.result is not None else ""
    if view.survey.restart_pending:
        return _restart(course, view, problem)
    if view.result is not None or view.is_fulfilled:
        return _to(course, view, Step.CHECKING, problem=problem)
    return _go_on(course, view, say("cut-off"))


def _restarting(course: Course, view: View) -> Move:
    if view.survey.boot != course.boot:
        return _to(course, view, Step.CHECKING)
    if view.now >= view.order.expires:
        return _to(course, view, Step.CHECKING, problem=say("no-restart-in-time"))
    if not _may_restart(course, view):
        return Move(course)
    if course.restarts >= MAX_RESTARTS:
        return _to(course, view, Step.CHECKING, problem=say("did-not-restart", times=course.restarts))
    asked = {"restarts": course.restarts + 1, "restart_asked_at": view.now}
    return Move(course.model_copy(update=asked), act=Act.RESTART)


def _checking(course: Course, view: View) -> Move:
    if not view.is_fulfilled and not course.problem and view.now < view.order.expires:
        if view.survey.restart_pending and course.restarts < MAX_RESTARTS:
            return _restart(course, view)
        if course.tries == 0 and course.restarts:  # the restart had to come first
            return _go_on(course, view, "")
    if view.has_line and (view.exchanged_at is None or view.exchanged_at <= course.since):
        return Move(course)
    problem = "" if view.is_fulfilled else course.problem or _what_is_wrong(view)
    ended = course.model_copy(update={"step": Step.ENDED, "since": view.now, "problem": problem})
    return _say(ended, view, "done", problem)


def _ended(course: Course, view: View) -> Move:
    del view
    return Move(course)


_RULES: Mapping[Step, Callable[[Course, View], Move]] = {
    Step.WAITING: _waiting,
    Step.INSTALLING: _installing,
    Step.RESTARTING: _restarting,
    Step.CHECKING: _checking,
    Step.ENDED: _ended,
}


def _may_restart(course: Course, view: View) -> bool:
    """Whether a window has room for it, and the ministry knows, or the restart asked for last has had its time."""
    window = view.order.open_at(view.now)
    if view.not_now or window is None or view.now + RESTART_TAKES > window.closes:
        return False
    asked = course.restart_asked_at
    if asked is None or asked < course.since:
        return not view.has_line or view.told or view.now >= course.since + TELLING
    return view.now >= asked + RESTART_PATIENCE


def _begin(course: Course, view: View) -> Move:
    course = _to(course, view, Step.INSTALLING).course
    return Move(course.model_copy(update={"tries": course.tries + 1}), act=Act.START)


def _go_on(course: Course, view: View, problem: str) -> Move:
    """Begin again what was begun with a permit and left no trace: in the order's windows, and so often only."""
    if course.tries >= MAX_TRIES or view.now >= view.order.expires:
        return _to(course, view, Step.CHECKING, problem=problem or _why_never(course))
    if view.not_now or view.hindrance:
        return Move(course)
    return _begin(course, view)


def _restart(course: Course, view: View, problem: str = "") -> Move:
    course = _to(course, view, Step.RESTARTING, problem=problem).course
    return _say(course, view, "restarting", course.problem)


def _to(course: Course, view: View, step: Step, problem: str = "") -> Move:
    changes = {"step": step, "since": view.now, "boot": view.survey.boot, "problem": course.problem or problem}
    return Move(course.model_copy(update=changes))


def _say(course: Course, view: View, stage: Stage, problem: str = "") -> Move:
    """Say it, unless it was the last word; that one is ready is said again and again."""
    again = stage == "ready" and course.said_at is not None and view.now >= course.said_at + READY_AGAIN
    if (course.said, course.said_problem) == (stage, problem) and not again:
        return Move(course)
    noted = course.model_copy(update={"said": stage, "said_at": view.now, "said_problem": problem})
    return Move(noted, say=view.state(stage, problem))


def _why_never(course: Course) -> str:
    if course.said == "blocked":
        return say("ended-blocked", rest=course.said_problem)
    return say("no-permit") if course.said == "ready" else say("ended-early")


def _what_is_wrong(view: View) -> str:
    if view.survey.restart_pending:
        return say("restart-pending")
    listed = {update.kb for update in view.order.updates} & set(view.survey.installed)
    if view.order.action == "uninstall":
        return say("still-installed", kbs=", ".join(sorted(listed)))
    return say("build-stays", build=view.survey.build, wanted=view.order.updates[-1].build)
