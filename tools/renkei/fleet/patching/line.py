"""What terminals said by line: read at the hub from a cursor on, which is kept together with what was read up to it.

Killed between any two steps, the next run goes on where the last commit stood; a page that is read twice costs a look
a document. A hub that was restored begins a new epoch and counts anew: it is read from its beginning. A running wave
reads by a cursor of its own, so that neither takes anything from the other.

What came as files is handed to the hub in its turn: by its journal every state can be checked without the machine.
So is what a restored hub has forgotten, whichever way it came.
"""

from collections.abc import Callable, Iterator
from typing import Protocol

from renkei.client.answers import HubState, StateItem, States
from renkei.client.errors import BadAnswer, CursorGone, HubBusy, HubRefused, NotAllowed
from renkei.fleet.patching.intake import Taking
from renkei.store.patch_states import Reached


class HasEpoch(Protocol):
    """A hub that says in which epoch it is (`client.hub.HubClient`)."""

    def state(self) -> HubState:
        """Who it is, and in which epoch."""


class Hub(HasEpoch, Protocol):
    """What is asked of a hub for terminals."""

    def put_patch_state(self, endpoint: str, terminal: str, envelope: bytes) -> None:
        """Hand in what a terminal said."""

    def patch_states(self, after: int, limit: int = 200) -> States:
        """What terminals have said after a cursor."""


def hand_in(taking: Taking, hub: Hub, source: str) -> None:
    """Hand to the hub what it lacks, so that its journal has it; what it refuses is named, and offered next time.

    It lacks what came as files, and what it forgot by a restore; read it first (`take_by_line`).

    Args:
        taking: the run that this belongs to.
        hub: to be told, as the authority.
        source: its URL.

    Raises:
        HubError: the hub can't be asked; what it has got is noted.
        StoreError: the store can't commit.
    """
    for some in taking.left():
        got: list[int] = []
        try:
            for number, each in some:
                try:
                    hub.put_patch_state(each.kept.endpoint, each.kept.terminal, each.envelope)
                except (NotAllowed, HubBusy):
                    raise
                except HubRefused as refusal:
                    place = f"{each.kept.endpoint}/{each.kept.terminal} {each.kept.payload_sha256[:16]}"
                    taking.refuse(place, f"{source} doesn't take it into its journal: {refusal}")
                else:
                    got.append(number)
        finally:
            taking.handed(got)


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
    known = taking.reached(source)
    begin = Reached(source, known.epoch, 0) if known is not None and again else known
    for items, reached in pages(hub, hub.patch_states, source, begin, lambda epoch: taking.begin_epoch(source, epoch)):
        for item in items:
            taking.look(f"{source} patch-state {item.cursor}", item.entry, item.envelope)
        taking.keep(reached)


def pages(
    hub: HasEpoch,
    ask: Callable[[int], States],
    source: str,
    known: Reached | None,
    restored: Callable[[int], None],
) -> Iterator[tuple[tuple[StateItem, ...], Reached]]:
    """Yield what lies at a hub behind a cursor, a page at a time, each with how far the hub is read with it.

    Args:
        hub: says in which epoch it is; in another one than the cursor's it is read from its beginning.
        ask: for the page behind a cursor.
        source: the hub's URL.
        known: how far it was read before.
        restored: told the epoch when it is another one.

    Raises:
        HubError: the hub can't be asked.
    """
    epoch = hub.state().epoch
    if known is not None and known.epoch != epoch:
        restored(epoch)
    after = known.cursor if known is not None and known.epoch == epoch else 0
    while True:
        try:
            page = ask(after)
        except CursorGone:  # restored this very moment, or its epoch was lost with it
            if after == 0:
                raise
            epoch, after = hub.state().epoch, 0
            restored(epoch)
            continue
        if not page.items:
            if (seen := hub.state().epoch) == epoch:
                return
            epoch, after = seen, 0  # restored meanwhile: its cursors may be of either epoch
            restored(epoch)
            continue
        if page.next <= after:
            raise BadAnswer(f"{source}: the page after cursor {after} leads to {page.next}; it never ends")
        after = page.next
        yield page.items, Reached(source, epoch, after)
