"""What terminals said by line: read at the hub from a cursor on, which is kept together with what was read up to it.

Killed between any two steps, the next run goes on where the last commit stood; a page that is read twice costs a look
a document. A hub that was restored begins a new epoch and counts anew: it is read from its beginning. A running wave
reads by a cursor of its own, so that neither takes anything from the other.
"""

from typing import Protocol

from renkei.client.answers import HubState, PatchStates
from renkei.client.errors import BadAnswer, CursorGone
from renkei.fleet.patching.intake import Taking
from renkei.store.patch_states import Reached


class Hub(Protocol):
    """What is asked of a hub (`client.hub.HubClient`)."""

    def state(self) -> HubState:
        """Who it is, and in which epoch."""

    def patch_states(self, after: int, limit: int = 200) -> PatchStates:
        """What terminals have said after a cursor."""


def take_by_line(taking: Taking, hub: Hub, source: str, *, again: bool = False) -> None:
    """Verify and keep what a hub has and was not read before.

    Args:
        taking: the run that this belongs to; what it has taken when an error ends this is in its `taken`.
        hub: to be asked, as the authority or the ministry.
        source: its URL; each hub has a cursor of its own.
        again: begin at the hub's beginning; what is known costs a look.

    Raises:
        HubError: the hub can't be asked; what was kept before is kept, the next run goes on there.
        StoreError: the store can't commit; the same holds.
    """
    epoch = hub.state().epoch
    known = None if again else taking.reached(source)
    after = known.cursor if known is not None and known.epoch == epoch else 0
    while True:
        try:
            page = hub.patch_states(after)
        except CursorGone:  # restored this very moment, or its epoch was lost with it
            if after == 0:
                raise
            epoch, after = hub.state().epoch, 0
            continue
        for item in page.items:
            taking.look(f"{source} patch-state {item.cursor}", item.entry, item.envelope)
        if not page.items:
            if (seen := hub.state().epoch) == epoch:
                return
            epoch, after = seen, 0  # restored meanwhile: its cursors may be of either epoch
            continue
        if page.next <= after:
            raise BadAnswer(f"{source}: the page after cursor {after} leads to {page.next}; it never ends")
        after = page.next
        taking.keep(Reached(source, epoch, after))
