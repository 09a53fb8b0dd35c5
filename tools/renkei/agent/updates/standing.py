"""How a terminal's updates stand, for people and for programs: read out of the spool, the machine isn't asked."""

from dataclasses import dataclass
from datetime import datetime

from renkei.agent.home import Home
from renkei.agent.updates import documents, patterns
from renkei.agent.updates.course import Step
from renkei.agent.updates.orders import counting, course_of
from renkei.exchange.clock import format_time
from renkei.exchange.documents import peek
from renkei.exchange.errors import ExchangeError
from renkei.exchange.updates import Order, PatchState, Window
from renkei.store.updates import KeptOrder

_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Ordered:
    """An order; times are RFC 3339.

    Attributes:
        id, wave, action, updates: as the ministry signed them; `updates` are KB numbers.
        step, since: where it is (`renkei.agent.updates.course.Step`).
        said: the last word to the ministry.
        problem: what stands in the way, or went wrong; empty where nothing does.
        window_opens, window_closes: of the window that is open or comes next, None when none does any more.
        expires, ended_at: until when it counts, and when it ended.
        permit: whether it needs one.
    """

    id: str
    wave: str
    action: str
    updates: tuple[str, ...]
    step: str
    since: str
    said: str | None
    problem: str
    window_opens: str | None
    window_closes: str | None
    expires: str
    ended_at: str | None
    permit: bool


@dataclass(frozen=True, slots=True)
class UpdateStanding:
    """What a machine said last of itself, and its orders, the one issued last first.

    `build`, `installed`, `missing`, `catalogue`, `patterns` (the version), `patterns_made_at` and `checked_at` are of
    its last look; None before the first. `patterns_waiting` is the version that came by medium and isn't installed.
    """

    build: str | None
    installed: tuple[str, ...]
    missing: tuple[str, ...]
    catalogue: int | None
    checked_at: str | None
    orders: tuple[Ordered, ...]
    patterns: str | None = None
    patterns_made_at: str | None = None
    patterns_waiting: str | None = None

    @property
    def needs_person(self) -> bool:
        """Whether the newest order is blocked, or didn't do what it should."""
        return bool(self.orders) and bool(self.orders[0].problem)


def standing_of(home: Home, at: datetime) -> UpdateStanding:
    """Read how the updates of this machine stand at a moment (aware)."""
    orders = tuple(filter(None, (_ordered(home, kept, at) for kept in home.spool.updates.orders(_SHOWN))))
    newest = home.spool.updates.newest()
    arrived = _arrived(home, at)
    if newest is None:
        return UpdateStanding(None, (), (), None, None, orders, patterns_waiting=arrived)
    state = PatchState.read(peek(newest.envelope).payload)
    return UpdateStanding(
        build=state.build,
        installed=tuple(state.installed),
        missing=tuple(state.missing),
        catalogue=state.catalogue,
        checked_at=format_time(state.checked_at),
        orders=orders,
        patterns=state.patterns.version if state.patterns else None,
        patterns_made_at=format_time(state.patterns.made_at) if state.patterns else None,
        patterns_waiting=arrived,
    )


def _arrived(home: Home, at: datetime) -> str | None:
    try:
        here = patterns.waiting(home, at)
    except (ExchangeError, OSError):
        return None  # the service alarms
    return here.patterns.version if here is not None else None


def ordered(home: Home, at: datetime) -> Ordered | None:
    """Return the order that counts, None where nothing is ordered."""
    chosen = counting(home)
    return None if chosen is None else _ordered(home, chosen, at)


def _ordered(home: Home, kept: KeptOrder, at: datetime) -> Ordered | None:
    """Return an order as it stands; None for one that can't be believed any more, which the service alarms."""
    try:
        order = documents.read_order(home, kept, at) if kept.ended_at is None else _read(kept)
    except ExchangeError:
        return None
    course, window = course_of(kept), _next_window(order, at)
    blocked = course.said_problem if course.said == "blocked" and course.step is Step.WAITING else ""
    return Ordered(
        id=str(order.id),
        wave=str(order.wave),
        action=order.action,
        updates=tuple(update.kb for update in order.updates),
        step=course.step.value,
        since=format_time(course.since),
        said=course.said,
        problem=course.problem or blocked,
        window_opens=None if window is None else format_time(window.opens),
        window_closes=None if window is None else format_time(window.closes),
        expires=format_time(order.expires),
        ended_at=kept.ended_at,
        permit=order.permit,
    )


def _read(kept: KeptOrder) -> Order:
    """Read an order that has ended: it was believed then, its signer's certificate may have ended since."""
    return Order.read(peek(kept.envelope).payload)


def _next_window(order: Order, at: datetime) -> Window | None:
    return next((window for window in order.windows if at < window.closes), None)
