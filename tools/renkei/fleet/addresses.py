"""The address plan: what a site gets from the fleet's supernets, computed from its number (docs/topology.md).

Addresses are integers here: the plan of the whole country is 1,892 times a dozen of them, and the standard library's
objects would take longer than all the rest of loading a fleet.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from itertools import pairwise
from typing import Final

MINISTRY_NUMBER: Final = 1
ASP_NUMBER: Final = 2

BLOCK_PREFIX: Final = 27
BLOCK_SIZE: Final = 1 << (32 - BLOCK_PREFIX)
EDGE_OFFSET, EDGE_PREFIX = 0, 30
LAN_OFFSET, LAN_PREFIX = 8, 29
CORE_OFFSET, CORE_PREFIX = 16, 29
WAN_SHIFT: Final = 16
MANAGEMENT_SIZE: Final = 8


@dataclass(frozen=True, slots=True)
class Network:
    """An IPv4 network: its first address and its prefix length."""

    base: int
    prefix: int

    @classmethod
    def parse(cls, text: str) -> "Network":
        """Read `10.64.0.0/10`.

        Raises:
            ValueError: not a network, or bits of the host are set.
        """
        network = IPv4Network(text)
        return cls(int(network.network_address), network.prefixlen)

    @property
    def last(self) -> int:
        """The broadcast address."""
        return self.base + (1 << (32 - self.prefix)) - 1

    def __contains__(self, address: int) -> bool:
        """Tell whether the address lies in the network."""
        return self.base <= address <= self.last

    def overlaps(self, other: "Network") -> bool:
        """Tell whether they have an address in common."""
        return self.base <= other.last and other.base <= self.last

    def is_usable(self, address: int) -> bool:
        """Tell whether a host can have the address: neither the network's own nor broadcast."""
        return self.base < address < self.last

    def __str__(self) -> str:
        """Give it as people write it."""
        return f"{dotted(self.base)}/{self.prefix}"


@dataclass(frozen=True, slots=True)
class Supernets:
    """The networks that a fleet takes addresses from."""

    sites: Network
    lgwan: Network
    management: Network

    def computed_wan(self, number: int) -> int:
        """Give the router's address on LGWAN of the site with this number."""
        return self.lgwan.base + number + WAN_SHIFT

    def computed_block(self, number: int) -> Network:
        """Give the /27 of the site with this number."""
        return Network(self.sites.base + number * BLOCK_SIZE, BLOCK_PREFIX)

    def management_base(self, number: int) -> int:
        """Give the first of the site's eight management addresses."""
        return self.management.base + number * MANAGEMENT_SIZE


@dataclass(frozen=True, slots=True)
class SiteAddresses:
    """What one site has: the router's `wan` address, its `block`, the first of eight `management` addresses."""

    wan: int
    block: Network
    management: int

    @property
    def edge(self) -> Network:
        """The network between router and firewall."""
        return Network(self.block.base + EDGE_OFFSET, EDGE_PREFIX)

    @property
    def lan(self) -> Network:
        """The network of the terminal, or of hub and mirror, or of the linkage endpoint."""
        return Network(self.block.base + LAN_OFFSET, LAN_PREFIX)

    @property
    def core(self) -> Network:
        """The network of the register or of the immigration system."""
        return Network(self.block.base + CORE_OFFSET, CORE_PREFIX)


def dotted(address: int) -> str:
    """Write an address as `10.64.0.1`."""
    return f"{address >> 24}.{address >> 16 & 255}.{address >> 8 & 255}.{address & 255}"


def parse_address(text: str) -> int:
    """Read `10.64.0.1`.

    Raises:
        ValueError: not an IPv4 address.
    """
    return int(IPv4Address(text))


def aggregate(addresses: Iterable[int]) -> tuple[str, ...]:
    """Write a set of addresses as the fewest networks that hold these and no others, in order; a single one bare."""
    ordered = sorted(set(addresses))
    result = []
    for first, last in _runs(ordered):
        start = first
        while start <= last:
            size = start & -start if start else 1 << 32
            while start + size - 1 > last:
                size >>= 1
            result.append(dotted(start) if size == 1 else f"{dotted(start)}/{33 - size.bit_length()}")
            start += size
    return tuple(result)


def _runs(ordered: list[int]) -> Iterator[tuple[int, int]]:
    """Yield first and last of each run of consecutive addresses."""
    if not ordered:
        return
    first = ordered[0]
    for before, after in pairwise(ordered):
        if after != before + 1:
            yield first, before
            first = after
    yield first, ordered[-1]
