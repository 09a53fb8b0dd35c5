"""The linkage endpoint and the immigration system."""

import pytest
from testinfra.host import Host


@pytest.mark.parts("linkage")
def test_authority_connector_and_agent_run_and_come_back_after_a_reboot(host: Host) -> None:
    for name in ("renkei-authority", "renkei-connector", "renkei-agent"):
        assert host.service(name).is_running, name
        assert host.service(name).is_enabled, name


@pytest.mark.parts("linkage")
def test_only_the_authority_reads_the_key_of_the_issuing_ca(host: Host) -> None:
    key = host.file("/var/lib/renkei-authority/issuing/issuing.key")
    assert (key.user, key.mode) == ("renkei-authority", 0o600)
    assert host.run("runuser -u renkei-agent -- cat %s", key.path).rc != 0


@pytest.mark.parts("linkage")
def test_the_offline_root_is_not_on_a_host(host: Host) -> None:
    assert host.check_output("find / -xdev -name root.key") == ""


@pytest.mark.parts("immigration")
def test_files_are_carried_to_and_from_the_drop(host: Host) -> None:
    assert host.service("renkei-drop.timer").is_running
    assert host.service("renkei-drop.timer").is_enabled
    assert host.check_output("systemctl show --property Result --value renkei-drop.service") == "success"


@pytest.mark.parts("immigration")
def test_its_key_opens_the_drop_and_no_shell(host: Host) -> None:
    key = host.file("/var/lib/renkei-immigration/.ssh/id_ed25519")
    assert (key.user, key.mode) == ("immigration", 0o600)
