"""Signed documents of patching: what there is to install, who may begin when, and what a machine says of itself.

    catalogue    authority  the updates, in the order of their prerequisites
    consent      a person   planner's or approver's word on a wave's plan; nobody approves what he planned
    order        authority  one terminal's work: action, updates, windows, expiry
    permit       authority  begin now: 15 minutes, one machine, one order
    patch-state  terminal   build, installed, missing, patterns; answers an order or a schedule

A terminal begins when `check_start` says nothing. A halt is that no permit is given any more: nothing has to reach
anybody for it. Endpoints on media have no line to fetch a permit by; their orders say so (`permit`: false).
"""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Annotated, Final, Literal, Self

from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from renkei.exchange.clock import Time, format_time
from renkei.exchange.documents import DocumentError, Kind, payload_sha256
from renkei.exchange.parties import Party, TerminalName
from renkei.exchange.patterns import PatternState
from renkei.exchange.payloads import Digest, Identifier, Payload, Reason, Sequence

PERMIT_LASTS: Final = timedelta(minutes=15)
MAX_UPDATES = 128
MAX_WINDOWS = 31
_GIB = 1024**3

Kb = Annotated[str, StringConstraints(pattern=r"^KB[1-9][0-9]{5,8}$")]
Build = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{3,5}\.[0-9]{1,5}$")]
"""A build and revision of Windows as `26100.4061`."""
PackageFile = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,75}\.(msu|cab)$")]
"""DISM tells the two forms of a package apart by the file's ending."""
Person = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9._-]{0,31}$")]
Action = Literal["install", "uninstall"]
Stage = Literal["ready", "blocked", "restarting", "done", "checked"]


class OrderError(DocumentError):
    """A terminal may not begin: the text names what is wrong with the order, the permit or the moment."""


class Update(BaseModel):
    """One package: the build that a machine has after it, and the updates that must be there before.

    `size` is in bytes, `sha256` of the file.
    """

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", hide_input_in_errors=True)
    kb: Kb
    build: Build
    file: PackageFile
    sha256: Digest
    size: Annotated[int, Field(ge=1, le=16 * _GIB)]
    urgency: Literal["routine", "urgent"]
    requires: Annotated[list[Kb], Field(max_length=8)]

    @property
    def label(self) -> str:
        """What it is called in messages."""
        return self.kb


class Catalogue(Payload):
    """The ministry's word on what there is to install; of two catalogues the higher number counts."""

    KIND = Kind.CATALOGUE
    number: Sequence
    issued_at: Time
    updates: Annotated[list[Update], Field(min_length=1, max_length=MAX_UPDATES)]

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        before: set[str] = set()
        for update in self.updates:
            if update.kb in before:
                raise ValueError(f"{update.kb} stands twice")
            if missing := [kb for kb in update.requires if kb not in before]:
                raise ValueError(f"{update.kb} requires {', '.join(missing)}, which must stand before it")
            before.add(update.kb)
        return self

    def chosen(self, kbs: Iterable[str]) -> list[Update]:
        """Return the named updates and everything that they require, in the order of installation.

        Raises:
            DocumentError: one isn't in the catalogue.
        """
        known = {update.kb: update for update in self.updates}
        wanted: set[str] = set()
        todo = list(kbs)
        while todo:
            kb = todo.pop()
            if kb not in known:
                raise DocumentError(f"{kb} isn't in catalogue {self.number}; it has {', '.join(known)}")
            if kb not in wanted:
                wanted.add(kb)
                todo += known[kb].requires
        return [update for update in self.updates if update.kb in wanted]


class Consent(Payload):
    """A person's word on a plan, by its digest: I planned it, or I approve it."""

    KIND = Kind.CONSENT
    wave: Identifier
    plan_sha256: Digest
    person: Person
    role: Literal["planner", "approver"]
    at: Time


class Window(BaseModel):
    """From when until when a machine may be worked on."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", hide_input_in_errors=True)
    opens: Time
    closes: Time


class _Addressed(Payload):
    endpoint: Party
    terminal: TerminalName


class _AtEndpoint(_Addressed):
    @model_validator(mode="after")
    def _at_an_endpoint(self) -> Self:
        if not self.endpoint.is_endpoint:
            raise ValueError(f"{self.endpoint} has no terminal that is patched by order")
        return self


class WorkOrder(_Addressed):
    """What every order has: whose, of which wave, when. `minutes` is what the work takes of a window at most."""

    id: Identifier
    wave: Identifier
    action: Action
    updates: Annotated[list[Update], Field(max_length=MAX_UPDATES)]
    windows: Annotated[list[Window], Field(min_length=1, max_length=MAX_WINDOWS)]
    minutes: Annotated[int, Field(ge=10, le=600)]
    permit: bool
    issued_at: Time
    expires: Time

    @model_validator(mode="after")
    def _in_time(self) -> Self:
        moments = [moment for window in self.windows for moment in (window.opens, window.closes)]
        if any(earlier >= later for earlier, later in pairwise(moments)):
            raise ValueError("windows must follow one another, each closing after it opens")
        if not self.issued_at < self.expires <= moments[-1]:
            raise ValueError("an order expires after it was issued and no later than its last window closes")
        if len({_parts(update.build)[0] for update in self.updates}) > 1:
            raise ValueError("the updates of an order are all for one version of Windows")
        return self

    def open_at(self, at: datetime) -> Window | None:
        """Return the window that is open at a moment."""
        return next((window for window in self.windows if window.opens <= at < window.closes), None)


class Order(WorkOrder, _AtEndpoint):
    """The ministry's order to one terminal: these updates, in these windows, before this expiry."""

    KIND = Kind.ORDER
    updates: Annotated[list[Update], Field(min_length=1, max_length=MAX_UPDATES)]


class Permit(_Addressed):
    """The ministry's word to one machine: begin with this order now, and not later than in 15 minutes."""

    KIND = Kind.PERMIT
    order: Identifier
    order_sha256: Digest
    given_at: Time
    expires: Time

    @model_validator(mode="after")
    def _short(self) -> Self:
        if not self.given_at < self.expires <= self.given_at + PERMIT_LASTS:
            raise ValueError("a permit lasts 15 minutes at most")
        return self


class PatchState(_AtEndpoint):
    """A machine's word on its updates: its build, what is installed, what is missing, and when it looked.

    `answers` is the order, or None where its own schedule asked. `ready` asks for a permit: disk, battery and exchange
    allow it; `blocked` names in `problem` what doesn't. `done` is said of an installation that failed, too: the build
    tells. `catalogue` is the number of the one that `missing` was held against, None where Windows was asked alone (its
    own update source, WSUS). `exchanged_at` is its last exchange that worked. `patterns` are its antivirus patterns,
    None where its antivirus can't be asked, or of an earlier release; then the document has no such field.
    """

    KIND = Kind.PATCH_STATE
    answers: Identifier | None
    stage: Stage
    build: Build
    installed: Annotated[list[Kb], Field(max_length=512)]
    missing: Annotated[list[Kb], Field(max_length=MAX_UPDATES)]
    catalogue: Sequence | None
    exchanged_at: Time | None
    problem: Reason | None
    checked_at: Time
    patterns: PatternState | None = None

    def to_json(self) -> dict[str, object]:
        """Return the payload as JSON values, without `patterns` where nothing is known of them."""
        return self.model_dump(mode="json", exclude={"patterns"} if self.patterns is None else None)

    @model_validator(mode="after")
    def _in_agreement(self) -> Self:
        if both := sorted(set(self.installed) & set(self.missing)):
            raise ValueError(f"{both[0]} is both installed and missing")
        if (self.stage == "checked") != (self.answers is None):
            raise ValueError("only what a schedule asked for answers no order")
        if self.stage == "blocked" and self.problem is None:
            raise ValueError("what blocks it must be named")
        return self

    def fulfils(self, order: WorkOrder) -> bool:
        """Tell whether the machine is as the order wants it: the build says so, and the list of updates."""
        return are_fulfilled(order.action, order.updates, self.build, self.installed)


def are_fulfilled(action: Action, updates: list[Update], build: str, installed: Collection[str]) -> bool:
    """Tell whether a machine of this build, which lists these updates, is as an order wants it."""
    ordered = {update.kb for update in updates}
    if action == "uninstall":
        return not ordered & set(installed)
    return _parts(build) >= _parts(updates[-1].build) and ordered <= set(installed)


def check_start(
    order: Order,
    envelope: bytes,
    permit: bytes | None,
    key: ec.EllipticCurvePublicKey,
    place: tuple[Party, str],
    now: datetime,
) -> None:
    """Let a terminal begin with an order, or say why not.

    Args:
        order: opened from `envelope` with the authority's key.
        envelope: as it came.
        permit: as it came, None where there is none.
        key: the authority's.
        place: endpoint and name of this terminal.
        now: aware.

    Raises:
        OrderError: the order or permit is another's, not of this time, or no permit is there though one is needed.
        DocumentError: the permit isn't one, or not the authority's.
    """
    if (order.endpoint, order.terminal) != place:
        raise OrderError(f"the order is for {order.endpoint}/{order.terminal}; this is {place[0]}/{place[1]}")
    if not order.issued_at <= now < order.expires:
        raise OrderError(f"the order holds from {format_time(order.issued_at)} to {format_time(order.expires)}")
    window = order.open_at(now)
    if window is None:
        raise OrderError("none of the order's windows is open")
    if now + timedelta(minutes=order.minutes) > window.closes:
        raise OrderError(f"the window closes at {format_time(window.closes)}; the work takes {order.minutes} minutes")
    if not order.permit:
        return
    if permit is None:
        raise OrderError("the order needs a permit; ask for one when you are ready to begin")
    given = Permit.open(permit, key)
    if (given.endpoint, given.terminal) != place:
        raise OrderError(f"the permit is for {given.endpoint}/{given.terminal}; this is {place[0]}/{place[1]}")
    if (given.order, given.order_sha256) != (order.id, payload_sha256(envelope)):
        raise OrderError("the permit is for another order")
    if not given.given_at <= now < given.expires:
        raise OrderError(f"the permit holds from {format_time(given.given_at)} to {format_time(given.expires)}")


def _parts(build: str) -> tuple[int, int]:
    number, _, revision = build.partition(".")
    return int(number), int(revision)
