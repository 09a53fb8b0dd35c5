"""Decides who gets a certificate: an enrolment by its one-time code, a renewal by the key that it replaces.

A machine that takes another's place (`replaces` in the inventory) ends the other's certificate by getting its own.

Whoever asks without a valid proof learns nothing but that: why exactly, stands in the alarm. A code's use, the
certificate that it earned and the answer are one transaction, so the same request finds the same answer, after a kill,
too.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from renkei.exchange.bindings import DirectoryEntry
from renkei.exchange.certificates import CERTIFICATE_DAYS, Authority, certificate_from_pem, public_key_of
from renkei.exchange.clock import format_time, parse_time
from renkei.exchange.enrolment import EnrolmentError, EnrolmentRequest
from renkei.exchange.errors import ExchangeError
from renkei.exchange.parties import HUB
from renkei.ministry.issuance import Applicant, issue_binding, revoke
from renkei.ministry.ledger import Answer, Code, Issued, Ledger, Records
from renkei.ministry.service import ALARM
from renkei.ministry.settings import RegisteredTerminal

log = logging.getLogger("renkei.authority")

UNPROVEN = "the proof doesn't hold: check endpoint, terminal and one-time code, or ask the ministry for a new code"
_RETIRED = "retired"


class RefusalError(Exception):
    """A request is refused: `public` is for who asked, `detail` for the ministry alone."""

    def __init__(self, public: str, detail: str) -> None:
        """Keep both texts."""
        super().__init__(detail)
        self.public = public
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Registrar:
    """The decisions of the registration authority.

    Attributes:
        ledger: codes, certificates, answers.
        issuing: gives the issuing CA, ready to sign, at a time.
        terminals: gives the machines of the inventory, as it is now.
        days: how long a certificate is valid.
    """

    ledger: Ledger
    issuing: Callable[[datetime], Authority]
    terminals: Callable[[], Sequence[RegisteredTerminal]]
    days: int = CERTIFICATE_DAYS

    def decide(self, request: EnrolmentRequest, *, renewal: bool, at: datetime) -> Answer:
        """Return the answer to a request: the one given before, or a new one, durably recorded.

        Raises:
            IssuingError: the issuing CA isn't ready; nothing was decided.
            SettingsError: the inventory can't be read; nothing was decided.

        """
        digest = sha256(b"renewal" if renewal else b"enrolment")
        digest.update(request.to_json())
        name = digest.hexdigest()
        issuing, terminals = self.issuing(at), self.terminals()

        def work(records: Records) -> tuple[Answer, str]:
            before = records.answer(name)
            if before and before.state == "approved":
                return before, ""
            try:
                if renewal:
                    _check_renewal(records, request, at)
                    code = None
                else:
                    code = _check_code(records, request, at)
                # The ASP's machines are no terminals: there the key that is replaced vouches.
                terminal = None if request.endpoint == HUB else _check_inventory(request, terminals)
                applicant = Applicant(request.endpoint, request.terminal, request.csr, request.receiving_key)
                issued = _issue(records, applicant, issuing, at, self.days)
            except RefusalError as refusal:
                records.refuse(name, refusal.public, format_time(at))
                known = before is not None and before.reason == refusal.public
                return Answer("refused", None, refusal.public), "" if known else refusal.detail
            if code:
                records.use_code(code.id, format_time(at))
                if terminal:
                    _end_replaced(records, terminal, issuing, at)
            records.approve(name, issued.certificate_sha256, format_time(at))
            log.info("%s/%s: generation %d issued", request.endpoint, request.terminal, issued.generation)
            return Answer("approved", issued.entry, None), ""

        answer, alarm = self.ledger.write(work)
        if alarm:
            what = "renewal" if renewal else "enrolment"
            log.log(ALARM, "%s of %s/%s refused: %s", what, request.endpoint, request.terminal, alarm)
        return answer


def _check_code(records: Records, request: EnrolmentRequest, at: datetime) -> Code:
    """Return the open code that proves the request."""
    codes = records.codes(request.endpoint, request.terminal)
    proven = [code for code in codes if _holds(request, code)]
    if not proven:
        known = f"{len(codes)} codes were given out" if codes else "no code was given out"
        raise RefusalError(UNPROVEN, f"the proof fits no code; {known} for this endpoint and terminal")
    code, now = proven[-1], format_time(at)
    state = code.state(now)
    if state != "open":
        since = {"used": code.used_at, "revoked": code.revoked_at, "expired": code.expires_at}[state]
        raise RefusalError(
            f"the one-time code is {state}; ask the ministry for a new one", f"code {code.id} {state} {since}"
        )
    if code.machine_serial != request.machine_serial:
        raise RefusalError(
            "the one-time code was given out for another machine",
            f"code {code.id} is for the machine {code.machine_serial}, {request.machine_serial} used it",
        )
    return code


def _holds(request: EnrolmentRequest, code: Code) -> bool:
    try:
        request.check_proof(code.key)
    except EnrolmentError:
        return False
    return True


def _check_renewal(records: Records, request: EnrolmentRequest, at: datetime) -> None:
    """Check that a live certificate of the same machine signed the request."""
    for issued in records.bindings(request.endpoint, request.terminal):
        if issued.revoked_at or not parse_time(issued.not_before) <= at < parse_time(issued.not_after):
            continue
        certificate = certificate_from_pem(DirectoryEntry.from_json(issued.entry).certificate)
        try:
            request.check_renewal(public_key_of(certificate))
        except EnrolmentError:
            continue
        return
    raise RefusalError(
        "the renewal isn't signed by a live certificate of this machine; enrol it anew",
        "no live certificate of this endpoint and terminal signed it",
    )


def _check_inventory(request: EnrolmentRequest, terminals: Sequence[RegisteredTerminal]) -> RegisteredTerminal:
    for terminal in terminals:
        if terminal.asset_number != request.terminal:
            continue
        if terminal.endpoint != request.endpoint:
            raise RefusalError(
                "the inventory has this terminal at another endpoint", f"the inventory has it at {terminal.endpoint}"
            )
        if terminal.machine_serial != request.machine_serial:
            raise RefusalError(
                "the inventory has another machine serial for this terminal",
                f"the inventory has the serial {terminal.machine_serial}, the request {request.machine_serial}",
            )
        if terminal.state == _RETIRED:
            raise RefusalError("the inventory says that this terminal is retired", "the inventory says: retired")
        return terminal
    raise RefusalError("the inventory has no such terminal", "it is not in the inventory")


def _end_replaced(records: Records, terminal: RegisteredTerminal, issuing: Authority, at: datetime) -> None:
    """Let the machine whose place is taken speak no more: its certificates and open codes end with the new one's birth.

    All in the transaction that issues: two machines of an endpoint never both have a certificate that counts, since
    each would number its parcels on from the same place.
    """
    if not terminal.replaces:
        return
    now = format_time(at)
    for code in records.codes(terminal.endpoint, terminal.replaces):
        records.revoke_code(code.id, now)
    for issued in records.bindings(terminal.endpoint, terminal.replaces):
        if not issued.revoked_at and now < issued.not_after:
            revoke(records, issued, f"replaced by {terminal.asset_number}", issuing, at)
            log.info("%s/%s: revoked, %s replaces it", terminal.endpoint, terminal.replaces, terminal.asset_number)


def _issue(records: Records, applicant: Applicant, issuing: Authority, at: datetime, days: int) -> Issued:
    try:
        return issue_binding(records, applicant, issuing, at, days)
    except ExchangeError as error:
        raise RefusalError(f"the request can't be certified: {error}", str(error)) from error
