"""The update client of a simulated host: what it knows of the update service, and a search for updates.

What the service offers is `host.updates`; an update there may say `severity` (Critical, Important, …) and `offered`,
since when (seconds since 1970). The fact `known_to` is what the service would know of the machine: its URL, the ring.
"""

import time
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from renkei.lab.windows.host import Host
from renkei.lab.windows.modules.model import Failed

_POLICY: Final = r"hklm\software\policies\microsoft\windows\windowsupdate"


def updates_of(host: Host) -> dict[str, Any]:
    """Say what the last search found and isn't installed; nothing before there was one."""
    searched = host.facts["searched"]
    lacking = [] if searched is None else [each for each in host.updates if each["id"] not in host.installed]
    missing = [
        {"name": each["title"], "urgent": each.get("severity") == "Critical", "since": each.get("offered", searched)}
        for each in lacking
    ]
    return {"searched": searched, "missing": missing}


def believe(host: Host, root: str) -> None:
    """Take a certificate (PEM) as one of the machine's roots.

    Raises:
        Failed: it is no certificate, or somebody else's work.
    """
    try:
        certificate = x509.load_pem_x509_certificate(root.encode())
    except ValueError as error:
        raise Failed(f"the root is no certificate: {error}") from None
    if certificate.subject != certificate.issuer:
        raise Failed(f"{certificate.subject.rfc4514_string()} is no root")
    thumbprint = certificate.fingerprint(hashes.SHA1()).hex()  # noqa: S303 - what Windows calls a thumbprint
    host.facts["roots"] = [*host.facts["roots"], thumbprint]


def search(host: Host) -> None:
    """Search at the service that the policy names, and be known there by name and ring.

    Raises:
        Failed: no policy names one; Windows would look on the Internet.
    """
    policy, automatic = (host.registry.get(key, {}) for key in (_POLICY, rf"{_POLICY}\au"))
    if automatic.get("usewuserver", ["", "dword", 0])[2] != 1 or "wuserver" not in policy:
        raise Failed("the search would go to the Internet: no policy names an update service")
    in_ring = policy.get("targetgroupenabled", ["", "dword", 0])[2] == 1
    host.facts["searched"] = int(time.time())
    host.facts["known_to"] = [policy["wuserver"][2], policy["targetgroup"][2] if in_ring else ""]
