"""A machine takes another's place: numbers and receipts go on, what waited comes, and nothing comes twice.

It is killed on the way, and so is the ministry's agent, which seals anew what was sealed to the old machine.
"""

from typing import Any

import pytest

from renkei.agent.home import Home
from renkei.agent.status import status_of
from unit.agent.killing import STEPS, exchange_once, killed_at, numbers

pytestmark = pytest.mark.thorough

SHINJUKU = "131041"


@pytest.mark.parametrize("first_step", [2, 5, 8])
def test_killed_at_any_step_of_taking_over_nothing_is_lost_and_nothing_comes_twice(
    fleet: Any, residence_csv: Any, status_csv: Any, first_step: int
) -> None:
    ministry, old = fleet.agent("ministry"), fleet.agent(SHINJUKU)
    (ministry.settings.outbox / SHINJUKU).mkdir()
    there, here = 0, 0

    def put(home: Home) -> None:
        nonlocal there, here
        if home is ministry:
            here += 1
            (ministry.settings.outbox / SHINJUKU / f"{here:02d}.csv").write_bytes(status_csv(1, first=here))
        else:
            there += 1
            (home.settings.outbox / f"{there:02d}.csv").write_bytes(residence_csv(1, first=there))

    for home in (old, ministry, old, ministry):  # one each way, settled
        if home.spool.outgoing.streams() == []:
            put(home)
        fleet.exchange(home)
    put(ministry)
    put(old)
    fleet.exchange(ministry)
    fleet.exchange(old)  # the ministry has its receipt to come, and a parcel to fetch
    put(ministry)
    fleet.exchange(ministry)  # sealed to the old machine, which never asks again
    assert len(ministry.spool.outgoing.unreceipted()) == 1

    new = fleet.replace(old, revoked=old.keys().entry)
    configs = {home.party: fleet.write_config(home) for home in (ministry, new)}
    kills = []
    for step in range(first_step, STEPS, 11):
        for home in (ministry, new):
            put(home)
            kills.append(killed_at(fleet, configs[home.party], step, exchange_once))
    for home in (new, ministry, new, ministry):
        fleet.exchange(home)

    assert sum(kills) >= 10
    assert numbers(ministry.settings.inbox / SHINJUKU) == [f"N-{SHINJUKU}-{n:06d}" for n in range(1, there + 1)]
    came = [*numbers(old.settings.inbox), *numbers(new.settings.inbox)]
    assert [int(number.rpartition("-")[2]) for number in came] == list(range(1, here + 1))
    assert ministry.spool.outgoing.unreceipted() == [] == new.spool.outgoing.unreceipted()
    assert status_of(new).alarms == ()
    with new.connect() as client:
        assert client.stream("ministry", "notices").next_sequence == there + 1
