"""`renkei journal verify` on a real hub's database: tampered with in every way, and seen from every side."""

import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest
from click.testing import Result
from typer.testing import CliRunner

from renkei.cli import agent as agent_cli
from renkei.cli import hub as hub_cli
from renkei.cli.journal import app
from renkei.exchange.documents import canonical
from renkei.exchange.journal import MerkleTree, leaf_hash
from unit.agent.conftest import Pki, a_fleet

pytestmark = pytest.mark.thorough

SHINJUKU = "131041"


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in ("verify", *words)])


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory, pki: Pki, residence_csv: Any) -> Iterator["Scene"]:
    with a_fleet(tmp_path_factory.mktemp("history"), pki) as fleet:
        yield Scene(fleet, residence_csv)


@pytest.fixture
def scene(history: "Scene", tmp_path: Path) -> Iterator["Scene"]:
    """The one history, whose hub has its state back after a test has tampered with it."""
    state = history.fleet.hub_settings.state
    shutil.copytree(state, tmp_path / "kept")
    yield history
    history.fleet.stop_hub()
    shutil.rmtree(state)
    shutil.copytree(tmp_path / "kept", state)


class Scene:
    """A hub with a short history: two parties that exchanged, a head kept in between and one at its restart."""

    def __init__(self, fleet: Any, residence_csv: Any) -> None:
        self.fleet = fleet
        self.ministry, self.shinjuku = fleet.agent("ministry"), fleet.agent(SHINJUKU)
        self._csv, self._files = residence_csv, 0
        for _ in range(2):
            self.exchange()
        self.age_heads()
        self.restart()
        self.middle = self.size
        for _ in range(2):
            self.exchange()
        self.age_heads()
        self.restart()
        fleet.stop_hub()

    @property
    def size(self) -> int:
        return int(self.sql("SELECT count(*) FROM journal")[0][0])

    def exchange(self) -> None:
        self._files += 1
        (self.shinjuku.settings.outbox / f"{self._files}.csv").write_bytes(self._csv(1, first=self._files))
        for home in (self.ministry, self.shinjuku, self.ministry, self.shinjuku):
            self.fleet.exchange(home)

    def age_heads(self) -> None:
        """An hour goes by for the hub, which keeps one head an hour."""
        self.sql("UPDATE kept_heads SET signed_at = signed_at - 3600")

    def restart(self) -> None:
        self.fleet.stop_hub()
        before = self.sql("SELECT count(*) FROM kept_heads")
        self.fleet.start_hub()
        deadline = time.monotonic() + 20
        while self.sql("SELECT count(*) FROM kept_heads") == before and time.monotonic() < deadline:
            time.sleep(0.01)

    def sql(self, statement: str, values: tuple[Any, ...] = ()) -> list[Any]:
        connection = apsw.Connection(str(self.fleet.hub_settings.database))
        try:
            return list(connection.execute(statement, values))
        finally:
            connection.close()

    def rebuild_tree(self) -> None:
        """What somebody with the whole database would do after a change."""
        self.sql("DELETE FROM tree_nodes")
        tree = MerkleTree()
        for (entry,) in self.sql("SELECT entry FROM journal ORDER BY position"):
            tree, nodes = tree.append(entry)
            for node in nodes:
                self.sql("INSERT INTO tree_nodes VALUES (?, ?, ?)", (node.level, node.index, node.hash))

    def change(self, place: int, **fields: object) -> None:
        ((entry,),) = self.sql("SELECT entry FROM journal WHERE position = ?", (place,))
        changed = canonical({**json.loads(entry), **fields})
        self.sql("UPDATE journal SET entry = ? WHERE position = ?", (changed, place))

    def remove(self, place: int) -> None:
        """Take an entry out and have the rest move up, each with its new index."""
        kept = [json.loads(e) for p, e in self.sql("SELECT position, entry FROM journal ORDER BY 1") if p != place]
        self.sql("DELETE FROM journal")
        for index, entry in enumerate(kept):
            self.sql("INSERT INTO journal VALUES (?, ?)", (index, canonical({**entry, "index": index})))

    def insert(self, place: int) -> None:
        kept = [json.loads(entry) for (entry,) in self.sql("SELECT entry FROM journal ORDER BY position")]
        kept.insert(place, {**kept[place], "document_sha256": "0" * 64})
        self.sql("DELETE FROM journal")
        for index, entry in enumerate(kept):
            self.sql("INSERT INTO journal VALUES (?, ?)", (index, canonical({**entry, "index": index})))

    def export(self) -> Path:
        out = self.fleet.folder / "journal.jsonl"
        answer = CliRunner().invoke(
            hub_cli.app, ["journal", "export", str(out), "--config", str(self.fleet.folder / "hub.toml")]
        )
        assert answer.exit_code == 0, answer.output
        return out

    def verdicts(self) -> list[dict[str, Any]]:
        """What is said of the store, of an exported file, and over the wire; the exit code goes with the verdict."""
        root, found = self.fleet.pki.anchor_file, []
        config = self.fleet.write_config(self.ministry)
        database, exported = self.fleet.hub_settings.database, self.export()
        self.fleet.start_hub()
        ways = (["--store", database], ["--file", exported], ["--config", config])
        for way in ways:
            answer = run(*way, "--root", root, "--json")
            if answer.stdout:
                found.append(json.loads(answer.stdout))
                assert answer.exit_code == (0 if found[-1]["sound"] else 1)
            else:  # a hub whose tree lacks a node can't sign a head
                assert answer.exit_code == 1
                assert "has no node" in answer.stderr
        self.fleet.stop_hub()
        return found


def test_an_untouched_journal_is_whole_from_every_side(scene: Any) -> None:
    size, verdicts = scene.size, scene.verdicts()
    for verdict in verdicts:
        assert verdict["sound"], verdict
        assert verdict["entries"] == verdict["proven"] == size
        assert verdict["heads"] >= 2
    assert verdicts[2]["heads"] == verdicts[0]["heads"] + 1, "over the wire the head of now is checked too"


TAMPERING: dict[str, tuple[Callable[[Any, int], object], bool]] = {
    "an entry says another party": (lambda scene, place: scene.change(place, party="011011"), True),
    "an entry says another time": (lambda scene, place: scene.change(place, at="2026-01-01T00:00:00Z"), True),
    "an entry says another index": (lambda scene, place: scene.change(place, index=999), True),
    "an entry is no JSON": (
        lambda scene, place: scene.sql("UPDATE journal SET entry = x'ff' WHERE position = ?", (place,)),
        True,
    ),
    "an entry is gone": (lambda scene, place: scene.sql("DELETE FROM journal WHERE position = ?", (place,)), True),
    "an entry and its leaf are gone": (
        lambda scene, place: (
            scene.sql("DELETE FROM journal WHERE position = ?", (place,)),
            scene.sql("DELETE FROM tree_nodes WHERE level = 0 AND position = ?", (place,)),
        ),
        True,
    ),
    "a leaf is another": (
        lambda scene, place: scene.sql(
            "UPDATE tree_nodes SET digest = ? WHERE level = 0 AND position = ?", (leaf_hash(b""), place)
        ),
        True,
    ),
    "an entry was removed and the rest moved up": (lambda scene, place: scene.remove(place), True),
    "an entry was put in": (lambda scene, place: scene.insert(place), True),
    "an entry was changed and the tree made anew": (
        lambda scene, place: (scene.change(place, party="011011"), scene.rebuild_tree()),
        False,
    ),
    "an entry was removed and the tree made anew": (
        lambda scene, place: (scene.remove(place), scene.rebuild_tree()),
        False,
    ),
    "an entry was put in and the tree made anew": (
        lambda scene, place: (scene.insert(place), scene.rebuild_tree()),
        False,
    ),
}


@pytest.mark.parametrize("what", TAMPERING)
def test_tampering_with_the_database_is_found_and_the_first_wrong_entry_named(scene: Any, what: str) -> None:
    tamper, exact = TAMPERING[what]
    place = scene.middle + 1
    tamper(scene, place)
    for verdict in scene.verdicts():
        first = verdict["findings"][0]
        if exact:
            assert first["first"] == place, (what, verdict["findings"])
        else:
            assert first["first"] <= place <= first["last"], (what, verdict["findings"])
            assert first["first"] == scene.middle, "the head that was kept in between holds"


def test_a_kept_head_that_the_hub_did_not_sign_is_named(scene: Any) -> None:
    one, other = (
        json.loads(envelope) for (envelope,) in scene.sql("SELECT envelope FROM kept_heads ORDER BY head LIMIT 2")
    )
    forged = json.dumps({**other, "signatures": one["signatures"]}, separators=(",", ":")).encode()
    scene.sql("UPDATE kept_heads SET envelope = ? WHERE head = 2", (forged,))
    for verdict in scene.verdicts():
        assert [each["fault"] for each in verdict["findings"]] == ["head"]
        assert "kept head 2" in verdict["findings"][0]["text"]


def seen_by(scene: Any, home: Any) -> Path:
    config = scene.fleet.write_config(home)
    answer = CliRunner().invoke(agent_cli.app, ["heads", "--json", "--config", str(config)])
    assert answer.exit_code == 0, answer.output
    path: Path = scene.fleet.folder / f"heads-{home.party}.json"
    path.write_text(answer.stdout)
    return path


def test_what_agents_saw_shows_a_journal_that_was_rolled_back(scene: Any) -> None:
    heads, root = seen_by(scene, scene.shinjuku), scene.fleet.pki.anchor_file
    whole = run("--store", scene.fleet.hub_settings.database, "--root", root, "--heads", heads)
    assert whole.exit_code == 0, whole.output
    scene.sql("DELETE FROM journal WHERE position >= ?", (scene.middle,))
    scene.sql("DELETE FROM kept_heads WHERE size > ?", (scene.middle,))
    scene.rebuild_tree()
    alone = run("--store", scene.fleet.hub_settings.database, "--root", root)
    assert alone.exit_code == 0, "by itself the store can't show what was cut off"
    found = run("--store", scene.fleet.hub_settings.database, "--root", root, "--heads", heads)
    assert found.exit_code == 1
    assert f"the head that {SHINJUKU} saw" in found.stdout
    assert "shortened" in found.stdout


def test_sources_that_cannot_be_read_are_usage(scene: Any, tmp_path: Path) -> None:
    root = scene.fleet.pki.anchor_file
    empty = tmp_path / "empty"
    empty.touch()
    no_heads = tmp_path / "no-heads"
    no_heads.write_text("{}")
    for words in (
        ("--file", tmp_path / "nowhere"),
        ("--file", empty),
        ("--file", root),
        ("--store", tmp_path / "nowhere"),
        ("--store", root),
        ("--store", scene.fleet.hub_settings.database, "--heads", no_heads),
        ("--store", scene.fleet.hub_settings.database, "--file", empty),
    ):
        answer = run("--root", root, *words)
        assert answer.exit_code == 2, (words, answer.output)
    answer = run("--config", scene.fleet.write_config(scene.ministry), "--root", root)
    assert answer.exit_code == 3, "the hub is stopped"
