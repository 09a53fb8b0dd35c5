"""A renewal without a line: the request goes out with an export, the answer comes in with the ministry's.

    endpoint                          ministry's agent                 hub → authority
    entries/renewal-request.json  →   kept, handed in (as on a line) → decides as ever
    takes it by the trust anchor  ←   entries/renewal-answer.json   ←  its answer

The keys are made on the machine that will use them, the present key proves the request, and the answer is held against
the trust anchor: whoever carries the medium, and the ministry's agent too, only carries. A lost medium costs nothing:
both go on every export until they have done their work.
"""

import json
from datetime import timedelta
from hashlib import sha256
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from renkei.agent import enrolment, renewal
from renkei.agent.files import put
from renkei.agent.home import Home, log, now, stamp
from renkei.client.answers import EnrolmentResult
from renkei.client.errors import HubBusy, HubRefused, NotAllowed, NotFound
from renkei.client.hub import HubClient
from renkei.exchange.bindings import DirectoryEntry, VerifiedParty
from renkei.exchange.clock import format_time
from renkei.exchange.documents import DocumentError
from renkei.exchange.enrolment import EnrolmentError, EnrolmentRequest
from renkei.exchange.parties import Party
from renkei.store.renewals import CarriedRenewal

ANSWERS_REPEATED = timedelta(days=60)
"""A medium may be lost: an answer of this age goes on every one."""

_PROVEN = "renewal.json"


class _Answer(BaseModel):
    """What the ministry's agent writes for an endpoint: the authority's answer, and the request that it is for."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    request_sha256: str
    state: Literal["approved", "refused"]
    entry: DirectoryEntry | None = None
    reason: str = ""


def request_to_write(home: Home) -> bytes | None:
    """The request that an endpoint's export takes along, None while no renewal is due."""
    present = renewal.check(home)
    if present is None or not renewal.is_due(present):
        return None
    pending = home.keyring.prepare(home.party, home.settings.terminal)
    path = pending.folder / _PROVEN
    if not path.exists():
        request = enrolment.fields(home, pending).prove_by_old_key(home.keys().signer)
        put(path, request.to_json(), home.settings.staging)
        log.info("the request for a new certificate goes by medium")
    return path.read_bytes()


def take_request(home: Home, text: bytes, signer: VerifiedParty) -> bool:
    """At the ministry: keep the request that an endpoint's export brought; false when it was known.

    Args:
        home: of the ministry's agent.
        text: the request.
        signer: who signed the export.

    Raises:
        ExchangeError: it is another machine's, or not proven by the key that it is to replace.
    """
    request = EnrolmentRequest.from_json(text)
    if (request.endpoint, request.terminal) != (signer.party, signer.terminal):
        raise EnrolmentError(
            f"{signer.party}/{signer.terminal} brings a renewal of {request.endpoint}/{request.terminal}"
        )
    request.check_renewal(signer.signing_public_key)
    return home.spool.renewals.keep(signer.party, text)


def hand_in(home: Home, client: HubClient) -> None:
    """At the ministry: give the hub what came by medium, and look for the authority's answers.

    Raises:
        HubError: the hub can't be reached.
    """
    for carried in home.spool.renewals.unanswered():
        try:
            _advance(home, client, carried)
        except (NotAllowed, HubBusy):
            raise
        except HubRefused as error:
            home.alarm("certificate", carried.endpoint, f"the hub takes no renewal for {carried.endpoint}: {error}")
        else:
            home.spool.settle("renewal", carried.endpoint)


def answer_to_write(home: Home, recipient: Party) -> bytes | None:
    """At the ministry: the answer that an export takes along, if the recipient waits for one."""
    carried = home.spool.renewals.answered(recipient, format_time(now() - ANSWERS_REPEATED))
    return None if carried is None or carried.answer is None else carried.answer.encode()


def take_answer(home: Home, text: bytes) -> bool:
    """At the endpoint: take the authority's answer into use; false when it isn't for keys that wait.

    Raises:
        ExchangeError: it is malformed.
        EnrolmentRefused: the authority refused, or its answer can't be believed.
    """
    try:
        answer = _Answer.model_validate_json(text)
    except ValidationError:
        raise DocumentError("the answer to the renewal is not in its form") from None
    pending = home.keyring.pending()
    if pending is None or not (pending.folder / _PROVEN).exists():
        return False  # it did its work before, or this machine has asked by line
    if sha256((pending.folder / _PROVEN).read_bytes()).hexdigest() != answer.request_sha256:
        return False
    result = EnrolmentResult(state=answer.state, entry=answer.entry, reason=answer.reason)
    return enrolment.decide(home, pending, result) is not None


def _advance(home: Home, client: HubClient, carried: CarriedRenewal) -> None:
    submission = carried.submission
    if submission is None:
        submission = client.renew(EnrolmentRequest.from_json(carried.request))
        home.spool.renewals.note_submission(carried.endpoint, submission)
    try:
        result = client.renewal(submission)
    except NotFound:
        home.spool.renewals.note_submission(carried.endpoint, None)  # a hub that was restored: again next time
        return
    if result.state == "pending":
        return
    document: dict[str, object] = {"request_sha256": sha256(carried.request).hexdigest(), "state": result.state}
    if result.entry is not None:
        document["entry"] = result.entry.model_dump()
    if result.reason:
        document["reason"] = result.reason
    home.spool.renewals.note_answer(carried.endpoint, json.dumps(document, ensure_ascii=False), stamp())
    log.info("%s: the renewal that came by medium is %s; it goes with the next", carried.endpoint, result.state)
