"""Who gets through the gateway, as seen by a terminal across LGWAN."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from testinfra.host import Host

from renkei.exchange.bindings import DirectoryEntry
from renkei.exchange.certificates import (
    Authority,
    certificate_from_pem,
    key_to_pem,
    make_key,
    make_request,
)
from renkei.exchange.enrolment import EnrolmentFields
from renkei.exchange.parties import MINISTRY
from roles.machines import Machines, wait_until
from roles.probes import Credentials, Door, client_credentials, foreign_credentials, given, issuing_authority

SPARE = "spare"
AUTHORITY = "renkei ministry authority"


@pytest.fixture(scope="module")
def linkage(machine: Machines) -> Host:
    return machine("moj-linkage")


@pytest.fixture
def exchange(machine: Machines, declared: dict[str, Any]) -> Door:
    door = declared["renkei_gateway"]
    return Door(machine("m131041-terminal"), door["name"], door["port"])


@pytest.fixture
def enrolment(machine: Machines, declared: dict[str, Any]) -> Door:
    door = declared["renkei_enrolment"]
    return Door(machine("m131041-terminal"), door["name"], door["port"])


@pytest.fixture(scope="module")
def issuing(linkage: Host) -> Authority:
    return issuing_authority(linkage)


@pytest.fixture(scope="module")
def enrolled(linkage: Host) -> Iterator[Credentials]:
    """A second machine of the ministry, which the hub knows."""
    signing, form = make_key(), serialization.PublicFormat.UncompressedPoint
    request = EnrolmentFields(
        endpoint=MINISTRY,
        terminal=SPARE,
        machine_serial=SPARE,
        csr=make_request(signing, MINISTRY, SPARE),
        receiving_key=make_key().public_key().public_bytes(serialization.Encoding.X962, form),
    )
    entry = DirectoryEntry.from_json(
        given(linkage, request.model_dump_json(), f"{AUTHORITY} issue --request -").encode()
    )
    linkage.check_output("systemctl restart renkei-authority")  # it tells the hub at once
    yield Credentials(entry.certificate + entry.issuer + key_to_pem(signing), certificate_from_pem(entry.certificate))
    linkage.run(f"{AUTHORITY} revoke --endpoint ministry --terminal {SPARE} --reason test")


def test_an_enrolled_certificate_gets_through(exchange: Door, enrolled: Credentials) -> None:
    answer = wait_until(lambda: (told := exchange.ask(chain=enrolled.pem)).get("status") == 200 and told)
    assert json.loads(answer["body"])["epoch"]


def test_a_certificate_that_the_client_claims_in_a_header_is_not_looked_at(exchange: Door, issuing: Authority) -> None:
    other = client_credentials(issuing, "131041", "T-1", datetime.now(UTC), 30)
    answer = exchange.ask(chain=other.pem, headers={"X-Client-Certificate": "forged"})
    assert (answer["status"], "not enrolled" in answer["body"]) == (403, True)


def test_a_certificate_that_nobody_enrolled_is_refused(exchange: Door, issuing: Authority) -> None:
    answer = exchange.ask(chain=client_credentials(issuing, "131041", "T-1", datetime.now(UTC), 30).pem)
    assert (answer["status"], "not enrolled" in answer["body"]) == (403, True)


@pytest.mark.parametrize("kind", ["none", "expired", "not yet valid", "foreign"])
def test_a_certificate_that_does_not_hold_is_refused_before_the_hub(
    exchange: Door, issuing: Authority, kind: str
) -> None:
    now = datetime.now(UTC)
    chain = {
        "none": lambda: "",
        "expired": lambda: client_credentials(issuing, "131041", "T-1", now - timedelta(days=31), 30).pem,
        "not yet valid": lambda: client_credentials(issuing, "131041", "T-1", now + timedelta(days=1), 30).pem,
        "foreign": lambda: foreign_credentials("131041", "T-1", now).pem,
    }[kind]()
    answer = exchange.ask(chain=chain)
    assert (answer["status"], "Certificate refused" in answer["body"]) == (403, True)


@pytest.mark.parametrize("listener", ["exchange", "enrolment"])
def test_tls_older_than_1_3_is_refused(request: pytest.FixtureRequest, enrolled: Credentials, listener: str) -> None:
    answer = request.getfixturevalue(listener).ask(chain=enrolled.pem, oldest=True)
    assert "PROTOCOL_VERSION" in answer["refused"]


def test_the_enrolment_listener_asks_for_no_certificate(enrolment: Door) -> None:
    assert enrolment.ask("GET", "/v1/enrolments/unknown")["status"] == 404


@pytest.mark.parametrize(
    "path", ["/", "/v1/hub", "/v1/enrolments/a/b", "/metrics", "/healthz", "/v1/enrolments/../hub"]
)
def test_the_enrolment_listener_serves_nothing_else(enrolment: Door, path: str) -> None:
    assert "refused" in enrolment.ask("GET", path)


def test_the_queue_of_enrolments_is_not_read_where_it_is_filled(enrolment: Door) -> None:
    assert enrolment.ask("GET", "/v1/enrolments")["status"] == 403


@pytest.mark.parametrize("path", ["/", "/metrics", "/healthz", "/index.html"])
def test_the_exchange_listener_serves_the_protocol_only(exchange: Door, enrolled: Credentials, path: str) -> None:
    assert "refused" in exchange.ask(path=path, chain=enrolled.pem)


def test_a_body_over_64_kib_is_refused(exchange: Door, enrolled: Credentials) -> None:
    assert exchange.ask("PUT", f"/v1/parts/{'0' * 64}", chain=enrolled.pem, size=65537)["status"] == 413


def test_too_many_enrolment_requests_are_refused(enrolment: Door) -> None:
    answers = [enrolment.ask("POST", "/v1/enrolments", size=8)["status"] for _ in range(10)]
    assert answers[0] != 429
    assert answers[-1] == 429


def test_another_name_gets_no_handshake(exchange: Door) -> None:
    told = Door(exchange.host, "mirror.invalid", exchange.port)
    exchange.host.check_output(
        "grep -q mirror.invalid /etc/hosts || sed -n 's/ .*gateway.*/ mirror.invalid/p' /etc/hosts >> /etc/hosts"
    )
    assert "UNRECOGNIZED_NAME" in told.ask(check=False)["refused"]


def test_a_revoked_certificate_is_refused_at_once(exchange: Door, enrolled: Credentials, linkage: Host) -> None:
    wait_until(lambda: exchange.ask(chain=enrolled.pem).get("status") == 200)
    linkage.check_output(f"{AUTHORITY} revoke --endpoint ministry --terminal {SPARE} --reason lost")
    assert exchange.ask(chain=enrolled.pem)["status"] == 403


def test_the_listeners_are_all_that_nginx_opens(machine: Machines, declared: dict[str, Any]) -> None:
    lines = machine("asp-hub").check_output("ss -Hltnp").splitlines()
    opened = {line.split()[3] for line in lines if "nginx" in line}
    address = declared["renkei_gateway"]["address"]
    assert opened == {f"{address}:8443", f"{address}:8444"}


def test_a_reboot_brings_it_back(machine: Machines, exchange: Door) -> None:
    machine.restart("asp-hub")
    assert wait_until(lambda: exchange.ask().get("status") == 403)


def test_the_authority_answers_what_the_hub_asked_for_itself(machine: Machines) -> None:
    """The scenario hub left the request for the hub's next certificate in the hub's own queue."""
    hub = machine("asp-hub")
    wait_until(lambda: json.loads(hub.check_output("renkei-hub status --json"))["pending_enrolments"] == 0)
    answered = hub.check_output("journalctl --unit=renkei-hub --output=cat --grep 'approved enrolment=.* endpoint=hub'")
    assert "endpoint=hub terminal=asp-hub" in answered
