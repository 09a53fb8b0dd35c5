"""Builds the images of many machines in parallel, one process a core; signs each as soon as it is written.

    for result in build_all(kit, [(machine, out), …], signer, jobs=2):
        …

What is built and unchanged is left alone, so a run that was interrupted is simply started again. An image that can't be
built doesn't keep the others from it.
"""

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from renkei.exchange.images import ImageRequest
from renkei.fleet.problems import FleetError
from renkei.fleet.terminal.media.building import MediaError, build, finish, is_built, make_plan
from renkei.fleet.terminal.media.contents import Kit
from renkei.fleet.terminal.media.disc import DiscError
from renkei.fleet.terminal.media.signing import Signer
from renkei.fleet.terminals import Terminal

Job = tuple[Terminal, Path]


class Outcome(StrEnum):
    """What became of an image."""

    BUILT = "built"
    UNCHANGED = "unchanged"
    PLANNED = "planned"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Result:
    """One machine's image; `size` is that of its files, in bytes, `why` is empty unless it failed."""

    endpoint: str
    terminal: str
    profile: str
    image: Path
    outcome: Outcome
    size: int = 0
    files: int = 0
    manifest_sha256: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class _Written:
    result: Result
    request: ImageRequest | None


_kit: Kit | None = None
"""The workers' own: given once when they start, since a fleet of the whole country is long to hand over."""


def build_all(kit: Kit, jobs: Sequence[Job], signer: Signer | None, workers: int) -> Iterator[Result]:
    """Build images; yield each result as it comes.

    Args:
        kit: what they are made of.
        jobs: machines, and where their images go.
        signer: of the authority; None only looks what would be done.
        workers: how many at once.
    """
    # forked before anything here has threads, so that the fleet needn't be copied
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(workers, context, initializer=_remember, initargs=(kit,)) as pool:
        waiting = [pool.submit(_write, machine, out, dry_run=signer is None) for machine, out in jobs]
        for done in as_completed(waiting):
            written = done.result()
            if signer is None or written.request is None:
                yield written.result
                continue
            try:
                finish(written.result.image, signer.sign(written.request))
                yield written.result
            except (MediaError, OSError) as error:
                yield replace(written.result, outcome=Outcome.FAILED, why=str(error))


def _remember(kit: Kit) -> None:
    global _kit  # noqa: PLW0603 - a worker process has one kit
    _kit = kit


def _write(machine: Terminal, out: Path, *, dry_run: bool) -> _Written:
    empty = Result(machine.code.value, machine.asset_number, machine.profile.value, out, Outcome.FAILED)
    if _kit is None:
        raise RuntimeError("a worker was started without its kit")
    try:
        plan = make_plan(_kit, machine)
        result = replace(empty, size=plan.size, files=len(plan.manifest.files), manifest_sha256=plan.digest)
        if is_built(plan, out):
            return _Written(replace(result, outcome=Outcome.UNCHANGED), None)
        if dry_run:
            return _Written(replace(result, outcome=Outcome.PLANNED), None)
        return _Written(replace(result, outcome=Outcome.BUILT), build(plan, out))
    except (FleetError, MediaError, DiscError, OSError) as error:
        return _Written(replace(empty, why=str(error)), None)
