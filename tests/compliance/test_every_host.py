"""What holds for every host, whatever it does."""

import json
from typing import Any

from testinfra.host import Host


def test_no_unit_has_failed(host: Host) -> None:
    assert host.check_output("systemctl list-units --failed --plain --no-legend") == ""


def test_it_has_its_addresses_and_no_others(host: Host, declared: dict[str, Any]) -> None:
    links = json.loads(host.check_output("ip -json -4 address show"))
    found = {
        link["ifname"]: {f"{each['local']}/{each['prefixlen']}" for each in link["addr_info"]}
        for link in links
        if link["ifname"] not in {"lo", "outside0"}
    }
    assert found == {
        each["name"]: {each["address"]} for each in declared["renkei_interfaces"] if each["name"] != "outside0"
    }


def test_nothing_listens_but_what_a_flow_names(host: Host, open_ports: set[str]) -> None:
    lines = (line.split() for line in host.check_output("ss -Hltun").splitlines())
    listening = {f"{words[0]} {words[4]}" for words in lines}
    local = {each for each in listening if each.split()[1].startswith(("127.", "[::1]"))}
    assert listening - local <= open_ports


def test_its_packet_filter_drops_what_no_flow_names_by_ipv4_and_ipv6(host: Host) -> None:
    rules = json.loads(host.check_output("nft --json list ruleset"))["nftables"]
    chains = [each["chain"] for each in rules if "hook" in each.get("chain", {}) and each["chain"]["type"] == "filter"]
    dropping = {(each["family"], each["hook"]) for each in chains if each["policy"] == "drop"}
    assert dropping >= {("inet", "input"), ("inet", "forward"), ("inet", "output")}


def test_it_has_no_way_out_by_ipv6(host: Host) -> None:
    assert host.check_output("ip -6 route show default") == ""


def test_only_the_mirror_asks_dns(host: Host, declared: dict[str, Any]) -> None:
    asked = "nameserver" in host.file("/etc/resolv.conf").content_string
    assert not asked or declared["renkei_part"] == "mirror"


def test_ssh_takes_keys_only_and_not_from_root(host: Host) -> None:
    settings = set(host.check_output("sshd -T").splitlines())
    assert {"passwordauthentication no", "kbdinteractiveauthentication no", "permitrootlogin no"} <= settings


def test_its_clock_is_watched(host: Host, declared: dict[str, Any]) -> None:
    assert host.service("chrony").is_running
    sources = host.check_output("chronyc -n -c sources").splitlines()
    assert {line.split(",")[2] for line in sources} >= {
        address for address in declared["renkei_time_servers"] if declared["renkei_part"] != "mirror"
    }


def test_updates_come_by_waves_and_not_by_themselves(host: Host) -> None:
    assert not host.package("unattended-upgrades").is_installed
    masked = host.check_output("systemctl list-unit-files --state=masked --plain --no-legend 'apt-daily*'")
    assert {line.split()[0] for line in masked.splitlines()} == {
        f"apt-daily{of}.{kind}" for of in ("", "-upgrade") for kind in ("service", "timer")
    }


def test_its_journal_survives_a_reboot(host: Host) -> None:
    assert host.file("/var/log/journal").is_directory
