"""The hub, its gateway, the mirror."""

from datetime import UTC, datetime
from typing import Any

import pytest
from testinfra.host import Host

OFFER = "openssl s_client -connect %s:%s -servername %s %s </dev/null"


@pytest.mark.parts("hub")
def test_hub_and_gateway_run_and_come_back_after_a_reboot(host: Host) -> None:
    for name in ("renkei-hub", "nginx"):
        assert host.service(name).is_running, name
        assert host.service(name).is_enabled, name


@pytest.mark.parts("hub")
@pytest.mark.parametrize("listener", ["renkei_gateway", "renkei_enrolment"])
def test_the_gateway_speaks_tls_1_3_and_nothing_older(host: Host, declared: dict[str, Any], listener: str) -> None:
    door = declared[listener]
    where = (door["address"], str(door["port"]), door["name"])
    assert host.run(OFFER, *where, "-tls1_3").rc == 0
    assert host.run(OFFER, *where, "-tls1_2").rc != 0


@pytest.mark.parts("hub")
def test_the_gateway_certificate_was_renewed_in_time(host: Host) -> None:
    dates = host.check_output("openssl x509 -noout -dates -in /etc/renkei/gateway/certificate.pem").splitlines()
    begin, end = (datetime.strptime(f"{line.split('=')[1]} +0000", "%b %d %H:%M:%S %Y GMT %z") for line in dates)
    left = (end - datetime.now(UTC)) / (end - begin)
    assert left > 1 / 4, (
        "its timer doesn't: see journalctl -u renkei-gateway-renew; ansible/site.yml --tags hub renews it"
    )
    for unit in ("renkei-gateway-renew.timer", "renkei-gateway-reload.path"):
        assert host.run("systemctl is-active %s", unit).rc == 0, unit


@pytest.mark.parts("hub")
def test_the_hub_has_no_network(host: Host) -> None:
    pid = host.check_output("systemctl show --property MainPID --value renkei-hub")
    links = host.check_output("runuser --user renkei-hub -- cat /proc/%s/net/dev", pid)
    assert [line.split(":")[0].strip() for line in links.splitlines()[2:]] == ["lo"]


@pytest.mark.parts("hub")
def test_only_the_hub_reads_its_keys_and_its_store(host: Host) -> None:
    folder = host.file("/var/lib/renkei-hub")
    assert (folder.user, folder.mode & 0o077) == ("renkei-hub", 0)


@pytest.mark.parts("mirror")
def test_the_mirror_runs_and_comes_back_after_a_reboot(host: Host) -> None:
    assert host.service("apt-cacher-ng").is_running
    assert host.service("apt-cacher-ng").is_enabled
