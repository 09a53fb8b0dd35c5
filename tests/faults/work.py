"""Exchanges as a service would make them, where a failure only means another try."""

from contextlib import closing

import httpx
import pytest

from renkei.agent.contact import HubNotGenuine
from renkei.agent.exchange import exchange
from renkei.agent.home import Home, stamp
from renkei.agent.intake import Watch
from renkei.client.connection import Connection, Timeouts
from renkei.client.errors import HubError
from renkei.client.hub import HubClient
from unit.agent.conftest import Fleet

IMPATIENT = Timeouts(connect=2, packet=0.7)
"""A test can't wait half a minute for each line that fell silent."""

TOGETHER = "/v1/messages/{sender}"
"""The route by which several parcels go in one request."""

_ROUNDS = 8


def attempt(home: Home) -> bool:
    """One exchange; whether it came to its end."""
    settings = home.settings
    line = Connection.to_gateway(settings.gateway, settings.trust_anchor, home.keys().credentials, IMPATIENT)
    with closing(line):
        try:
            exchange(home, HubClient(line), Watch(0))
        except (HubError, HubNotGenuine):
            return False
    return True


def served(fleet: Fleet, route: str) -> int:
    """How many requests of a route the hub has answered with 200 since it started."""
    transport = httpx.HTTPTransport(uds=str(fleet.folder / "run" / "health.sock"))
    with httpx.Client(transport=transport, base_url="http://hub", timeout=30) as client:
        text = client.get("/metrics").text
    name = f'renkei_hub_requests_total{{listener="exchange",route="{route}",status="200"}} '
    return sum(int(float(line.removeprefix(name))) for line in text.splitlines() if line.startswith(name))


def settle(*homes: Home) -> None:
    """Exchange until nobody has anything left to do."""
    for _ in range(_ROUNDS):
        ended = [attempt(home) for home in homes]
        if all(ended) and not any(
            home.spool.has_work(stamp()) or home.spool.outgoing.recipients_waiting() for home in homes
        ):
            return
    pytest.fail(f"it didn't come to rest in {_ROUNDS} rounds")
