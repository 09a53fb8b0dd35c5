"""What no control may set: it would cut the connection that the setting came over, or shut everybody out.

Ansible comes by WinRM over HTTPS with a certificate, as a local account in Administrators. The table is refused if a
row takes away one of the things that this stands on; opening and shutting the way is the business of `terminal_base`.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from renkei.fleet.controls.model import Data, Settings

_ADMINISTRATORS: Final = "S-1-5-32-544"
#: Everyone, authenticated users, network, local account, local account in Administrators, Administrators, Users.
_CONTAIN_US: Final = frozenset(
    {"S-1-1-0", "S-1-5-11", "S-1-5-2", "S-1-5-113", "S-1-5-114", _ADMINISTRATORS, "S-1-5-32-545"}
)
_NEEDED_RIGHTS: Final = ("SeNetworkLogonRight", "SeInteractiveLogonRight")
_DENIED_RIGHTS: Final = ("SeDenyNetworkLogonRight", "SeDenyBatchLogonRight", "SeDenyInteractiveLogonRight")
_SERVICES: Final = frozenset(
    {"winrm", "mpssvc", "bfe", "http", "rpcss", "lsm", "samss", "dhcp", "nlasvc", "netprofm", "cryptsvc", "schedule"}
)
_SYSTEM: Final = r"hklm\software\microsoft\windows\currentversion\policies\system"
#: Key (lower case) → value name (lower case) → data that cut us off.
_VALUES: Final[Mapping[str, Mapping[str, frozenset[Data]]]] = {
    r"hklm\software\policies\microsoft\windows\winrm\service": {
        "allowautoconfig": frozenset({0}),
        "allowcertificate": frozenset({0}),
    },
    r"hklm\software\policies\microsoft\windows\winrm\service\winrs": {"allowremoteshellaccess": frozenset({0})},
    _SYSTEM: {"localaccounttokenfilterpolicy": frozenset({0})},
}
_KEYS: Final = (
    r"hklm\software\policies\microsoft\windowsfirewall",
    r"hklm\system\currentcontrolset\services\sharedaccess",
    r"hklm\system\currentcontrolset\control\securityproviders\schannel",
    r"hklm\system\currentcontrolset\services\winrm",
    r"hklm\system\currentcontrolset\services\http",
    r"hklm\software\microsoft\windows\currentversion\wsman",
)


def dangers(settings: Settings) -> Iterator[str]:
    """Say of each setting that would cut the connection, what it is and why."""
    for right in _NEEDED_RIGHTS:
        if right in settings.rights and _ADMINISTRATORS not in settings.rights[right]:
            yield f"{right} without Administrators shuts Ansible out"
    for right in _DENIED_RIGHTS:
        if caught := _CONTAIN_US.intersection(settings.rights.get(right, ())):
            yield f"{right} for {', '.join(sorted(caught))} shuts Ansible out"
    for service in settings.services:
        if service.lower() in _SERVICES:
            yield f"without the service {service} Ansible doesn't get in"
    for key, values in settings.registry.items():
        yield from _dangers_of_key(key, {} if isinstance(values, str) else values)


def _dangers_of_key(key: str, values: Mapping[str, Data]) -> Iterator[str]:
    lower = key.lower()
    if any(lower == each or lower.startswith(f"{each}\\") for each in _KEYS):
        yield f"{key} is part of the way in; it belongs to terminal_base and terminal_firewall"
    for name, data in values.items():
        if data in _VALUES.get(lower, {}).get(name.lower(), ()):
            yield f"{key}: {name}={data} shuts Ansible out"
