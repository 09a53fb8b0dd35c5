"""The networks and containers of labs as podman has them; labels tell whose they are and how they were made."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import IPv4Network, ip_network
from pathlib import Path

from renkei.lab.errors import LabError
from renkei.lab.plan import FUSE, LabHost, LabPlan, Network
from renkei.lab.podman import podman, podman_json

CHECKOUT, FLEET, CONFIGURATION = "renkei.checkout", "renkei.fleet", "renkei.configuration"
#: Never SYS_TIME and never --privileged: with these a host could set the machine's clock. SYS_ADMIN is what makes
#: systemd's sandboxing of units work; without it the sandbox silently isn't there.
_CAPABILITIES = "NET_ADMIN,NET_RAW,SYS_ADMIN,AUDIT_WRITE"


@dataclass(frozen=True, slots=True)
class FoundContainer:
    """A container in podman's storage; `pid` is 0 unless it runs."""

    name: str
    id: str
    state: str
    pid: int
    image: str
    started_at: datetime
    labels: dict[str, str]

    @property
    def root(self) -> Path:
        """Where its file system can be read while it runs."""
        return Path(f"/proc/{self.pid}/root")


@dataclass(frozen=True, slots=True)
class FoundNetwork:
    """A podman network; `bridge` is the machine's interface that carries it."""

    name: str
    bridge: str
    internal: bool
    subnets: frozenset[str]
    labels: dict[str, str]

    def matches(self, network: Network) -> bool:
        """Tell whether it is as planned."""
        planned = {str(network.ipv4), *([str(network.ipv6)] if network.ipv6 else [])}
        return self.internal and self.subnets == planned


def find_containers() -> dict[str, FoundContainer]:
    """Find all containers of this machine, by name.

    Raises:
        LabError: podman failed.
    """
    return {
        entry["Names"][0]: FoundContainer(
            name=entry["Names"][0],
            id=entry["Id"],
            state=entry["State"],
            pid=entry["Pid"],
            image=entry["ImageID"],
            started_at=datetime.fromtimestamp(max(entry["StartedAt"], 0), UTC),
            labels=entry["Labels"] or {},
        )
        for entry in podman_json("ps", "--all", "--format", "json")
    }


def find_networks() -> dict[str, FoundNetwork]:
    """Find all podman networks of this machine, by name.

    Raises:
        LabError: podman failed.
    """
    return {
        entry["name"]: FoundNetwork(
            name=entry["name"],
            bridge=entry.get("network_interface", ""),
            internal=entry["internal"],
            subnets=frozenset(subnet["subnet"] for subnet in entry.get("subnets") or []),
            labels=entry.get("labels") or {},
        )
        for entry in podman_json("network", "ls", "--format", "json")
    }


def refuse_foreign(
    found: Iterable[FoundContainer | FoundNetwork], checkout: Path, names: frozenset[str], fleet: str
) -> None:
    """Refuse to touch what has this lab's names but isn't this lab's.

    What a checkout made that is no longer there counts as this one's: nobody else could remove it.

    Raises:
        LabError: another checkout's lab of the same name is on this machine, or somebody else's container or network.
    """
    for thing in found:
        if thing.labels.get(FLEET) != fleet and thing.name not in names:
            continue
        owner = thing.labels.get(CHECKOUT)
        if owner is None:
            raise LabError(
                f'"{thing.name}" on this machine was not made by renkei but has its name: rename or remove it'
            )
        if Path(owner) != checkout and Path(owner).exists():
            raise LabError(
                f'the lab "{fleet}" on this machine belongs to the checkout {owner} ({thing.name}). '
                f"Take it down there first: cd {owner} && ./kit down"
            )


def refuse_overlaps(plan: LabPlan, found: Iterable[FoundNetwork]) -> None:
    """Refuse address ranges that another network of podman has already.

    Raises:
        LabError: which ones overlap, and whose the other is.
    """
    for other in found:
        if other.labels.get(FLEET) == plan.fleet:
            continue
        for text in other.subnets:
            subnet = ip_network(text)
            for network in plan.networks:
                if isinstance(subnet, IPv4Network) and subnet.overlaps(network.ipv4):
                    owner = other.labels.get(CHECKOUT, "not renkei")
                    raise LabError(
                        f"{network.name} ({network.ipv4}) overlaps podman's {other.name} ({subnet}; made by {owner}): "
                        "remove that one, or give the fleet other supernets in its fleet.yml"
                    )


def create_network(plan: LabPlan, network: Network) -> None:
    """Create a network that has neither a gateway nor names nor a way out.

    Raises:
        LabError: podman failed, for example because the machine itself uses these addresses.
    """
    ipv6 = ("--ipv6", "--subnet", str(network.ipv6)) if network.ipv6 else ()
    podman(
        *("network", "create", "--internal", "--disable-dns", "--subnet", str(network.ipv4), *ipv6),
        *("--label", f"{CHECKOUT}={plan.checkout}", "--label", f"{FLEET}={plan.fleet}", network.name),
    )


def run_arguments(plan: LabPlan, host: LabHost, *, image: str, public_key: str, package_cache: Path) -> list[str]:
    """Give podman's arguments that start a host; they hold a label with the digest of everything that shapes it.

    Args:
        plan: the lab.
        host: one of its hosts.
        image: the ID of the image.
        public_key: the controller's ssh key.
        package_cache: where the mirror's packages outlive it.
    """
    interfaces = " ".join(f"{leg.interface}={leg.ipv4}{f',{leg.ipv6}' if leg.ipv6 else ''}" for leg in host.legs)
    arguments = [
        *("--name", host.container, "--hostname", host.name, "--detach", "--systemd=always", "--restart=always"),
        *(f"--cap-add={_CAPABILITIES}", "--security-opt=unmask=ALL", "--sysctl=net.ipv4.ip_forward=0", "--no-hosts"),
        *("--label", f"{CHECKOUT}={plan.checkout}", "--label", f"{FLEET}={plan.fleet}"),
        *("--env", f"LAB_INTERFACES={interfaces}", "--env", f"LAB_PROVISIONER_KEY={public_key}"),
        "--volume=/var/log/journal",  # without one podman puts a tmpfs there, and a reboot forgets what was logged
    ]
    for leg in host.legs:
        ipv6 = f",ip={leg.ipv6.ip}" if leg.ipv6 else ""
        arguments += ["--network", f"{leg.network}:ip={leg.ipv4.ip}{ipv6},mac={leg.mac},interface_name={leg.interface}"]
    if host.default_route:
        # Only the way out needs the machine's resolver; nobody else may learn names from beyond the lab.
        arguments += ["--env", f"LAB_DEFAULT_ROUTE={host.default_route}"]
    else:
        arguments += ["--dns=none"]
    if host.part == "terminal":
        arguments += ["--device", FUSE]  # the share of the resident register is a file system of a program
    if host.part == "mirror":
        arguments += ["--volume", f"{package_cache}:/var/cache/apt-cacher-ng"]
    digest = hashlib.sha256("\0".join([*arguments, image]).encode()).hexdigest()[:16]
    return [*arguments, "--label", f"{CONFIGURATION}={digest}", image]


def configuration_of(arguments: Iterable[str]) -> str:
    """Give the digest in the arguments of `run_arguments`."""
    return next(argument.partition("=")[2] for argument in arguments if argument.startswith(f"{CONFIGURATION}="))


def remove_containers(names: Iterable[str]) -> None:
    """Remove containers at once, running or not; those that aren't there count as removed.

    Raises:
        LabError: podman failed, repeatedly.
    """
    left = list(names)
    for attempt in range(3):
        if not left:
            return
        try:
            podman("rm", "--force", "--time=0", "--volumes", "--ignore", *left)
        except LabError:  # one that is just restarting can be neither stopped nor removed for a moment
            if attempt == 2:  # noqa: PLR2004 - the last one
                raise
            left = [name for name in left if name in find_containers()]
