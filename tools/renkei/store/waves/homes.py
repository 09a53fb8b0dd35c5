"""Where the plays of a wave run: on one machine, in one folder, until its controller has ended and none is left.

A controller that is killed leaves its plays behind, and they go on with their machines. Whoever begins anew in the same
folder finds them there and waits for their end. From anywhere else nobody can see them, however long one waits: so no
time makes another's home one's own, but a person's word that it is gone (`take_over`).
"""

from dataclasses import dataclass

from renkei.store.errors import StoreError
from renkei.store.hub.transaction import Transaction


class Elsewhere(StoreError):
    """The plays of a wave are another controller's; the text says where, and what to do."""


@dataclass(frozen=True, slots=True)
class Home:
    """Where plays run.

    Attributes:
        name: tells it from all others, also where two machines have the same name.
        place: what people call it: the machine and the folder.
    """

    name: str
    place: str


def move_in(transaction: Transaction, wave: str, home: Home, *, take_over: bool) -> None:
    """Have the plays of a wave run here.

    Raises:
        Elsewhere: another home has them, and nobody says that it is gone.
    """
    if not take_over:
        check(transaction, wave, home)
    transaction.execute("DELETE FROM homes WHERE wave = ?", (wave,))
    transaction.execute("INSERT INTO homes (wave, home, place) VALUES (?, ?, ?)", (wave, home.name, home.place))


def move_out(transaction: Transaction, wave: str, home: Home) -> None:
    """Let the plays of a wave run anywhere: none of them is left here."""
    transaction.execute("DELETE FROM homes WHERE wave = ? AND home = ?", (wave, home.name))


def check(transaction: Transaction, wave: str, home: Home) -> None:
    """Refuse what another home has.

    Raises:
        Elsewhere: it does.
    """
    found = transaction.one("SELECT home, place FROM homes WHERE wave = ?", (wave,))
    if found is not None and found[0] != home.name:
        raise Elsewhere(
            f"the plays of wave {wave} run at {found[1]}, whose controller hasn't ended: go on there, by the same "
            "--runs, also where it was killed. Only if that machine is gone, or none of its plays is left, take the "
            "wave over by --take-over"
        )
