"""What the endpoints of a fleet have in common, from `fleet.yml`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from renkei.domain.layouts import Layout
from renkei.fleet.addresses import (
    ASP_NUMBER,
    BLOCK_PREFIX,
    MINISTRY_NUMBER,
    Network,
    SiteAddresses,
    Supernets,
    dotted,
    parse_address,
)
from renkei.fleet.documents import Document, read_document
from renkei.fleet.maintenance import Maintenance, read_maintenance
from renkei.fleet.problems import FleetError, Problem

#: Prefixes that hold what is computed from the highest code that can be, 47999x.
_LONGEST_PREFIX: Final = {"sites": 11, "lgwan": 16, "management": 13}


@dataclass(frozen=True, slots=True)
class Outside:
    """The mirror's leg beyond LGWAN: its address with prefix length, and its way out."""

    address: int
    prefix: int
    gateway: int


@dataclass(frozen=True, slots=True)
class Databases:
    """The ASP's two machines with a database, by their hosts' names: who is written to, and who follows, if anybody."""

    primary: str
    standby: str | None


@dataclass(frozen=True, slots=True)
class CentralSite:
    """The ministry or the ASP."""

    name: str
    line_kbps: int
    wan_address: int | None
    site_block: Network | None


@dataclass(frozen=True, slots=True)
class Settings:
    """`fleet.yml`; `controller` is where Ansible runs, `lgwan_gateway` LGWAN's own router where there is one."""

    document: Document = field(repr=False)
    name: str
    domain: str
    timezone: str
    municipalities: Path
    policy: Path
    supernets: Supernets
    lgwan_gateway: int | None
    controller: int
    ministry: CentralSite
    asp: CentralSite
    outside: Outside | None
    databases: Databases | None
    registers: bool
    rings: tuple[str, ...]
    maintenance: Maintenance
    exchange_times: tuple[str, ...]
    exchange_jitter_seconds: int
    exchange_layout: Layout
    defaults: Mapping[str, Any]

    @property
    def file(self) -> Path:
        """Where `fleet.yml` lies."""
        return self.document.file


def read_settings(file: Path) -> Settings:
    """Read `fleet.yml`.

    Raises:
        FleetError: with all that is wrong with it.
    """
    document = read_document(file, _schema())
    data = document.data
    problems: list[Problem] = []
    networks = {
        "sites": _network(document, ("addresses", "sites"), problems),
        "lgwan": _network(document, ("addresses", "lgwan", "network"), problems),
        "management": _network(document, ("addresses", "management"), problems),
    }
    for name, network in networks.items():
        if network.prefix > _LONGEST_PREFIX[name]:
            remedy = f"take a /{_LONGEST_PREFIX[name]} or wider: addresses are computed from codes up to 47999"
            problems.append(document.problem(("addresses", name), f"{network} is too small", remedy))
        for other, second in networks.items():
            if name < other and network.overlaps(second):
                what = f"{name} {network} and {other} {second} overlap"
                problems.append(document.problem(("addresses", name), what, "keep the supernets apart"))
    supernets = Supernets(**networks)
    gateway = _address(document, ("addresses", "lgwan", "gateway"), supernets.lgwan, problems)
    controller = _address(document, ("addresses", "controller"), supernets.management, problems)
    timezone = str(data["timezone"])
    try:
        ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        problems.append(
            document.problem(("timezone",), f"{timezone!r} is no time zone", "write one such as Asia/Tokyo")
        )
    settings = Settings(
        document=document,
        name=str(data["name"]),
        domain=str(data["domain"]),
        timezone=timezone,
        municipalities=file.parent / data.get("municipalities", "../municipalities.csv"),
        policy=file.parent / data.get("policy", "../policy/flows.yml"),
        supernets=supernets,
        lgwan_gateway=gateway,
        controller=supernets.management.last - 1 if controller is None else controller,
        ministry=_central(document, "ministry", supernets, problems),
        asp=_central(document, "asp", supernets, problems),
        outside=_outside(document, supernets, problems),
        databases=_databases(document, problems),
        registers=bool(data.get("registers", False)),
        rings=tuple(map(str, data["rings"])),
        maintenance=read_maintenance(document, problems),
        exchange_times=tuple(map(str, data["exchange"]["times"])),
        exchange_jitter_seconds=int(data["exchange"]["jitter_seconds"]),
        exchange_layout=Layout.parse(str(data["exchange"].get("layout", Layout()))),
        defaults={str(key): _plain(value) for key, value in data.get("defaults", {}).items()},
    )
    if problems:
        raise FleetError(problems)
    return settings


def central_addresses(settings: Settings) -> dict[str, SiteAddresses]:
    """Give the addresses of the ministry and of the ASP."""
    nets = settings.supernets
    return {
        name: SiteAddresses(
            nets.computed_wan(number) if site.wan_address is None else site.wan_address,
            site.site_block or nets.computed_block(number),
            nets.management_base(number),
        )
        for name, number, site in (
            ("ministry", MINISTRY_NUMBER, settings.ministry),
            ("asp", ASP_NUMBER, settings.asp),
        )
    }


def _schema() -> Path:
    with as_file(files("renkei.fleet") / "fleet.schema.json") as schema:
        return schema


def _network(document: Document, path: tuple[str, ...], problems: list[Problem]) -> Network:
    text = _at(document, path) or ""
    try:
        return Network.parse(text)
    except ValueError as error:
        problems.append(document.problem(path, f"{text!r} is no network ({error})", "write it as 10.64.0.0/10"))
        return Network(0, 32)


def _address(document: Document, path: tuple[str, ...], network: Network, problems: list[Problem]) -> int | None:
    text = _at(document, path)
    if text is None:
        return None
    try:
        address = parse_address(text)
    except ValueError as error:
        problems.append(document.problem(path, str(error), "write an address such as 172.20.0.1"))
        return None
    if not network.is_usable(address):
        what = f"{dotted(address)} is no host's address in {network}"
        problems.append(document.problem(path, what, "take one inside, neither the first nor the last"))
    return address


def _central(document: Document, name: str, supernets: Supernets, problems: list[Problem]) -> CentralSite:
    site = document.data[name]
    block = _network(document, (name, "site_block"), problems) if "site_block" in site else None
    if block and (block.prefix > BLOCK_PREFIX or not (block.base in supernets.sites and block.last in supernets.sites)):
        what = f"site_block {block} is no /{BLOCK_PREFIX} or wider in {supernets.sites}"
        problems.append(document.problem((name, "site_block"), what, "take one that is, or leave it out"))
    wan = _address(document, (name, "wan_address"), supernets.lgwan, problems)
    return CentralSite(str(site["name"]), int(site["line_kbps"]), wan, block)


def _outside(document: Document, supernets: Supernets, problems: list[Problem]) -> Outside | None:
    given = document.data["asp"].get("outside")
    if given is None:
        return None
    path = ("asp", "outside")
    text, _, prefix = str(given["address"]).partition("/")
    try:
        address = parse_address(text)
        network = Network(address & (0xFFFFFFFF << (32 - int(prefix))), int(prefix))
    except ValueError as error:
        problems.append(document.problem((*path, "address"), str(error), "write it as 10.31.255.2/30"))
        return None
    gateway = _address(document, (*path, "gateway"), network, problems)
    if any(network.overlaps(other) for other in (supernets.sites, supernets.lgwan, supernets.management)):
        what = f"outside {network} overlaps a supernet"
        problems.append(document.problem((*path, "address"), what, "take a network apart from them"))
    return Outside(address, network.prefix, gateway or 0)


def _databases(document: Document, problems: list[Problem]) -> Databases | None:
    primary = _at(document, ("asp", "databases", "primary"))
    if primary is None:
        return None
    standby = _at(document, ("asp", "databases", "standby"))
    if standby == primary:
        what = f"{primary} can't follow itself"
        remedy = "name the other machine, or leave standby out while there is none"
        problems.append(document.problem(("asp", "databases", "standby"), what, remedy))
    return Databases(primary, standby)


def _at(document: Document, path: tuple[str, ...]) -> str | None:
    data = document.data
    for step in path:
        data = data.get(step)
        if data is None:
            return None
    return str(data)


def _plain(value: object) -> object:
    """Copy a value of the document into plain dicts, lists and scalars."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, bool) or value is None:
        return value
    return next((kind(value) for kind in (str, int, float) if isinstance(value, kind)), value)
