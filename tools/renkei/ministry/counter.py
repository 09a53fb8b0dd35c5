"""What a person, or the role that sets up the ministry, asks of the authority: local requests, codes, revocations."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import ValidationError

from renkei.exchange.clock import format_time
from renkei.exchange.enrolment import MAX_REQUEST, EnrolmentFields, code_key, new_code
from renkei.exchange.errors import misfits
from renkei.exchange.parties import Party
from renkei.ministry.issuance import (
    Applicant,
    issue_binding,
    issue_database,
    issue_for_controller,
    issue_gateway,
    revoke,
)
from renkei.ministry.ledger import Records
from renkei.ministry.office import Office
from renkei.ministry.settings import load_terminals


class CounterError(Exception):
    """The authority doesn't do what was asked; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class NewCode:
    """A one-time code that was just made: shown once, kept nowhere."""

    id: int
    code: str
    expires_at: str


def read_request(text: bytes) -> EnrolmentFields:
    """Read an enrolment request; one that needs no proof may leave it out.

    Raises:
        CounterError: not such a request; the text names each wrong field.
    """
    try:
        asked = json.loads(text[: MAX_REQUEST + 1])
    except (ValueError, RecursionError) as error:
        raise CounterError(f"the request is not JSON, or longer than {MAX_REQUEST} bytes: {error}") from error
    if isinstance(asked, dict):
        asked.pop("proof", None)
    try:
        return EnrolmentFields.model_validate_json(json.dumps(asked))
    except ValidationError as error:
        raise CounterError(f"the request is not as the protocol has it: {misfits(error, 'request')}") from None


def issue_locally(office: Office, asked: EnrolmentFields, at: datetime) -> str:
    """Issue to a machine of the ministry or the ASP, whose operator stands at this counter; return its entry, JSON.

    Raises:
        CounterError: it is an endpoint's machine: those need a one-time code.
        CertificateError, IssuingError: the request names someone else, or the CA isn't ready.
    """
    if asked.endpoint.is_endpoint:
        raise CounterError(
            f"{asked.endpoint} is an endpoint: give out a code (`renkei ministry authority code new`) and let it enrol"
        )
    applicant = Applicant(asked.endpoint, asked.terminal, asked.csr, asked.receiving_key)
    issuing, days = office.issuing.open(at), office.settings.authority.certificate_days
    return office.ledger.write(lambda records: issue_binding(records, applicant, issuing, at, days)).entry


def issue_server_locally(office: Office, request: str, dns: list[str], addresses: list[str], at: datetime) -> str:
    """Issue a TLS server certificate for these names; return it and the issuing CA's (PEM).

    Raises:
        CertificateError, IssuingError: no name, a name that is none, or the CA isn't ready.
    """
    issuing, days = office.issuing.open(at), office.settings.authority.certificate_days
    names = (dns, addresses)
    return office.ledger.write(lambda records: issue_gateway(records, request, names, issuing, at, days))


def issue_database_locally(office: Office, request: str, name: str, at: datetime) -> str:
    """Issue a certificate for a client of the hubs' database; return it and the issuing CA's (PEM).

    Raises:
        CertificateError, IssuingError: the name is none of such a client, or the CA isn't ready.
    """
    issuing, days = office.issuing.open(at), office.settings.authority.certificate_days
    return office.ledger.write(lambda records: issue_database(records, request, name, issuing, at, days))


def issue_controller_locally(office: Office, request: str, name: str, at: datetime) -> str:
    """Issue a certificate for a controller of Windows terminals; return it and the issuing CA's (PEM).

    Raises:
        CertificateError, IssuingError: the name is no UPN, or the CA isn't ready.
    """
    issuing, days = office.issuing.open(at), office.settings.authority.certificate_days
    return office.ledger.write(lambda records: issue_for_controller(records, request, name, issuing, at, days))


def give_out_code(
    office: Office, endpoint: Party, terminal: str, serial: str, span: tuple[datetime, timedelta]
) -> NewCode:
    """Make a one-time code for a machine; open codes that the machine has are revoked.

    Args:
        office: the authority's.
        endpoint: whom the machine will speak for.
        terminal: its asset number.
        serial: its maker's serial number.
        span: from when, and for how long.

    Raises:
        CounterError: the inventory has no such machine there.
        SettingsError: the inventory can't be read.
    """
    machines = [each for each in load_terminals(office.settings.authority.terminals) if each.asset_number == terminal]
    wanted = (endpoint, serial)
    if not any((each.endpoint, each.machine_serial) == wanted and each.state != "retired" for each in machines):
        has = (
            "; ".join(f"{each.endpoint}, serial {each.machine_serial}, {each.state}" for each in machines) or "no such"
        )
        raise CounterError(
            f"the inventory has no terminal {terminal} with serial {serial} in use at {endpoint} (it has: {has}); "
            f"correct the inventory and converge, or the command"
        )
    code, now = new_code(), format_time(span[0])
    expires = format_time(span[0] + span[1])
    key = code_key(code, endpoint, terminal)

    def work(records: Records) -> int:
        for old in records.codes(endpoint, terminal):
            records.revoke_code(old.id, now)
        return records.add_code(endpoint, terminal, serial, key, now, expires)

    return NewCode(office.ledger.write(work), code, expires)


def revoke_machine(office: Office, endpoint: str, terminal: str, reason: str, at: datetime) -> int:
    """Revoke the certificates of a machine and sign the new list; return how many were revoked now.

    Raises:
        CounterError: the machine never had one.
        IssuingError: the CA isn't ready.
    """
    issuing = office.issuing.open(at)
    now = format_time(at)

    def work(records: Records) -> int:
        issued = records.bindings(endpoint, terminal)
        if not issued:
            raise CounterError(f"{endpoint}/{terminal} never had a certificate; see `renkei ministry authority list`")
        for code in records.codes(endpoint, terminal):
            records.revoke_code(code.id, now)
        live = [each for each in issued if not each.revoked_at and now < each.not_after]
        for each in live:
            revoke(records, each, reason, issuing, at)
        return len(live)

    count = office.ledger.write(work)
    office.write_crl(at)
    return count
