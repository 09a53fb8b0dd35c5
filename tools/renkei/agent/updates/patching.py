"""One turn of a terminal's updates: look, decide, note it and what is said of it, do it.

The service calls `tend` again and again; each call ends soon. What it writes is one transaction, and what it does comes
after that: a service that is killed at any point, or with its machine, goes on from its notes and from what it sees.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from renkei.agent.exchange import Busy, alone
from renkei.agent.home import Home, log, now
from renkei.agent.updates import documents, patterns, post
from renkei.agent.updates.course import RESTART_TAKES, Act, Course, Step, View, decide, hindrance_of
from renkei.agent.updates.machine import Machine, MachineError, Survey, Work
from renkei.agent.updates.orders import active, course_of
from renkei.exchange.clock import format_time, parse_time, whole_seconds
from renkei.exchange.documents import Kind
from renkei.exchange.errors import ExchangeError
from renkei.exchange.updates import Order, OrderError, PatchState, check_start
from renkei.store.updates import Said

CHECKED_EVERY = timedelta(days=1)
"""How often a machine says what it has and what it lacks, order or not."""

PERMIT_EVERY = timedelta(minutes=1)
"""How often one that is ready asks for its permit, where nothing is held open."""

_GIB = 1024**3
_SOON, LATER = 20.0, 300.0
"""Seconds until the next turn: with an order that is worked on, and otherwise."""
_KIND = "updates"


@dataclass(frozen=True, slots=True)
class Turn:
    """What a turn left: whether an exchange should follow, and after how many seconds the next turn is due."""

    exchange: bool = False
    again: float = LATER


def tend(home: Home, machine: Machine) -> Turn:
    """Take the next step of this machine's updates.

    Args:
        home: of the agent.
        machine: this one.

    Raises:
        StoreError: the spool can't be written.
        NotEnrolled: this machine can't sign.
    """
    moment = whole_seconds(now())
    post.collect(home)
    try:
        turn = _advance(home, machine, moment)
        patterns.tend(home, machine, moment)
        _check(home, machine, moment)
        post.hand_out(home)
    except (MachineError, ExchangeError) as error:
        if home.spool.updates.unfinished():
            home.alarm(_KIND, "machine", str(error))
        else:
            log.warning("this machine's updates: %s", error)  # the ministry misses its word, and has alarms for that
        return Turn(again=LATER)
    _settle(home, "machine")
    return turn


def _advance(home: Home, machine: Machine, moment: datetime) -> Turn:
    kept = active(home)
    if kept is None:
        return Turn()
    order, course = documents.read_order(home, kept, moment), course_of(kept)
    if _can_wait(course, order, moment):
        return Turn()
    permit = home.spool.updates.document(Kind.PERMIT)
    entries = (kept.entry, *([permit.entry] if permit else []))
    work = Work(order, course.tries, kept.envelope, permit.envelope if permit else None, entries)
    view = _look(home, machine, course, work, moment)
    move = decide(course, view)
    if move.course != course:
        ended = format_time(moment) if move.course.step is Step.ENDED else None
        said = [_signed(home, move.say)] if move.say is not None else []
        home.spool.updates.advance(kept.id, move.course.model_dump_json(), said, ended)
        _tell(home, kept.id, course, move.course)
        if ended is not None:
            machine.end()
    work = replace(work, number=move.course.tries)
    if move.act is Act.START:
        machine.start(work)
    elif move.act is Act.RESTART:
        machine.restart(work)
    waits = move.course.step is Step.WAITING and order.open_at(moment) is None
    return Turn(move.say is not None or _wants_exchange(move.course, view), LATER if waits else _SOON)


def _can_wait(course: Course, order: Order, moment: datetime) -> bool:
    """Whether nothing is to be done before a window opens: then the machine isn't even looked at."""
    waits = course.step is Step.WAITING and course.fetched
    return waits and order.open_at(moment) is None and moment < order.expires


def _look(home: Home, machine: Machine, course: Course, work: Work, moment: datetime) -> View:
    survey, settings = machine.survey(), home.settings
    number, missing = _held_against_catalogue(home, survey, moment)
    has_line = work.order.permit and not settings.is_offline  # an order without a permit came because the line is down
    view = View(
        now=moment,
        order=work.order,
        survey=survey,
        exchanged_at=_exchanged_at(home, by_line=has_line),
        has_line=has_line,
        told=not home.spool.updates.to_send(1),
        catalogue=number,
        missing=missing,
    )
    if course.step is Step.INSTALLING:
        # in this order: the answer comes before the end of the work, and is never overlooked
        working = machine.is_working(work)
        view = replace(view, working=working, result=machine.result(work))
    if course.step is Step.WAITING and not course.fetched:
        view = replace(view, progress=machine.fetch(work))
    if course.step is Step.RESTARTING:
        return replace(view, not_now=home.settings.updates.against(moment, RESTART_TAKES))
    not_now, no_permit = _may_begin(home, work, moment)
    reserve = settings.updates.reserve_gib * _GIB
    hindrance = hindrance_of(view, reserve)
    if not not_now and not _is_idle(home):
        not_now = "an exchange is going on"
    return replace(view, not_now=not_now, no_permit=no_permit, hindrance=hindrance)


def _may_begin(home: Home, work: Work, moment: datetime) -> tuple[str, str]:
    """Say why an order can't begin now, permit aside, and why no permit is good for it; empty where nothing objects."""
    place, order = (home.party, home.settings.terminal), work.order
    key = documents.signer_of(home, work.entries[0], moment)
    try:
        check_start(order.model_copy(update={"permit": False}), work.envelope, None, key, place, moment)
    except OrderError as error:
        return str(error), ""
    if own := home.settings.updates.against(moment, timedelta(minutes=order.minutes)):
        return own, ""
    try:
        if work.permit is not None:
            key = documents.signer_of(home, work.entries[-1], moment)
        check_start(order, work.envelope, work.permit, key, place, moment)
    except ExchangeError as error:
        return "", str(error)
    return "", ""


def _exchanged_at(home: Home, *, by_line: bool) -> datetime | None:
    """When something last came here: by the last exchange that worked, or by the last medium where that counts, too."""
    line = None if home.settings.is_offline else home.spool.fact("exchanged_at")
    taken = None if by_line else next((each.at for each in home.spool.media.all() if each.way == "taken"), None)
    return max((parse_time(at) for at in (line, taken) if at is not None), default=None)


def _is_idle(home: Home) -> bool:
    try:
        with alone(home, 0):
            return True
    except Busy:
        return False


def _held_against_catalogue(home: Home, survey: Survey, moment: datetime) -> tuple[int | None, tuple[str, ...]]:
    known = documents.catalogue(home, moment)
    return (None, ()) if known is None else (known.number, documents.missing_of(known, survey))


def _wants_exchange(course: Course, view: View) -> bool:
    if not view.has_line:
        return False
    if course.step is Step.CHECKING:
        return True
    if course.step is not Step.WAITING or course.said != "ready":
        return False
    return view.exchanged_at is None or view.now - view.exchanged_at >= PERMIT_EVERY


def _check(home: Home, machine: Machine, moment: datetime) -> None:
    """Say once a day what this machine has and lacks, and once it has new patterns."""
    last = home.spool.updates.last_said(None)
    lately = last is not None and abs(moment - parse_time(last.at)) < CHECKED_EVERY
    if last is not None and lately and not patterns.has_news(home, machine, last, moment):
        return
    survey = machine.survey()
    number, missing = _held_against_catalogue(home, survey, moment)
    state = PatchState(
        endpoint=home.party,
        terminal=home.settings.terminal,
        answers=None,
        stage="checked",
        build=survey.build,
        installed=list(survey.installed),
        missing=list(missing),
        catalogue=number,
        exchanged_at=_exchanged_at(home, by_line=not home.settings.is_offline),
        problem=None,
        checked_at=moment,
        patterns=survey.patterns,
    )
    home.spool.updates.say(_signed(home, state))


def _signed(home: Home, state: PatchState) -> Said:
    answers = None if state.answers is None else str(state.answers)
    return Said(answers, state.stage, state.sign(home.keys().signer), format_time(state.checked_at))


def _tell(home: Home, order_id: str, before: Course, after: Course) -> None:
    """Tell people what a clerk or an operator can mend, and the log of each step."""
    if after.step is not before.step:
        log.info("order %s: %s%s", order_id, after.step, f" ({after.problem})" if after.problem else "")
    if after.step is Step.WAITING and after.said == "blocked":
        home.alarm(_KIND, "blocked", after.said_problem)
    else:
        _settle(home, "blocked")


def _settle(home: Home, subject: str) -> None:
    """End an alarm; most turns have none, and write nothing."""
    if any((alarm.kind, alarm.subject) == (_KIND, subject) for alarm in home.spool.alarms()):
        home.spool.settle(_KIND, subject)
