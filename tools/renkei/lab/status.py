"""How a host of the lab is."""

from dataclasses import dataclass
from datetime import datetime

from renkei.lab.containers import FoundContainer
from renkei.lab.errors import LabError
from renkei.lab.plan import LabHost
from renkei.lab.podman import podman


@dataclass(frozen=True, slots=True)
class HostStatus:
    """How a host is; `state` is podman's word for it, or `missing`.

    `started_at` is None where it doesn't run; `failed_units` is None where they can't be asked for.
    """

    name: str
    site: str
    part: str
    container: str
    state: str
    started_at: datetime | None
    addresses: dict[str, str]
    failed_units: tuple[str, ...] | None

    @property
    def is_good(self) -> bool:
        """Tell whether it runs and none of its units failed."""
        return self.state == "running" and self.failed_units == ()


def host_status(host: LabHost, container: FoundContainer | None) -> HostStatus:
    """Find out how a host is."""
    running = container is not None and container.state == "running"
    return HostStatus(
        name=host.name,
        site=host.site,
        part=host.part,
        container=host.container,
        state=container.state if container else "missing",
        started_at=container.started_at if container and running else None,
        addresses={leg.interface: str(leg.ipv4) for leg in host.legs},
        failed_units=_failed_units(host) if running else None,
    )


def _failed_units(host: LabHost) -> tuple[str, ...] | None:
    try:
        listing = podman(
            "exec", host.container, "systemctl", "list-units", "--failed", "--plain", "--no-legend", timeout=20
        )
    except LabError:
        return None
    return tuple(line.split()[0] for line in listing.splitlines() if line.strip())


def console_of(host: LabHost) -> str:
    """Give the last line that a host wrote on its console, where a host that doesn't boot says why."""
    try:
        lines = [line.strip() for line in podman("logs", "--tail=5", host.container).splitlines() if line.strip()]
    except LabError as failure:
        return str(failure)
    return lines[-1] if lines else "nothing"
