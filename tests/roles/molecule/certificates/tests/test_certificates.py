"""Keys are where they are used and nowhere else, one root vouches for everything, and what is due is renewed."""

from collections.abc import Iterator

import pytest
from cryptography import x509
from testinfra.host import Host

from roles.environment import ROLE_TESTS
from roles.machines import Machines
from roles.probes import CERTIFICATES_ROOT, given, play

CONVERGE = ROLE_TESTS / "molecule" / "certificates" / "converge.yml"
GATEWAY = "/etc/renkei/gateway"


@pytest.fixture
def hub(machine: Machines) -> Host:
    return machine("asp-hub")


def served(hub: Host) -> x509.Certificate:
    """The certificate that the gateway shows."""
    shown = hub.check_output(
        "address=$(ss -Hltn 'sport = :8443' | awk '{print $4}'); name=$(openssl x509 -noout -ext subjectAltName "
        f"-in {GATEWAY}/certificate.pem | grep -oE 'DNS:gateway[^,]*' | cut -d: -f2); "
        "openssl s_client -connect $address -servername $name </dev/null 2>/dev/null | openssl x509"
    )
    return x509.load_pem_x509_certificate(shown.encode())


def test_every_host_trusts_the_one_root(machine: Machines) -> None:
    root = (CERTIFICATES_ROOT / "root.pem").read_text()
    for name in ("moj-linkage", "asp-hub", "m131041-terminal"):
        assert machine.running(name).file("/etc/renkei/pki/root.pem").content_string == root


def test_the_key_of_the_root_never_leaves_the_controller(machine: Machines) -> None:
    secret = (CERTIFICATES_ROOT / "root.key").read_text().splitlines()[1]
    for name in ("moj-linkage", "asp-hub", "m131041-terminal"):
        found = machine.running(name).run("grep -rlF -- %s /etc /var/lib /root /home /tmp /srv", secret)
        assert found.stdout == ""


def test_the_root_vouches_for_the_issuing_ca_and_that_for_the_gateway(machine: Machines, hub: Host) -> None:
    issuing = machine("moj-linkage").file("/var/lib/renkei-authority/issuing/issuing.pem").content_string
    given(hub, issuing, "tee /run/issuing.pem >/dev/null")
    verify = "openssl verify -CAfile /etc/renkei/pki/root.pem"
    assert hub.check_output(f"{verify} /run/issuing.pem").endswith("OK")
    assert hub.check_output(f"{verify} -untrusted /run/issuing.pem {GATEWAY}/certificate.pem").endswith("OK")


def test_only_root_reads_the_key_of_the_gateway(hub: Host) -> None:
    assert "Permission denied" in hub.run(f"runuser -u www-data -- cat {GATEWAY}/key.pem").stderr


@pytest.fixture
def due(hub: Host) -> Iterator[x509.Certificate]:
    """The gateway's certificate, of whose time a day less than two thirds is left by a clock that is ahead."""
    before = served(hub)
    hub.check_output("mv /usr/bin/openssl /usr/bin/openssl.real")
    later = '#!/bin/sh\ncase "$*" in *-checkend*) exit 1 ;; esac\nexec openssl.real "$@"\n'
    given(hub, later, "tee /usr/bin/openssl >/dev/null && chmod 755 /usr/bin/openssl")
    yield before
    hub.check_output("mv /usr/bin/openssl.real /usr/bin/openssl")


def test_a_gateway_certificate_that_is_due_is_renewed_with_a_new_key(hub: Host, due: x509.Certificate) -> None:
    assert play(CONVERGE, "--limit", "asp-hub,moj-linkage").returncode == 0
    assert served(hub).public_key() != due.public_key()


def test_a_key_and_a_certificate_that_do_not_fit_are_mended(hub: Host) -> None:
    before = served(hub)
    hub.check_output(f"openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out {GATEWAY}/key.pem")
    assert play(CONVERGE, "--limit", "asp-hub,moj-linkage").returncode == 0
    assert served(hub).public_key() != before.public_key()
