"""Terminals, and the registers beside them."""

import json
import tomllib
from typing import Any

import pytest
from testinfra.host import Host


@pytest.mark.parts("terminal")
def test_the_agent_runs_and_comes_back_after_a_reboot(host: Host) -> None:
    agent = host.service("renkei-agent")
    assert (agent.is_running, agent.is_enabled) == (True, True)


@pytest.mark.parts("terminal")
def test_the_agent_uses_the_line_only_where_there_is_one(host: Host, declared: dict[str, Any]) -> None:
    status = json.loads(host.run("renkei-agent status --json").stdout)
    talking = host.check_output("ss -Htn dst %s", declared["renkei_gateway"]["address"])
    assert status["link"] == declared["renkei_link"]
    assert talking == "" if status["link"] == "media" else status["last_exchange_at"]


@pytest.mark.parts("terminal")
def test_the_terminal_is_enrolled_and_only_the_agent_reads_its_keys(host: Host) -> None:
    generations = host.check_output("ls /var/lib/renkei-agent/keys").split()
    assert any(name.isdigit() for name in generations), "run ansible/playbooks/enrol.yml"
    folder = host.file("/var/lib/renkei-agent/keys")
    assert (folder.user, folder.mode) == ("renkei-agent", 0o700)


@pytest.mark.parts("terminal", "linkage")
def test_the_agent_cannot_gain_rights(host: Host) -> None:
    status = host.check_output("systemctl show --property NoNewPrivileges,CapabilityBoundingSet,User renkei-agent")
    assert set(status.splitlines()) == {"NoNewPrivileges=yes", "CapabilityBoundingSet=", "User=renkei-agent"}


@pytest.mark.parts("terminal")
def test_the_agent_reaches_the_registers_share_where_there_is_one(host: Host) -> None:
    bridge = tomllib.loads(host.file("/etc/renkei/agent.toml").content_string).get("bridge", {"kind": "none"})
    if bridge["kind"] == "folder":
        sign = f"{bridge['folder']}/.renkei-register.json"
        assert host.run("runuser --user=renkei-agent -- test -r %s", sign).rc == 0, "is the share mounted?"


@pytest.mark.parts("register")
def test_the_share_is_a_room_without_a_shell(host: Host, declared: dict[str, Any]) -> None:
    if declared["renkei_register_bridge"] == "folder":
        asked = host.check_output("sshd -T -C user=terminal,host=terminal,addr=192.0.2.1").splitlines()
        assert {"chrootdirectory /srv/renkei-register", "forcecommand internal-sftp -u 0007", "permittty no"} <= set(
            asked
        )


@pytest.mark.parts("register")
def test_the_register_has_no_way_to_lgwan(host: Host, declared: dict[str, Any]) -> None:
    gateway = declared["renkei_gateway"]
    assert host.run("ip route get %s", gateway["address"]).rc != 0
    assert host.run("timeout 3 bash -c '</dev/tcp/%s/%s'", gateway["address"], str(gateway["port"])).rc != 0
