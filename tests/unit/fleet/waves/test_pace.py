"""How long a controller rests: every few seconds where a machine may ask for something, else a few minutes."""

from dataclasses import replace
from datetime import timedelta

from renkei.fleet.waves.pace import IDLE, Pace
from renkei.fleet.waves.plan import MEDIA_GROUP, Plan
from renkei.fleet.waves.state import WaveState

MINUTE = timedelta(minutes=1)


def test_outside_of_all_windows_it_rests_long_and_not_past_the_next_one(plan: Plan) -> None:
    pace, state = Pace(plan, 15), WaveState(plan)
    first = min(host.windows[0].opens for host in plan.hosts)
    last = max(host.windows[-1].closes for host in plan.hosts)
    found = [pace.rest(state, first + minutes * MINUTE) for minutes in (-60, -2, 0, 1)]
    assert found == [IDLE, 120, 15, 15]
    assert pace.rest(state, first - timedelta(seconds=3)) == 15
    assert pace.rest(state, last) == 15
    assert Pace(plan, 600).rest(state, first - 60 * MINUTE) == 600


def test_while_somebody_with_a_line_is_at_work_it_goes_on_and_for_those_on_media_it_does_not(plan: Plan) -> None:
    pace, state = Pace(plan, 15), WaveState(plan)
    night = min(host.windows[0].opens for host in plan.hosts) - 60 * MINUTE
    for host in (next(h for h in plan.hosts if h.group == MEDIA_GROUP), plan.hosts[0]):
        state.hosts[host.terminal] = replace(state.hosts[host.terminal], started_at=int(night.timestamp()))
        assert pace.rest(state, night) == (IDLE if host.group == MEDIA_GROUP else 15)
