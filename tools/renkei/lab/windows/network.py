"""Who gets through a simulated host's firewall and who may sign in over the network, as its state says.

The firewall's policy lies in the registry as group policy would write it ([MS-GPFAS]); rules of the machine's own
count unless the policy says otherwise. A host that stops letting Ansible in is silent, as a real one would be.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from renkei.lab.windows.host import Host

WINRM: Final = 5986
_POLICY: Final = r"hklm\software\policies\microsoft\windowsfirewall"
_PROFILE: Final = rf"{_POLICY}\publicprofile"
_WINRM_SERVICE: Final = r"hklm\software\policies\microsoft\windows\winrm\service"
_SYSTEM: Final = r"hklm\software\microsoft\windows\currentversion\policies\system"
_PROTOCOLS: Final = {"6": "tcp", "17": "udp", "1": "icmp"}
#: SIDs that a local account of Administrators bears when it comes over the network.
_SIDS: Final = frozenset({"S-1-1-0", "S-1-2-0", "S-1-5-2", "S-1-5-11", "S-1-5-113", "S-1-5-114", "S-1-5-32-544"})


def reachable(host: Host, address: str, port: int = WINRM) -> bool:
    """Tell whether a connection from an address gets an answer: service running, firewall open."""
    service = host.services.get("winrm")
    return service is not None and service["state"] == "running" and allows(host, "in", "tcp", address, port)


def may_enter(host: Host, user: str, *, by_certificate: bool) -> bool:
    """Tell whether a local account may sign in over the network to manage the host."""
    account = host.users.get(user.lower())
    if account is None or account["disabled"] or "Administrators" not in host.groups_of(user):
        return False
    if _number(host, _WINRM_SERVICE, "AllowAutoConfig") == 0:
        return False
    if by_certificate and _number(host, _WINRM_SERVICE, "AllowCertificate") == 0:
        return False
    if _number(host, _SYSTEM, "LocalAccountTokenFilterPolicy") != 1:  # it would come without an administrator's rights
        return False
    sids = {*_SIDS, user}
    denied, allowed = host.rights.get("SeDenyNetworkLogonRight", []), host.rights.get("SeNetworkLogonRight", [])
    return sids.isdisjoint(denied) and not sids.isdisjoint(allowed)


def allows(host: Host, direction: str, protocol: str, address: str, port: int) -> bool:
    """Tell whether the firewall lets a new connection pass.

    Args:
        host: whose.
        direction: `in` or `out`.
        protocol: `tcp` or `udp`.
        address: of the other side.
        port: the port that is connected to.
    """
    word = f"{direction}bound"
    on = _number(host, _PROFILE, "EnableFirewall")
    if not (host.firewall["public"] if on is None else on):
        return True
    matching = [rule["action"] for rule in _rules(host) if _matches(rule, direction, protocol, address, port)]
    if "block" in matching:
        return False
    if "allow" in matching:
        return True
    default = _number(host, _PROFILE, f"Default{word.capitalize()}Action")
    if default is not None:
        return default == 0
    return host.firewall.get(f"public {word}") == "allow" if f"public {word}" in host.firewall else direction == "out"


def _rules(host: Host) -> Iterator[Mapping[str, Any]]:
    for name, _kind, text in host.registry.get(rf"{_POLICY}\firewallrules", {}).values():
        yield policy_rule(str(name), str(text))
    if _number(host, _PROFILE, "AllowLocalPolicyMerge") != 0:
        yield from (rule for rule in host.rules.values() if rule.get("enabled", True))


def policy_rule(name: str, text: str) -> dict[str, Any]:
    """Read a rule of the policy ([MS-GPFAS] 2.2.2.19): `v2.32|Action=Allow|Active=TRUE|Dir=Out|Protocol=6|…|`.

    Raises:
        ValueError: it isn't one; a real machine passes over it without a word.
    """
    version, *fields = text.split("|")
    pairs = [field.partition("=") for field in fields if field]
    if not re.fullmatch(r"v2\.\d+", version) or not text.endswith("|") or any(not mark for _, mark, _ in pairs):
        raise ValueError(f"the policy's rule {name} can't be read: {text[:60]}")
    found: dict[str, list[str]] = {}
    for key, _, value in pairs:
        found.setdefault(key, []).append(value)
    direction = found["Dir"][0].lower()
    active = found["Active"] == ["TRUE"]
    return {
        "name": name,
        "action": found["Action"][0].lower() if active else "none",
        "direction": direction,
        "protocol": _PROTOCOLS[found["Protocol"][0]],
        "remoteip": ",".join(found.get("RA4", [])),
        ("localport" if direction == "in" else "remoteport"): ",".join(
            found.get("LPort" if direction == "in" else "RPort", [])
        ),
    }


def _matches(rule: Mapping[str, Any], direction: str, protocol: str, address: str, port: int) -> bool:
    if rule.get("direction") != direction or str(rule.get("protocol", "any")).lower() not in {protocol, "any"}:
        return False
    ports = str(rule.get("localport" if direction == "in" else "remoteport") or "any")
    addresses = str(rule.get("remoteip") or "any")
    return _among(ports, str(port)) and _among(addresses, address)


def _among(listed: str, wanted: str) -> bool:
    return listed == "any" or wanted in [part.strip() for part in listed.split(",")]


def _number(host: Host, key: str, name: str) -> int | None:
    value = host.registry.get(key, {}).get(name.lower())
    return int(value[2]) if value is not None and value[1] == "dword" else None
