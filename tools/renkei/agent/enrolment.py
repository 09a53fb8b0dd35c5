"""How this machine comes to its first certificate: keys made here, a one-time code, the authority's answer verified.

The request is made once and kept: a cut line, a kill or a second call sends the very same keys. The code itself is
never written down.
"""

import json
import time
from dataclasses import dataclass
from enum import StrEnum

from renkei.agent import directory, profiles
from renkei.agent.contact import HubNotGenuine, establish
from renkei.agent.files import stage
from renkei.agent.home import Home, log, now
from renkei.agent.keys import Generation, KeyMismatch, PendingKeys
from renkei.client.answers import EnrolmentResult
from renkei.client.connection import Connection
from renkei.client.enrolment import EnrolmentClient
from renkei.client.errors import HubBusy, HubError, HubUnreachable, NotFound
from renkei.exchange.bindings import BindingError
from renkei.exchange.enrolment import EnrolmentFields, code_key
from renkei.exchange.parties import MINISTRY

_SUBMISSION = "submission.json"
_ASK_AGAIN = 3.0


class NeedsCode(Exception):
    """No request was sent yet, so the one-time code is needed."""


class EnrolmentRefused(Exception):
    """The authority refused, or its answer can't be believed."""


class Standing(StrEnum):
    """Where the enrolment stands."""

    ENROLLED = "enrolled"
    PENDING = "pending"


@dataclass(frozen=True, slots=True)
class Enrolment:
    """The outcome of a call."""

    standing: Standing
    generation: int | None = None


def enrol(home: Home, code: str | None, wait: float) -> Enrolment:
    """Ask for a certificate, or look for the answer to what was asked before.

    Args:
        home: of the machine.
        code: the one-time code of the sheet; None only when a request was sent before.
        wait: seconds to wait for the hub and the authority, 0 to ask once.

    Raises:
        NeedsCode: no code, and nothing was sent yet.
        CodeError: the code was mistyped.
        EnrolmentRefused: the authority said no; the text says why.
        HubError: the enrolment listener can't be reached or refuses, also after `wait`.
    """
    current = home.keyring.current()
    if current is not None:
        return Enrolment(Standing.ENROLLED, current.number)
    pending = home.keyring.prepare(home.party, home.settings.terminal)
    deadline = time.monotonic() + wait
    while True:
        try:
            if code is not None:
                _submit(home, pending, code)
                code = None
            generation = collect(home) or home.keyring.current()  # the running service may have fetched the answer
        except (HubUnreachable, HubBusy):
            if time.monotonic() >= deadline:
                raise
        else:
            if generation is not None:
                return Enrolment(Standing.ENROLLED, generation.number)
            if submission(pending) is None:
                raise NeedsCode("nothing was sent yet; give the one-time code of this terminal's sheet")
            if time.monotonic() >= deadline:
                return Enrolment(Standing.PENDING)
        time.sleep(_ASK_AGAIN)


def collect(home: Home) -> Generation | None:
    """Fetch the authority's answer if there is a request; None while it isn't decided.

    Raises:
        EnrolmentRefused: no, or an answer that can't be believed.
        HubError: the enrolment listener can't be reached.
    """
    pending = home.keyring.pending()
    enrolment_id = submission(pending) if pending is not None else None
    if pending is None or enrolment_id is None:
        return None
    try:
        with _listener(home) as client:
            answer = client.result(enrolment_id)
    except NotFound as error:
        (pending.folder / _SUBMISSION).unlink(missing_ok=True)
        raise EnrolmentRefused("the hub doesn't know this request any more; give the one-time code again") from error
    generation = decide(home, pending, answer)
    if generation is not None:
        _first_contact(home)
    return generation


def decide(home: Home, pending: PendingKeys, answer: EnrolmentResult) -> Generation | None:
    """Adopt what the authority approved, once it is verified; None while it is pending.

    Raises:
        EnrolmentRefused: refused, or the entry isn't one of this machine under the trust anchor.
    """
    if answer.state == "pending":
        return None
    if answer.state == "refused" or answer.entry is None:
        home.keyring.abandon()
        why = f"the registration authority refused: {answer.reason or 'no reason given'}; ask for a new sheet"
        home.alarm("enrolment", home.settings.terminal, why)
        raise EnrolmentRefused(why)
    try:
        verified = home.anchor.verify_entry(answer.entry, now(), home.party)
        generation = home.keyring.adopt(pending, answer.entry, verified, home.settings.terminal)
    except (BindingError, KeyMismatch) as error:
        home.alarm("enrolment", home.settings.terminal, f"the answer to the enrolment can't be believed: {error}")
        raise EnrolmentRefused(f"the answer to the enrolment can't be believed: {error}") from error
    home.spool.settle("enrolment", home.settings.terminal)
    log.info("enrolled as %s/%s, generation %d", verified.party, verified.terminal, verified.generation)
    return generation


def fields(home: Home, pending: PendingKeys) -> EnrolmentFields:
    """What this machine asks for, without the proof."""
    return EnrolmentFields(
        endpoint=home.party,
        terminal=home.settings.terminal,
        machine_serial=home.settings.machine_serial,
        csr=pending.request_pem,
        receiving_key=pending.receiving_point,
    )


def submission(pending: PendingKeys) -> str | None:
    """The id under which the hub queued the request, None when it wasn't sent."""
    try:
        return str(json.loads((pending.folder / _SUBMISSION).read_bytes())["id"])
    except FileNotFoundError:
        return None


def note_submission(pending: PendingKeys, enrolment_id: str) -> None:
    """Remember the id durably."""
    stage(pending.folder / _SUBMISSION, json.dumps({"id": enrolment_id}).encode())


def _submit(home: Home, pending: PendingKeys, code: str) -> None:
    request = fields(home, pending).prove(code_key(code, home.party, home.settings.terminal))
    with _listener(home) as client:
        note_submission(pending, client.submit(request))


def _listener(home: Home) -> EnrolmentClient:
    return EnrolmentClient(Connection.to_gateway(home.settings.enrolment, home.settings.anchor_file))


def _first_contact(home: Home) -> None:
    """Learn who the ministry is and say what is read here while there is a line: an endpoint on media has no other."""
    if home.settings.is_ministry:
        return
    try:
        with home.connect() as client:
            contact = establish(home, client)
            profiles.declare(home, contact)
            directory.refresh(home, client, MINISTRY)
    except (HubError, HubNotGenuine) as error:
        log.warning("enrolled, but the first exchange has to wait: %s", error)
