"""Several streams about one person become one order, whatever their interleaving; nothing is lost or doubled."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from renkei.ministry.merge import Case, Reason, Release, Terms, Verdict, Whereabouts, judge
from renkei.ministry.steps import Act, Step

A, B, C, D = "011011", "131041", "271004", "471003"
PLACES = (A, B, C, D)
NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
DAY = date(2026, 11, 20)
TERMS = Terms()


def step(
    place: str,
    number: str,
    act: Act,
    day: int = 0,
    previous: str | None = None,
    corrects: str | None = None,
    id_: int = 0,
) -> Step:
    return Step(id_, place, number, act, DAY + timedelta(days=day), previous, corrects, NOW)


class Ministry:
    """Takes steps one at a time, as the connector does, and remembers what it handed on."""

    def __init__(self, terms: Terms = TERMS, senders: Sequence[str] = PLACES) -> None:
        self.handed: list[Release] = []
        self.terms, self.senders, self.now = terms, senders, NOW
        self._case, self._taken = Case(), 0

    def take(self, each: Step) -> Verdict:
        self._taken += 1
        waiting = [*self._case.waiting, replace(each, id=self._taken, received=self.now)]
        self._case = replace(self._case, waiting=waiting)
        return self.look()

    def look(self) -> Verdict:
        verdict = judge(self._case, self.senders, self.now, self.terms)
        self.handed += verdict.releases
        gone = {release.step.id for release in verdict.releases}
        self._case = replace(
            self._case,
            whereabouts=verdict.whereabouts,
            waiting=[each for each in self._case.waiting if each.id not in gone],
            known={*self._case.known, *(release.step.key for release in verdict.releases)},
        )
        return verdict

    def unknown(self, number: str) -> None:
        """Hear from the system of record that a notice is about somebody whom it doesn't know."""
        handed = next(each.step for each in self.handed if each.step.number == number)
        self._case = replace(self._case, unknown=[*self._case.unknown, handed])

    def becomes_known(self) -> Verdict:
        waiting = [*self._case.waiting, *self._case.unknown]
        self._case = replace(self._case, waiting=waiting, unknown=[])
        return self.look()

    @property
    def numbers(self) -> list[str]:
        return [release.step.number for release in self.handed]


@st.composite
def lives(draw: st.DrawFn) -> list[Step]:
    """A life of moves between places, some within one day, with a few notices at each; in its true order.

    The last place may be one where the person lived before. Only who leaves one municipality twice, for others, within
    the time that streams cross leaves an entry with two exits to follow, and then nothing says which it was.
    """
    life: list[Step] = []
    day, previous = 0, None

    def add(place: str, act: Act, came_from: str | None = None) -> None:
        corrects = None
        own = [each for each in life if each.place == place]
        if act is Act.OTHER and own and draw(st.booleans()):
            corrects = own[-1].number
        life.append(step(place, f"N{len(life)}", act, day, came_from, corrects))

    stays = draw(st.permutations(PLACES))[: draw(st.integers(1, len(PLACES)))]
    if len(stays) > 1 and draw(st.booleans()):
        stays.append(draw(st.sampled_from(stays[:-1])))
    for place in stays:
        add(place, Act.ENTRY, previous)
        for _ in range(draw(st.integers(0, 2))):
            day += draw(st.integers(0, 2))
            add(place, draw(st.sampled_from([Act.OTHER, Act.ENTRY])))
        day += draw(st.integers(0, 1))
        add(place, Act.EXIT)
        previous = place
    return life


@st.composite
def interleaved(draw: st.DrawFn) -> tuple[list[Step], list[Step]]:
    """A life, and its notices in an order in which the municipalities' streams may bring them."""
    life = draw(lives())
    streams = {place: [each for each in life if each.place == place] for place in PLACES}
    arrivals: list[Step] = []
    while open_ := [place for place, stream in streams.items() if stream]:
        arrivals.append(streams[draw(st.sampled_from(open_))].pop(0))
    return life, arrivals


@given(interleaved())
def test_any_interleaving_of_the_streams_gives_the_life_in_its_order(both: tuple[list[Step], list[Step]]) -> None:
    life, arrivals = both
    ministry = Ministry()
    for each in arrivals:
        ministry.take(each)
    assert ministry.numbers == [each.number for each in life]
    assert not any(release.overtaken or release.gave_up for release in ministry.handed)


@given(interleaved(), st.data())
def test_whatever_is_missing_or_late_each_notice_goes_on_once_and_streams_keep_their_order(
    both: tuple[list[Step], list[Step]], data: st.DataObject
) -> None:
    _, arrivals = both
    senders = data.draw(st.lists(st.sampled_from(PLACES), unique=True))
    ministry = Ministry(senders=senders)
    lost = data.draw(st.sets(st.sampled_from(arrivals), max_size=2))
    came = [each for each in arrivals if each not in lost]
    for each in came:
        ministry.now += timedelta(hours=data.draw(st.integers(0, 30)))
        ministry.take(each)
    ministry.now += TERMS.held
    ministry.look()
    assert sorted(ministry.numbers) == sorted(each.number for each in came)
    for place in PLACES:
        own = [release.step.id for release in ministry.handed if release.step.place == place]
        assert own == sorted(own)


def test_a_move_out_that_comes_after_the_move_in_goes_before_it() -> None:
    ministry = Ministry()
    verdict = ministry.take(step(B, "in", Act.ENTRY, previous=A))
    (hold,) = verdict.holds
    assert (hold.reason, hold.waits_for, hold.until) == (Reason.CROSSING, A, NOW + TERMS.crossing)
    ministry.take(step(A, "out", Act.EXIT))
    assert ministry.numbers == ["out", "in"]


def test_a_move_in_doesnt_wait_for_a_municipality_that_never_says_who_left() -> None:
    ministry = Ministry(senders=[B])
    ministry.take(step(B, "in", Act.ENTRY, previous=A))
    assert ministry.numbers == ["in"]


def test_a_move_in_that_was_overtaken_by_a_later_one_waits_for_nothing() -> None:
    """B's medium comes after the person has moved back to A, which B's own silence so far has let go on."""
    ministry = Ministry(senders=[A])
    ministry.take(step(A, "out", Act.EXIT, 1))
    ministry.take(step(A, "back", Act.ENTRY, 5, previous=B))
    ministry.senders = [A, B]
    verdict = ministry.take(step(B, "in", Act.ENTRY, 2, previous=A))
    assert verdict.holds == []
    ministry.take(step(B, "out again", Act.EXIT, 4))
    assert ministry.numbers == ["out", "back", "in", "out again"]
    assert [release.overtaken for release in ministry.handed] == [False, False, True, True]


def test_a_move_in_without_a_previous_address_waits_where_the_person_is_known_to_live_elsewhere() -> None:
    ministry = Ministry()
    ministry.take(step(A, "born", Act.ENTRY))
    ministry.take(step(B, "in", Act.ENTRY, 3))
    assert ministry.numbers == ["born"]
    ministry.take(step(A, "out", Act.EXIT, 2))
    assert ministry.numbers == ["born", "out", "in"]


def test_in_and_out_on_one_day_keep_their_order_over_three_streams() -> None:
    ministry = Ministry()
    for each in (
        step(C, "in C", Act.ENTRY, previous=B),
        step(B, "in B", Act.ENTRY, previous=A),
        step(B, "out B", Act.EXIT),
        step(A, "out A", Act.EXIT),
    ):
        ministry.take(each)
    assert ministry.numbers == ["out A", "in B", "out B", "in C"]


def test_what_a_medium_brings_too_late_goes_on_and_is_called_overtaken() -> None:
    ministry = Ministry()
    ministry.take(step(A, "settled", Act.ENTRY))
    ministry.take(step(B, "in", Act.ENTRY, 3, previous=A))
    ministry.now += TERMS.crossing
    ministry.look()
    assert ministry.handed[-1].gave_up is Reason.CROSSING
    ministry.take(step(A, "out", Act.EXIT, 2))
    assert ministry.numbers == ["settled", "in", "out"]
    assert ministry.handed[-1].overtaken
    ministry.take(step(B, "amended", Act.OTHER, 4))
    ministry.take(step(C, "in C", Act.ENTRY, 5, previous=B))
    assert ministry.numbers[-1] == "amended", "the late exit moved nobody: he still lives in B"


def test_a_correction_of_a_correction_waits_for_what_it_corrects_and_the_whole_chain_follows() -> None:
    ministry = Ministry()
    (hold,) = ministry.take(step(A, "3", Act.OTHER, corrects="2")).holds
    assert (hold.reason, hold.waits_for) == (Reason.CORRECTION, "2")
    ministry.take(step(A, "2", Act.OTHER, corrects="1"))
    assert ministry.numbers == []
    ministry.take(step(A, "1", Act.OTHER))
    assert ministry.numbers == ["1", "2", "3"]


def test_a_correction_of_what_never_came_goes_on_at_the_end_of_its_time_and_says_so() -> None:
    ministry = Ministry()
    ministry.take(step(A, "2", Act.OTHER, corrects="1"))
    ministry.take(step(A, "3", Act.OTHER))
    ministry.now += TERMS.held - timedelta(seconds=1)
    assert ministry.look().releases == []
    ministry.now += timedelta(seconds=1)
    ministry.look()
    assert [(each.step.number, each.gave_up) for each in ministry.handed] == [("2", Reason.CORRECTION), ("3", None)]


def test_after_a_notice_about_somebody_unknown_only_what_makes_him_known_goes_on() -> None:
    ministry = Ministry()
    ministry.take(step(A, "card", Act.OTHER))
    ministry.unknown("card")
    (hold,) = ministry.take(step(A, "amended", Act.OTHER, 1)).holds
    assert (hold.reason, hold.waits_for) == (Reason.BEHIND, "card")
    ministry.take(step(A, "born", Act.ENTRY))
    assert ministry.numbers == ["card", "born"]
    ministry.becomes_known()
    assert ministry.numbers == ["card", "born", "card", "amended"]


def test_somebody_who_left_earlier_than_planned_is_not_overtaken() -> None:
    where = Whereabouts().after(step(A, "out", Act.EXIT, 5))
    assert not where.overtook(step(B, "in", Act.ENTRY, 3, previous=A))
