"""A hub that holds orders, as far as an agent's updates see it."""

from dataclasses import dataclass, field
from typing import Any, cast

from renkei.agent.contact import Contact


@dataclass
class Hub:
    """A hub that holds orders."""

    carries_orders: bool = True
    knows_patterns: bool = True
    waiting: list[Any] = field(default_factory=list)
    got: list[tuple[str, str, bytes]] = field(default_factory=list)
    fails: Exception | None = None

    def orders(self) -> list[Any]:
        return self.waiting

    def put_patch_state(self, endpoint: str, terminal: str, envelope: bytes) -> None:
        if self.fails is not None:
            raise self.fails
        self.got.append((endpoint, terminal, envelope))

    def contact(self, epoch: int = 1) -> Contact:
        return Contact(cast("Any", self), cast("Any", None), epoch)
