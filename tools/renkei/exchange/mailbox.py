"""The order of a stream: the rules by which its sender and its recipient decide, without I/O.

A stream goes from one sender to one recipient and numbers its parcels from 1 without a gap. Whatever is lost, repeated,
reordered or delayed between the two, every parcel is delivered once and in order; a gap is held and asked for; only the
sender's signed void passes over a number. A machine that takes another's place begins where the hub has no receipt of
that one; what comes from before its beginning all the same (`comes_late`) is delivered, out of its order.

A stream can't be held in memory, so no rule wants one: each is asked with what is known at one place, and answers what
is to be done. Whoever keeps the stream (the spool in SQL, a test in dictionaries) looks that up, does it, and makes it
durable before anything leaves the machine. There is no second place where this is decided.

    at the sender       must_offer · judge_receipt · ranges_between
    at the recipient    judge_arrival · judge_void · next_number · comes_late · received_before
    at the hub, too     first_unsettled
    at all who read     Cursor
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, StrEnum, auto

ASKED_AGAIN = -1
"""Stands as the epoch of acceptance of what the hub has forgotten and asks for: no hub has this epoch."""


Ranges = Sequence[tuple[int, int]]
"""Numbers of a stream: first and last of each range, rising and apart."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A parcel's place in its stream and what it is: these never change, however often it is sealed anew."""

    stream: str
    sequence: int
    id: str
    content_sha256: str


# At the sender


class Receipting(Enum):
    """What a verified receipt turns out to be."""

    SETTLE = auto()
    """The recipient has it: the sender may let go of it."""
    REPEATED = auto()
    UNKNOWN = auto()
    """For something that was never sent."""
    OTHER_CONTENT = auto()
    """For another parcel or other content than was sent: a person must look."""


def must_offer(accepted_in: int | None, epoch: int, *, receipted: bool) -> bool:
    """Whether the hub must be given a parcel, or the void in its place, in this epoch; lower numbers come first.

    The hub's streams have no gaps either. So it must also see what has a receipt but was never with it, because it went
    by medium, or isn't any more, because the hub was restored.

    Args:
        accepted_in: the epoch in which the hub accepted it as it is now, `ASKED_AGAIN`, or None for never.
        epoch: the hub's present one.
        receipted: whether the recipient's receipt is here.
    """
    return accepted_in != epoch and (not receipted or accepted_in in {None, ASKED_AGAIN})


def judge_receipt(sent: Entry | None, receipt: Entry, *, receipted: bool) -> Receipting:
    """Judge a verified receipt; a voided parcel's counts too: the recipient had it before the void came.

    Args:
        sent: what was sent under the receipt's id to the receipt's signer, None for nothing.
        receipt: what the receipt is for.
        receipted: whether one is here already.
    """
    if sent is None:
        return Receipting.UNKNOWN
    if sent != receipt:
        return Receipting.OTHER_CONTENT
    return Receipting.REPEATED if receipted else Receipting.SETTLE


def ranges_between(first: int, end: int, but: Iterable[int]) -> list[tuple[int, int]]:
    """Return the ranges (first and last number) that are left of `first` to `end` - 1 without some, which rise."""
    found = []
    for number in (*but, end):
        if first < min(number, end):
            found.append((first, min(number, end) - 1))
        first = max(first, number + 1)
    return found


# At whoever was told by a sender what is settled


def first_unsettled(number: int, settled: Ranges) -> int:
    """Return the first number from `number` on that no range holds: what a stream goes on with."""
    for first, last in settled:
        if first <= number <= last:
            number = last + 1
    return number


# At whoever reads an inbox


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far an inbox was read.

    What can't be believed (a clock that is wrong, a certificate not yet known, an altered byte) doesn't hold up what
    comes after it. But it isn't lost either: it is looked at again, until it can be believed or is gone.

    Attributes:
        read: everything up to here was looked at.
        doubtful: the place of the first thing that could not be believed.
    """

    read: int = 0
    doubtful: int | None = None

    def passed(self, place: int, *, believed: bool) -> "Cursor":
        """Return the cursor after one more thing was looked at."""
        doubtful = place if self.doubtful is None and not believed else self.doubtful
        return Cursor(max(self.read, place), doubtful)

    def again(self) -> "Cursor":
        """Return the cursor from which to read when the doubtful is to be looked at again."""
        return self if self.doubtful is None else Cursor(self.doubtful - 1)


# At the recipient


class Stage(StrEnum):
    """How far the recipient has brought a parcel."""

    HELD = "held"
    """Its bytes are still to come, or it waits for its turn or for a person."""
    DELIVERING = "delivering"
    """It is being handed on and can't be stopped any more."""
    DELIVERED = "delivered"
    VOIDED = "voided"


@dataclass(frozen=True, slots=True)
class Known:
    """A parcel that came before, how far it is, and the manifest that announced it."""

    entry: Entry
    stage: Stage
    manifest: bytes


class Arrival(Enum):
    """What a verified manifest turns out to be."""

    HOLD = auto()
    """New: fetch it, and deliver it when its turn comes."""
    REPLACE = auto()
    """Sealed anew: its envelope takes the place of the one that is here."""
    IGNORE = auto()
    """Nothing new, or nothing that counts any more."""
    REPEAT_RECEIPT = auto()
    """It was delivered before: send the very receipt that was kept then."""
    REFUSE = auto()
    """It contradicts what is known: a person must look."""


class Voiding(Enum):
    """What a verified void turns out to be."""

    PASS_OVER = auto()
    """Nothing comes under this number."""
    REPEAT_RECEIPT = auto()
    """Too late: it was delivered, and the sender must learn so."""
    TOO_LATE = auto()
    """It is being delivered; its receipt is on the way."""


def judge_arrival(entry: Entry, manifest: bytes, known: Sequence[Known], *, voided: bool) -> Arrival:
    """Judge a verified manifest.

    Args:
        entry: what it says of its parcel.
        manifest: the envelope.
        known: what is here of this sender under the same id or in the same place.
        voided: whether the sender voided this number before.
    """
    if not known:
        return Arrival.IGNORE if voided else Arrival.HOLD
    if len(known) > 1 or known[0].entry != entry:
        return Arrival.REFUSE
    match known[0].stage:
        case Stage.DELIVERED:
            return Arrival.REPEAT_RECEIPT
        case Stage.HELD if known[0].manifest != manifest:
            return Arrival.REPLACE
        case _:
            return Arrival.IGNORE


def judge_void(known: Known | None) -> Voiding:
    """Judge a verified void by what is here under its number."""
    match known:
        case Known(stage=Stage.DELIVERED):
            return Voiding.REPEAT_RECEIPT
        case Known(stage=Stage.DELIVERING):
            return Voiding.TOO_LATE
        case _:
            return Voiding.PASS_OVER


def next_number(delivered: int, is_void: Callable[[int], bool]) -> int:
    """Return the number that is delivered next: the first after `delivered` that isn't void. Nothing else passes it."""
    number = delivered + 1
    while is_void(number):
        number += 1
    return number


def comes_late(number: int, began_after: int) -> bool:
    """Whether a parcel that is held, not delivered, is one from before this machine's beginning: deliver it at once.

    The machine that was here before gave a receipt for it, so the hub didn't offer it at the beginning. Then a hub that
    was restored lost that receipt, and the sender, which had not read it yet, offers the parcel again. Nobody can tell
    here whether it was delivered, so no receipt may say so before it is: it comes again rather than never. The stream
    doesn't wait for it.

    Args:
        number: the parcel's.
        began_after: the last number before this machine's beginning, 0 where it received the stream from the first.
    """
    return number <= began_after


def received_before(delivered: int, settled: Ranges, is_void: Callable[[int], bool]) -> int:
    """Return the last number that a machine which took another's place needn't wait for.

    Its sender holds receipts of this endpoint that aren't this machine's: the one before gave them, so it had
    delivered these. This machine's beginning moves behind them. Only that of the one who waits does: whoever received
    the stream from the first has given each receipt itself.

    Args:
        delivered: the last number that this machine has done with.
        settled: what the sender has receipts for.
        is_void: whether the sender voided a number.
    """
    while (behind := first_unsettled(number := next_number(delivered, is_void), settled)) > number:
        delivered = behind - 1
    return delivered
