"""The lab of inventory/lab, brought up once for all tests as `./kit up` does; taken down if it wasn't there before."""

from collections.abc import Iterator

import pytest
from rich.console import Console

from lab.scenes import Up
from renkei.cli.kit import FLEET, ROOT
from renkei.lab import Lab
from renkei.lab.up import bring_up


@pytest.fixture(scope="session")
def up() -> Iterator[Up]:
    lab = Lab(FLEET, ROOT)
    stood = any(host.state == "running" for host in lab.status())
    yield Up(lab, bring_up(ROOT, FLEET, console=Console(stderr=True)))
    if not stood:
        lab.down()


@pytest.fixture(scope="session")
def lab(up: Up) -> Lab:
    return up.lab


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the life of a terminal last: it makes a host anew, and others ask whether the lab is the one of before."""
    items.sort(key=lambda item: item.path.name == "test_life.py")
