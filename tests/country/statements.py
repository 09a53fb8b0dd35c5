"""What must hold, whatever happened: the ledger's story against the hosts', each host's against what was promised."""

from datetime import datetime, timedelta

from country.terminal import Terminal
from country.world import World
from renkei.exchange.documents import peek
from renkei.exchange.updates import Order, PatchState
from renkei.fleet.waves.engine import order_id
from renkei.fleet.waves.state import HostState, WaveState
from unit.agent.update_host import AFTER

WORK = timedelta(minutes=60)


def contradictions(world: World) -> list[str]:
    """Return where the newest wave's story isn't the hosts', or a host's isn't what was promised; none if all holds."""
    state = world.state()
    ends = [act.terminal for act in world.ledger.acts(world.wave) if act.what == "end"]
    found = [] if len(set(ends)) == len(ends) else ["a machine has two ends in the ledger"]
    for name, told in state.hosts.items():
        found += [f"{name} {what}" for what in _of_host(world, state, world.terminals[name], told)]
    return found


def checked(world: World) -> int:
    """Return how many statements `contradictions` looks at: seven of each host, and one of the ledger."""
    return 7 * len(world.state().hosts) + 1


def _of_host(world: World, state: WaveState, terminal: Terminal, told: HostState) -> list[str]:
    machine, found = terminal.machine, []
    began = [at for order, at in machine.began if order == order_id(world.plan.id, terminal.name)]
    if len(began) > 1 + machine.cuts:
        found.append("was done twice")
    if not all(_in_window(terminal, told.order, at) for at in began):
        found.append("began outside its windows")
    if began and told.started_at is None:
        found.append("began, and the ledger doesn't know")
    if told.end == "well" and not _is_well(state, terminal):
        found.append("is well in the ledger only")
    if told.end == "unstarted" and began:
        found.append("began, the ledger says it didn't")
    if told.end is not None and told.end != "well" and _said_well(terminal, told) and not told.heard_late:
        found.append(f"said that it is well, the ledger says {told.end}")
    if told.order is not None and began and told.order.permit and told.permit_ends is None:
        found.append("began without a permit")
    return found


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
    machine = terminal.machine
    has = set(machine.installed) & {update.kb for update in state.plan.updates}
    if state.plan.action == "uninstall":
        return not has
    return bool(has) and machine.build == AFTER
