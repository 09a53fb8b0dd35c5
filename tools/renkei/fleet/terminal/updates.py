"""What the update policy of a terminal takes from the fleet: ring, link, line, office hours, deadlines."""

from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from renkei.fleet.endpoints import Endpoint, Link
from renkei.fleet.model import Fleet
from renkei.fleet.patching.standing import PATTERNS_MEDIA_AGE

UPDATE_PORT: Final = 8531
"""Of the ASP's update service (WSUS over TLS), as `FLOW` has it; the files themselves come over 8530, in the clear."""
FLOW: Final = "windows-updates"
_LAST_HOUR: Final = 23
_HOUR: Final = 60


def thumbprint(authority: Path) -> str:
    """Give what Windows knows a certificate by, in lower case.

    Args:
        authority: a PEM file whose first certificate is the root of the update service's.

    Raises:
        ValueError: it can't be read, or holds no certificate.
    """
    try:
        certificate = x509.load_pem_x509_certificate(authority.read_bytes())
    except (OSError, ValueError) as error:
        raise ValueError(f"{authority}: is no certificate in PEM form: {error}") from error
    return certificate.fingerprint(hashes.SHA1()).hex()  # noqa: S303 - Windows has no other name for it


def parameters_of(fleet: Fleet, endpoint: Endpoint) -> dict[str, int | str]:
    """Give the controls' parameters for the terminals of an endpoint, by name.

    Windows knows full hours only and the same on every day: office hours are rounded outwards, and an update takes the
    office's share on closing days too. No share is ever nothing: 0 means `as much as there is` to Windows.
    """
    profile, maintenance = fleet.profile(endpoint), fleet.settings.maintenance
    office, delivery = profile.rule.office_hours, profile.delivery
    begin = office.start // _HOUR
    hours = min(-(-office.end // _HOUR) - begin, _LAST_HOUR)
    by_medium = endpoint.link is Link.MEDIA
    patterns = {"pattern-hours": int(PATTERNS_MEDIA_AGE.total_seconds()) // 3600} if by_medium else {}
    shares = {"office": max(delivery.office_hours_percent, 1), "otherwise": max(delivery.otherwise_percent, 1)}
    return {
        "update-server": f"https://mirror.asp.{fleet.settings.domain}:{UPDATE_PORT}",
        "update-ring": endpoint.ring,
        "updates-by-media": int(by_medium),
        **patterns,
        "update-days": maintenance.deadline_days,
        "urgent-update-days": maintenance.urgent_deadline_days,
        "office-begin": begin,
        "office-end": (begin + hours) % (_LAST_HOUR + 1),
        **{f"{name}-percent": share for name, share in shares.items()},
        **{f"{name}-kbps": max(endpoint.line_kbps * share // 100, 1) for name, share in shares.items()},
    }
