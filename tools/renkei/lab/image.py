"""The image from which all lab hosts start: a Debian server as its installer leaves it, before any role has run.

It is built from the apt sources of the machine it is built on, kept in podman's storage under the digest of its recipe,
and as a tar file in build/cache, from which the next lab gets it in seconds.
"""

import fcntl
import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path

from renkei.lab.errors import LabError
from renkei.lab.podman import FILES, podman, podman_json, run

REPOSITORY = "localhost/renkei-host"
PACKAGES = (
    *("ca-certificates", "cron", "dbus", "iproute2", "iputils-ping", "kmod", "less", "libpam-systemd", "logrotate"),
    *("netbase", "nftables", "openssh-server", "procps", "python3", "python3-apt", "sudo", "systemd", "systemd-sysv"),
    *("tzdata", "vim-tiny"),
)
#: Seconds after which a new lab gets a new image: packages that its index names may have left the package servers.
MAX_AGE = 24 * 3600
_SUITES = ("bookworm", "bookworm-updates", "bookworm-security")
_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
_OPTIONS = (
    "--mode=root",
    "--variant=minbase",
    "--format=tar",
    "--skip=cleanup/apt/lists,cleanup/apt/cache",  # so that hosts find packages without an update each
    '--aptopt=Acquire::Languages "none"',
    "--dpkgopt=force-unsafe-io",  # a lab host that the machine's power failure breaks is built again
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-include=/usr/share/doc/*/copyright",
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
)
_BUILD_SECONDS = 900
_LABEL = "renkei.image"


def debian_sources() -> list[str]:
    """Give Debian's own package sources of this machine, one line each, as sources.list(5) has them.

    Raises:
        LabError: the machine has none for Debian 12.
    """
    listing = run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages"]
    )
    return sources_from(listing)


def sources_from(listing: str) -> list[str]:
    """Pick Debian's own sources from lines of `URI SUITE COMPONENT`.

    Raises:
        LabError: Debian 12 itself isn't among them.
    """
    targets = sorted({tuple(line.split()) for line in listing.splitlines() if line.strip()})
    lines = [
        f"deb [signed-by={_KEYRING}] {uri} {suite} {component}"
        for uri, suite, component in targets
        if suite in _SUITES and component == "main"
    ]
    if not any(f" {_SUITES[0]} " in line for line in lines):
        raise LabError("this machine's apt sources don't name Debian 12 (bookworm main): mend /etc/apt/sources.list.d")
    return lines


def recipe_digest(sources: list[str]) -> str:
    """Digest everything that decides what is in the image (12 hexadecimal digits)."""
    digest = hashlib.sha256()
    for part in (*_OPTIONS, *PACKAGES, *sources):
        digest.update(f"{part}\n".encode())
    for name in ("customize-image", "lab-init"):
        digest.update((FILES / name).read_bytes())
    return digest.hexdigest()[:12]


def provide_image(cache: Path, tell: Callable[[str], None], *, renew: bool) -> str:
    """Make sure that the image is in podman's storage; build it only if its recipe changed or it is too old.

    Args:
        cache: a folder for the image's tar file.
        tell: told what takes long.
        renew: build again if the image is more than a day old; else any age will do, for hosts already run from it.

    Returns:
        The image's ID.

    Raises:
        LabError: it can't be built, for example because the package servers can't be reached.
    """
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "image.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the labs of several fleets share the image
        return _provide(cache, tell, renew=renew)


def _provide(cache: Path, tell: Callable[[str], None], *, renew: bool) -> str:
    digest = recipe_digest(debian_sources())
    tag = f"{REPOSITORY}:{digest}"
    tar = cache / f"image-{digest}.tar"
    found = podman_json("image", "ls", "--format", "json", "--filter", f"reference={tag}")
    fresh = tar.exists() and time.time() - tar.stat().st_mtime < MAX_AGE
    if found and (fresh or not renew):
        return str(found[0]["Id"])
    if not fresh:
        tell("building the image (its recipe is new, or its package index more than a day old)")
        _build(tar)
    tell("importing the image")
    changes = ('CMD ["/sbin/lab-init"]', "STOPSIGNAL SIGRTMIN+3", f"LABEL {_LABEL}={digest}")
    podman("import", *(f"--change={change}" for change in changes), str(tar), tag, timeout=_BUILD_SECONDS)
    image = str(podman_json("image", "ls", "--format", "json", "--filter", f"reference={tag}")[0]["Id"])
    remove_images(keep=image)
    return image


def remove_images(keep: str | None = None) -> None:
    """Remove the lab's images from podman's storage, except `keep` and those that a container still needs."""
    in_use = {keep, *(container["ImageID"] for container in podman_json("ps", "--all", "--format", "json"))}
    for image in podman_json("image", "ls", "--format", "json", "--filter", f"label={_LABEL}"):
        if image["Id"] not in in_use:
            podman("image", "rm", "--force", image["Id"])


def _build(tar: Path) -> None:
    for old in tar.parent.glob("image-*.tar*"):
        old.unlink()
    unfinished = tar.with_suffix(f".tar.{os.getpid()}")
    hooks = (
        f"--customize-hook={FILES / 'customize-image'}",
        f"--customize-hook=upload {FILES / 'lab-init'} /sbin/lab-init",
        '--customize-hook=chmod 0755 "$1/sbin/lab-init"',
    )
    run(
        [
            "mmdebstrap",
            *_OPTIONS,
            f"--include={','.join(PACKAGES)}",
            *hooks,
            _SUITES[0],
            str(unfinished),
            *debian_sources(),
        ],
        timeout=_BUILD_SECONDS,
        environment={"TMPDIR": str(tar.parent), "LANG": "C.UTF-8"},
    )
    unfinished.rename(tar)
