"""A machine's end: nothing that others wait for is lost by mistake, and nothing secret stays, also after a kill."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from renkei.agent.home import Home
from renkei.cli.agent import app
from unit.agent.killing import killed_at, retire_and_destroy


def run(fleet: Any, home: Home, *words: str) -> Result:
    return CliRunner().invoke(app, [*words, "--config", str(fleet.write_config(home))])


def left(home: Home) -> list[str]:
    return sorted(path.relative_to(home.settings.home).as_posix() for path in home.settings.home.rglob("*"))


@pytest.fixture
def drained(fleet: Any, residence_csv: Any) -> Home:
    """A terminal whose notices have their receipts."""
    ministry, home = fleet.agent("ministry"), fleet.agent("131041")
    (home.settings.outbox / "day.csv").write_bytes(residence_csv(2))
    for each in (home, ministry, home):
        fleet.exchange(each)
    home.spool.close()
    return home


@pytest.mark.quick
def test_after_it_nothing_but_the_record_is_there(fleet: Any, drained: Home) -> None:
    done = run(fleet, drained, "retire", "T-131041", "--json")
    assert done.exit_code == 0, done.output
    record = json.loads(done.stdout)
    assert (record["endpoint"], record["terminal"], record["machine_serial"]) == ("131041", "T-131041", "SERIAL-131041")
    assert len(record["certificates"]) == 1
    assert record["abandoned"] == {}
    assert record["keys"] >= 3
    assert record["files"] >= 3
    assert left(drained) == ["retired.json"]


def test_the_bytes_of_the_keys_are_overwritten_before_they_go(
    fleet: Any, drained: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = {path: path.read_bytes() for path in drained.settings.keys.rglob("*.pem")}
    assert len(keys) >= 3
    seen: list[Path] = []
    unlink = Path.unlink

    def look(path: Path, *, missing_ok: bool = False) -> None:
        if path in keys:
            assert len(path.read_bytes()) == len(keys[path])
            assert b"PRIVATE" not in path.read_bytes()
            assert path.read_bytes() != keys[path]
        seen.append(path)
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", look)
    assert run(fleet, drained, "retire", "T-131041").exit_code == 0
    own = [path for path in seen if drained.settings.home in path.parents]
    assert set(keys) <= set(own)
    assert all(drained.settings.keys in path.parents for path in own[: len(keys)]), "keys go first"


def test_what_others_wait_for_is_named_and_kept(fleet: Any, residence_csv: Any) -> None:
    fleet.agent("ministry")
    home = fleet.agent("131041")
    fleet.exchange(home)
    (home.settings.outbox / "day.csv").write_bytes(residence_csv(2))
    fleet.exchange(home)
    (home.settings.outbox / "more.csv").write_bytes(residence_csv(1, first=5))
    home.spool.close()
    refused = run(fleet, home, "retire", "T-131041")
    assert refused.exit_code == 1
    assert "1 files in the outbox, 1 parcels without a receipt" in refused.output
    assert (home.settings.home / "state.db").exists()
    given_up = run(fleet, home, "retire", "T-131041", "--abandon", "--json")
    assert json.loads(given_up.stdout)["abandoned"] == {"files in the outbox": 1, "parcels without a receipt": 1}
    assert left(home) == ["retired.json"]


@pytest.mark.quick
def test_another_machines_number_harms_nothing(fleet: Any, drained: Home) -> None:
    before = left(drained)
    assert run(fleet, drained, "retire", "T-131042").exit_code == 2
    assert left(drained) == before


def test_a_retired_machine_does_nothing_any_more(fleet: Any, drained: Home) -> None:
    run(fleet, drained, "retire", "T-131041")
    for words in (["status"], ["exchange"], ["serve"], ["enrol"]):
        refused = run(fleet, drained, *words)
        assert refused.exit_code == 2
        assert "retired" in refused.output
    assert left(drained) == ["retired.json"]


def test_a_link_in_the_home_harms_nothing_outside(fleet: Any, drained: Home, tmp_path: Path) -> None:
    outside = tmp_path / "outside.txt"
    outside.write_text("somebody else's")
    (drained.settings.outbox / "link.csv").symlink_to(outside)
    (drained.settings.home / "folder").symlink_to(tmp_path)
    assert run(fleet, drained, "retire", "T-131041", "--abandon").exit_code == 0
    assert outside.read_text() == "somebody else's"


@pytest.mark.thorough
@pytest.mark.parametrize("step", range(1, 40, 3))
def test_killed_on_the_way_it_is_either_alive_or_finished_by_the_next_call(
    fleet: Any, drained: Home, step: int
) -> None:
    killed_at(fleet, fleet.write_config(drained), step, retire_and_destroy)
    done = run(fleet, drained, "retire", "T-131041", "--json")
    assert done.exit_code == 0, done.output
    assert len(json.loads(done.stdout)["certificates"]) == 1
    assert left(drained) == ["retired.json"]
