"""A hub with what terminals said, as far as its reader sees it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from renkei.client.errors import CursorGone, HubRefused, Problem

from .scenes import DAY, NOW, Ministry, said

URL = "https://hub.test:8443"
SHINJUKU = ("131041", "R2026-0001")


@dataclass
class Line:
    """A hub with what terminals said, two documents a page."""

    ministry: Ministry
    items: list[Any] = field(default_factory=list)
    epoch: int = 1
    asked: list[int] = field(default_factory=list)
    when_asked: Callable[[], None] = lambda: None
    stuck: bool = False
    put: list[tuple[str, str, bytes]] = field(default_factory=list)
    refuses: bool = False

    def hear(self, days: int, place: tuple[str, str] = SHINJUKU) -> None:
        state = said(*place, NOW - days * DAY)
        entry, envelope = self.ministry.entry(*place), state.sign(self.ministry.signer)
        self.items.append(SimpleNamespace(cursor=len(self.items) + 1, entry=entry, envelope=envelope))

    def state(self) -> Any:
        return SimpleNamespace(epoch=self.epoch)

    def patch_states(self, after: int, limit: int = 200) -> Any:
        assert limit == 200
        self.asked.append(after)
        self.when_asked()
        if after > len(self.items):
            raise CursorGone("GET", Problem(409, "cursor", "", ""), "")
        page = self.items[after : after + 2]
        return SimpleNamespace(items=page, next=page[-1].cursor if page and not self.stuck else after)

    def put_patch_state(self, endpoint: str, terminal: str, envelope: bytes) -> None:
        if self.refuses:
            raise HubRefused("PUT", Problem(400, "document", "", "not signed by a key that it had"), "")
        self.put.append((endpoint, terminal, envelope))

    def restore(self, *days: int) -> None:
        self.epoch, self.items = self.epoch + 1, []
        for each in days:
            self.hear(each)
