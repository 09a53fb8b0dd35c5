"""The page of a wave, as `renkei wave status` and `renkei wave run` write it."""

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from renkei.cli.inventory import load_or_exit

if TYPE_CHECKING:
    from renkei.fleet.model import Fleet
    from renkei.fleet.waves.state import WaveState
    from renkei.store.waves.ledger import Ledger

PageOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Write an HTML page of the wave here: Japanese with an English switch."),
]
PageFleetOption = Annotated[
    Path,
    typer.Option(
        "--fleet",
        envvar="RENKEI_FLEET",
        help="With --page: the fleet, for names and contacts of endpoints.",
        show_default="inventory/lab",
    ),
]


@dataclass
class WavePage:
    """A wave's page in a file; it is written anew when what it shows has changed."""

    file: Path
    fleet: "Fleet"
    ledger: "Ledger"
    _shown: object = field(init=False, default=None)

    def show(self, state: "WaveState", now: datetime) -> None:
        """Write it if need be.

        Raises:
            OSError: it can't be written; what stood there before still stands.
        """
        from renkei.evidence.wave_page import write_page
        from renkei.fleet.waves.report import edition, report

        new = edition(state, now)
        if new != self._shown:
            write_page(report(state, self.ledger.acts(str(state.plan.id)), self.fleet, now), self.file)
            self._shown = new


def page_in(file: Path | None, fleet: Path, ledger: "Ledger", *, as_json: bool) -> WavePage | None:
    """Return the page that was asked for, None where none was; a fleet that has problems ends the command with 1."""
    return None if file is None else WavePage(file, load_or_exit(fleet, as_json=as_json), ledger)
