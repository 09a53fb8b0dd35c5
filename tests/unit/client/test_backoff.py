from itertools import pairwise

from renkei.client.backoff import Backoff


def test_pauses_grow_to_a_ceiling_and_are_never_all_alike() -> None:
    runs = []
    for _ in range(50):
        backoff = Backoff(first=2, longest=60)
        runs.append([backoff.pause() for _ in range(10)])
    bounds = [min(60, 2 * 2**n) for n in range(10)]
    for run in runs:
        assert all(bound / 2 <= pause <= bound for pause, bound in zip(run, bounds, strict=True))
        assert all(later > sooner for sooner, later in pairwise(run[::2][:3]))
    assert len({round(run[9], 3) for run in runs}) > 25, "they would all come back at one moment"


def test_a_hub_that_asks_for_more_time_gets_it() -> None:
    backoff = Backoff(first=2, longest=60)
    assert backoff.pause(at_least=120) >= 121


def test_after_success_it_begins_anew() -> None:
    backoff = Backoff(first=2, longest=60)
    for _ in range(20):
        backoff.pause()
    backoff.reset()
    assert backoff.pause() <= 2


def test_a_year_without_a_hub_overflows_nothing() -> None:
    backoff = Backoff(first=2, longest=60, failures=10_000)
    assert 30 <= backoff.pause() <= 60
