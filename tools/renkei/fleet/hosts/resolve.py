"""The exact versions of a wave, resolved once: of what the mirror offers to each host, one version a package for all.

Each host's own apt has said what it would take (its holds, pins and dependencies count). Hosts are looked at one after
the other while the mirror may take up something new, so that one host is offered more than another: the newest version
counts for all, as an urgent one if it replaces one for anybody. That nothing else comes along is checked on each host
before it is touched.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Final

from debian.debian_support import NativeVersion

from renkei.exchange.packages import MAX_PACKAGES, Package
from renkei.fleet.hosts.found import AHEAD, Found, FoundError

FRESH: Final = timedelta(hours=24)
"""A look is of this age at most: the mirror's lists, and what hosts have, are of today."""
_NAMED: Final = 10


@dataclass(frozen=True, slots=True)
class Choice:
    """What was resolved: the packages by name, and for each the hosts that have it at an older version or need it."""

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
        FoundError: nobody looked, a look is too old or its clock ahead, one version is two different files, a package
            that was asked for isn't offered, nothing is offered at all, for two architectures, or more than fits into
            a set.
    """
    looks = sorted(found, key=lambda each: each.host)
    _check_moments(looks, now)
    best = _newest(looks)
    if unknown := sorted(set(only) - set(best)):
        raise FoundError(f"the mirror offers no other version of {_some(unknown)} to any host")
    packages = tuple(best[name] for name in sorted(best) if not only or name in only)
    if not packages:
        raise FoundError(f"all {len(looks)} hosts have the newest that the mirror offers; there is nothing to resolve")
    _check_one_set(packages)
    return Choice(packages, _wanted_by(looks, packages), len(looks))


def _check_moments(looks: list[Found], now: datetime) -> None:
    if not looks:
        raise FoundError("nobody looked at any host of this fleet; run ansible/playbooks/look.yml over its inventory")
    if old := [each.host for each in looks if now - each.seen_at > FRESH]:
        raise FoundError(f"looked at more than a day ago: {_some(old)}; run ansible/playbooks/look.yml again")
    if ahead := [each.host for each in looks if each.seen_at - now > AHEAD]:
        raise FoundError(f"whose clock is ahead of ours: {_some(ahead)}; set it, then run ansible/playbooks/look.yml")


def _newest(looks: list[Found]) -> dict[str, Package]:
    """Return the newest that anybody is offered of each package; what it replaces for one as urgent is urgent."""
    best: dict[str, Package] = {}
    first: dict[tuple[str, str], tuple[Package, str]] = {}
    urgent: set[str] = set()
    for look in looks:
        for offer in look.offered:
            known, host = first.setdefault((offer.name, offer.version), (offer, look.host))
            if (known.sha256, known.size, known.architecture) != (offer.sha256, offer.size, offer.architecture):
                raise FoundError(
                    f"{offer.name} {offer.version} is one file for {host} and another for {look.host}; hosts of one "
                    "wave have one mirror and one architecture"
                )
            if offer.urgency == "urgent":
                urgent.add(offer.name)
            if offer.name not in best or version_key(offer.version) > version_key(best[offer.name].version):
                best[offer.name] = offer
    return best | {name: best[name].model_copy(update={"urgency": "urgent"}) for name in urgent}


def _check_one_set(packages: tuple[Package, ...]) -> None:
    if len(packages) > MAX_PACKAGES:
        raise FoundError(
            f"{len(packages)} packages are more than the {MAX_PACKAGES} of a set; choose some by --package, in several "
            "waves: first what is urgent"
        )
    of = {each.architecture: each.name for each in packages if each.architecture != "all"}
    if len(of) > 1:
        some = ", ".join(f"{name} is for {architecture}" for architecture, name in sorted(of.items()))
        raise FoundError(f"{some}; a set is for one architecture: look at the hosts of each by itself")


def _wanted_by(looks: list[Found], packages: tuple[Package, ...]) -> dict[str, tuple[str, ...]]:
    has = {look.host: look.state().held for look in looks}
    needs = {look.host: {offer.name for offer in look.offered} for look in looks}

    def wants(host: str, package: Package) -> bool:
        version = has[host].get(package.name)
        if version is None:
            return package.name in needs[host]
        return version_key(version) < version_key(package.version)

    return {each.name: tuple(look.host for look in looks if wants(look.host, each)) for each in packages}


def _some(names: list[str]) -> str:
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
