"""Whose time is over: machines that let their last window pass, and those that began and aren't heard of any more."""

from datetime import UTC, datetime, timedelta

from renkei.domain.halting import Fault
from renkei.fleet.waves.plan import Plan
from renkei.fleet.waves.state import UNSTARTED, HostState, WaveState
from renkei.store.waves.ledger import Act, Ledger


def end_by_time(state: HostState, plan: Plan, now: datetime) -> str | None:
    """Return the end that a machine without one has come to because its time is over, None while it isn't."""
    order = state.order
    last = order.expires if order else state.host.windows[-1].closes
    if state.started_at is not None and order is not None and order.permit:
        overdue = datetime.fromtimestamp(state.started_at, UTC) + timedelta(minutes=plan.overdue_minutes)
        return silent(state) if now >= overdue else None
    return UNSTARTED if now >= last else None


def silent(state: HostState) -> Fault:
    """What it is that nothing is heard of a machine any more."""
    return Fault.NOT_BACK if state.stage in {"restarting", "checking"} else Fault.UNREACHABLE


def end_overdue(ledger: Ledger, state: WaveState, now: datetime) -> WaveState:
    """End whose time is over in a wave that has no controller any more; the others it holds on to."""
    draft = state.copy()

    def decide(news: list[Act]) -> list[Act]:
        nonlocal draft
        draft = state.copy().take(news)
        acts = [
            Act("end", name, end, at=int(now.timestamp()))
            for name, each in draft.hosts.items()
            if not each.end and (end := end_by_time(each, draft.plan, now))
        ]
        draft.take(acts)
        return acts

    return state.take(ledger.add(str(state.plan.id), state.seen, decide, frees=lambda: draft.freed))
