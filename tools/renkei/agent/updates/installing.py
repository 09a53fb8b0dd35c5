"""The privileged part of updating: it carries out one job of the agent's, and believes the ministry alone.

    renkei-agent install-updates        as SYSTEM, by the task that `service install` registers

The order and the permit are verified again by the trust anchor that administrators write; the order's window must be
open, packages are copied into a folder that the agent can't write, and count for their digests. An order that was begun
with a permit goes on without a new one, in its windows.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from renkei.agent import platform
from renkei.agent.home import now, read_anchor
from renkei.agent.settings import Settings
from renkei.agent.updates import packages, servicing, tools
from renkei.agent.updates.course import RESTART_TAKES
from renkei.agent.updates.packages import PackageError
from renkei.agent.updates.places import Begun, Job, JobAnswer, Places, Working, read, write
from renkei.agent.updates.tools import Tools
from renkei.exchange.bindings import DirectoryEntry
from renkei.exchange.clock import format_time, whole_seconds
from renkei.exchange.documents import payload_sha256, peek
from renkei.exchange.errors import ExchangeError
from renkei.exchange.parties import AUTHORITY
from renkei.exchange.update_problems import say
from renkei.exchange.updates import Order, OrderError, check_start

log = logging.getLogger("renkei.installer")

_LONGEST_WORK = timedelta(hours=3)
_KEPT_BEGUN = 256
_TRIES = 2
_STALE = timedelta(minutes=10)
"""A job that was asked for longer ago is none any more: its asker has gone on, or its machine was off."""


class NothingToDo(Exception):
    """There is no job, or it was answered already."""


@dataclass(frozen=True, slots=True)
class _Accepted:
    """A job whose order the ministry signed."""

    job: Job
    order: Order
    digest: str


def carry_out(settings: Settings, system: Tools) -> JobAnswer:
    """Carry out the agent's job and answer it.

    Args:
        settings: the agent's.
        system: the machine's programs.

    Returns:
        What became of it.

    Raises:
        NothingToDo: there is no job.
        ExchangeError: the job isn't the ministry's will; nothing was touched, and the answer says why.
        MachineError: the machine can't be asked.
        OSError: the installer's folder can't be written.
    """
    places = Places(settings.home)
    job = read(places.job, Job)
    if job is None or abs(now() - job.asked_at) > _STALE:
        raise NothingToDo(f"{places.job}: no job, or one of another time")
    try:
        accepted = _accept(settings, job, places)
    except ExchangeError as error:
        claimed = str(peek(job.order.encode()).payload.get("id", ""))
        write(
            places.answer,
            JobAnswer(doing=job.doing, order=claimed, number=job.number, problem=say("refused", rest=error)),
        )
        raise
    before = read(places.answer, JobAnswer)
    asked = (job.doing, str(accepted.order.id), job.number)
    if job.doing == "install" and before is not None and (before.doing, before.order, before.number) == asked:
        raise NothingToDo(f"the try {job.number} of the order {accepted.order.id} was answered")
    with _working(accepted, places, system):
        problem = _DOING[job.doing](accepted, settings, system)
        answer = JobAnswer(doing=job.doing, order=str(accepted.order.id), number=job.number, problem=problem)
        write(places.answer, answer)  # before the note of the work goes: an answer is never overlooked
    return answer


def _accept(settings: Settings, job: Job, places: Places) -> _Accepted:
    """Hold a job against the trust anchor and the time.

    Raises:
        ExchangeError: the order or permit isn't good, now and here.
    """
    moment, anchor = whole_seconds(now()), read_anchor(settings)
    keys = [
        anchor.verify_entry(DirectoryEntry.from_json(entry), moment, AUTHORITY).signing_public_key
        for entry in job.entries
    ]
    envelope = job.order.encode()
    order, digest = Order.open(envelope, keys[0]), payload_sha256(envelope)
    place = (settings.endpoint, settings.terminal)
    if job.doing == "fetch":
        if (order.endpoint, order.terminal) != place or moment >= order.expires:
            raise OrderError(f"the order {order.id} isn't for this terminal, or ended at {format_time(order.expires)}")
        return _Accepted(job, order, digest)
    takes = timedelta(minutes=order.minutes) if job.doing == "install" else RESTART_TAKES
    if own := settings.updates.against(moment, takes):
        raise OrderError(f"the order {order.id} can't go on now: {own}")
    begun = read(places.begun, Begun) or Begun(orders=[])
    if digest in begun.orders:
        _check_going_on(order, place, moment, job)
    else:
        permit = None if job.permit is None else job.permit.encode()
        check_start(order, envelope, permit, keys[-1], place, moment)
        write(places.begun, Begun(orders=[*begun.orders, digest][-_KEPT_BEGUN:]))
    return _Accepted(job, order, digest)


def _check_going_on(order: Order, place: tuple[str, str], moment: datetime, job: Job) -> None:
    """Let an order go on that was begun: here, in its windows; to install, with the time that it takes.

    Raises:
        OrderError: it may not.
    """
    window = order.open_at(moment)
    if (order.endpoint, order.terminal) != place or moment >= order.expires or window is None:
        raise OrderError(f"the order {order.id} was begun, and none of its windows is open now")
    if job.doing == "install" and moment + timedelta(minutes=order.minutes) > window.closes:
        raise OrderError(f"the window closes at {format_time(window.closes)}; the work takes {order.minutes} minutes")
    if job.number > _TRIES:
        raise OrderError(f"the order {order.id} was tried {_TRIES} times")


@contextmanager
def _working(accepted: _Accepted, places: Places, system: Tools) -> Iterator[None]:
    """Note what is worked on; two installers never work at a time."""
    places.installer.mkdir(parents=True, exist_ok=True)
    with platform.lock(places.installer / "lock"):
        note = Working(
            doing=accepted.job.doing,
            order=str(accepted.order.id),
            number=accepted.job.number,
            boot=tools.survey(system).boot,
            until=whole_seconds(now() + _LONGEST_WORK),
        )
        write(places.working, note)
        try:
            yield
        finally:
            places.working.unlink(missing_ok=True)


def _fetch(accepted: _Accepted, settings: Settings, system: Tools) -> str:
    del settings
    return servicing.from_source(system, accepted.order.updates, download_only=True)


def _install(accepted: _Accepted, settings: Settings, system: Tools) -> str:
    """Install or remove what isn't so already; return what went wrong, or nothing."""
    places, order = Places(settings.home), accepted.order
    survey = tools.survey(system)
    if order.action == "uninstall":
        there = [update for update in order.updates if update.kb in survey.installed]
        return _first_problem(servicing.remove(system, update) for update in reversed(there))
    wanted = [update for update in order.updates if update.kb not in survey.installed]
    if packages.lacking(places.packages, wanted) and not settings.is_offline:
        return servicing.from_source(system, wanted, download_only=False)
    own = places.installer / "packages"
    try:
        for update in wanted:
            packages.bring(places.packages / update.file, own, update)
        return _first_problem(servicing.add(system, update, own / update.file) for update in wanted)
    except (PackageError, OSError) as error:
        return str(error)
    finally:
        packages.keep_only(own, [])


def _restart(accepted: _Accepted, settings: Settings, system: Tools) -> str:
    del accepted, settings
    return servicing.restart(system)


_DOING = {"fetch": _fetch, "install": _install, "restart": _restart}


def _first_problem(problems: Iterator[str]) -> str:
    """Do one after the other until something goes wrong."""
    return next((problem for problem in problems if problem), "")
