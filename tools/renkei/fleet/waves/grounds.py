"""What a halt by the rule stands on: each reason with its figures, and the machines that it was found in.

    act = halt(rule.judge(state.tally, state.failures), state)
    read_grounds(act.document)      → the same reasons and machines, for whoever reads the ledger later

They are written down with the halt, so that nobody has to judge again to say why a wave stands.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import TypeAdapter

from renkei.domain.halting import Reason, Rise
from renkei.fleet.waves.state import WaveState
from renkei.store.waves.ledger import Act

_NAMED: Final = 10


@dataclass(frozen=True, slots=True)
class Ground:
    """One reason of a halt.

    Attributes:
        reason: what the rule found, with its figures.
        terminals: the machines that fell out in this way, or whose exchanges fail, in the order in which it was seen.
    """

    reason: Reason | Rise
    terminals: tuple[str, ...]

    @property
    def kind(self) -> str:
        """The fault, or `exchanges`: a rise of exchange failures at the hub."""
        return self.reason.fault.value if isinstance(self.reason, Reason) else "exchanges"


_WRITTEN: Final = TypeAdapter(tuple[Ground, ...])


def halt(reasons: Sequence[Reason | Rise], state: WaveState) -> Act:
    """Return the act that halts a wave for some reasons."""
    grounds = [Ground(reason, _machines(reason, state)) for reason in reasons]
    words = "; ".join(_in_words(ground, state) for ground in grounds)
    return Act("halt", detail=words, document=_WRITTEN.dump_json(tuple(grounds)))


def read_grounds(document: bytes) -> tuple[Ground, ...]:
    """Return what a halt stands on: nothing where a person halted, or an earlier release, which kept words alone."""
    return _WRITTEN.validate_json(document) if document else ()


def _machines(reason: Reason | Rise, state: WaveState) -> tuple[str, ...]:
    among = state.fallen if isinstance(reason, Reason) else state.failing
    hosts = [state.hosts[name] for name in among]
    return tuple(
        host.host.terminal
        for host in hosts
        if reason.model in {None, host.host.model} and (isinstance(reason, Rise) or host.end == reason.fault)
    )


def _in_words(ground: Ground, state: WaveState) -> str:
    """Name the machines, too, where only the hub knows that they fail."""
    if isinstance(ground.reason, Reason):
        return str(ground.reason)
    named = [f"{name} ({state.hosts[name].failing})" for name in ground.terminals[-_NAMED:]]
    return f"{ground.reason} ({', '.join(named)})"
