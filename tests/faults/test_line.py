"""Whatever the line does between agents, gateway and hub: what was acknowledged arrives, once, in order."""

import time
from typing import Any

import pytest

from faults.place import Lines
from faults.promises import assert_promises
from faults.proxy import CALM, Fault, Trouble
from faults.work import TOGETHER, attempt, served, settle
from renkei.agent.status import status_of

SHINJUKU = "131041"
ROUNDS = 6
TROUBLES = {
    "cut": ({Fault.CUT}, 20_000),
    "silent": ({Fault.SILENCE}, 80_000),
    "corrupt": ({Fault.CORRUPT}, 20_000),
    "repeat": ({Fault.REPEAT}, 20_000),
    "lose": ({Fault.LOSE}, 20_000),
    "late": ({Fault.WAIT}, 8_000),
    "all": (set(Fault), 15_000),
}


@pytest.mark.parametrize(
    ("place", "trouble"),
    [
        *(("outside", trouble) for trouble in ("cut", "silent", "corrupt", "late")),  # TLS makes a cut of the others
        *(("behind", trouble) for trouble in ("cut", "corrupt", "repeat", "lose", "all")),
    ],
)
def test_what_a_bad_line_delays_arrives_once_it_is_good(
    fleet: Any, lines: Lines, residence_csv: Any, trouble: str, place: str
) -> None:
    ministry, shinjuku = fleet.agent("ministry"), fleet.agent(SHINJUKU)
    settle(ministry, shinjuku)
    line = getattr(lines, place)
    faults, every = TROUBLES[trouble]
    line.trouble = Trouble(faults, every)
    given = 0
    for count in [1, 250, 1, 1, 1, 3][:ROUNDS]:
        (shinjuku.settings.outbox / f"{given:04d}.csv").write_bytes(residence_csv(count, first=given + 1))
        given += count
        for home in (shinjuku, ministry):
            attempt(home)
    assert line.happened.total() > 0
    line.trouble = CALM
    settle(shinjuku, ministry)
    assert_promises(ministry, shinjuku, [f"N-{SHINJUKU}-{n:06d}" for n in range(1, given + 1)])


@pytest.mark.parametrize(("place", "trouble"), [("outside", "cut"), ("behind", "corrupt"), ("behind", "all")])
def test_parcels_that_go_together_arrive_once_whatever_becomes_of_the_request(
    fleet: Any, lines: Lines, residence_csv: Any, trouble: str, place: str
) -> None:
    ministry, shinjuku = fleet.agent("ministry"), fleet.agent(SHINJUKU)
    settle(ministry, shinjuku)
    line = getattr(lines, place)
    line.trouble = Trouble(TROUBLES[trouble][0], every=8_000)
    given = range(1, 5 * ROUNDS + 1)
    for number in given:
        (shinjuku.settings.outbox / f"{number:04d}.csv").write_bytes(residence_csv(1, first=number))
        if number % 5 == 0:
            for home in (shinjuku, ministry):
                attempt(home)
    assert line.happened.total() > 0
    line.trouble = CALM
    settle(shinjuku, ministry)
    assert served(fleet, TOGETHER) > 0
    assert_promises(ministry, shinjuku, [f"N-{SHINJUKU}-{n:06d}" for n in given])


def test_a_slow_line_gets_everything_through(fleet: Any, lines: Lines, residence_csv: Any) -> None:
    ministry, shinjuku = fleet.agent("ministry"), fleet.agent(SHINJUKU)
    settle(ministry, shinjuku)
    lines.outside.trouble = Trouble({Fault.CUT}, every=200_000, bytes_per_second=200_000)
    (shinjuku.settings.outbox / "day.csv").write_bytes(residence_csv(900))
    before, begin = lines.outside.passed, time.monotonic()
    while not attempt(shinjuku):
        assert time.monotonic() - begin < 30
    (message,) = shinjuku.spool.outgoing.unreceipted()
    size = len(message.sealed or b"")
    assert size > 300_000
    assert lines.outside.passed - before < 2 * size, "a cut upload is continued, not begun anew"
    lines.outside.trouble = CALM
    settle(ministry, shinjuku)
    assert status_of(ministry).alarms == ()
