"""Rules of a Windows terminal's firewall, as its policy in the registry holds them ([MS-GPFAS] 2.2.2.19).

They follow from the fleet's flows as the rules of the Linux hosts do: what the terminal opens over LGWAN goes out, all
else is blocked both ways. Nothing comes in but the controller while a maintenance window is open.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from renkei.fleet.controls.model import Data

POLICY: Final = r"HKLM\SOFTWARE\Policies\Microsoft\WindowsFirewall"
RULES: Final = rf"{POLICY}\FirewallRules"
PROFILES: Final = ("DomainProfile", "PrivateProfile", "PublicProfile")
PREFIX: Final = "renkei-"
MAINTENANCE: Final = f"{PREFIX}maintenance"
_PROTOCOLS: Final = {"tcp": 6, "udp": 17}
_PROFILE: Final[Mapping[str, Data]] = {
    "EnableFirewall": 1,
    "DefaultInboundAction": 1,
    "DefaultOutboundAction": 1,
    "AllowLocalPolicyMerge": 0,
    "AllowLocalIPsecPolicyMerge": 0,
    "DisableNotifications": 1,
    "DisableUnicastResponsesToMulticastBroadcast": 1,
}
_LOGGING: Final[Mapping[str, Data]] = {"LogFileSize": 16384, "LogDroppedPackets": 1, "LogSuccessfulConnections": 1}


def outbound(rules: Iterable[Mapping[str, Any]], interface: str, service: str = "") -> dict[str, str]:
    """Return the rules by which a terminal reaches what its flows name: value name → text.

    Args:
        rules: of the host, as the lookup `renkei_rules` gives them.
        interface: only what leaves by it.
        service: only this service may, by its name; any program when empty.
    """
    found = {}
    for rule in rules:
        if rule["chain"] == "output" and rule["out_interface"] == interface and rule["destinations"]:
            fields = [f"Protocol={_PROTOCOLS[rule['protocol']]}"]
            fields += [f"RPort={port}" for port in rule["ports"]]
            fields += [f"RA4={address.removesuffix('/32')}" for address in rule["destinations"]]
            fields += [f"Svc={service}"] if service else []
            found[f"{PREFIX}{rule['flow']}"] = _rule("Out", f"{PREFIX}{rule['flow']}", fields)
    return found


def maintenance(controller: str, port: int) -> dict[str, str]:
    """Return the rule that lets the controller in while a window is open."""
    return {MAINTENANCE: _rule("In", MAINTENANCE, ["Protocol=6", f"LPort={port}", f"RA4={controller}"])}


def policy(rules: Mapping[str, str], *, whole: bool) -> dict[str, dict[str, Data]]:
    """Return the registry values of the policy; `whole`: also what becomes of everything that no rule names."""
    keys: dict[str, dict[str, Data]] = {RULES: dict(rules)}  # rules first, so that no moment is without them
    if whole:
        for profile in PROFILES:
            keys[rf"{POLICY}\{profile}"] = dict(_PROFILE)
            keys[rf"{POLICY}\{profile}\Logging"] = dict(_LOGGING)
    return keys


def _rule(direction: str, name: str, fields: list[str]) -> str:
    return "|".join(
        ["v2.32", "Action=Allow", "Active=TRUE", f"Dir={direction}", *fields, f"Name={name}", "EmbedCtxt=renkei", ""]
    )
