"""`./kit down` and what `./kit test` clears away first: every lab of this checkout, and nothing else."""

import os
from pathlib import Path

import pytest
from typer import Typer
from typer.testing import CliRunner

from renkei import lab
from renkei.cli import kit
from renkei.lab import LabError


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The labs that are taken down, on a machine where this checkout has three."""
    down: list[str] = []
    monkeypatch.setattr(lab, "fleets_of", lambda _root: ["hosts", "lab", "roles"])
    monkeypatch.setattr(lab, "take_down", lambda fleet, _root: down.append(fleet))
    monkeypatch.setattr(lab.Lab, "down", lambda one: down.append(f"{one.fleet} again"))
    return down


def run(verb: str, *arguments: str) -> str:
    app = Typer()
    app.command(context_settings={"ignore_unknown_options": True})(kit.VERBS[verb])
    return str(CliRunner().invoke(app, list(arguments)).output)


def test_down_takes_every_lab_of_the_checkout(taken: list[str]) -> None:
    run("down")
    assert taken == ["hosts", "lab", "roles", "lab again"]


def test_down_takes_its_own_and_then_names_whose_the_other_is(
    taken: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_lab: lab.Lab) -> None:
        raise LabError('the lab "lab" on this machine belongs to the checkout /elsewhere')

    monkeypatch.setattr(lab.Lab, "down", refuse)
    assert "belongs to the checkout /elsewhere" in run("down")
    assert taken == ["hosts", "lab", "roles"]


@pytest.mark.parametrize(
    ("selection", "cleared"), [("roles", {"hosts", "roles"}), ("lab", {"hosts", "roles"}), ("unit", set())]
)
def test_tests_with_hosts_begin_without_those_of_a_killed_run_and_leave_the_lab(
    taken: list[str], monkeypatch: pytest.MonkeyPatch, selection: str, cleared: set[str]
) -> None:
    started: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda _program, arguments: started.append(arguments))
    monkeypatch.setattr(os, "chdir", lambda _folder: None)
    run("test", selection)
    assert set(taken) == cleared
    assert started[0][3] == f"tests/{selection}"


def test_the_fleet_of_up_is_that_of_the_inventory() -> None:
    assert Path("inventory/lab") == kit.FLEET.relative_to(kit.ROOT)
