r"""The lab of one fleet: made, mended, asked and removed.

Example:
    >>> lab = Lab(Path("inventory/lab"), Path.cwd())
    >>> lab.up(print).created
    ('asp-firewall', 'asp-hub', ...)
    >>> lab.exec("m131041-terminal", ["systemctl", "is-system-running"])
    'running\n'
"""

import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from renkei.lab import isolation, machine
from renkei.lab.containers import (
    CONFIGURATION,
    FLEET,
    FoundContainer,
    configuration_of,
    create_network,
    find_containers,
    find_networks,
    refuse_foreign,
    refuse_overlaps,
    remove_containers,
    run_arguments,
)
from renkei.lab.errors import LabError
from renkei.lab.image import provide_image
from renkei.lab.inventory import fleet_name, read_plan
from renkei.lab.keys import ControllerKeys
from renkei.lab.plan import MANAGEMENT, LabHost, LabPlan
from renkei.lab.podman import PODMAN_ENVIRONMENT, podman
from renkei.lab.readiness import wait_until_ready
from renkei.lab.removal import Tell, cache_of, locked, take_down
from renkei.lab.status import HostStatus, console_of, host_status

_WORKERS = 4
_BOOT_SECONDS = 60
#: For hosts that should have been up long since.
_GRACE_SECONDS = 5


@dataclass(slots=True)
class Timings:
    """What `up` did: seconds by phase, and the hosts it made, started, restarted for lack of an answer, and removed."""

    phases: dict[str, float] = field(default_factory=dict)
    created: tuple[str, ...] = ()
    started: tuple[str, ...] = ()
    restarted: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        """Tell whether anything wasn't as it should be before."""
        return bool(self.created or self.started or self.restarted or self.removed)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time a phase."""
        started = time.monotonic()
        yield
        self.phases[name] = round(time.monotonic() - started, 2)


class Lab:
    """The hosts and networks of one fleet on this machine.

    The container of host H in fleet F is called `renkei-F-H`; with `podman_environment` set, testinfra reaches it as
    `podman://renkei-F-H`.
    """

    def __init__(self, fleet_dir: Path, root: Path) -> None:
        """Name a lab; nothing is read or touched yet.

        Args:
            fleet_dir: the fleet's folder, with its fleet.yml.
            root: the checkout.
        """
        self.fleet_dir = fleet_dir.resolve()
        self.root = root.resolve()

    @cached_property
    def fleet(self) -> str:
        """The fleet's name, as its fleet.yml says.

        Raises:
            LabError: it can't be read.
        """
        return fleet_name(self.fleet_dir)

    @cached_property
    def plan(self) -> LabPlan:
        """What the lab consists of.

        Raises:
            LabError: the fleet has errors.
        """
        return read_plan(self.fleet_dir, self.root)

    @property
    def keys(self) -> ControllerKeys:
        """The controller's ssh keys for this lab."""
        return ControllerKeys(self.root, self.fleet)

    @property
    def podman_environment(self) -> dict[str, str]:
        """What plain podman commands need in their environment to work on the lab's containers."""
        return dict(PODMAN_ENVIRONMENT)

    def ansible_environment(self) -> dict[str, str]:
        """Give the variables by which Ansible reaches the hosts, with their keys checked."""
        return self.keys.ansible_environment(self.root)

    def up(self, tell: Tell = lambda _what: None) -> Timings:
        """Make the lab what the fleet says: what is missing is made, what is broken mended, the rest left alone.

        Args:
            tell: told what goes on.

        Raises:
            LabError: this machine can't carry it, or another lab is in the way, or a host doesn't boot.
        """
        timings = Timings()
        machine.require_ability()
        plan = self.plan
        with locked(self.root, self.fleet):
            with timings.phase("check"):
                containers = self._own_containers(plan)
                refuse_overlaps(plan, find_networks().values())
            with timings.phase("image"):
                image = provide_image(self._cache, tell, renew=not containers)
            with timings.phase("networks"):
                tell("networks")
                bridges = self._mend_networks(plan)
            with timings.phase("hosts"):
                machine.set_kernel()
                self._mend_hosts(plan, image, timings, tell)
            with timings.phase("wires"):
                tell("addresses and packet filter of the machine")
                self._wire(plan, bridges)
            with timings.phase("boot"):
                self._await(plan, timings, tell)
        return timings

    def down(self, tell: Tell = lambda _what: None) -> None:
        """Remove everything that `up` made, except what build/cache keeps for the next time.

        Raises:
            LabError: the lab is another checkout's.
        """
        take_down(self.fleet, self.root, tell)

    def status(self) -> list[HostStatus]:
        """Tell of each host whether it runs, since when, and which of its units failed.

        Raises:
            LabError: podman failed or the fleet has errors.
        """
        containers = find_containers()
        with ThreadPoolExecutor(_WORKERS) as pool:
            return list(pool.map(lambda host: host_status(host, containers.get(host.container)), self.plan.hosts))

    def incarnations(self) -> dict[str, str]:
        """Give the container ID of each host that there is: it changes when the host is made anew, not when it reboots.

        Raises:
            LabError: podman failed or the fleet has errors.
        """
        containers = find_containers()
        return {host.name: containers[host.container].id for host in self.plan.hosts if host.container in containers}

    def exec(self, host: str, argv: Sequence[str], *, stdin: bytes | None = None, timeout: float = 60) -> str:
        """Run a program on a host as root and return its standard output.

        Raises:
            LabError: there is no such host, it doesn't run, or the program failed or took more than `timeout` seconds.
        """
        interactive = () if stdin is None else ("--interactive",)
        return podman("exec", *interactive, self.plan.host(host).container, *argv, stdin=stdin, timeout=timeout)

    def shell(self, host: str, argv: Sequence[str] = ()) -> int:
        """Enter a host as root by the user's own terminal, or run `argv` there; returns the exit code.

        Raises:
            LabError: there is no such host.
        """
        container = self.plan.host(host).container
        terminal = ("--tty",) if not argv else ()
        command = ["podman", "exec", "--interactive", *terminal, container, *(argv or ("bash", "-l"))]
        return subprocess.run(command, env={**os.environ, **PODMAN_ENVIRONMENT}, check=False).returncode  # noqa: S603 - the user asked for it

    @property
    def _cache(self) -> Path:
        return cache_of(self.root)

    def _own_containers(self, plan: LabPlan) -> dict[str, FoundContainer]:
        containers, networks = find_containers(), find_networks()
        names = frozenset([*(host.container for host in plan.hosts), *(network.name for network in plan.networks)])
        refuse_foreign([*containers.values(), *networks.values()], self.root, names, plan.fleet)
        return {name: container for name, container in containers.items() if container.labels.get(FLEET) == plan.fleet}

    def _mend_networks(self, plan: LabPlan) -> dict[str, str]:
        found = find_networks()
        planned = {network.name: network for network in plan.networks}
        for network in list(found.values()):
            wrong = network.name not in planned or not network.matches(planned[network.name])
            if network.labels.get(FLEET) == plan.fleet and wrong:
                podman("network", "rm", "--force", network.name)  # and with it the hosts on it, which come back below
                machine.unplug(network.bridge)
                del found[network.name]
        missing = [network for network in plan.networks if network.name not in found]
        for lacking in missing:
            create_network(plan, lacking)
        return {
            name: network.bridge for name, network in (find_networks() if missing else found).items() if name in planned
        }

    def _mend_hosts(self, plan: LabPlan, image: str, timings: Timings, tell: Tell) -> None:
        packages = self._cache / "apt" / plan.fleet
        packages.mkdir(parents=True, exist_ok=True)
        key = self.keys.public_key()
        found = self._own_containers(plan)
        wanted = {
            host.container: run_arguments(plan, host, image=image, public_key=key, package_cache=packages)
            for host in plan.hosts
        }
        stale = [
            container.name
            for container in found.values()
            if container.name not in wanted
            or container.labels.get(CONFIGURATION) != configuration_of(wanted[container.name])
        ]
        remove_containers(stale)
        create = [host for host in plan.hosts if host.container not in found or host.container in stale]
        start = [host for host in plan.hosts if host not in create and found[host.container].state != "running"]
        done = 0

        def make(host: LabHost) -> None:
            nonlocal done
            if host in create:
                podman("run", *wanted[host.container])
            else:
                self._start(host, wanted[host.container])
            done += 1
            tell(f"hosts: {done} of {len(create) + len(start)}")

        with ThreadPoolExecutor(_WORKERS) as pool:
            list(pool.map(make, [*create, *start]))
        timings.created = tuple(host.name for host in create)
        timings.started = tuple(host.name for host in start)
        timings.removed = tuple(name.removeprefix(plan.prefix) for name in stale if name not in wanted)
        if timings.changed:
            self.keys.hang_up()

    @staticmethod
    def _start(host: LabHost, arguments: list[str]) -> None:
        """Switch a host on that is off or half made; make it anew where that fails."""
        try:
            podman("start", host.container)
        except LabError:
            remove_containers([host.container])
            podman("run", *arguments)

    @staticmethod
    def _wire(plan: LabPlan, bridges: Mapping[str, str]) -> None:
        isolation.load(plan, bridges)
        if management := plan.network("management"):
            machine.plug_in(bridges[management.name], plan.controller)
        outside = plan.network("outside")
        if outside and plan.outside_gateway:
            machine.plug_in(bridges[outside.name], plan.outside_gateway)

    def _await(self, plan: LabPlan, timings: Timings, tell: Tell) -> None:
        tell("waiting for the hosts to boot")
        fresh = {*timings.created, *timings.started}
        found = find_containers()
        silent = self._silent(plan.hosts, found, lambda host: _BOOT_SECONDS if host.name in fresh else _GRACE_SECONDS)
        mendable = [host for host in silent if host.name not in fresh]
        if mendable:
            tell(f"restarting what doesn't answer: {', '.join(host.name for host in mendable)}")
            podman("restart", "--time=5", *(host.container for host in mendable))
            self.keys.hang_up()
            timings.restarted = tuple(host.name for host in mendable)
            found = find_containers()
            silent = self._silent(silent, found, lambda _host: _BOOT_SECONDS)
        if silent:
            names, first = ", ".join(host.name for host in silent), silent[0]
            raise LabError(
                f"no answer by ssh on {MANAGEMENT}: {names}. Last on the console of {first.name}: {console_of(first)}. "
                f"More: renkei lab shell {first.name} -- journalctl -b -p warning. "
                f"To make it anew: podman rm -f {first.container}, then renkei lab up"
            )
        self.keys.write(plan, {host.name: found[host.container].root for host in plan.hosts})

    @staticmethod
    def _silent(
        hosts: Sequence[LabHost], found: Mapping[str, FoundContainer], patience: Callable[[LabHost], float]
    ) -> list[LabHost]:
        """Give the hosts that don't let anybody in within so many seconds."""

        def answers(host: LabHost) -> bool:
            container = found.get(host.container)
            return container is not None and wait_until_ready(host.address, container.root, seconds=patience(host))

        with ThreadPoolExecutor(len(hosts)) as pool:
            return [host for host, good in zip(hosts, pool.map(answers, hosts), strict=True) if not good]
