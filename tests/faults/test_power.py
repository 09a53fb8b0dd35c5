"""The power fails at any write: nothing that was acknowledged is lost. `tests/bench/power.py` does it longer."""

from pathlib import Path

import pytest

from faults.power import Agent, Hub, Subject, lose_power

SEED = 20261126
TRIALS, WEAK_TRIALS = 80, 30


@pytest.mark.parametrize("subject", [Hub(), Agent()], ids=["hub", "agent"])
def test_a_power_loss_takes_nothing_that_was_acknowledged(subject: Subject, tmp_path: Path) -> None:
    found = lose_power(subject, tmp_path, TRIALS, SEED)
    assert found.examples == ()
    assert found.acknowledged > TRIALS, "the power failed before there was anything to lose"


@pytest.mark.parametrize("subject", [Hub(), Agent()], ids=["hub", "agent"])
def test_without_full_synchronisation_it_would(subject: Subject, tmp_path: Path) -> None:
    """The disk does forget: what the store asks of SQLite is what holds the promise."""
    found = lose_power(subject, tmp_path, WEAK_TRIALS, SEED, synchronous="normal")
    assert found.lost > WEAK_TRIALS // 10
