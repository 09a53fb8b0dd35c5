"""Updates by line: what the ministry's hub holds for this terminal, and what this terminal says of its updates.

Said first, then asked: the answer to a `ready` that goes now is there at the next exchange. An order that the hub
showed and shows no more was withdrawn; a hub that was restored since has only forgotten it. The ministry's agent
hands in what came by medium (`handing`).
"""

from renkei.agent.contact import Contact
from renkei.agent.home import Home, log, stamp
from renkei.agent.signing import signed_now
from renkei.agent.updates import documents, handing, orders
from renkei.agent.updates.course import Step
from renkei.client.errors import HubBusy, HubRefused, NotAllowed
from renkei.exchange.documents import peek
from renkei.exchange.errors import ExchangeError
from renkei.exchange.updates import PatchState

_AT_ONCE = 64
_EPOCH = "updates_epoch"
_SHOWN = "order_by_line"


def carry(home: Home, contact: Contact) -> int:
    """Hand over what was said and nobody has got, and take what waits; how many documents were new.

    Raises:
        HubError: the line was cut; what was handed over is noted, the rest goes next time.
    """
    if not contact.client.carries_orders:
        return 0
    if home.settings.is_ministry:
        handing.hand_in(home, contact)
        return 0
    _say(home, contact)
    taken, waiting = 0, contact.client.orders()
    for each in waiting:
        try:
            taken += documents.take(home, each.envelope, each.entry)
        except documents.Replayed as replayed:
            log.info("%s at the hub: %s", each.kind, replayed)
        except ExchangeError as error:
            home.alarm("updates", f"hub {each.kind}", f"{each.kind} at the hub: {error}")
        else:
            home.spool.settle("updates", f"hub {each.kind}")
    _withdraw(home, contact, {str(peek(each.envelope).payload.get("id")) for each in waiting if each.kind == "order"})
    return taken


def _withdraw(home: Home, contact: Contact, shown: set[str]) -> None:
    """End an order that the hub showed before in this epoch and shows no more, unless it has begun."""
    counting = orders.counting(home)
    if counting is None:
        return
    mark = f"{contact.epoch} {counting.id}"
    if counting.id in shown:
        home.spool.note(**{_SHOWN: mark})
    elif home.spool.fact(_SHOWN) == mark and orders.course_of(counting).step is Step.WAITING:
        log.info("order %s: withdrawn before it began", counting.id)
        home.spool.updates.advance(counting.id, counting.course, [], stamp())


def _say(home: Home, contact: Contact) -> None:
    waiting = home.spool.updates.to_send(_AT_ONCE)
    newest = home.spool.updates.newest()
    if not waiting and newest is not None and home.spool.fact(_EPOCH) != str(contact.epoch):
        waiting = [newest]  # the hub was restored, and may have lost it
    for said in waiting:
        state = PatchState.read(peek(said.envelope).payload)
        try:
            envelope = signed_now(home, PatchState, said.envelope)
            if state.patterns is not None and not contact.client.knows_patterns:
                envelope = state.model_copy(update={"patterns": None}).sign(home.keys().signer)
            contact.client.put_patch_state(state.endpoint, state.terminal, envelope)
        except (NotAllowed, HubBusy):
            raise
        except HubRefused as refusal:
            home.alarm("updates", "hub patch-state", str(refusal))
            return
        home.spool.updates.sent(said.number, stamp())
    home.spool.settle("updates", "hub patch-state")
    if len(waiting) < _AT_ONCE:
        home.spool.note(**{_EPOCH: str(contact.epoch)})
