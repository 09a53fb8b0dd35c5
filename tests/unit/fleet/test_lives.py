"""A machine's state changes by one command: whole or not at all, and the other rows stay as they were."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from renkei.cli.terminal import app
from renkei.fleet.lives import Successor, replace, retire
from renkei.fleet.loader import load_fleet
from renkei.fleet.problems import FleetError
from renkei.fleet.terminals import State

DAY = date(2026, 11, 26)
NEW = Successor("R2026-0002", "LAB0A1302", "RK-T300", date(2026, 11, 20))


def table(draft: Any) -> bytes:
    return Path(draft.folder / "terminals.csv").read_bytes()


def test_a_successor_serves_and_the_one_before_it_is_retired(draft: Any) -> None:
    before = table(draft).splitlines()
    assert replace(draft.folder, "R2026-0001", NEW, DAY, "故障のため") is True
    fleet = load_fleet(draft.folder)
    serving = fleet.sites["131041"].terminal
    assert serving is not None
    assert (serving.asset_number, serving.replaces, serving.state) == ("R2026-0002", "R2026-0001", State.IN_SERVICE)
    old = next(each for each in fleet.terminals if each.asset_number == "R2026-0001")
    assert (old.state, old.retired_on, old.note) == (State.RETIRED, DAY, "故障のため")
    after = table(draft).splitlines()
    assert len(after) == len(before) + 1
    assert [new for new, was in zip(after, before, strict=False) if new != was] == [after[1]]


def test_said_twice_it_changes_nothing_the_second_time(draft: Any) -> None:
    replace(draft.folder, "R2026-0001", NEW, DAY)
    before = table(draft)
    assert replace(draft.folder, "R2026-0001", NEW, DAY) is False
    assert retire(draft.folder, "R2026-0001", DAY) is False
    assert table(draft) == before


@pytest.mark.parametrize(
    ("successor", "what"),
    [
        (Successor("R2025-0001", "LAB0A1302", "RK-T300", DAY), "asset_number R2025-0001 stands in line"),
        (Successor("R2026-0002", "LAB0A0901", "RK-T300", DAY), "machine_serial LAB0A0901 stands in line"),
        (Successor("R2026-0002", "LAB0A1302", "", DAY), "model is empty"),
        (Successor("R2026-0002", "LAB0A1302", "RK-T300", date(2026, 12, 24)), "are not in this order"),
        (Successor("R 1", "LAB0A1302", "RK-T300", DAY), "is not 1 to 40 letters"),
    ],
)
def test_what_would_spoil_the_fleet_changes_nothing(draft: Any, successor: Successor, what: str) -> None:
    before = table(draft)
    with pytest.raises(FleetError, match=what) as caught:
        replace(draft.folder, "R2026-0001", successor, DAY)
    assert all(problem.file == draft.folder / "terminals.csv" for problem in caught.value.problems)
    assert table(draft) == before
    assert [path.name for path in draft.folder.parent.iterdir() if path.name.startswith(".")] == []


def test_an_endpoint_keeps_a_machine(draft: Any) -> None:
    with pytest.raises(FleetError, match="has no machine that is ordered, staged or in service"):
        retire(draft.folder, "R2026-0001", DAY)


def test_a_machine_that_there_is_not_is_named(draft: Any) -> None:
    with pytest.raises(FleetError, match="there is no machine 'R1999-0001'"):
        retire(draft.folder, "R1999-0001", DAY)


def test_excels_mark_and_line_ends_stay(draft: Any) -> None:
    path = draft.folder / "terminals.csv"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    replace(draft.folder, "R2026-0001", NEW, DAY)
    assert table(draft).startswith(b"\xef\xbb\xbfasset_number")
    assert table(draft).count(b"\r\n") == table(draft).count(b"\n") == len(table(draft).splitlines())


def test_the_commands_change_the_fleet_that_they_are_given(draft: Any) -> None:
    words = ["replace", "R2026-0001", "--by", "R2026-0002", "--serial", "LAB0A1302", "--model", "RK-T300"]
    done = CliRunner().invoke(app, [*words, "--on", "2026-11-26", "--fleet", str(draft.folder)])
    assert done.exit_code == 0, done.output
    assert load_fleet(draft.folder).sites["131041"].terminal is not None
    refused = CliRunner().invoke(app, ["retire", "R2026-0002", "--fleet", str(draft.folder / "fleet.yml")])
    assert refused.exit_code == 1
