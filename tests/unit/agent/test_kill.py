"""kill -9 at many points of an exchange, on either side: nothing is lost and nothing arrives twice."""

from pathlib import Path
from typing import Any

import pytest

from unit.agent.killing import STEPS, exchange_once, killed_at, numbers

pytestmark = pytest.mark.thorough


def test_a_sender_killed_at_any_step_loses_and_doubles_nothing(fleet: Any, residence_csv: Any) -> None:
    ministry, sender = fleet.agent("ministry"), fleet.agent("131041")
    config = fleet.write_config(sender)
    kills = []
    for number, step in enumerate(range(2, STEPS, 11)):
        (sender.settings.outbox / f"{number:02d}.csv").write_bytes(residence_csv(2, first=1 + 2 * number))
        kills.append(killed_at(fleet, config, step, exchange_once))
    fleet.exchange(sender)
    fleet.exchange(ministry)
    assert fleet.exchange(sender).receipts_received > 0
    assert sum(kills) >= 5
    assert numbers(ministry.settings.inbox / "131041") == [f"N-131041-{n:06d}" for n in range(1, 2 * len(kills) + 1)]
    assert sender.spool.outgoing.unreceipted() == []
    assert len(list(sender.settings.done.iterdir())) == len(kills)
    assert not list(sender.settings.outbox.iterdir())
    assert not list(sender.settings.rejected.iterdir())


def test_a_recipient_killed_at_any_step_gets_everything_once_even_if_its_files_are_taken_at_once(
    fleet: Any, residence_csv: Any
) -> None:
    ministry, sender = fleet.agent("ministry"), fleet.agent("131041")
    config, inbox, taken = fleet.write_config(ministry), ministry.settings.inbox / "131041", []
    kills = []
    for number, step in enumerate(range(4, STEPS, 11)):
        (sender.settings.outbox / f"{number:02d}.csv").write_bytes(residence_csv(1, first=1 + number))
        fleet.exchange(sender)
        kills.append(killed_at(fleet, config, step, exchange_once))
        taken += take(inbox)
    fleet.exchange(ministry)
    taken += take(inbox)
    fleet.exchange(sender)
    assert sum(kills) >= 5
    assert taken == [f"N-131041-{n:06d}" for n in range(1, len(kills) + 1)]
    assert sender.spool.outgoing.unreceipted() == []


def take(inbox: Path) -> list[str]:
    """Whoever works with the inbox takes a file away as soon as it appears."""
    if not inbox.is_dir():
        return []
    found = numbers(inbox)
    for path in inbox.iterdir():
        path.unlink()
    return found
