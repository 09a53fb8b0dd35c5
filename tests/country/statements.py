"""What must hold, whatever happened: the ledger's story against the hosts', each host's against what was promised."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from country.terminal import Terminal
from country.world import World
from renkei.exchange.documents import peek
from renkei.exchange.updates import Order, PatchState
from renkei.fleet.waves.engine import order_id
from renkei.fleet.waves.state import HostState, WaveState
from unit.agent.update_host import AFTER

WORK = timedelta(minutes=60)
Statement = tuple[str, bool]
"""What is wrong where it doesn't hold, and whether it holds."""


def contradictions(world: World) -> list[str]:
    """Return where the newest wave's story isn't the hosts', or a host's isn't what was promised; none if all holds."""
    return [text for text, holds in _statements(world) if not holds]


def checked(world: World) -> int:
    """Return how many statements `contradictions` looks at: of a host that hasn't begun or ended there are fewer."""
    return sum(1 for _ in _statements(world))


def _statements(world: World) -> Iterator[Statement]:
    state = world.state()
    ends = [act.terminal for act in world.ledger.acts(world.wave) if act.what == "end"]
    yield "a machine has two ends in the ledger", len(set(ends)) == len(ends)
    for name, told in state.hosts.items():
        for what, holds in _of_host(world, state, world.terminals[name], told):
            yield f"{name} {what}", holds


def _of_host(world: World, state: WaveState, terminal: Terminal, told: HostState) -> Iterator[Statement]:
    """Yield what can be said of a host, as far as it and the ledger have come."""
    machine = terminal.machine
    began = [at for order, at in machine.began if order == order_id(world.plan.id, terminal.name)]
    if began:
        yield "was done twice", len(began) <= 1 + machine.cuts
        yield "began outside its windows", all(_in_window(terminal, told.order, at) for at in began)
        yield "began, and the ledger doesn't know", told.started_at is not None
        if told.order is not None and told.order.permit:
            yield "began without a permit", told.permit_ends is not None
    if told.end == "well":
        yield "is well in the ledger only", _is_well(state, terminal)
    elif told.end is not None and not told.heard_late:
        yield f"said that it is well, the ledger says {told.end}", not _said_well(terminal, told)
    if told.end == "unstarted":
        yield "began, the ledger says it didn't", not began


def _in_window(terminal: Terminal, order: Order | None, at: datetime) -> bool:
    """Whether work began in a window of the order and none of the machine's own office hours, with time to end."""
    if order is None:
        return False
    window = order.open_at(at)
    own = terminal.home.settings.updates.against(at + terminal.off * (not terminal.by_medium), WORK)
    return window is not None and at + WORK <= window.closes and not own


def _said_well(terminal: Terminal, told: HostState) -> bool:
    """Whether its last word on the order, that the hub has got, is that it is as ordered and exchanges."""
    if told.order is None or not terminal.machine.exchanges:
        return False
    said = terminal.home.spool.updates.last_said(str(told.order.id))
    if said is None or said.stage != "done" or said.sent_at is None:
        return False
    word = PatchState.read(peek(said.envelope).payload)
    return word.fulfils(told.order) and word.exchanged_at is not None and word.exchanged_at > told.order.issued_at


def _is_well(state: WaveState, terminal: Terminal) -> bool:
    """Whether it is as the wave wants it, and its exchange works."""
    machine = terminal.machine
    has = set(machine.installed) & {update.kb for update in state.plan.updates}
    if state.plan.action == "uninstall":
        return machine.exchanges and not has
    return machine.exchanges and bool(has) and machine.build == AFTER
