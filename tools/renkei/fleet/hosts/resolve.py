"""The exact versions of a wave, resolved once: of what the mirror offers to each host, one version a package for all.

Each host's own apt has said what it would take (its holds, pins and dependencies count). Hosts are looked at one after
the other while the mirror may take up something new, so that one host is offered more than another: the newest version
counts for all. That nothing else comes along is checked on each host before it is touched.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Final

from debian.debian_support import NativeVersion

from renkei.exchange.packages import MAX_PACKAGES, Package
from renkei.fleet.hosts.found import Found, FoundError

FRESH: Final = timedelta(hours=24)
"""A look is of this age at most: the mirror's lists, and what hosts have, are of today."""
_NAMED: Final = 10


@dataclass(frozen=True, slots=True)
class Choice:
    """What was resolved: the packages by name, and for each the hosts that have it at another version or need it."""

    packages: tuple[Package, ...]
    wanted_by: dict[str, tuple[str, ...]]
    hosts: int


@cache
def version_key(version: str) -> NativeVersion:
    """Return what versions are compared by (Debian policy, 5.6.12)."""
    return NativeVersion(version)


def resolve(found: Iterable[Found], now: datetime, only: Collection[str] = ()) -> Choice:
    """Choose one version a package for all hosts.

    Args:
        found: what was found on the hosts.
        now: aware.
        only: the packages to take, all when empty.

    Raises:
        FoundError: a look is too old, one version is two different files, a package that was asked for isn't offered,
            nothing is offered at all, or more than fits into a set.
    """
    looks = sorted(found, key=lambda each: each.host)
    if old := [each.host for each in looks if now - each.seen_at > FRESH]:
        raise FoundError(f"looked at more than a day ago: {_some(old)}; run ansible/playbooks/look.yml again")
    best: dict[str, Package] = {}
    first: dict[tuple[str, str], tuple[Package, str]] = {}
    for look in looks:
        for offer in look.offered:
            known, host = first.setdefault((offer.name, offer.version), (offer, look.host))
            if (known.sha256, known.size, known.architecture) != (offer.sha256, offer.size, offer.architecture):
                raise FoundError(
                    f"{offer.name} {offer.version} is one file for {host} and another for {look.host}; hosts of one "
                    "wave have one mirror and one architecture"
                )
            if offer.name not in best or version_key(offer.version) > version_key(best[offer.name].version):
                best[offer.name] = offer
    if unknown := sorted(set(only) - set(best)):
        raise FoundError(f"the mirror offers no other version of {_some(unknown)} to any host")
    packages = tuple(best[name] for name in sorted(best) if not only or name in only)
    if not packages:
        raise FoundError(f"all {len(looks)} hosts have the newest that the mirror offers; there is nothing to resolve")
    if len(packages) > MAX_PACKAGES:
        raise FoundError(
            f"{len(packages)} packages are more than the {MAX_PACKAGES} of a set; choose some by --package, in several "
            "waves: first what is urgent"
        )
    wanted_by = {
        package.name: tuple(look.host for look in looks if any(offer.name == package.name for offer in look.offered))
        for package in packages
    }
    return Choice(packages, wanted_by, len(looks))


def _some(names: list[str]) -> str:
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
