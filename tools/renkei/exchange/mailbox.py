"""The order of a stream, as two state machines without I/O: `Outgoing` at the sender, `Incoming` at the recipient.

A stream goes from one sender to one recipient and numbers its parcels from 1 without a gap. Whatever is lost, repeated,
reordered or delayed between the two, every parcel is delivered once and in order; a gap is held and asked for; only the
sender's signed void passes over a number. Whoever keeps a state calls `send` or `receive` with what happened, and makes
the new state durable together with what the actions ask for, before anything leaves the machine.

This is the rule in its plainest form. The agent's spool, which can't hold a stream in memory, says the same in SQL; a
test runs both side by side.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from uuid import UUID

WINDOW = 1000
"""How far beyond the delivered ones a recipient holds parcels; further ones are left at the hub until it gets there."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A parcel's place in its stream and what it is: these never change, however often it is sealed anew."""

    sequence: int
    id: UUID
    content_sha256: str


# What happens


@dataclass(frozen=True, slots=True)
class Queued:
    """The sender has made a parcel; its number is the stream's next."""

    id: UUID
    content_sha256: str


@dataclass(frozen=True, slots=True)
class Connected:
    """The hub has told its epoch; after a restore this is a new one and what it had accepted may be gone."""

    epoch: int


@dataclass(frozen=True, slots=True)
class Accepted:
    """The hub's verified acceptance, of the parcel or of its void."""

    sequence: int
    epoch: int
    void: bool = False


@dataclass(frozen=True, slots=True)
class Receipted:
    """The recipient's verified receipt."""

    entry: Entry


@dataclass(frozen=True, slots=True)
class Voided:
    """At the sender a person's decision, at the recipient the sender's verified void."""

    sequence: int


@dataclass(frozen=True, slots=True)
class Arrived:
    """A parcel whose manifest was verified."""

    entry: Entry


# What to do


@dataclass(frozen=True, slots=True)
class Offer:
    """Hand the parcel, or its void, to the hub."""

    entry: Entry
    void: bool = False


@dataclass(frozen=True, slots=True)
class Forget:
    """The recipient has it: the sender may let go of it."""

    entry: Entry


@dataclass(frozen=True, slots=True)
class Deliver:
    """Hand the parcel on, and sign and keep its receipt along with that."""

    entry: Entry


@dataclass(frozen=True, slots=True)
class PassOver:
    """Nothing comes under this number."""

    sequence: int


@dataclass(frozen=True, slots=True)
class RepeatReceipt:
    """It was delivered before: send the very receipt that was kept then."""

    entry: Entry


@dataclass(frozen=True, slots=True)
class Ask:
    """A gap: these numbers, both included, are needed before the stream goes on."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Refuse:
    """Something that contradicts what is known; a person must look."""

    sequence: int
    reason: str


SendEvent = Queued | Connected | Accepted | Receipted | Voided
SendAction = Offer | Forget | Refuse
ReceiveEvent = Arrived | Voided
ReceiveAction = Deliver | PassOver | RepeatReceipt | Ask | Refuse


@dataclass(frozen=True, slots=True)
class Waiting:
    """A parcel without its recipient's receipt: the epoch in which the hub accepted it, and whether it was voided."""

    entry: Entry
    accepted_in: int | None = None
    void: bool = False


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A stream at its sender: the next number, and what still waits for a receipt, by number."""

    next_sequence: int = 1
    waiting: Mapping[int, Waiting] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Incoming:
    """A stream at its recipient: delivered or passed over up to here, and what is held beyond a gap (None: a void)."""

    delivered: int = 0
    held: Mapping[int, Entry | None] = field(default_factory=dict)


def send(state: Outgoing, event: SendEvent) -> tuple[Outgoing, list[SendAction]]:
    """Return the sender's next state and what to do, in this order."""
    match event:
        case Queued(id=id_, content_sha256=content_sha256):
            entry = Entry(state.next_sequence, id_, content_sha256)
            waiting = {**state.waiting, entry.sequence: Waiting(entry)}
            return Outgoing(entry.sequence + 1, waiting), [Offer(entry)]
        case Connected(epoch=epoch):
            left = [each for _, each in sorted(state.waiting.items()) if each.accepted_in != epoch]
            return state, [Offer(each.entry, each.void) for each in left]
        case Accepted(sequence=sequence, epoch=epoch, void=void):
            known = state.waiting.get(sequence)
            if known is None or known.void != void:  # the parcel's acceptance may come after it was voided
                return state, []
            return _put(state, replace(known, accepted_in=epoch)), []
        case Voided(sequence=sequence):
            return _void(state, sequence)
        case Receipted(entry=entry):
            return _settle(state, entry)


def receive(
    state: Incoming, event: ReceiveEvent, past: Callable[[int], Entry | None]
) -> tuple[Incoming, list[ReceiveAction]]:
    """Return the recipient's next state and what to do, in this order.

    Args:
        state: as last made durable.
        event: what came, verified.
        past: tells what was delivered under a number up to `state.delivered`; None if it was passed over.
    """
    match event:
        case Arrived(entry=entry):
            sequence = entry.sequence
            if sequence <= state.delivered:
                return state, [_judge_repetition(entry, past(sequence))]
            if sequence in state.held and state.held[sequence] != entry:
                return state, [_contradiction(entry, state.held[sequence])]
            return _hold(state, sequence, entry)
        case Voided(sequence=sequence):
            if sequence <= state.delivered:
                delivered = past(sequence)
                return state, [] if delivered is None else [RepeatReceipt(delivered)]
            return _hold(state, sequence, None)


def _put(state: Outgoing, waiting: Waiting) -> Outgoing:
    return replace(state, waiting={**state.waiting, waiting.entry.sequence: waiting})


def _void(state: Outgoing, sequence: int) -> tuple[Outgoing, list[SendAction]]:
    if (known := state.waiting.get(sequence)) is None:
        return state, [Refuse(sequence, "the recipient has it already, or it was never sent: nothing to void")]
    return _put(state, Waiting(known.entry, accepted_in=None, void=True)), [Offer(known.entry, void=True)]


def _settle(state: Outgoing, entry: Entry) -> tuple[Outgoing, list[SendAction]]:
    """Forget what the receipt is for, and voids before it: a recipient gets to a number only past those below it."""
    known = state.waiting.get(entry.sequence)
    if known is None:
        never = entry.sequence >= state.next_sequence
        return state, [Refuse(entry.sequence, "a receipt for a parcel that was never sent")] if never else []
    if known.entry != entry:
        return state, [Refuse(entry.sequence, "the receipt is for another parcel or other content")]
    rest = {
        number: each
        for number, each in state.waiting.items()
        if number > entry.sequence or (number < entry.sequence and not each.void)
    }
    return replace(state, waiting=rest), [Forget(entry)]


def _judge_repetition(entry: Entry, delivered: Entry | None) -> ReceiveAction:
    return RepeatReceipt(entry) if delivered == entry else _contradiction(entry, delivered)


def _contradiction(entry: Entry, known: Entry | None) -> Refuse:
    if known is None:
        return Refuse(entry.sequence, "its sender voided this number")
    return Refuse(entry.sequence, "another parcel or other content came under this number before")


def _hold(state: Incoming, sequence: int, entry: Entry | None) -> tuple[Incoming, list[ReceiveAction]]:
    held = dict(state.held)
    if sequence <= state.delivered + WINDOW:
        held[sequence] = entry
    delivered, actions = state.delivered, list[ReceiveAction]()
    while delivered + 1 in held:
        delivered += 1
        ready = held.pop(delivered)
        actions.append(PassOver(delivered) if ready is None else Deliver(ready))
    beyond = min(held, default=sequence)
    if beyond > delivered + 1:
        actions.append(Ask(delivered + 1, beyond - 1))
    return Incoming(delivered, held), actions
