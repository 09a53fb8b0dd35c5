"""What a hub that lies can do by its database, and what the ends make of it."""

from typing import Any

import apsw
import pytest

from renkei.agent.home import Home
from renkei.agent.status import status_of
from unit.agent.conftest import Fleet

SHINJUKU, SAPPORO = "131041", "011011"


@pytest.fixture
def sides(fleet: Fleet) -> tuple[Home, Home]:
    ministry, shinjuku = fleet.agent("ministry"), fleet.agent(SHINJUKU)
    for home in (shinjuku, ministry):
        fleet.exchange(home)
    return ministry, shinjuku


def lie(fleet: Fleet, statement: str, values: tuple[Any, ...] = ()) -> list[Any]:
    """What somebody with the hub's database does to it, while the hub serves."""
    connection = apsw.Connection(str(fleet.hub_settings.database))
    connection.set_busy_timeout(10_000)
    try:
        return list(connection.execute(statement, values))
    finally:
        connection.close()


def put_out(home: Home, content: bytes, name: str = "a.csv") -> None:
    (home.settings.outbox / name).write_bytes(content)


def alarms(home: Home) -> dict[str, str]:
    return {alarm.kind: alarm.text for alarm in status_of(home).alarms}
