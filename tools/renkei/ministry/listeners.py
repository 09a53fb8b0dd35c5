"""Certificates for the maintenance windows of terminals: by them the controller knows to which machine it speaks.

The key is made on the terminal (`Request-Listener.ps1`); the request comes by the role `terminal_base`, or on the stick
of whoever sets the machine up. Many come at once, and each is answered for itself:

    [{"terminal": "R2026-0001", "name": "R2026-0001", "address": "10.64.0.66", "csr": "-----BEGIN NEW …"}]
    {"issued": {"R2026-0001": PEM}, "refused": {"R2021-0001": "the inventory has it as retired"}}
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Address
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from renkei.exchange.certificates import MAX_PEM, CertificateError
from renkei.exchange.errors import misfits
from renkei.ministry.counter import CounterError, issue_server_locally
from renkei.ministry.office import Office
from renkei.ministry.settings import RegisteredTerminal, load_terminals

MAX_BYTES = 8 * 1024 * 1024
_MOST = 4000


class ListenerRequest(BaseModel):
    """What a machine asks for.

    Attributes:
        terminal: its asset number.
        name: the computer's name, which has no dots: no server of the ASP has such a one.
        address: by which the controller reaches it.
        csr: the certificate signing request, PEM.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    terminal: Annotated[str, Field(max_length=64)]
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9-]{0,14}$")]
    address: IPv4Address
    csr: Annotated[str, Field(max_length=MAX_PEM)]


_REQUESTS = TypeAdapter(Annotated[list[ListenerRequest], Field(max_length=_MOST)])


@dataclass(frozen=True, slots=True)
class Answers:
    """By asset number: the certificate and the issuing CA's (PEM), or why there is none."""

    issued: Mapping[str, str]
    refused: Mapping[str, str]


def read_requests(text: bytes) -> list[ListenerRequest]:
    """Read the requests.

    Raises:
        CounterError: they aren't in their form; the text says where.
    """
    try:
        return _REQUESTS.validate_python(json.loads(text))
    except ValidationError as error:
        raise CounterError(f"the requests aren't in their form: {misfits(error, 'requests')}") from None
    except (ValueError, RecursionError) as error:
        raise CounterError(f"the requests are no JSON: {error}") from error


def issue_listeners(office: Office, requests: list[ListenerRequest], at: datetime) -> Answers:
    """Answer every request; one that is refused keeps no other from its certificate.

    The same key and names get the same certificate until two thirds of its time are over.

    Raises:
        IssuingError: the CA isn't ready.
        SettingsError: the inventory can't be read.
    """
    machines = {each.asset_number: each for each in load_terminals(office.settings.authority.terminals)}
    issued, refused = {}, {}
    for each in requests:
        if why := _refusal(machines.get(each.terminal)):
            refused[each.terminal] = why
            continue
        try:
            issued[each.terminal] = issue_server_locally(office, each.csr, [each.name], [str(each.address)], at)
        except CertificateError as error:
            refused[each.terminal] = str(error)
    return Answers(issued, refused)


def _refusal(machine: RegisteredTerminal | None) -> str:
    if machine is None:
        return "the inventory has no such machine: converge the ministry's linkage host, or correct terminals.csv"
    return "the inventory has it as retired" if machine.state == "retired" else ""
