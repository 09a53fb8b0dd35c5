"""A server's request for its next certificate: proven by its present key, for the same names, and nothing else."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509

from renkei.exchange.anchors import Anchors
from renkei.exchange.certificates import (
    Authority,
    CertificateError,
    certificate_to_pem,
    issue_client,
    issue_controller,
    issue_database_client,
    issue_server,
    make_key,
    make_request,
    make_server_request,
)
from renkei.exchange.documents import Signer
from renkei.exchange.parties import MINISTRY
from renkei.exchange.servers import Names, ServerRenewal, ServerRequest, names_of, read_chain

DNS, ADDRESSES = ["enrol.example", "gateway.example"], ["10.64.0.74"]


@dataclass
class Server:
    """A server with a valid certificate, and the request for its next one."""

    world: Any

    def __post_init__(self) -> None:
        self.key, self.next = make_key(), make_key()
        self.certificate = self.issue(self.key)
        self.asked = ServerRequest.make(self.next, self.certificate, self.world.issuing.certificate, self.key)

    @property
    def anchors(self) -> Anchors:
        return Anchors((self.world.root.certificate,))

    def issue(self, key: Any, dns: list[str] = DNS, ca: Authority | None = None, days: int = 398) -> x509.Certificate:
        request = make_server_request(key, "whatever")
        return issue_server(request, dns, ADDRESSES, ca or self.world.issuing, self.world.now, days)

    def chain(self, certificate: x509.Certificate, ca: Authority | None = None) -> str:
        return certificate_to_pem(certificate) + certificate_to_pem((ca or self.world.issuing).certificate)


@pytest.fixture
def server(world: Any) -> Server:
    return Server(world)


def test_a_request_leads_to_the_certificate_that_it_replaces(server: Server) -> None:
    asked = ServerRequest.from_json(server.asked.to_json())
    assert asked == server.asked
    assert asked.check(server.anchors, server.world.now) == server.certificate
    assert names_of(server.certificate) == Names(DNS, ADDRESSES)
    new = server.issue(server.next)
    assert asked.check_answer(server.chain(new), server.anchors, server.world.now) == new


def test_what_was_changed_on_the_way_is_not_proven(server: Server) -> None:
    other = ServerRequest.make(make_key(), server.certificate, server.world.issuing.certificate, server.key)
    for changes in ({"csr": other.csr}, {"proof": other.proof}):
        with pytest.raises(CertificateError, match="one for another request"):
            server.asked.model_copy(update=changes).check(server.anchors, server.world.now)
    stranger = make_key()
    renewal = ServerRenewal.open(server.asked.proof.encode(), server.key.public_key())
    forged = server.asked.model_copy(update={"proof": renewal.sign(Signer(stranger)).decode()})
    with pytest.raises(CertificateError, match="isn't proven by the server's present key"):
        forged.check(server.anchors, server.world.now)


def test_only_a_valid_certificate_of_this_root_is_renewed(server: Server, foreign_world: Any) -> None:
    with pytest.raises(CertificateError, match="not at 2027"):
        server.asked.check(server.anchors, server.world.now + timedelta(days=399))
    foreign = Server(foreign_world)
    with pytest.raises(CertificateError, match="not signed by the root"):
        foreign.asked.check(server.anchors, server.world.now)
    mixed = foreign.asked.model_copy(update={"issuer": server.asked.issuer})
    with pytest.raises(CertificateError, match="not signed by the issuing CA"):
        mixed.check(server.anchors, server.world.now)


def test_no_other_kind_of_certificate_becomes_a_servers(world: Any, server: Server) -> None:
    party = issue_client(make_request(server.key, MINISTRY, "T-1"), MINISTRY, "T-1", world.issuing, world.now)
    request = make_server_request(server.key, "whatever")
    database = issue_database_client(request, "hub.asp-hub", world.issuing, world.now)
    controller = issue_controller(request, "controller@renkei", world.issuing, world.now)
    for other in (party, database, controller, world.issuing.certificate):
        with pytest.raises(CertificateError, match="not one of a TLS server"):
            names_of(other)
        claimed = server.asked.model_copy(update={"certificate": certificate_to_pem(other)})
        with pytest.raises(CertificateError):
            claimed.check(server.anchors, world.now)


def test_the_present_key_gets_no_second_certificate(server: Server) -> None:
    same = ServerRequest.make(server.key, server.certificate, server.world.issuing.certificate, server.key)
    with pytest.raises(CertificateError, match="has a new key"):
        same.check(server.anchors, server.world.now)


def test_an_answer_for_other_names_another_key_or_of_another_root_is_not_taken(
    server: Server, foreign_world: Any
) -> None:
    more, fewer = (server.issue(server.next, dns) for dns in ([*DNS, "mirror.example"], DNS[:1]))
    foreign = server.issue(server.next, ca=foreign_world.issuing)
    answers = [
        (server.chain(more), "is for enrol.example, gateway.example, mirror.example, 10.64.0.74, not for"),
        (server.chain(fewer), "is for enrol.example, 10.64.0.74, not for"),
        (server.chain(server.issue(make_key())), "another key than was asked for"),
        (server.chain(server.certificate), "another key than was asked for"),
        (server.chain(foreign, foreign_world.issuing), "not signed by the root"),
        (certificate_to_pem(server.issue(server.next)), "there are 1"),
        ("nonsense", "PEM"),
        ("x" * 40_000, "at most"),
    ]
    for answer, why in answers:
        with pytest.raises(CertificateError, match=why):
            server.asked.check_answer(answer, server.anchors, server.world.now)
    with pytest.raises(CertificateError, match="there are 3"):
        read_chain(server.chain(more) + server.asked.issuer)


@pytest.mark.parametrize(
    "text", [b"", b"{}", b"[]", b"{" * 70_000, b'{"csr":"","certificate":"","issuer":"","proof":""}']
)
def test_what_is_no_request_is_refused_in_words(text: bytes) -> None:
    with pytest.raises(CertificateError, match=r"the server's request|a server's request is at most"):
        ServerRequest.from_json(text)
