"""The addresses of all sites of a fleet: given or computed, inside the supernets, apart from one another."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from renkei.fleet.addresses import BLOCK_PREFIX, MANAGEMENT_SIZE, SiteAddresses, dotted
from renkei.fleet.endpoints import Endpoint
from renkei.fleet.problems import Problem
from renkei.fleet.settings import Settings, central_addresses


@dataclass(frozen=True, slots=True)
class _Claim:
    """A site's addresses and where they are written down; `given` tells which of them were not computed."""

    site: str
    file: Path
    line: int
    addresses: SiteAddresses
    given: frozenset[str]

    def problem(self, what: str, remedy: str) -> Problem:
        return Problem(self.file, self.line, f"{self.site}: {what}", remedy)


def plan_addresses(
    settings: Settings, file: Path, endpoints: Sequence[Endpoint], problems: list[Problem]
) -> dict[str, SiteAddresses]:
    """Give every site's addresses by its key, adding to `problems` those outside the supernets and those that clash.

    Args:
        settings: the fleet's.
        file: where the endpoints were read, for the problems.
        endpoints: of the fleet.
        problems: is added to.
    """
    claims = [
        _Claim(name, settings.file, settings.document.line(name), addresses, frozenset())
        for name, addresses in central_addresses(settings).items()
    ]
    nets = settings.supernets
    for endpoint in endpoints:
        number = endpoint.code.number
        wan, block = endpoint.wan_address, endpoint.site_block
        addresses = SiteAddresses(
            nets.computed_wan(number) if wan is None else wan,
            nets.computed_block(number) if block is None else block,
            nets.management_base(number),
        )
        given = frozenset(name for name, value in (("wan_address", wan), ("site_block", block)) if value is not None)
        claims.append(_Claim(endpoint.code.value, file, endpoint.line, addresses, given))
    for claim in claims:
        _check_inside(settings, claim, problems)
    _check_wan(settings, claims, problems)
    _check_blocks(claims, problems)
    _check_controller(settings, claims, problems)
    return {claim.site: claim.addresses for claim in claims}


def _check_inside(settings: Settings, claim: _Claim, problems: list[Problem]) -> None:
    nets, block = settings.supernets, claim.addresses.block
    if not nets.lgwan.is_usable(claim.addresses.wan):
        what = f"wan_address {dotted(claim.addresses.wan)} is no host's address in lgwan {nets.lgwan}"
        problems.append(claim.problem(what, "correct it, or leave it empty to have it computed"))
    if block.base not in nets.sites or block.last not in nets.sites:
        what = f"site_block {block} lies outside of sites {nets.sites}"
        problems.append(claim.problem(what, "correct it, or leave it empty to have it computed"))
    if block.prefix > BLOCK_PREFIX:
        what = f"site_block {block} is too small for the site's networks"
        problems.append(claim.problem(what, f"give a /{BLOCK_PREFIX} or wider"))


def _check_wan(settings: Settings, claims: Sequence[_Claim], problems: list[Problem]) -> None:
    owners: dict[int, _Claim] = {}
    for claim in claims:
        address = claim.addresses.wan
        if address == settings.lgwan_gateway:
            what = f"wan_address {dotted(address)} is the one of LGWAN's gateway"
            problems.append(claim.problem(what, "correct one of them"))
        other = owners.setdefault(address, claim)
        if other is not claim:
            _clash(claim, other, "wan_address", dotted(address), problems)


def _check_blocks(claims: Sequence[_Claim], problems: list[Problem]) -> None:
    widest: _Claim | None = None
    for claim in sorted(claims, key=lambda claim: (claim.addresses.block.base, claim.addresses.block.prefix)):
        if widest is not None and claim.addresses.block.base <= widest.addresses.block.last:
            _clash(claim, widest, "site_block", str(claim.addresses.block), problems)
        if widest is None or claim.addresses.block.last > widest.addresses.block.last:
            widest = claim


def _check_controller(settings: Settings, claims: Sequence[_Claim], problems: list[Problem]) -> None:
    for claim in claims:
        first = claim.addresses.management
        if first <= settings.controller < first + MANAGEMENT_SIZE:
            what = f"the controller's address {dotted(settings.controller)} is one of site {claim.site}"
            remedy = "set addresses.controller to another, such as the last of the management network"
            problems.append(settings.document.problem(("addresses", "controller"), what, remedy))


def _clash(claim: _Claim, other: _Claim, column: str, value: str, problems: list[Problem]) -> None:
    """Blame the one whose address was given: a computed one can't be wrong."""
    if column not in claim.given and column in other.given:
        claim, other = other, claim
        value = str(claim.addresses.block) if column == "site_block" else dotted(claim.addresses.wan)
    what = f"{column} {value} clashes with that of {other.site} ({other.file.name}:{other.line})"
    problems.append(claim.problem(what, "correct the one that is wrong"))
