"""What must hold for every load: no line carries more than it can, no byte is lost, more bandwidth is never later."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from renkei.fleet.capacity.fluid import Array, Course, Load, fair, flow

RATES = st.floats(0, 1e6)


@st.composite
def loads(draw: st.DrawFn) -> Load:
    kinds, hours, endpoints = draw(st.integers(1, 3)) + 1, draw(st.integers(1, 12)), draw(st.integers(1, 5))

    def numbers(*shape: int, biggest: float = 1000) -> Array:
        size = int(np.prod(shape))
        flat = draw(st.lists(st.one_of(st.just(0.0), st.floats(0, biggest)), min_size=size, max_size=size))
        return np.array(flat).reshape(shape)

    line = numbers(endpoints) + 1
    limit = line * np.minimum(numbers(hours, endpoints, biggest=1), 1)
    return Load(line, limit, draw(st.floats(0, 3000)), numbers(kinds, hours, endpoints, biggest=3000))


def done(course: Course) -> Array:
    """When each endpoint has all of each kind."""
    return np.array([course.finished(kind) for kind in range(len(course.served))])


@given(st.lists(RATES, min_size=1, max_size=30), RATES)
def test_a_capacity_is_shared_max_min_fairly(wanted: list[float], capacity: float) -> None:
    asked = np.array(wanted)
    given_, level = fair(asked, capacity)
    slack = 1e-6 * (1 + capacity)
    assert given_.sum() <= capacity + slack
    assert (given_ <= asked).all()
    cut = given_ < asked
    # whoever is cut has as much as anybody, and nothing is left
    assert (given_[cut] >= given_.max() - slack).all()
    if cut.any():
        assert given_.sum() == pytest.approx(capacity, abs=slack)
        assert (given_[cut] == level).all()
    else:
        assert level == np.inf or (asked <= level).all()


@given(loads())
def test_no_line_carries_more_than_it_can_in_any_hour(load: Load) -> None:
    course = flow(load)
    slack = 1e-6
    assert (course.served >= 0).all()
    assert (course.served.sum(axis=0) <= load.line + slack).all()
    assert (course.served[1:].sum(axis=0) <= load.limit + slack).all()
    assert (course.served.sum(axis=(0, 2)) <= load.egress + slack).all()


@given(loads())
def test_no_byte_is_lost_or_comes_before_it_is_there(load: Load) -> None:
    course = flow(load)
    ahead = np.cumsum(load.arrivals, axis=1) - np.cumsum(course.served, axis=1)
    assert (ahead >= -1e-6).all()
    left = load.arrivals.sum(axis=1) - course.served.sum(axis=1)
    assert (np.isinf(done(course)) == (left > 0.5)).all()


@given(loads())
def test_no_capacity_lies_idle_while_somebody_waits_who_may_have_it(load: Load) -> None:
    course = flow(load)
    waiting = np.cumsum(load.arrivals, axis=1) - np.cumsum(course.served, axis=1)
    total = course.served.sum(axis=(0, 2))
    for hour, endpoint in product(range(course.served.shape[1]), range(course.served.shape[2])):
        if waiting[1:, hour, endpoint].sum() > 1e-6 and total[hour] < load.egress - 1e-6:
            taken = course.served[1:, hour, endpoint].sum()
            room = min(load.limit[hour, endpoint], load.line[endpoint] - course.served[0, hour, endpoint])
            assert taken == pytest.approx(room, abs=1e-6)


@given(loads(), st.floats(1, 5))
def test_a_larger_common_line_is_later_for_nobody(load: Load, factor: float) -> None:
    before, after = flow(load), flow(Load(load.line, load.limit, load.egress * factor, load.arrivals))
    assert (np.cumsum(after.served, axis=1).sum(axis=0) >= np.cumsum(before.served, axis=1).sum(axis=0) - 1e-3).all()
    assert (done(after)[-1] <= np.ceil(done(before)[-1] + 1e-6)).all()


@given(loads(), st.floats(1, 5), st.integers(0, 4))
def test_a_larger_line_is_later_for_none_who_gets_it(load: Load, factor: float, which: int) -> None:
    which %= len(load.line)
    larger = np.ones(len(load.line))
    larger[which] = factor
    before, after = flow(load), flow(Load(load.line * larger, load.limit * larger, load.egress, load.arrivals))
    carried = [np.cumsum(each.served.sum(axis=0)[:, which]) for each in (before, after)]
    assert (carried[1] >= carried[0] - 1e-3).all()


def test_kinds_go_in_their_order_and_the_first_is_not_limited() -> None:
    arrivals = np.zeros((3, 4, 1))
    arrivals[:, 0, 0] = [60, 30, 50]
    course = flow(Load(np.array([100.0]), np.full((4, 1), 40.0), 1000, arrivals))
    assert course.served[:, :, 0].tolist() == [[60, 0, 0, 0], [30, 0, 0, 0], [10, 40, 0, 0]]
    assert done(course)[:, 0].tolist() == [0.6, 0.75, 2.0]


def test_who_needs_little_gets_it_and_the_others_share_what_is_left() -> None:
    given_, level = fair(np.array([1.0, 5.0, 9.0]), 9)
    assert (given_.tolist(), level) == ([1, 4, 4], 4)
