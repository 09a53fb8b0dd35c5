"""A notice on its way into the resident register: as it came, as the ledger has it, and where it stands."""

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Self


class Standing(StrEnum):
    """Where a notice stands on its way into the register."""

    UNCONFIRMED = "unconfirmed"
    BEHIND = "behind"
    READY = "ready"
    HANDED = "handed"
    IMPORTED = "imported"
    FAILED = "failed"
    REFUSED = "refused"
    PASSED = "passed"


IN_REGISTER = frozenset({Standing.IMPORTED, Standing.REFUSED, Standing.PASSED})
"""Standings after which nothing more is to come."""


class NotWaiting(Exception):
    """A notice that isn't here, or waits for nobody's word; the text says which."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A notice as it came; marks and effects are keyed digests.

    Attributes:
        number: the sender's.
        type: 通知種別.
        category: 外国人住民区分, "" where the type has none.
        noticed_on: the day of the notice, RFC 3339 or "".
        standing: where it begins: UNCONFIRMED, READY, HANDED (no bridge) or PASSED (no result is expected).
        content_mark: of all of it: the same number with other content is no repetition.
        row: the notice as text, JSON; None where it isn't to be kept.
        certain, loose: marks of the person, see `domain.identity`.
        renewed: whether loose marks of earlier notices count.
        kept: whether `row` stays after the import: what stands before a later notice's change.
        effects: by item the mark of the value that the register has after the import.
    """

    number: str
    type: str
    category: str
    noticed_on: str
    standing: Standing
    content_mark: bytes
    row: str | None = field(default=None, repr=False)
    certain: frozenset[bytes] = frozenset()
    loose: frozenset[bytes] = frozenset()
    renewed: bool = False
    kept: bool = False
    effects: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class Import:
    """A notice as the ledger has it; `row` (JSON) is None when it isn't kept or no longer."""

    place: int
    number: str
    type: str
    category: str
    noticed_on: str
    received_at: str
    standing: Standing
    confirmed: bool
    row: str | None = field(repr=False)
    batch: int | None = None
    error_item: str | None = None
    reason: str | None = None
    settled_at: str | None = None

    def refused(self, reason: str) -> Self:
        """The same notice as it will be once it is refused."""
        return replace(self, standing=Standing.REFUSED, reason=reason)
