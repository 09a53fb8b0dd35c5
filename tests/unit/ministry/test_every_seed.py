"""The world that the lab plays, by any seed and whatever comes first: every notice is imported, nothing stays held."""

import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from random import Random

import pytest

from renkei.domain.layouts import Layout, write
from renkei.domain.notices import TYPES, Notice, StatusNotice
from renkei.ministry.cases import read_waiting
from renkei.ministry.connector import Connector
from renkei.ministry.importing import account_of, import_all
from renkei.ministry.lives import notices_of_lives
from renkei.ministry.runs import runs
from renkei.ministry.settings import ConnectorSettings

from .lives import PLACE, UTASHINAI

PEOPLE = 20 * len(PLACE)


class World:
    """The ministry's side on folders of its own, and what each municipality has still to send, file by file."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.now = datetime.now(UTC)
        for name in ("drop/to-municipalities", "drop/from-municipalities", "agent/outbox", "agent/inbox", "registers"):
            (folder / name).mkdir(parents=True)
        for name in ("to-municipalities", "from-municipalities", "sent"):
            (folder / "immigration" / name).mkdir(parents=True)
        rows = [
            {"asset_number": code, "endpoint": code, "machine_serial": "X", "state": "in_service", "place": place}
            for code, place in PLACE.items()
        ]
        (folder / "terminals.json").write_text(json.dumps(rows))
        self.folder, self.immigration = folder, folder / "immigration"
        settings = ConnectorSettings(
            drop=folder / "drop",
            agent=folder / "agent",
            state=folder / "state",
            terminals=folder / "terminals.json",
            settle_seconds=0,
        )
        self.database = settings.database
        self.connector = Connector(settings, clock=lambda: self.now)
        self.lives = notices_of_lives(PLACE, PEOPLE, seed, self.now.date())
        self.queues = {code: self.files(partial(_is_of, code)) for code in PLACE}

    def files(self, wanted: Callable[[Notice], bool]) -> list[list[Notice]]:
        own = [[each for each in life if wanted(each)] for life in self.lives]
        return [part for _, part in runs(own, lambda notice: (TYPES.index(type(notice)), False))]

    def bring(self, code: str, notices: list[Notice]) -> None:
        inbox = self.folder / "agent/inbox" / code
        inbox.mkdir(exist_ok=True)
        (inbox / f"{len(self.queues[code]):08d}.csv").write_bytes(write(notices, Layout()))
        self.connector.run_once()

    def import_and_answer(self) -> None:
        """Carry the drop, import, carry back, as renkei-drop and the simulator do."""
        for one, other in (("drop", "immigration"), ("immigration", "drop")):
            way = "from-municipalities" if one == "drop" else "to-municipalities"
            for path in sorted((self.folder / one / way).glob("[!.]*.csv")):
                path.rename(self.folder / other / way / path.name)
            if one == "drop":
                import_all(self.immigration, self.now.date())
        self.connector.run_once()


def _is_of(code: str, notice: Notice) -> bool:
    return notice.TO_MINISTRY and notice.municipality == code


def play(world: World, seed: int) -> None:
    """Let the ministry speak first, the municipalities with a line in any order, and last the one with a medium."""
    said = world.files(lambda notice: isinstance(notice, StatusNotice))
    for number, notices in enumerate(said):
        content = write(notices, Layout())
        (world.immigration / f"sent/{number}.csv").write_bytes(content)
        (world.folder / f"drop/to-municipalities/{number}.csv").write_bytes(content)
    world.connector.run_once()
    random = Random(f"order {seed}")  # noqa: S311 - repeatable, not secret
    while by_line := [code for code, queue in world.queues.items() if queue and code != UTASHINAI]:
        code = random.choice(by_line)
        world.bring(code, world.queues[code].pop(0))
        if random.random() < 0.3:
            world.import_and_answer()
    while world.queues[UTASHINAI]:
        world.bring(UTASHINAI, world.queues[UTASHINAI].pop(0))
    for _ in range(3):
        world.import_and_answer()


@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(n, marks=pytest.mark.thorough) for n in range(2, 100))])
def test_every_notice_of_the_lab_is_imported_and_nothing_stays_held(tmp_path: Path, seed: int) -> None:
    world = World(tmp_path, seed)
    play(world, seed)
    made = Counter(each.municipality for life in world.lives for each in life if each.TO_MINISTRY)
    assert read_waiting(world.database) == []
    assert account_of(world.immigration, "").imported == made
    results: Counter[str] = Counter()
    for code in PLACE:
        for path in (tmp_path / "agent/outbox" / code).glob("[!.]*import_result*.csv"):
            results[code] += path.read_text(encoding="utf-8-sig").count("\n") - 1
    assert results == made
    world.connector.close()
