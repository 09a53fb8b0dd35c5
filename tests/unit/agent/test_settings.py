from datetime import datetime, timedelta
from pathlib import Path

import pytest

from renkei.agent.settings import JST, SettingsError, UpdatesSettings, load

GOOD = """
endpoint = "131041"
terminal = "T-131041-01"
machine_serial = "LAB131041A"
gateway = "https://gateway.renkei.example:8443"
enrolment = "https://enrolment.renkei.example:8444"
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "agent.toml"
    path.write_text(text)
    return path


def test_what_is_not_said_has_the_places_of_the_topology(tmp_path: Path) -> None:
    settings = load(written(tmp_path, GOOD))
    assert settings.outbox == Path("/var/lib/renkei-agent/outbox")
    assert settings.trust_anchor == Path("/etc/renkei/pki/root.pem")
    assert not settings.is_ministry


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ('endpoint = "131042"', "endpoint"),
        ('endpoint = "hub"', "hub"),
        ('terminal = "../x"', "terminal"),
        ('gateway = "http://gateway:8443"', "gateway"),
        ('gateway = "https://user:secret@gateway"', "gateway"),
        ('link = "sometimes"', "link"),
        ('colour = "red"', "colour"),
        ('[exchange]\ntimes = ["25:00"]', "exchange.times.0"),
        ("[exchange]\ntimes = []", "exchange.times"),
        ("[exchange]\njitter_seconds = -1", "exchange.jitter_seconds"),
        ("= nonsense", "TOML"),
    ],
)
def test_a_fault_is_named_with_its_place(tmp_path: Path, change: str, named: str) -> None:
    name = change.split(" ", maxsplit=1)[0]
    kept = "".join(line + "\n" for line in GOOD.splitlines() if not line.startswith(f"{name} "))
    with pytest.raises(SettingsError, match=named) as caught:
        load(written(tmp_path, kept + change))
    assert "agent.toml" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        load(written(tmp_path, GOOD.replace("131041", "131042", 1) + 'link = "no"\n'))
    assert len(str(caught.value).splitlines()) == 2


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="--config"):
        load(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("at", "minutes", "why"),
    [
        ("2026-11-26T17:15", 60, ""),
        ("2026-11-26T17:14", 1, "it would reach into the office hours 08:30-17:15"),
        ("2026-11-26T07:30", 60, ""),
        ("2026-11-26T07:31", 60, "it would reach into the office hours 08:30-17:15"),
        ("2026-11-28T10:00", 600, ""),  # a Saturday
        ("2026-11-23T10:00", 600, ""),  # 勤労感謝の日
        ("2026-12-29T10:00", 600, ""),  # the year's end
    ],
)
def test_a_terminal_has_office_hours_of_its_own(at: str, minutes: int, why: str) -> None:
    moment = datetime.fromisoformat(at).replace(tzinfo=JST)
    own = UpdatesSettings.model_validate({"office_hours": "08:30-17:15"})
    assert own.against(moment, timedelta(minutes=minutes)) == why
    assert UpdatesSettings().against(moment, timedelta(minutes=minutes)) == ""
