"""An authority, its counter and a hub that remembers what it was told."""

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import httpx

from renkei.client.connection import Connection
from renkei.client.hub import HubClient
from renkei.exchange.bindings import DirectoryEntry
from renkei.exchange.certificates import certificate_from_pem, fingerprint
from renkei.exchange.crl import Crl, read_crl
from renkei.exchange.enrolment import EnrolmentFields, EnrolmentRequest, code_key
from renkei.exchange.servers import ServerRequest
from renkei.ministry.authority import AuthorityService
from renkei.ministry.counter import give_out_code
from renkei.ministry.office import Office
from renkei.ministry.own import Identity

SERIAL = "LAB0A1301"


@dataclass
class Hub:
    """The hub's side of the protocol for the authority; `failures` are answers that come before the right ones."""

    known: set[str] = field(default_factory=set)
    pending: dict[str, EnrolmentRequest] = field(default_factory=dict)
    servers: dict[str, ServerRequest] = field(default_factory=dict)
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)
    revocations: list[bytes] = field(default_factory=list)
    crls: list[Crl] = field(default_factory=list)
    failures: dict[str, list[int | None]] = field(default_factory=dict)
    caller: str = ""
    own: bytes = b"{}"
    epoch: int = 1

    def __call__(self, request: httpx.Request) -> httpx.Response:
        what = f"{request.method} {request.url.path}"
        if self.failures.get(what):
            status = self.failures[what].pop(0)
            if status is None:
                raise httpx.ConnectError("refused")
            return response(
                status, {"type": "conflict" if status == 409 else "busy", "title": "refused", "status": status}
            )
        if self.caller not in self.known:
            return response(403, {"type": "certificate", "title": "unknown", "status": 403})
        if what == "GET /v1/hub":
            state = {"epoch": self.epoch, "entry": json.loads(self.own), "tree_head": "{}", "time": ""}
            return response(200, state)
        if what == "GET /v1/enrolments":
            queue = [
                {"id": name, "kind": "enrolment", "request": json.loads(asked.to_json())}
                for name, asked in self.pending.items()
            ]
            return response(200, {"enrolments": queue})
        if what == "GET /v1/servers":
            queue = [{"id": name, "request": json.loads(asked.to_json())} for name, asked in self.servers.items()]
            return response(200, {"servers": queue})
        if what == "PUT /v1/bindings":
            self.known.add(digest_of(request.content))
        elif what == "PUT /v1/revocations":
            self.revocations.append(request.content)
        elif what == "PUT /v1/crl":
            self.crls.append(read_crl(request.content.decode()))
        else:
            name = request.url.path.rsplit("/", 1)[1]
            self.answers[name] = json.loads(request.content)
            self.pending.pop(name, None)
            self.servers.pop(name, None)
        return response(201, {})

    def connect(self, identity: Identity) -> HubClient:
        self.caller = digest_of(identity.entry.to_json())
        return HubClient(Connection("https://hub.test", httpx.MockTransport(self)))


def response(status: int, document: object) -> httpx.Response:
    return httpx.Response(status, stream=httpx.ByteStream(json.dumps(document).encode()))


def digest_of(entry: bytes) -> str:
    return fingerprint(certificate_from_pem(DirectoryEntry.from_json(entry).certificate))


@dataclass
class Scene:
    office: Office
    hub: Hub
    service: AuthorityService
    ministry: Any
    now: datetime

    def enrol(self, name: str = "e-1", serial: str = SERIAL) -> EnrolmentRequest:
        """Let a machine with a good code queue at the hub."""
        machine = self.ministry.machine()
        code = give_out_code(self.office, machine.party, machine.terminal, SERIAL, (self.now, timedelta(hours=1))).code
        fields = EnrolmentFields(
            endpoint=machine.party,
            terminal=machine.terminal,
            machine_serial=serial,
            csr=machine.applicant().request,
            receiving_key=machine.point,
        )
        self.hub.pending[name] = fields.prove(code_key(code, machine.party, machine.terminal))
        return self.hub.pending[name]
