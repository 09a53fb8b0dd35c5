"""A sender's way past a message that can't be delivered: a signed void, and the list of all voids.

Nothing else passes over a gap. The message's notices are not sent by this: they have to be put into the outbox again.
"""

from dataclasses import dataclass

from pydantic import ValidationError

from renkei.agent.home import Home, now
from renkei.exchange.clock import format_time
from renkei.exchange.documents import peek
from renkei.exchange.parties import Party
from renkei.exchange.payloads import Stream, Void
from renkei.store.voids import NotVoidable, SentVoid


@dataclass(frozen=True, slots=True)
class Voided:
    """A number under which nothing comes: of our stream to a party (`out`), or of a party's to us (`in`)."""

    direction: str
    party: str
    stream: str
    sequence: int
    reason: str
    voided_at: str


def void(home: Home, recipient: Party, stream: Stream, sequence: int, reason: str) -> tuple[str, ...]:
    """Void a message; it goes with the next exchange or medium. The numbers of the notices that were in it.

    Raises:
        NotEnrolled: this machine can't sign yet.
        NotVoidable: no such message, it is receipted, or void already; or the reason is empty or too long.
    """
    at = now()
    try:
        document = Void(
            sender=home.party, recipient=recipient, stream=stream, sequence=sequence, reason=reason, voided_at=at
        )
    except ValidationError as error:
        raise NotVoidable("the reason must be one short line of text") from error
    envelope = document.sign(home.keys().signer)
    numbers = home.spool.voids.add(SentVoid(recipient, stream, sequence, reason, format_time(at), envelope))
    home.settings.request_file.touch()
    return numbers


def voided(home: Home) -> tuple[Voided, ...]:
    """All voids, given and received, newest first."""
    found = [Voided("out", v.recipient, v.stream, v.sequence, v.reason, v.voided_at) for v in home.spool.voids.all()]
    for envelope in home.spool.received_voids():
        document = Void.read(peek(envelope).payload)  # verified when it came
        found.append(
            Voided(
                "in",
                document.sender,
                document.stream,
                document.sequence,
                document.reason,
                format_time(document.voided_at),
            )
        )
    return tuple(sorted(found, key=lambda each: each.voided_at, reverse=True))
