"""What is known of firmware: read by its schema, every place that is wrong named; who must update."""

import json
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


def test_a_version_of_debian_that_isnt_listed_has_its_place_too() -> None:
    debian = read_firmware(INVENTORY / "firmware.yml")["debian-12"]
    assert [each.id for each in debian.asks("12.6.1")] == ["DSA-5724-1"]
    assert debian.asks("12.14") == ()
    assert debian.newer_than("12.14") == "12.15"
    assert debian.newer_than("12.15") == debian.newer_than("12.16") == ""
    assert len(debian.asks("15.9(3)M10")) == 2  # no version of Debian's


def test_the_files_order_says_what_has_the_fix_where_a_maker_has_rules_of_its_own(tmp_path: Path) -> None:
    names = ["15.9(3)M", "15.9(3)M2a", "15.9(3)M2", "15.9(3)M10"]
    model = read_firmware(_file(tmp_path, names, "15.9(3)M2"))["C1111 15.9"]
    assert [len(model.asks(name)) for name in names] == [1, 1, 0, 0]
    assert len(model.asks("15.9(3)M3")) == 1  # it may have the fix, nobody can say
    assert [model.newer_than(name) for name in (*names, "15.9(3)M3")] == ["15.9(3)M10"] * 3 + ["", ""]


def test_versions_that_stand_in_another_order_than_their_days_or_debians_rules_are_named(tmp_path: Path) -> None:
    with pytest.raises(FleetError, match=r"7\.4\.3 stands after 7\.4\.4 and was released before it"):
        read_firmware(_file(tmp_path, ["7.4.4", "7.4.3"], "7.4.3", first_day=20, step=-1))
    with pytest.raises(FleetError, match=r"1\.10 doesn't come after 1\.11 by Debian's rules"):
        read_firmware(_file(tmp_path, ["1.9", "1.11", "1.10"], "1.9", order="debian"))
    with pytest.raises(FleetError, match="v7"):
        read_firmware(_file(tmp_path, ["7.4", "7.5(1)", "v7"], "7.4", order="debian"))


def _file(folder: Path, names: list[str], fixed: str, *, first_day: int = 1, step: int = 1, order: str = "") -> Path:
    (folder / "firmware.schema.json").write_text((INVENTORY / "firmware.schema.json").read_text())
    source = "https://maker.example/notes"
    days = [f"2026-01-{first_day + step * place:02}" for place in range(len(names))]
    row = {
        "model": "C1111 15.9",
        "name": "a router",
        "versions": [{"version": n, "released_on": d, "source": source} for n, d in zip(names, days, strict=True)],
        "advisories": [
            {"id": "SA-1", "url": source, "what": "a hole", "severity": "urgent", "since": "2026-01-09", "fixed": fixed}
        ],
    }
    (folder / "firmware.yml").write_text(json.dumps({"models": [row | ({"order": order} if order else {})]}))
    return folder / "firmware.yml"


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
