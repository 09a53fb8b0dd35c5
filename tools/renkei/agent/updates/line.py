"""Updates by line: what the ministry's hub holds for this terminal, and what this terminal says of its updates.

Said first, then asked: the answer to a `ready` that goes now is there at the next exchange.
"""

from renkei.agent.contact import Contact
from renkei.agent.home import Home, log, stamp
from renkei.agent.signing import signed_now
from renkei.agent.updates import documents
from renkei.client.errors import HubRefused
from renkei.exchange.documents import peek
from renkei.exchange.errors import ExchangeError
from renkei.exchange.updates import PatchState

_AT_ONCE = 64
_EPOCH = "updates_epoch"


def carry(home: Home, contact: Contact) -> int:
    """Hand over what was said and nobody has got, and take what waits; how many documents were new.

    Raises:
        HubError: the line was cut; what was handed over is noted, the rest goes next time.
    """
    if home.settings.is_ministry or not contact.client.carries_orders:
        return 0
    _say(home, contact)
    taken = 0
    for each in contact.client.orders():
        try:
            taken += documents.take(home, each.envelope, each.entry)
        except documents.Replayed as replayed:
            log.info("%s at the hub: %s", each.kind, replayed)
        except ExchangeError as error:
            home.alarm("updates", f"hub {each.kind}", f"{each.kind} at the hub: {error}")
        else:
            home.spool.settle("updates", f"hub {each.kind}")
    return taken


def _say(home: Home, contact: Contact) -> None:
    waiting = home.spool.updates.to_send(_AT_ONCE)
    newest = home.spool.updates.newest()
    if not waiting and newest is not None and home.spool.fact(_EPOCH) != str(contact.epoch):
        waiting = [newest]  # the hub was restored, and may have lost it
    for said in waiting:
        state = PatchState.read(peek(said.envelope).payload)
        try:
            envelope = signed_now(home, PatchState, said.envelope)
            contact.client.put_patch_state(state.endpoint, state.terminal, envelope)
        except HubRefused as refusal:
            home.alarm("updates", "hub patch-state", str(refusal))
            return
        home.spool.updates.sent(said.number, stamp())
    home.spool.settle("updates", "hub patch-state")
    if len(waiting) < _AT_ONCE:
        home.spool.note(**{_EPOCH: str(contact.epoch)})
