"""What is known of firmware: read by its schema, every place that is wrong named; who must update."""

from datetime import date
from pathlib import Path

import pytest

from renkei.fleet.hosts.firmware import read_firmware
from renkei.fleet.problems import FleetError

INVENTORY = Path(__file__).parents[4] / "inventory"


def test_the_inventorys_own_says_which_advisories_ask_for_a_new_version() -> None:
    debian = read_firmware(INVENTORY / "firmware.yml")["debian-12"]
    assert [each.id for each in debian.asks("12.5")] == ["DSA-5673-1", "DSA-5724-1"]
    assert [each.id for each in debian.asks("12.6")] == ["DSA-5724-1"]
    assert debian.asks("12.10") == ()  # 12.10 is newer than 12.7
    assert debian.released["12.6"] == date(2024, 6, 29)
    assert debian.newest == "12.15"


def test_every_place_that_is_wrong_is_named(tmp_path: Path) -> None:
    file = tmp_path / "firmware.yml"
    (tmp_path / "firmware.schema.json").write_text((INVENTORY / "firmware.schema.json").read_text())
    text = (INVENTORY / "firmware.yml").read_text()
    text = text.replace('fixed: "12.7"', 'fixed: "12.99"').replace('"2024-04-23"', '"2024-04-31"')
    file.write_text(text.replace('version: "12.1"', 'version: "12.0"'))
    with pytest.raises(FleetError) as refused:
        read_firmware(file)
    whole = "\n".join(f"{problem.line}: {problem.what}" for problem in refused.value.problems)
    assert "12.0 stands twice" in whole
    assert "DSA-5724-1 asks for 12.99, which isn't among the versions" in whole
    assert "2024-04-31 is no day" in whole
    file.write_text("models: [{model: x}]")
    with pytest.raises(FleetError):
        read_firmware(file)
