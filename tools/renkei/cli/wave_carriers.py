"""By whom a wave's orders travel: the hub, a folder, or plays that act on machines themselves."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from renkei.cli.wave_common import hub_as_authority

if TYPE_CHECKING:
    from renkei.exchange.documents import Signer
    from renkei.fleet.waves.direct import DirectPost
    from renkei.fleet.waves.post import Post
    from renkei.fleet.waves.state import WaveState
    from renkei.fleet.waves.watch import Watch
    from renkei.store.waves.ledger import Ledger

DEFAULT_RUNS = Path("/var/lib/renkei/plays")

HubOption = Annotated[
    str | None,
    typer.Option(envvar="RENKEI_HUB", metavar="URL", help="The hub's gateway, by which terminals are reached."),
]
ChainOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="With --hub: the authority's certificate chain (PEM).")
]
PostOption = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Instead of a hub: where orders go out and evidence comes in.")
]
PlaybookOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="For machines that Ansible reaches: ansible/playbooks/patch.yml."),
]
InventoryOption = Annotated[
    list[Path] | None, typer.Option("--inventory", metavar="PATH", help="With --playbook; may be repeated.")
]
VarsOption = Annotated[
    list[Path] | None,
    typer.Option("--vars", metavar="FILE", help="With --playbook: extra variables (paths, no secrets); repeatable."),
]
RunsOption = Annotated[
    Path, typer.Option("--runs", metavar="DIR", help="With --playbook: where each wave has its runs.")
]
TakeOverOption = Annotated[
    bool,
    typer.Option(
        "--take-over",
        help="With --playbook: the machine that had this wave's plays is gone, or none of them is left there.",
    ),
]


@dataclass(frozen=True, slots=True)
class Ways:
    """What the options say."""

    hub: str | None
    chain: Path | None
    post: Path | None
    playbook: Path | None
    inventory: tuple[Path, ...]
    variables: tuple[Path, ...]
    runs: Path
    take_over: bool = False

    def check(self) -> None:
        """Refuse options that don't go together.

        Raises:
            BadParameter: which.
        """
        if (self.hub is None) != (self.chain is None) or (self.hub and self.post):
            raise typer.BadParameter("give --hub with --chain, or --post")
        if self.take_over and self.playbook is None:
            raise typer.BadParameter("--take-over is for a wave with --playbook")
        if (self.playbook is None) != (not self.inventory):
            raise typer.BadParameter("give --playbook with --inventory")
        if not (self.hub or self.post or self.playbook):
            raise typer.BadParameter("give --hub with --chain, or --post, or --playbook with --inventory")
        for path in (*([self.playbook] if self.playbook else []), *self.inventory, *self.variables):
            if not path.exists():
                raise typer.BadParameter(f"{path} isn't there")

    def check_wave(self, state: "WaveState", *, once: bool) -> None:
        """Refuse ways by which some of the wave's machines aren't reached.

        Raises:
            BadParameter: which option is missing, and for how many machines.
        """
        direct = sum(bool(each.host.direct) for each in state.hosts.values())
        others = len(state.hosts) - direct
        if others and not (self.hub or self.post):
            raise typer.BadParameter(f"{others} machines act on orders: give --hub with --chain, or --post")
        if direct and not self.playbook:
            raise typer.BadParameter(f"{direct} machines are reached by Ansible: give --playbook and --inventory")
        if direct and once:
            raise typer.BadParameter("--once is for orders; who is handed to Ansible is followed to the end")


@dataclass(frozen=True, slots=True)
class Carrier:
    """The wave's post, what waits between its turns, and who looks at the hub's exchanges."""

    post: "Post"
    direct: "DirectPost | None" = None
    watch: "Watch | None" = None
    check_home: Callable[[], None] = lambda: None

    @property
    def is_busy(self) -> bool:
        """Whether it has begun something that isn't in the ledger yet."""
        return self.direct is not None and self.direct.is_busy

    def rest(self, seconds: float, *, standstill: str | None) -> None:
        """Wait for the next turn; machines that Ansible reaches are done meanwhile, see `DirectPost.rest`.

        Raises:
            Elsewhere: another controller has taken the wave's plays over; nobody is handed to a play here.
        """
        if self.direct is None:
            time.sleep(seconds)
        else:
            self.check_home()
            self.direct.rest(seconds, standstill=standstill)


@contextmanager
def carrier_of(
    ways: Ways,
    ledger: "Ledger",
    wave: str,
    signer: "Signer",
    root: Path,
    key: Path,
    passphrase_file: Path | None,
    say: Callable[[str], None],
) -> Iterator[Carrier]:
    """Open the ways of a wave.

    Args:
        ways: what was asked for, checked.
        ledger: of the wave.
        wave: its id.
        signer: the authority, who also signs what plays see.
        root: the trust anchor, by which the hub is known.
        key: the authority's, for the line to the hub.
        passphrase_file: of that key.
        say: is told what is waited for: one controller at a time has machines done by Ansible.

    Raises:
        Elsewhere: the wave's plays are another home's.
    """
    from renkei.fleet.waves.engine import load
    from renkei.fleet.waves.line import HubPost
    from renkei.fleet.waves.post import FolderPost, SplitPost
    from renkei.fleet.waves.watch import Watch

    with ExitStack() as stack:
        others: Post | None = None
        watch = None
        if ways.post is not None:
            others = FolderPost(ways.post)
        elif ways.hub is not None and ways.chain is not None:
            client = stack.enter_context(hub_as_authority(ways.hub, root, ways.chain, key, passphrase_file))
            others, watch = HubPost(client), Watch(client.exchanges)
        names = [name for name, each in load(ledger, wave).hosts.items() if each.host.direct]
        if not names:
            assert others is not None  # noqa: S101 - `Ways` saw to it
            yield Carrier(others, watch=watch)
            return
        direct, check_home = stack.enter_context(_direct(ways, ledger, wave, signer, say))
        yield Carrier(SplitPost(direct, others, names) if others else direct, direct, watch, check_home)


@contextmanager
def _direct(
    ways: Ways, ledger: "Ledger", wave: str, signer: "Signer", say: Callable[[str], None]
) -> Iterator[tuple["DirectPost", Callable[[], None]]]:
    from renkei.fleet.waves.direct import DirectPost
    from renkei.fleet.waves.engine import load
    from renkei.fleet.waves.plays import Plays, PlaySettings, at_home, sole

    assert ways.playbook is not None  # noqa: S101 - `Ways` saw to it
    settings = PlaySettings(
        ways.playbook.resolve(),
        tuple(path.resolve() for path in ways.inventory),
        ways.runs.resolve() / wave,
        tuple(path.resolve() for path in ways.variables),
    )
    folder = settings.folder
    with sole(folder, say), at_home(ledger, wave, folder, say, take_over=ways.take_over) as check_home:
        state = load(ledger, wave)  # as it is now that no other controller acts
        yield DirectPost(state, Plays(settings), signer, socket.gethostname()), check_home
