"""A clerk at the page of an agent with a bridge."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from renkei.agent.activity import Activity
from renkei.agent.home import Home
from renkei.agent.page.server import page
from renkei.agent.register.share import prepare
from unit.agent.page_scenes import Clerk, page_settings


@pytest.fixture
def home(offline: Any, tmp_path: Path) -> Home:
    """An endpoint's agent with a bridge and a page."""
    (tmp_path / "share").mkdir()
    home: Home = offline.agent(
        "131041",
        bridge={"kind": "folder", "folder": tmp_path / "share"},
        page=page_settings(tmp_path / "page"),
    )
    prepare(home)
    return home


@pytest.fixture
def activity() -> Activity:
    return Activity()


@pytest.fixture
def folder(home: Home, activity: Activity) -> Iterator[Path]:
    """The page's folder while the page is served."""
    assert home.settings.page is not None
    with page(home, activity):
        yield home.settings.page.folder


@pytest.fixture
def clerk(folder: Path) -> Iterator[Clerk]:
    clerk = Clerk(folder)
    assert clerk.enter().status_code == 200
    yield clerk
    clerk.http.close()
