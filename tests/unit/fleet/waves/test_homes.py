"""Two controllers over one ledger with plays: one at a time, wherever they are, and none takes over by itself."""

import os
import signal
from collections.abc import Iterator
from contextlib import AbstractContextManager
from multiprocessing import get_context
from pathlib import Path
from subprocess import Popen

import pytest

from renkei.cli.wave_carriers import Carrier, Ways, carrier_of
from renkei.fleet.waves import plays
from renkei.fleet.waves.plan import Plan
from renkei.fleet.waves.plays import home_of
from renkei.store.waves.homes import Elsewhere
from renkei.store.waves.ledger import Ledger, open_ledger
from unit.fleet.waves.plans import SIGNER
from unit.fleet.waves.staging_bench import NAME, at_the_bench, begin


@pytest.fixture
def ledger(tmp_path: Path, plan: Plan) -> Iterator[Ledger]:
    with open_ledger(str(tmp_path / "waves.db")) as opened:
        begin(opened, at_the_bench(plan, {"A": 2}))
        yield opened


def controller(ledger: Ledger, folder: Path, home: str, *, take_over: bool = False) -> AbstractContextManager[Carrier]:
    """A controller whose plays run in a folder of this name, as on a machine of its own."""
    here = Path(__file__)
    ways = Ways(None, None, None, here, (here,), (), folder / home, take_over)
    return carrier_of(ways, ledger, NAME, SIGNER, here, here, None, print)


def test_a_second_home_is_refused_until_the_first_has_ended(ledger: Ledger, tmp_path: Path) -> None:
    with controller(ledger, tmp_path, "one") as first:
        with pytest.raises(Elsewhere, match=f"run at .*:{tmp_path}/one/{NAME}, whose controller hasn't ended"):
            controller(ledger, tmp_path, "two").__enter__()
        first.rest(0, standstill=None)
    with controller(ledger, tmp_path, "two") as second:
        second.rest(0, standstill=None)


def test_who_ends_stays_until_the_last_of_the_plays_has_ended(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A machine is through by the play's word before the play itself is: its process goes on for a while."""
    monkeypatch.setattr(plays, "_SECONDS", 0.01)
    with controller(ledger, tmp_path, "one"):
        left = Popen(["sleep", "0.1"], env={**os.environ, plays.MARK: str(tmp_path / "one" / NAME)})
    assert "waiting for the last plays to end" in capsys.readouterr().out
    assert left.wait(1) == 0
    with controller(ledger, tmp_path, "two"):
        pass


def _life(folder: Path) -> None:
    with open_ledger(str(folder / "waves.db")) as ledger, controller(ledger, folder, "one"):
        os.kill(os.getpid(), signal.SIGKILL)


def test_who_was_killed_goes_on_at_home_and_nobody_anywhere_else(ledger: Ledger, tmp_path: Path) -> None:
    process = get_context("fork").Process(target=_life, args=(tmp_path,))
    process.start()
    process.join(30)
    assert process.exitcode == -signal.SIGKILL
    with pytest.raises(Elsewhere):
        controller(ledger, tmp_path, "two").__enter__()
    with controller(ledger, tmp_path, "one"):
        pass
    with controller(ledger, tmp_path, "two"):
        pass


def test_who_broke_off_may_have_left_plays_and_stays_at_home(ledger: Ledger, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), controller(ledger, tmp_path, "one"):
        raise KeyboardInterrupt
    with pytest.raises(Elsewhere):
        controller(ledger, tmp_path, "two").__enter__()


def test_a_person_moves_a_wave_and_whoever_had_it_hands_nobody_to_a_play(ledger: Ledger, tmp_path: Path) -> None:
    with (
        controller(ledger, tmp_path, "one") as first,
        controller(ledger, tmp_path, "two", take_over=True) as second,
    ):
        second.rest(0, standstill=None)
        with pytest.raises(Elsewhere, match="/two/"):
            first.rest(0, standstill=None)


def test_a_home_is_a_folder_on_a_machine_also_where_two_have_the_same_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = set()
    for machine in ("0123", "4567"):
        (tmp_path / "machine-id").write_text(machine)
        monkeypatch.setattr(plays, "_MACHINE", tmp_path / "machine-id")
        names |= {home_of(tmp_path).name, home_of(tmp_path / "other").name}
        assert home_of(tmp_path) == home_of(tmp_path)
    assert len(names) == 4
    monkeypatch.setattr(plays, "_MACHINE", tmp_path / "nowhere")
    assert home_of(tmp_path).name not in names
