"""The hub over its real sockets, spoken to by the client that agents and the ministry use."""

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from renkei.client.connection import Connection
from renkei.client.enrolment import EnrolmentClient
from renkei.client.errors import Conflict, HubBusy, HubRefused, MissingParts, NotAllowed, NotFound, WrongSequence
from renkei.client.hub import HubClient
from renkei.exchange.certificates import make_key, make_request
from renkei.exchange.enrolment import EnrolmentFields, code_key, new_code
from renkei.exchange.parties import Party
from renkei.exchange.payloads import Receipt, Void
from renkei.hub import app
from renkei.hub.server import ServeError, _server, listen
from unit.lines import NO_CAS


@pytest.fixture
def sockets(bench: Any, tmp_path: Path) -> Iterator[Path]:
    """A folder in which the hub listens at hub.sock and enrolment.sock."""
    servers = []
    for application, name in ((app.exchange(bench.hub), "hub.sock"), (app.enrolment(bench.hub), "enrolment.sock")):
        server, sock = _server(bench.hub, application), listen(tmp_path / name, None)
        servers.append((server, asyncio.run_coroutine_threadsafe(server.serve([sock]), bench.loop)))
    yield tmp_path
    for server, _ in servers:
        server.should_exit = True
    for _, serving in servers:
        serving.result(20)


def connect(path: Path, machine: Any = None) -> Connection:
    headers = machine.header if machine else {"X-Forwarded-For": "172.20.0.7"}
    return Connection("http://hub", httpx.HTTPTransport(verify=NO_CAS, uds=str(path)), headers=headers)


def test_the_client_and_the_hub_speak_the_same_language(
    bench: Any, sockets: Path, ministry: Any, shinjuku: Any
) -> None:
    parcel = bench.parcel(shinjuku.machine, ministry.machine, sealed=bytes(150_000))
    with (
        HubClient(connect(sockets / "hub.sock", shinjuku.machine)) as sender,
        HubClient(connect(sockets / "hub.sock", ministry.machine)) as recipient,
    ):
        state = sender.state()
        assert (state.epoch, state.entry) == (1, bench.own.entry)
        assert [entry.certificate for entry in sender.directory("ministry").entries] == [
            ministry.machine.entry.certificate
        ]
        with pytest.raises(MissingParts) as missing:
            sender.put_message("131041", str(parcel.id), parcel.manifest)
        assert len(missing.value.missing) == len(set(parcel.parts))
        assert [sender.put_part(part) for part in parcel.parts] == [True, False, True]
        assert sender.missing_parts(missing.value.missing) == ()
        acceptance = bench.acceptance(sender.put_message("131041", str(parcel.id), parcel.manifest))
        assert acceptance.id == parcel.id
        assert [each.id for each in sender.stream("ministry", "notices").unreceipted] == [str(parcel.id)]
        [item] = recipient.inbox(0, wait=5).items
        assert (item.kind, item.entry) == ("manifest", shinjuku.machine.entry)
        sealed = b"".join(recipient.content("131041", str(parcel.id), 150_000))
        assert sealed == parcel.sealed
        assert b"".join(recipient.content("131041", str(parcel.id), 150_000, start=140_000)) == sealed[140_000:]
        receipt = Receipt(
            id=parcel.id,
            sender=Party("131041"),
            recipient=Party("ministry"),
            stream="notices",
            sequence=1,
            content_sha256=parcel.content_sha256,
            received_at=bench.time,
        ).sign(ministry.machine.signer)
        recipient.put_receipt("131041", str(parcel.id), receipt)
        page = sender.inbox(0)
        assert [(each.kind, each.entry) for each in page.items] == [("receipt", ministry.machine.entry)]
        assert sender.inbox(page.next).items == ()
        with pytest.raises(HubRefused, match="410"):
            list(recipient.content("131041", str(parcel.id), 150_000))
        void = Void(
            sender=Party("131041"),
            recipient=Party("ministry"),
            stream="notices",
            sequence=2,
            reason="lost",
            voided_at=bench.time,
        ).sign(shinjuku.machine.signer)
        sender.put_void("ministry", "notices", 2, void)
        ahead = bench.parcel(shinjuku.machine, ministry.machine, 4)
        sender.put_part(ahead.parts[0])
        with pytest.raises(WrongSequence) as sequence:
            sender.put_message("131041", str(ahead.id), ahead.manifest)
        assert sequence.value.expected == 3
        other = bench.parcel(shinjuku.machine, ministry.machine, message_id=parcel.id, content=b"other")
        sender.put_part(other.parts[0])
        with pytest.raises(Conflict):
            sender.put_message("131041", str(parcel.id), other.manifest)
        with pytest.raises(NotAllowed):
            sender.enrolments()
        with pytest.raises(NotFound):
            list(sender.content("ministry", str(ahead.id), 10))
        assert [entry["act"] for entry in recipient.journal_entries(2, 100)] == ["message", "receipt", "void"]
        assert len(recipient.inclusion_proof(0, 4)) == 2
        assert recipient.consistency_proof(2, 4)
        assert sender.journal_head()


def test_an_enrolment_over_its_own_socket(bench: Any, sockets: Path, authority: Any) -> None:
    fields = EnrolmentFields(
        endpoint=Party("131041"),
        terminal="T-0001",
        machine_serial="SN-1",
        csr=make_request(make_key(), Party("131041"), "T-0001"),
        receiving_key=b"\x04" + bytes(64),
    )
    request = fields.prove(code_key(new_code(), Party("131041"), "T-0001"))
    with (
        EnrolmentClient(connect(sockets / "enrolment.sock")) as machine,
        HubClient(connect(sockets / "hub.sock", authority.machine)) as office,
    ):
        asked = machine.submit(request)
        assert machine.result(asked).state == "pending"
        [queued] = office.enrolments()
        assert (queued.id, queued.request, queued.kind) == (asked, request, "enrolment")
        office.refuse(asked, "the code is used")
        assert machine.result(asked).reason == "the code is used"
        machine.submit(request)
        entry = bench.pki.enrol("131041").entry
        office.approve(asked, entry)
        assert machine.result(asked).entry == entry
        office.put_binding(bench.pki.enrol("011011").entry)
        lost = bench.enrol("012271").machine
        office.put_revocation(bench.pki.revocation(lost))
        assert office.directory("012271").entries == ()


def test_a_part_that_is_too_large_is_refused_before_it_is_read(sockets: Path, shinjuku: Any) -> None:
    certificate = shinjuku.machine.header["X-Client-Certificate"]
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(10)
        line.connect(str(sockets / "hub.sock"))
        head = f"PUT /v1/parts/{'0' * 64} HTTP/1.1\r\nHost: hub\r\nX-Client-Certificate: {certificate}\r\n"
        line.sendall(f"{head}Content-Digest: sha-256=:{'A' * 43}=:\r\nContent-Length: 99999999\r\n\r\n".encode())
        assert line.recv(100).startswith(b"HTTP/1.1 413 ")


@pytest.mark.thorough
def test_a_busy_hub_says_so(bench: Any, sockets: Path, shinjuku: Any) -> None:
    bench.hub.endpoint_rate._burst = 0.5
    with HubClient(connect(sockets / "hub.sock", shinjuku.machine)) as line, pytest.raises(HubBusy, match="429 rate"):
        line.state()


def test_a_socket_is_for_the_hub_and_its_group_alone(tmp_path: Path) -> None:
    path = tmp_path / "x.sock"
    with listen(path, None):
        assert oct(path.stat().st_mode & 0o777) == "0o660"
        with pytest.raises(ServeError, match="another process listens there"):
            listen(path, None)
    with listen(path, None):  # what a killed hub left behind is replaced
        pass
    with pytest.raises(ServeError, match="member of the group"):
        listen(path, "no-such-group")
    with pytest.raises(ServeError, match="the folder"):
        listen(tmp_path / "nowhere" / "x.sock", None)
