"""A fleet whose line goes through a fault proxy and a real nginx to a real hub."""

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from faults.gateway import Gateway
from faults.proxy import Proxy
from unit.agent.conftest import Fleet, Pki, prepare_hub, start_hub


@dataclass
class Lines:
    """The two places where something can happen: before the gateway, where TLS is, and behind it, where it isn't."""

    outside: Proxy
    behind: Proxy


@contextmanager
def lines_to_hub(folder: Path, pki: Pki, seed: int) -> Iterator[Lines]:
    """Proxy, gateway, proxy, in a row before the hub of `folder`."""
    server = pki.server(folder, "localhost")
    sockets = folder / "behind"
    sockets.mkdir()
    with ExitStack() as stack:
        behind = stack.enter_context(Proxy(folder / "run" / "hub.sock", seed, sockets / "hub.sock"))
        gateway = Gateway(folder, sockets, pki.anchor_file, server.chain, server.key)
        stack.enter_context(closing(gateway))
        yield Lines(stack.enter_context(Proxy(("127.0.0.1", gateway.port), seed)), behind)


@contextmanager
def fleet_behind(lines: Lines, folder: Path, pki: Pki) -> Iterator[Fleet]:
    """A hub that serves, and agents as they are asked for."""
    settings = prepare_hub(folder, pki)
    fleet = Fleet(folder, pki, lines.outside, lines.outside, settings, start_hub(folder))
    try:
        yield fleet
    finally:
        for home in fleet.homes:
            home.spool.close()
        fleet.stop_hub()
