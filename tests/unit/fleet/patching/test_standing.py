"""Where a machine stands: every standing by an example, and what must hold of all."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from renkei.agent.page import standing as clerks
from renkei.exchange.patterns import PatternState
from renkei.fleet.capacity.updates import read_month
from renkei.fleet.patching.standing import (
    PATTERNS_AGE,
    PATTERNS_MEDIA_AGE,
    UNKNOWN_DAYS,
    UNKNOWN_MEDIA_DAYS,
    Judgement,
    Machine,
    Standing,
    judge,
    wanted,
)
from renkei.store.patch_states import Kept
from unit.fleet.conftest import INVENTORY

from .scenes import BEFORE, DAY, FIRST_KB, NEW, NEXT_KB, NOW, OLD, catalogues, kept, said

WANT = wanted(catalogues(), NOW, 30, 7)


def machine(*, media: bool = False, excepted: bool = False) -> Machine:
    silent = (UNKNOWN_MEDIA_DAYS if media else UNKNOWN_DAYS) * DAY
    return Machine("131041", "T-1", date(2025, 4, 1), silent, silent if media else timedelta(0), excepted)


def word(days: float = 0.5, **changes: Any) -> Kept:
    return kept(said("131041", "T-1", NOW - days * DAY, **changes))


LACKS_NEXT: dict[str, Any] = {"build": BEFORE, "installed": [FIRST_KB], "missing": [NEXT_KB]}
LACKS_BOTH: dict[str, Any] = {"build": OLD, "installed": [], "missing": [FIRST_KB, NEXT_KB]}


@pytest.mark.parametrize(
    ("found", "expected", "alarm"),
    [
        (word(), Standing.UP_TO_DATE, False),
        (word(build="26100.5000", installed=[]), Standing.UP_TO_DATE, False),
        (word(**LACKS_NEXT), Standing.DUE, False),
        (word(missing=["KB5099999"]), Standing.DUE, False),
        (word(**LACKS_BOTH), Standing.LATE, True),
        (word(**LACKS_NEXT | {"stage": "restarting"}), Standing.REBOOT, False),
        (word(build=BEFORE), Standing.REBOOT, False),
        (word(build=OLD), Standing.LATE, True),
        (word(days=3.1), Standing.UNKNOWN, True),
        (word(build="19044.6000"), Standing.UNKNOWN, True),
        (None, Standing.UNKNOWN, True),
    ],
    ids=[
        "all that is wanted is there",
        "a later build has what was before it",
        "time is left",
        "it misses what no catalogue names",
        "the first one's deadline has passed, though a newer catalogue names it again",
        "it says that it restarts",
        "it lists the update, its build doesn't say so",
        "a restart doesn't excuse a deadline",
        "silent for more than three days",
        "no update is for its version of Windows",
        "never a word",
    ],
)
def test_a_machine_stands_where_its_last_word_puts_it(
    found: Kept | None,
    expected: Standing,
    *,
    alarm: bool,
) -> None:
    judged = judge(machine(), found, WANT, NOW)
    assert (judged.standing, judged.alarm) == (expected, alarm)


def test_an_exception_excuses_what_is_missing_but_not_silence() -> None:
    assert judge(machine(excepted=True), word(**LACKS_BOTH), WANT, NOW).standing is Standing.EXCEPTED
    assert judge(machine(excepted=True), word(), WANT, NOW).standing is Standing.UP_TO_DATE
    assert judge(machine(excepted=True), word(days=4), WANT, NOW).standing is Standing.UNKNOWN


def test_a_word_by_medium_may_be_old_and_is_late_only_when_it_could_have_come() -> None:
    at = WANT.updates[0].deadline + 5 * DAY  # ten days back the first one was not yet due
    before = kept(said("131041", "T-1", at - 10 * DAY, **LACKS_BOTH))
    after = kept(said("131041", "T-1", at - 2 * DAY, **LACKS_BOTH))
    assert judge(machine(media=True), before, WANT, at).standing is Standing.DUE
    assert judge(machine(media=True), after, WANT, at).standing is Standing.LATE
    assert judge(machine(media=True), word(days=10), WANT, NOW).standing is Standing.UP_TO_DATE
    assert judge(machine(media=True), word(days=12), WANT, NOW).standing is Standing.UNKNOWN


def test_what_was_asked_before_an_update_was_wanted_proves_nothing_of_it() -> None:
    same_build = word(build=NEW, installed=[FIRST_KB], catalogue=7)
    assert judge(machine(), same_build, WANT, NOW).lacks == (NEXT_KB,)
    assert judge(machine(), word(build=NEW, installed=[FIRST_KB], catalogue=8), WANT, NOW).lacks == ()


def test_a_machine_that_has_just_begun_to_serve_is_unknown_but_no_alarm() -> None:
    new = Machine("131041", "T-1", NOW.date() - DAY, UNKNOWN_DAYS * DAY, timedelta(0))
    judged = judge(new, None, WANT, NOW)
    assert (judged.standing, judged.alarm) == (Standing.UNKNOWN, False)


def test_an_update_is_as_old_as_the_first_catalogue_that_names_it() -> None:
    first, second = WANT.updates
    assert (first.at, second.at) == (NOW - 40 * DAY, NOW - 10 * DAY)
    assert wanted(catalogues(), NOW - 20 * DAY, 30, 7).number == 7
    assert wanted(catalogues(), NOW - 50 * DAY, 30, 7).updates == ()
    urgent = [each.model_copy(update={"urgency": "urgent"}) for each in catalogues()[0].updates]
    soon = wanted([catalogues()[0].model_copy(update={"updates": urgent})], NOW, 30, 7)
    assert soon.updates[0].deadline == NOW - 33 * DAY


words = st.builds(
    lambda days, change, stage: word(days, **change | {"stage": stage, "problem": "x" if stage == "blocked" else None}),
    st.floats(min_value=0, max_value=30),
    st.sampled_from([{}, LACKS_NEXT, LACKS_BOTH, {"build": OLD}, {"build": BEFORE}, {"missing": ["KB5099999"]}]),
    st.sampled_from(["checked", "ready", "blocked", "restarting", "done"]),
)
machines = st.builds(lambda media, excepted: machine(media=media, excepted=excepted), st.booleans(), st.booleans())


@given(machines, st.none() | words, st.floats(min_value=0, max_value=60))
def test_every_machine_has_one_standing_that_its_facts_bear_out(one: Machine, found: Kept | None, later: float) -> None:
    now = NOW + later * DAY
    judged = judge(one, found, WANT, now)
    lacking = judged.lacks or judged.unlisted
    silent = found is None or now.timestamp() - found.said_at > one.silent.total_seconds()
    assert (judged.standing is Standing.UNKNOWN) == silent
    assert judged.alarm == (judged.standing in {Standing.LATE, Standing.UNKNOWN})
    if judged.standing is Standing.UP_TO_DATE:
        assert not lacking
        assert judged.age_days(now) == 0
    if judged.standing in {Standing.DUE, Standing.REBOOT, Standing.LATE}:
        assert lacking
        assert not one.excepted
    if judged.standing is Standing.LATE:
        assert judged.deadline is not None
        assert judged.deadline < now
    assert (judged.standing is Standing.EXCEPTED) == bool(one.excepted and lacking and not silent)


@given(machines, words, st.floats(min_value=0, max_value=60), st.floats(min_value=0, max_value=60))
def test_time_alone_makes_nothing_better(one: Machine, found: Kept, first: float, second: float) -> None:
    def at(days: float) -> Judgement:
        return judge(one, found, WANT, NOW + days * DAY)

    sooner, later = at(min(first, second)), at(max(first, second))
    assert later.standing.rank >= sooner.standing.rank
    assert later.age_days(NOW + max(first, second) * DAY) >= sooner.age_days(NOW + min(first, second) * DAY)


@pytest.mark.parametrize(
    ("hours", "media", "expected"),
    [(24, False, False), (25, False, True), (11 * 24, True, False), (11 * 24 + 1, True, True)],
)
def test_patterns_are_late_by_the_kind_of_link_and_by_their_age_when_it_spoke(
    *,
    hours: int,
    media: bool,
    expected: bool,
) -> None:
    at = NOW - (5 * DAY if media else DAY)
    old = {"patterns": PatternState(version="1.441.312.0", made_at=at - timedelta(hours=hours))}
    spoken = kept(said("131041", "T-1", at, **old))
    place = replace(machine(media=media), patterns=PATTERNS_MEDIA_AGE if media else PATTERNS_AGE)
    judged = judge(place, spoken, WANT, NOW)
    assert (judged.patterns_old, judged.alarm, judged.standing is Standing.LATE) == (expected,) * 3
    assert judge(replace(place, patterns_excepted=True), spoken, WANT, NOW).standing is Standing.UP_TO_DATE
    # An antivirus that says nothing is as old as what it said last.
    silent = kept(said("131041", "T-1", at, patterns=None))
    before = int((at - timedelta(hours=hours)).timestamp())
    judged = judge(place, silent, WANT, NOW, before)
    assert (judged.patterns_unsaid, judged.alarm, judged.standing is Standing.LATE) == (expected,) * 3
    assert not judged.patterns_old
    assert judge(replace(place, patterns_excepted=True), silent, WANT, NOW, before).standing is Standing.UP_TO_DATE


def test_an_antivirus_that_never_said_anything_is_late_once_the_machine_has_served_that_long() -> None:
    silent = word(patterns=None)
    assert judge(machine(), silent, WANT, NOW).patterns_unsaid
    new = replace(machine(), in_service_on=(NOW - DAY).date())
    judged = judge(new, silent, WANT, NOW)
    assert (judged.standing, judged.patterns_unsaid) == (Standing.UP_TO_DATE, False)


def test_the_deadlines_of_patterns_are_those_of_the_inventory() -> None:
    month = read_month(INVENTORY / "updates.yml")
    found = timedelta(hours=month.patterns_line_hours), timedelta(days=month.patterns_media_days)
    assert found == (PATTERNS_AGE, PATTERNS_MEDIA_AGE)
    assert found[1] == clerks.PATTERNS_MEDIA_AGE
