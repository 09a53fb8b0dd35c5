"""The post by line: orders and permits lie at the hub, what terminals say is read there from a cursor on."""

from collections.abc import Iterator

from renkei.client.errors import CursorGone
from renkei.client.hub import HubClient
from renkei.fleet.waves.post import Heard, Name

_PAGES = 10
"""So many pages are taken in a turn; what is left is taken in the next."""


class HubPost:
    """The hub, as the authority speaks to it.

    The cursor is kept in memory alone: a controller that begins anew hears again what each terminal said last, and
    knows it from its ledger. A hub that was restored has lost what lay there, so all of it is put again.
    """

    def __init__(self, hub: HubClient) -> None:
        """Speak over a line that somebody else closes."""
        self._hub, self._cursor = hub, 0
        self._epoch: int | None = None
        self._sent: dict[tuple[str, str, Name], bytes] = {}

    def send(self, endpoint: str, terminal: str, name: Name, envelope: bytes) -> None:
        """See `Post`."""
        self._hub.put_order(endpoint, terminal, envelope)
        self._sent[endpoint, terminal, name] = envelope

    def withdraw(self, endpoint: str, terminal: str, order: str) -> None:
        """See `Post`."""
        self._hub.withdraw_order(endpoint, terminal, order)
        self._sent.pop((endpoint, terminal, "order"), None)
        self._sent.pop((endpoint, terminal, "permit"), None)

    def heard(self) -> Iterator[Heard]:
        """See `Post`; what is of no wave, or of another one, is among it."""
        self._look_at_epoch()
        after = self._cursor
        for _ in range(_PAGES):
            try:
                page = self._hub.patch_states(after)
            except CursorGone:
                after = self._cursor = 0
                continue
            for item in page.items:
                yield Heard(str(item.cursor), item.entry, item.envelope)
            if not page.items:
                return
            after = page.next

    def settle(self, name: str, *, refused: bool) -> None:
        """See `Post`; the hub keeps what can't be believed, and so does its journal."""
        del refused
        self._cursor = max(self._cursor, int(name))

    def _look_at_epoch(self) -> None:
        epoch = self._hub.state().epoch
        if self._epoch not in {None, epoch}:
            self._cursor = 0
            for (endpoint, terminal, _), envelope in sorted(self._sent.items()):
                self._hub.put_order(endpoint, terminal, envelope)
        self._epoch = epoch
