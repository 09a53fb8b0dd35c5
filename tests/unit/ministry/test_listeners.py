"""Certificates for listeners: each request is answered for itself, and only the inventory's machines get one."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from typer.testing import CliRunner

from images import Authority, authority_of
from renkei.cli.ministry_authority import app
from renkei.exchange.certificates import make_key, make_server_request
from renkei.fleet.loader import load_fleet
from renkei.ministry.counter import CounterError
from renkei.ministry.listeners import ListenerRequest, issue_listeners, read_requests
from unit.agent.conftest import Pki, pki

__all__ = ["pki"]

SERVING, RETIRED = "R2026-0001", "R2021-0001"
NOW = datetime.now(UTC)


@pytest.fixture
def authority(tmp_path: Path, pki: Pki) -> Iterator[Authority]:
    fleet = load_fleet(Path(__file__).parents[3] / "inventory" / "lab")
    with authority_of(pki, tmp_path, list(fleet.terminals)) as made:
        yield made


def asked(terminal: str = SERVING, csr: str = "") -> ListenerRequest:
    csr = csr or make_server_request(make_key(), "whatever")
    return ListenerRequest(terminal=terminal, name=SERVING, address=IPv4Address("10.64.0.66"), csr=csr)


def test_a_certificate_is_for_the_computer_and_its_address_and_for_serving_alone(authority: Authority) -> None:
    answers = issue_listeners(authority.office, [asked()], NOW)
    own, issuer = x509.load_pem_x509_certificates(answers.issued[SERVING].encode())
    names = own.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [each.value for each in names] == [SERVING, IPv4Address("10.64.0.66")]
    assert list(own.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [
        ExtendedKeyUsageOID.SERVER_AUTH
    ]
    own.verify_directly_issued_by(issuer)


def test_the_same_key_gets_the_same_until_two_thirds_of_its_time_are_over(authority: Authority) -> None:
    request = asked()
    first = issue_listeners(authority.office, [request], NOW).issued
    assert issue_listeners(authority.office, [request], NOW + timedelta(days=200)).issued == first
    assert issue_listeners(authority.office, [request], NOW + timedelta(days=300)).issued != first


def test_a_request_that_is_refused_keeps_no_other_from_its_certificate(authority: Authority) -> None:
    requests = [asked(RETIRED), asked("R9999-1"), asked(SERVING)]
    answers = issue_listeners(authority.office, requests, NOW)
    assert list(answers.issued) == [SERVING]
    assert "retired" in answers.refused[RETIRED]
    assert "no such machine" in answers.refused["R9999-1"]
    broken = issue_listeners(authority.office, [asked(csr="-----BEGIN NOTHING-----")], NOW)
    assert "not well-formed" in broken.refused[SERVING]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"{", "no JSON"),
        (b"{}", "list"),
        (json.dumps([{"terminal": "A", "name": "gateway.asp", "address": "10.0.0.1", "csr": ""}]).encode(), "0.name"),
        (json.dumps([{"terminal": "A", "name": "A", "address": "nowhere", "csr": ""}]).encode(), "0.address"),
        (json.dumps([{"terminal": "A", "name": "A", "address": "10.0.0.1", "csr": "x" * 20000}]).encode(), "0.csr"),
    ],
)
def test_what_is_no_request_is_named_by_its_place(text: bytes, why: str) -> None:
    with pytest.raises(CounterError, match=why):
        read_requests(text)


def test_the_command_answers_all_and_ends_with_1_where_one_was_refused(authority: Authority) -> None:
    given = json.dumps([asked(RETIRED).model_dump(mode="json"), asked().model_dump(mode="json")])
    arguments = ["issue-listeners", "--requests", "-", "--config", str(authority.config)]
    done = CliRunner().invoke(app, arguments, input=given)
    assert done.exit_code == 1
    said = json.loads(done.stdout)
    assert (list(said["issued"]), list(said["refused"])) == ([SERVING], [RETIRED])
