"""Which wave has which machine: one at a time, from its approval to the machine's end there.

An aborted wave holds on to those that have a permit: each is at work, or may be, until it has said what it came to, or
is overdue (`fleet.waves.overdue`).
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from renkei.store.errors import StoreError
from renkei.store.hub.transaction import Transaction

_NAMED: Final = 10


class Held(StoreError):
    """Machines that another wave holds; the text says which wave, which machines, and what to do.

    Attributes:
        by: the machines by the wave that holds them.
    """

    def __init__(self, by: Mapping[str, Collection[str]]) -> None:
        """Name them."""
        self.by = {wave: sorted(terminals) for wave, terminals in sorted(by.items())}
        super().__init__(held_in_words(self.by))


def held_in_words(by: Mapping[str, Sequence[str]]) -> str:
    """Say which wave holds which machines, and what to do."""
    parts = []
    for wave, terminals in by.items():
        some = ", ".join(terminals[:_NAMED]) + (" …" if len(terminals) > _NAMED else "")
        parts.append(f"wave {wave} holds {len(terminals)} of its machines ({some})")
    return (
        f"{'; '.join(parts)}. A machine is one wave's at a time: wait until that wave has ended with them "
        f"(renkei wave status), or abort it (renkei wave abort {next(iter(by))} --as NAME --why WHY): then it lets go "
        "of all but those that have a permit, and of these when each has ended there, or is overdue"
    )


def by_others(transaction: Transaction, wave: str, terminals: Collection[str]) -> dict[str, list[str]]:
    """Return those of some machines that other waves hold, by wave."""
    wanted, found = set(terminals), defaultdict(list)
    for terminal, by in transaction.some("SELECT terminal, wave FROM holds ORDER BY wave, terminal"):
        if by != wave and terminal in wanted:
            found[str(by)].append(str(terminal))
    return dict(found)


def hold(transaction: Transaction, wave: str, terminals: Collection[str]) -> None:
    """Hold machines for a wave; the table's key refuses what a controller that looks at the same moment would hold.

    Raises:
        Held: another wave has some of them.
    """
    if not terminals:
        return
    if by := by_others(transaction, wave, terminals):
        raise Held(by)
    mine = {str(terminal) for (terminal,) in transaction.some("SELECT terminal FROM holds WHERE wave = ?", (wave,))}
    new = [(terminal, wave) for terminal in sorted(set(terminals) - mine)]
    transaction.execute_many("INSERT INTO holds (terminal, wave) VALUES (?, ?)", new)


def let_go(transaction: Transaction, wave: str, terminals: Collection[str]) -> None:
    """Let machines go that a wave is through with."""
    ended = [(terminal, wave) for terminal in sorted(terminals)]
    transaction.execute_many("DELETE FROM holds WHERE terminal = ? AND wave = ?", ended)
