"""At the ministry: what terminals said on media goes on to the hub, as if it had come by line.

There it enters the journal, and whoever reads the hub's patch states (a wave, `renkei patch take --hub`) finds it among
the others. What came lies in `updates/for-hub/` until the hub has it.
"""

from renkei.agent.contact import Contact
from renkei.agent.files import read_bounded
from renkei.agent.home import Home
from renkei.agent.updates.places import Places
from renkei.client.errors import HubBusy, HubRefused, NotAllowed
from renkei.exchange.documents import Kind, peek
from renkei.exchange.errors import ExchangeError
from renkei.exchange.parties import Party
from renkei.exchange.signed import MAX_SIGNED, Signed
from renkei.exchange.updates import PatchState

HEARD = "patch_state_heard "
"""Begins the names of facts: these states came by a medium and were passed on."""

_AT_ONCE = 500
_EPOCH = "updates_epoch"


def hand_in(home: Home, contact: Contact) -> int:
    """Hand over what came by medium; how much of it the hub has now.

    A hub that was restored has lost some of it: what the next media repeat is passed on once more.

    Raises:
        HubError: the line was cut; what isn't over is handed in next time.
    """
    if (known := home.spool.fact(_EPOCH)) != str(contact.epoch):
        for name in home.spool.noted(HEARD) if known is not None else ():
            home.spool.strike(HEARD + name)
        home.spool.note(**{_EPOCH: str(contact.epoch)})
    handed = 0
    for path in sorted(Places(home.settings.home).for_hub.glob("[!.]*.json")):
        try:
            envelope = Signed.from_json(read_bounded(path, MAX_SIGNED) or b"").envelope
            state = PatchState.read(peek(envelope).payload)
            contact.client.put_patch_state(state.endpoint, state.terminal, envelope)
        except (NotAllowed, HubBusy):
            raise
        except (HubRefused, ExchangeError, OSError) as error:
            home.alarm("updates", path.name, f"{path}: the hub doesn't get it: {error}")
            continue
        path.unlink(missing_ok=True)
        home.spool.settle("updates", path.name)
        handed += 1
        if handed == _AT_ONCE:
            break
    return handed


def orders_at_hub(contact: Contact, endpoint: Party) -> list[Signed]:
    """Return the orders that wait at the hub for an endpoint's terminals, for the medium that goes there.

    Raises:
        HubError: the hub can't be asked.
    """
    if not contact.client.carries_orders:
        return []
    return [
        Signed(each.entry, each.envelope) for each in contact.client.orders(endpoint) if each.kind == Kind.ORDER.value
    ]
