"""The hub's own renewal, as a timer asks for it: two thirds of the time over → next keys → a request in its own queue.

The registration authority finds the request there like any terminal's, proven by the key that it replaces. Its answer
makes the next certificate live, and the serving hub signs with the next keys from then on.
"""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from renkei.exchange.bindings import DirectoryEntry
from renkei.exchange.certificates import certificate_from_pem, is_due
from renkei.exchange.enrolment import EnrolmentFields, EnrolmentRequest
from renkei.exchange.errors import ExchangeError
from renkei.exchange.parties import HUB
from renkei.hub.identity import Identity, IdentityError, find_identity, next_keys, own_like
from renkei.hub.registry import queued
from renkei.hub.settings import Settings
from renkei.hub.setup import SetupError, renew, with_store
from renkei.store.hub.store import SqlHubStore

_PROVEN = "renewal.json"


class Standing(StrEnum):
    """Where a renewal stands, of the hub's or of the gateway's certificate."""

    NOT_DUE = "not due"
    ASKED = "asked"
    WAITING = "waiting"
    RENEWED = "renewed"


@dataclass(frozen=True, slots=True)
class Renewal:
    """What a look came to; `not_after` is when the certificate in use ends."""

    standing: Standing
    not_after: datetime


def renew_when_due(settings: Settings, terminal: str) -> Renewal:
    """Ask for the hub's next certificate if two thirds of the present one's time are over.

    To be called every day: the same keys and the same request wait until they are answered, and a request that was
    refused is made again.

    Raises:
        SetupError: the hub has no entry yet, or its keys are broken.
    """
    try:
        used = with_store(settings, lambda store: find_identity(store, settings.keys, int(time.time())))
        if used is None:
            raise SetupError(f"{settings.keys}: no live entry fits these keys; renkei-hub init and install-entry first")
        certificate = certificate_from_pem(DirectoryEntry.from_json(used.entry).certificate)
        not_after = certificate.not_valid_after_utc
        if not is_due(certificate, datetime.now(UTC)):
            return Renewal(Standing.NOT_DUE, not_after)
        fields = EnrolmentFields.model_validate_json(renew(settings, terminal))
        asked = _proven(settings, next_keys(settings.keys) / _PROVEN, fields, used)
    except (OSError, ExchangeError, IdentityError, ValueError) as error:
        raise SetupError(f"{settings.keys}: {error}") from error

    async def enqueue(store: SqlHubStore) -> bool:
        return await store.enqueue(queued("renewal", asked, HUB), int(time.time()))

    new = with_store(settings, enqueue)
    return Renewal(Standing.ASKED if new else Standing.WAITING, not_after)


def _proven(settings: Settings, path: Path, fields: EnrolmentFields, used: Identity) -> EnrolmentRequest:
    """The request with the proof of the present key, the same as long as the same keys wait."""
    if path.exists():
        kept = EnrolmentRequest.from_json(path.read_bytes())
        if kept.csr == fields.csr:
            return kept
    asked = fields.prove_by_old_key(used.signer)
    path.write_bytes(asked.to_json())
    own_like(path, settings.state.stat())
    return asked
