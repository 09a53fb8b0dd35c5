"""What a person signs for an update of the list, and whether his word still counts.

A word counts while its person is among the people with the key that it was signed by: whoever left, or has another key
now, vouches for nothing any more. It must be for this very update and these rings.
"""

from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from typing import Final, Literal
from uuid import UUID, uuid5

from renkei.exchange.clock import whole_seconds
from renkei.exchange.documents import DocumentError, Signer, canonical, key_id, outline
from renkei.exchange.updates import Consent, Update
from renkei.fleet.waves.consents import People

Role = Literal["planner", "approver"]
"""Who imported is an update's planner."""
_NAMESPACE: Final = UUID("8d0f6c1a-52a7-4f0e-9d57-3f1b6a6a6f2e")


class WordError(ValueError):
    """A word that isn't the person's, or not for this update and these rings; the text says which."""


class OutdatedWordError(WordError):
    """A word whose person has left, or has another key now; nobody need have forged it."""


def sign(update: Update, rings: Sequence[str], role: Role, person: str, signer: Signer, now: datetime) -> bytes:
    """Return a person's signed word for an update and the rings that may have it."""
    subject, digest = _subject(update, rings)
    words = {"wave": str(subject), "plan_sha256": digest, "person": person, "role": role}
    return Consent.read({**words, "at": whole_seconds(now)}).sign(signer)


def check(document: bytes, update: Update, rings: Sequence[str], role: Role, person: str, people: People) -> None:
    """Believe a person's word for an update and the rings that may have it.

    Raises:
        OutdatedWordError: he isn't among the people, or it is signed by another key than he has now.
        WordError: it isn't a word, not signed by the key that it names, or for something else.
    """
    if person not in people:
        raise OutdatedWordError(f"{person}, {role} of {update.kb}, isn't among the people")
    told = f"the word of {person} on {update.kb} isn't signed by his key"
    try:
        if outline(document).key_id != key_id(people[person]):
            raise OutdatedWordError(f"{told}: by another than the people have of him")
        consent = Consent.open(document, people[person])
    except DocumentError as error:
        raise WordError(f"{told}: {error}") from None
    if (consent.person, consent.role, consent.wave, consent.plan_sha256) != (person, role, *_subject(update, rings)):
        raise WordError(f"{person} signed for another {update.kb} than the list has")


def _subject(update: Update, rings: Sequence[str]) -> tuple[UUID, str]:
    """What a person signs for: the update by its number, and the digest of what it is and for whom."""
    words = {"update": update.model_dump(mode="json"), "rings": list(rings)}
    return uuid5(_NAMESPACE, update.kb), sha256(canonical(words)).hexdigest()
