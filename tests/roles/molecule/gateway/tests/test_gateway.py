"""Who gets through the gateway, as seen by a terminal across LGWAN."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from testinfra.host import Host

from renkei.exchange.bindings import DirectoryEntry
from renkei.exchange.certificates import (
    Authority,
    certificate_from_pem,
    certificate_to_pem,
    fingerprint,
    issue_server,
    key_to_pem,
    make_key,
    make_request,
    make_server_request,
)
from renkei.exchange.enrolment import EnrolmentFields
from renkei.exchange.parties import MINISTRY
from renkei.exchange.servers import names_of, read_chain
from roles.environment import ROOT
from roles.machines import Machines, wait_until
from roles.probes import (
    Credentials,
    Door,
    client_credentials,
    foreign_credentials,
    given,
    issuing_authority,
    reached,
    writable,
)

SPARE = "spare"
AUTHORITY = "renkei ministry authority"
PAIR = "/etc/renkei/gateway"
RENEWAL = "renkei-gateway-renew"
LIBFAKETIME = ROOT / "build/cache/faketime/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"
_OPEN = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"

#: Waits in the inbox for a long answer; prints its status, when it came, and which certificate the gateway had shown.
_POLL = """
import hashlib, http.client, json, ssl, sys, time
name, port, chain = sys.argv[1], int(sys.argv[2]), sys.argv[3]
context = ssl.create_default_context(cafile="/etc/renkei/pki/root.pem")
context.load_cert_chain(chain)
line = http.client.HTTPSConnection(name, port, context=context, timeout=90)
line.request("GET", "/v1/inbox?after=0&limit=1&wait=12")
shown = hashlib.sha256(line.sock.getpeercert(binary_form=True)).hexdigest()
open("/run/polling", "w").close()
answer = line.getresponse()
answer.read()
print(json.dumps({"status": answer.status, "ended": time.time(), "shown": shown}))
"""


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


def shown(hub: Host, declared: dict[str, Any]) -> x509.Certificate:
    """The certificate that a new connection gets."""
    door = declared["renkei_gateway"]
    offer = "openssl s_client -connect %s:%s -servername %s </dev/null 2>/dev/null | openssl x509"
    return certificate_from_pem(hub.check_output(offer, door["address"], str(door["port"]), door["name"]))


def in_use(hub: Host) -> x509.Certificate:
    return read_chain(hub.check_output(f"cat {PAIR}/certificate.pem"))[0]


def give_pair(hub: Host, issuing: Authority, age: timedelta) -> x509.Certificate:
    """Give the gateway a pair of some age for its own names, as the role would have, and have nginx use it."""
    names, key = names_of(in_use(hub)), make_key()
    request, begin = make_server_request(key, names.dns[0]), datetime.now(UTC) - age
    own = issue_server(request, names.dns, names.addresses, issuing, begin, 398)
    chain = certificate_to_pem(own) + certificate_to_pem(issuing.certificate)
    for name, content in (("certificate", chain), ("key", key_to_pem(key))):
        put = f"rm -f {PAIR}/{name}.pem && install -o renkei-gateway -m 0600 /dev/stdin {PAIR}/{name}.pem"
        given(hub, content, f"sh -c '{put}'")
    hub.check_output("systemctl reload nginx")
    return own


def test_the_gateways_certificate_is_renewed_and_nginx_shows_it_without_cutting_anybody_off(
    machine: Machines, declared: dict[str, Any], issuing: Authority, exchange: Door, enrolled: Credentials
) -> None:
    hub, terminal = machine("asp-hub"), exchange.host
    before = give_pair(hub, issuing, timedelta(days=270))
    wait_until(lambda: shown(hub, declared) == before)
    wait_until(lambda: exchange.ask(chain=enrolled.pem).get("status") == 200)
    terminal.check_output("rm -f /run/polling /run/poll.out")
    given(terminal, _POLL, "tee /run/poll.py >/dev/null")
    given(terminal, enrolled.pem, "tee /run/poll.pem >/dev/null")
    poll = f"python3 /run/poll.py {exchange.name} {exchange.port} /run/poll.pem >/run/poll.out 2>&1"
    terminal.check_output("systemd-run --unit=poll --collect sh -c %s", poll)
    wait_until(lambda: terminal.file("/run/polling").exists)

    hub.check_output("systemctl start %s.service", RENEWAL)
    after = in_use(hub)
    assert "renewed: " in hub.check_output("journalctl --unit=%s --lines=3 --output=cat", RENEWAL)
    assert after.public_key() != before.public_key()
    assert names_of(after) == names_of(before)
    wait_until(lambda: shown(hub, declared) == after)
    renewed_at = int(hub.check_output(f"stat --format=%Y {PAIR}/renewed"))
    assert "approved server=" in hub.check_output("journalctl --unit=renkei-hub --output=cat --grep 'approved server='")
    hub.check_output("systemctl start %s.service", RENEWAL)
    assert "not due: " in hub.check_output("journalctl --unit=%s --lines=3 --output=cat", RENEWAL)

    wait_until(lambda: terminal.file("/run/poll.out").size > 0, 60)
    polled = json.loads(terminal.file("/run/poll.out").content_string)
    assert (polled["status"], polled["shown"]) == (200, fingerprint(before))
    assert polled["ended"] > renewed_at


def test_a_refused_renewal_leaves_the_certificate_in_place(
    machine: Machines, declared: dict[str, Any], issuing: Authority
) -> None:
    """Asked for under a clock that is 300 days ahead, which the authority's isn't."""
    hub = machine("asp-hub")
    before = give_pair(hub, issuing, timedelta(days=1))
    machine.put("asp-hub", LIBFAKETIME, "/usr/local/lib/libfaketime.so.1")
    drop_in = f"/run/systemd/system/{RENEWAL}.service.d"
    hub.check_output("mkdir -p %s", drop_in)
    clock = "[Service]\nEnvironment=LD_PRELOAD=/usr/local/lib/libfaketime.so.1 FAKETIME=+300d\n"
    given(hub, clock, f"tee {drop_in}/clock.conf >/dev/null")
    try:
        hub.check_output("systemctl daemon-reload")
        assert hub.run("systemctl start %s.service", RENEWAL).rc != 0
    finally:
        hub.check_output("rm -r %s && systemctl daemon-reload", drop_in)
    said = hub.check_output("journalctl --unit=%s --lines=10 --output=cat", RENEWAL)
    assert "the authority refused the next one: " in said
    assert in_use(hub) == shown(hub, declared) == before
    hub.check_output("systemctl reset-failed %s.service", RENEWAL)


def test_who_renews_the_certificate_writes_there_alone_and_reaches_nobody(machine: Machines) -> None:
    hub = machine("asp-hub")
    assert writable(hub, RENEWAL, PAIR) == {PAIR}
    mirror = machine.address("asp-mirror", "lan0")
    assert reached(hub, RENEWAL, mirror, 3142) == "Network is unreachable"
    for path in ("/run/renkei-hub/hub.sock", "/run/renkei-hub/enrolment.sock"):
        tried = hub.run("runuser -u renkei-gateway -- python3 -c %s %s", _OPEN, path)
        assert "PermissionError" in tried.stderr
    assert hub.run("runuser -u renkei-gateway -- python3 -c %s /run/renkei-hub/gateway.sock", _OPEN).rc == 0
    for user in ("www-data", "renkei-hub"):
        assert "Permission denied" in hub.run(f"runuser -u {user} -- ls {PAIR}").stderr


@pytest.mark.parametrize("unit", ["renkei-gateway-renew.timer", "renkei-gateway-reload.path"])
def test_its_renewal_waits_for_its_time(machine: Machines, unit: str) -> None:
    state = machine("asp-hub").check_output("systemctl show --property=ActiveState,UnitFileState %s", unit)
    assert set(state.split()) == {"ActiveState=active", "UnitFileState=enabled"}


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
    machine.restart("asp-hub")  # with the hub behind it, and the standby of asp-hub-2's database
    assert wait_until(lambda: exchange.ask().get("status") == 403)
