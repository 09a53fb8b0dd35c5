"""`renkei-agent` as it is called."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from renkei.cli.agent import app
from renkei.exchange.codes import new_code


def run(config: Path, *words: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(app, [*words, "--config", str(config)], input=stdin)


@pytest.mark.quick
def test_an_exchange_prints_its_counts_as_data(fleet: Any, residence_csv: Any) -> None:
    fleet.agent("ministry")
    home = fleet.agent("131041")
    (home.settings.outbox / "day.csv").write_bytes(residence_csv(2))
    result = run(fleet.write_config(home), "exchange", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["notices_taken"] == 2
    status = run(fleet.write_config(home), "status", "--json")
    assert status.exit_code == 0
    assert json.loads(status.stdout)["peers"][0]["parcels_sent"] == 1


def test_rejected_rows_end_with_1_and_stay_in_the_status(fleet: Any) -> None:
    fleet.agent("ministry")
    home = fleet.agent("131041")
    (home.settings.outbox / "day.csv").write_bytes(b"nothing")
    config = fleet.write_config(home)
    assert run(config, "exchange").exit_code == 1
    assert run(config, "exchange").exit_code == 0
    status = run(config, "status")
    assert status.exit_code == 1
    assert "rejected/" in status.stdout


def test_an_alarm_stays_in_the_status_until_somebody_acknowledges_it(fleet: Any) -> None:
    home = fleet.agent("131041")
    home.alarm("quarantine", "id", "a message is held back")
    config = fleet.write_config(home)
    assert "a message is held back" in run(config, "status").stdout
    assert run(config, "acknowledge").exit_code == 0
    assert run(config, "status").exit_code == 0


def test_an_alarm_is_shown_as_it_is_whatever_brackets_are_in_a_file_s_name(fleet: Any) -> None:
    home = fleet.agent("131041")
    home.alarm("outbox", "day[red].csv", "outbox[/day].csv waits")
    status = run(fleet.write_config(home), "status")
    assert "outbox day[red].csv: outbox[/day].csv waits" in status.stdout


def test_nothing_that_a_name_or_an_alarm_says_moves_the_cursor(fleet: Any, tmp_path: Path) -> None:
    ministry, home = fleet.agent("ministry"), fleet.agent("131041")
    evil = "\x1b[2J\x9b2J\u202e"
    home.alarm("medium", evil, f"{evil} waits")
    medium = fleet.medium(ministry, tmp_path / "medium", "131041")
    (medium / f"renkei-ministry-131041-{evil}").mkdir()
    config = fleet.write_config(home)
    for words in (["status"], ["media", "show", str(medium)], ["media", "import", str(tmp_path / evil)]):
        result = run(config, *words)
        assert result.output
        assert not set(evil[::4]) & set(result.output), words


def test_a_hub_that_is_away_ends_with_3(fleet: Any) -> None:
    home = fleet.agent("131041")
    fleet.stop_hub()
    result = run(fleet.write_config(home), "exchange")
    assert result.exit_code == 3
    assert "Check the line" in result.stderr


def test_wrong_settings_end_with_2_and_are_named(tmp_path: Path) -> None:
    (tmp_path / "agent.toml").write_text('endpoint = "1"')
    result = run(tmp_path / "agent.toml", "status")
    assert result.exit_code == 2
    assert "machine_serial" in result.stderr


@pytest.mark.quick
def test_a_machine_that_is_not_enrolled_is_told_what_to_do(fleet: Any) -> None:
    result = run(fleet.write_config(fleet.home("131041")), "exchange")
    assert result.exit_code == 1
    assert "renkei-agent enrol" in result.stderr


@pytest.mark.quick
@pytest.mark.parametrize("way", ["stdin", "file"])
def test_a_code_comes_from_a_file_or_standard_input(fleet: Any, tmp_path: Path, way: str) -> None:
    config, code = fleet.write_config(fleet.home("131041")), new_code()
    (tmp_path / "code").write_text(code + "\n")
    source = "-" if way == "stdin" else str(tmp_path / "code")
    result = run(config, "enrol", "--code-file", source, "--json", stdin=code if way == "stdin" else None)
    assert result.exit_code == 1
    assert json.loads(result.stdout)["state"] == "pending"
    with fleet.authority() as authority:
        assert len(authority.enrolments()) == 1


@pytest.mark.quick
def test_without_a_code_the_first_enrolment_says_that_it_needs_one(fleet: Any) -> None:
    result = run(fleet.write_config(fleet.home("131041")), "enrol")
    assert result.exit_code == 2
    assert "one-time code" in result.stderr


def test_media_export_and_import_print_what_they_did(fleet: Any, tmp_path: Path, residence_csv: Any) -> None:
    ministry, home = fleet.agent("ministry"), fleet.agent("012271", link="media")
    fleet.exchange(home)
    (home.settings.outbox / "day.csv").write_bytes(residence_csv(2, "012271"))
    medium = tmp_path / "medium"
    medium.mkdir()
    assert run(fleet.write_config(home), "media", "export", str(medium)).exit_code == 2  # not registered
    registered = run(fleet.write_config(home), "media", "register", str(medium), "--label", "USB-012271-01")
    assert "registered for 012271" in registered.stdout
    exported = run(fleet.write_config(home), "media", "export", str(medium), "--json")
    assert json.loads(exported.stdout)["notices"] == 2
    shown = run(fleet.write_config(ministry), "media", "show", str(medium))
    assert (shown.exit_code, json.loads(exported.stdout)["digest"][:16] in shown.stdout) == (0, True)
    imported = run(fleet.write_config(ministry), "media", "import", str(medium), "--json")
    assert json.loads(imported.stdout)["notices"] == 2
    assert run(fleet.write_config(ministry), "media", "export", str(medium)).exit_code == 2
    back = run(fleet.write_config(ministry), "media", "export", str(medium), "--to", "012271")
    assert "1 receipts" in back.stdout
    listed = json.loads(run(fleet.write_config(ministry), "media", "log", "--json").stdout)
    assert [(each["way"], each["notices"], each["wiped_at"] is not None) for each in listed] == [
        ("written", 0, False),
        ("taken", 2, True),
    ]
    assert run(fleet.write_config(home), "media", "import", str(tmp_path / "none")).exit_code == 2
