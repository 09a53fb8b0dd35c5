"""What an updated machine has to tell and to do: one narrow interface, behind which Windows differs from its double.

`result` and `is_working` tell of the work with a number, so that a call that a power cut ended is told from one that
was never made.
"""

from dataclasses import dataclass, field
from typing import Protocol

from renkei.exchange.patterns import PatternState
from renkei.exchange.updates import Order

MAX_INSTALLED = 512


class MachineError(Exception):
    """The machine can't be asked, or doesn't do what it is told; the text says what and what to do."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What a machine says of itself, at one moment.

    Attributes:
        build: of Windows, as `26100.4061`.
        installed: the updates (KB…) that it lists, at most 512.
        free_bytes: on the system's volume.
        on_mains: whether it is fed by mains; true for one without a battery.
        restart_pending: whether Windows waits for a restart to end an installation.
        boot: names this run of Windows; another one after each restart.
        patterns: its antivirus patterns; None where the antivirus can't be asked.
    """

    build: str
    installed: tuple[str, ...]
    free_bytes: int
    on_mains: bool
    restart_pending: bool
    boot: str
    patterns: PatternState | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """Whether all packages of an order are on the machine with their digests, and if not, what stands in the way."""

    done: bool = False
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """What the installer answered: nothing wrong, or `problem`."""

    problem: str = ""


@dataclass(frozen=True, slots=True)
class Work:
    """What the privileged part is told to carry out, with the ministry's word for it.

    Attributes:
        order: the order.
        number: of the try, from 1.
        envelope, permit: the order and the permit as they came; the part that installs verifies them again.
        entries: directory entries (JSON) of who signed them.
    """

    order: Order
    number: int
    envelope: bytes = field(repr=False)
    permit: bytes | None = field(default=None, repr=False)
    entries: tuple[str, ...] = field(default=(), repr=False)


class Machine(Protocol):
    """A machine that is updated. Nothing here waits for an installation: it is begun, and asked after."""

    def survey(self) -> Survey:
        """Look at the machine.

        Raises:
            MachineError: it can't be asked.
        """

    def fetch(self, work: Work) -> Progress:
        """Bring the packages of an order here, a bounded piece of work at a time; called until it is done."""

    def start(self, work: Work) -> None:
        """Let the installation, or the removal, begin.

        Raises:
            MachineError: it can't begin.
        """

    def is_working(self, work: Work) -> bool:
        """Whether the installer is at work."""

    def result(self, work: Work) -> Result | None:
        """What the installer answered to this try; None while it works, and when it was cut off."""

    def end(self) -> None:
        """Remove what was kept for the order, which has ended."""

    def install_patterns(self) -> None:
        """Let the part that may install look for patterns that wait; it takes them by the ministry's word alone.

        Raises:
            MachineError: it can't be called.
        """

    def restart(self, work: Work) -> None:
        """Restart the machine in a minute, telling whoever sits there.

        Raises:
            MachineError: it can't be told to.
        """
