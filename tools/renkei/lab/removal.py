"""Takes labs away, by the names of their fleets: the files of one that a killed test left may be gone."""

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from renkei.lab import isolation, machine
from renkei.lab.containers import CHECKOUT, FLEET, find_containers, find_networks, refuse_foreign, remove_containers
from renkei.lab.image import remove_images
from renkei.lab.keys import ControllerKeys
from renkei.lab.plan import table_name
from renkei.lab.podman import podman

#: Told in a few words what is going on.
Tell = Callable[[str], None]


def fleets_of(root: Path) -> list[str]:
    """Name the fleets of which this checkout has a lab, or what is left of one, on this machine.

    Raises:
        LabError: podman failed.
    """
    found = [each.labels for each in find_containers().values()] + [each.labels for each in find_networks().values()]
    return sorted({labels[FLEET] for labels in found if labels.get(CHECKOUT) == str(root.resolve())})


def checkouts_of(fleet: str) -> list[Path]:
    """Name the checkouts, there or gone, that have a lab of this fleet, or what is left of one, on this machine.

    Raises:
        LabError: podman failed.
    """
    found = [each.labels for each in find_containers().values()] + [each.labels for each in find_networks().values()]
    return sorted({Path(labels[CHECKOUT]) for labels in found if labels.get(FLEET) == fleet})


def take_down(fleet: str, root: Path, tell: Tell = lambda _what: None) -> None:
    """Remove a lab by the name of its fleet, whose files may be gone; only build/cache stays.

    Raises:
        LabError: the lab is another checkout's.
    """
    with locked(root, fleet):
        networks = find_networks()
        refuse_foreign([*find_containers().values(), *networks.values()], root, frozenset(), fleet)
        own = [name for name, container in find_containers().items() if container.labels.get(FLEET) == fleet]
        tell(f"removing {len(own)} hosts")
        remove_containers(own)
        tell("removing networks, packet filter, keys and image")
        for network in networks.values():
            if network.labels.get(FLEET) == fleet:
                podman("network", "rm", "--force", network.name)
                machine.unplug(network.bridge)
        isolation.unload(table_name(fleet))
        ControllerKeys(root, fleet).remove()
        remove_images()
        if not any(FLEET in network.labels for network in find_networks().values()):
            machine.restore_kernel()


def cache_of(root: Path) -> Path:
    """Name the folder that outlives the labs of a checkout."""
    return root / "build" / "cache"


@contextmanager
def locked(root: Path, fleet: str) -> Iterator[None]:
    """Let one process at a time change a lab, which is named by its fleet."""
    cache_of(root).mkdir(parents=True, exist_ok=True)
    with (cache_of(root) / f"{fleet}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
