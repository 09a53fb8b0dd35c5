"""Signed documents of machines that Ansible reaches directly: Linux hosts, and terminals at the staging bench.

    direct-order   authority   one machine's work: updates of Windows, or exact versions of packages
    observation    controller  what a play saw on the machine; `observed_by` says who saw it

The machine verifies neither: they are the ledger's, so that it tells who ordered what and on whose word a machine
counts as well. A terminal's own word (`patch-state`) is better, and in the field nothing else counts.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from renkei.exchange.clock import Time
from renkei.exchange.documents import Kind, Unverified
from renkei.exchange.packages import MAX_PACKAGES, HeldPackage, Package, check_each_once
from renkei.exchange.parties import Party, TerminalName
from renkei.exchange.payloads import Identifier, Payload, Reason
from renkei.exchange.updates import (
    Build,
    Kb,
    Order,
    WorkOrder,
    are_fulfilled,
)

DirectStage = Literal["ready", "blocked", "begun", "restarting", "checking", "done", "lost"]


class DirectOrder(WorkOrder):
    """The ministry's order for a machine that Ansible reaches: updates of Windows, or packages, never both.

    `packages` are the same for every machine of a wave; one that a machine lacks it gets only if its own need that.
    To uninstall them is to go back to the versions that the machine had before.
    """

    KIND = Kind.DIRECT_ORDER
    packages: Annotated[list[Package], Field(max_length=MAX_PACKAGES)]

    @model_validator(mode="after")
    def _of_one_system(self) -> Self:
        if bool(self.updates) == bool(self.packages):
            raise ValueError("an order has either updates of Windows or packages")
        check_each_once(self.packages)
        return self


class Observation(Payload):
    """What a play saw of a machine's order. The controller signs it and `observed_by` names it; the machine didn't.

    `packages` are those of the order that the machine has, at the versions that it has. `begun` is said before anything
    is changed, `lost` of a machine that can't be reached after that. `exchanged_at` is when the exchange (of a host
    without one: its services) was seen to work after the change, None if it wasn't.
    """

    KIND = Kind.OBSERVATION
    endpoint: Party
    terminal: TerminalName
    answers: Identifier
    stage: DirectStage
    build: Build | None
    installed: Annotated[list[Kb], Field(max_length=512)]
    packages: Annotated[list[HeldPackage], Field(max_length=MAX_PACKAGES)]
    exchanged_at: Time | None
    problem: Reason | None
    checked_at: Time
    observed_by: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,127}$")]

    @model_validator(mode="after")
    def _in_agreement(self) -> Self:
        if self.stage in {"blocked", "lost"} and self.problem is None:
            raise ValueError("what blocks it, or how it was lost, must be named")
        return self

    def fulfils(self, order: WorkOrder) -> bool:
        """Tell whether the machine was seen to be as the order wants it.

        A package is at the order's version or it isn't: also one that somebody else has made newer is not what was
        ordered.
        """
        if isinstance(order, DirectOrder) and order.packages:
            ordered = {f"{package.name}={package.version}" for package in order.packages}
            held = set(self.packages)
            return bool(held) and (held <= ordered if order.action == "install" else not held & ordered)
        return self.build is not None and are_fulfilled(order.action, order.updates, self.build, self.installed)


def read_order(document: Unverified) -> Order | DirectOrder:
    """Return the order in an envelope of the ministry's own, of whichever of the two kinds it is.

    Raises:
        DocumentError: it is neither.
    """
    kind = DirectOrder if document.kind is Kind.DIRECT_ORDER else Order
    return kind.read(document.payload)
