"""A fleet whose line goes through a fault proxy and a real nginx to a real hub."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from faults.gateway import Gateway
from faults.proxy import Proxy
from unit.agent.conftest import Fleet, Pki, pki, prepare_hub, residence_csv, start_hub, status_csv

__all__ = ["pki", "residence_csv", "status_csv"]


@dataclass
class Lines:
    """The two places where something can happen: before the gateway, where TLS is, and behind it, where it isn't."""

    outside: Proxy
    behind: Proxy


@pytest.fixture
def seed() -> int:
    return 1


@pytest.fixture
def gateway_variables() -> dict[str, object]:
    return {}


@pytest.fixture
def lines(tmp_path: Path, pki: Pki, seed: int, gateway_variables: dict[str, object]) -> Iterator[Lines]:
    server = pki.server(tmp_path, "localhost")
    sockets = tmp_path / "behind"
    sockets.mkdir()
    behind = Proxy(tmp_path / "run" / "hub.sock", seed, sockets / "hub.sock")
    gateway = Gateway(tmp_path, sockets, pki.anchor_file, server.chain, server.key, **gateway_variables)
    outside = Proxy(("127.0.0.1", gateway.port), seed)
    yield Lines(outside, behind)
    outside.close()
    gateway.close()
    behind.close()


@pytest.fixture
def fleet(tmp_path: Path, pki: Pki, lines: Lines) -> Iterator[Fleet]:
    settings = prepare_hub(tmp_path, pki)
    fleet = Fleet(tmp_path, pki, lines.outside, lines.outside, settings, start_hub(tmp_path))
    yield fleet
    for home in fleet.homes:
        home.spool.close()
    fleet.stop_hub()
