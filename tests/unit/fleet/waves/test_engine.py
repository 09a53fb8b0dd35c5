"""What a turn of a wave does, case by case."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from renkei.domain.halting import Fault
from renkei.exchange.parties import Party
from renkei.exchange.updates import Permit
from renkei.fleet.waves.engine import WaveError, act_of_person, held_by_others, load
from renkei.fleet.waves.plan import Plan
from renkei.fleet.waves.state import Phase
from renkei.store.waves.ledger import Act, Ledger, open_ledger
from unit.fleet.waves.controller import MINUTE, NAME, OPEN, Controller
from unit.fleet.waves.plans import AUTHORITY, BEGIN, KB, OLD, WAVE


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with open_ledger(str(tmp_path / "waves.db")) as opened:
        yield opened


@pytest.fixture
def controller(ledger: Ledger, plan: Plan) -> Controller:
    """Four machines of the canary ring and one each of the next ring and on media."""
    few = [*[h for h in plan.hosts if h.group == "canary"][:4], next(h for h in plan.hosts if h.group == "early")]
    few.append(next(h for h in plan.hosts if h.group == "media"))
    same = [host.model_copy(update={"model": "RK-T100"}) for host in few]
    return Controller(ledger, plan.model_copy(update={"hosts": same}))


def names(controller: Controller) -> list[str]:
    return [host.terminal for host in controller.plan.hosts]


def test_only_the_group_whose_turn_it_is_gets_orders(controller: Controller) -> None:
    controller.turn()
    assert [terminal for terminal, _ in controller.sent] == names(controller)[:4]
    order = controller.order(names(controller)[0])
    assert order.permit
    assert order.expires == order.windows[-1].closes
    assert [update.kb for update in order.updates] == [KB]


def test_the_next_group_follows_when_all_have_ended_or_let_their_first_window_pass(controller: Controller) -> None:
    controller.turn()
    first = controller.order(names(controller)[0]).windows[0]
    controller.turn(first.closes + 119 * MINUTE)
    assert (names(controller)[4], "order") not in controller.sent
    controller.turn(max(controller.order(each).windows[0].closes for each in names(controller)[:4]) + 120 * MINUTE)
    assert (names(controller)[4], "order") in controller.sent


def test_two_of_a_model_may_begin_and_the_third_waits_until_there_is_room(controller: Controller) -> None:
    first, second, third, fourth, *_ = names(controller)
    controller.turn()
    for each in (first, second, third, fourth):
        controller.says(each, "ready")
    controller.turn()
    assert controller.permitted() == [first, second]
    permit = Permit.open(controller.sent[first, "permit"], AUTHORITY.public_key())
    assert (permit.order, permit.expires - permit.given_at) == (controller.order(first).id, 15 * MINUTE)
    controller.says(first, "done", OPEN + 30 * MINUTE)
    controller.says(third, "ready", OPEN + 30 * MINUTE)
    controller.says(fourth, "ready", OPEN + 30 * MINUTE)
    state = controller.turn(OPEN + 30 * MINUTE)
    assert controller.permitted() == [first, second, third]
    assert [state.hosts[each].end for each in (first, second)] == ["well", None]


def test_nobody_begins_when_too_little_is_left_of_his_window(controller: Controller) -> None:
    first = names(controller)[0]
    controller.turn()
    window = controller.order(first).windows[0]
    late = window.closes - 60 * MINUTE
    controller.says(first, "ready", late)
    controller.turn(late)
    assert controller.permitted() == []
    controller.says(first, "ready", late - MINUTE)
    controller.turn(late - MINUTE)
    permit = Permit.open(controller.sent[first, "permit"], AUTHORITY.public_key())
    assert permit.expires == late


@pytest.mark.parametrize(
    ("changes", "end"),
    [
        ({}, "well"),
        ({"build": OLD}, "failed"),
        ({"installed": []}, "failed"),
        ({"exchanged_at": OPEN}, "no exchange"),
        ({"exchanged_at": None}, "no exchange"),
    ],
)
def test_installed_is_what_build_list_and_exchange_say(
    controller: Controller, changes: dict[str, Any], end: str
) -> None:
    first = names(controller)[0]
    controller.turn()
    controller.says(first, "ready")
    controller.turn()
    controller.says(first, "restarting", OPEN + 20 * MINUTE)
    controller.says(first, "done", OPEN + 30 * MINUTE, **changes)
    assert controller.turn(OPEN + 30 * MINUTE).hosts[first].end == end


@pytest.mark.parametrize(("restarts", "end"), [(False, "unreachable"), (True, "not back")])
def test_who_began_and_is_overdue_has_fallen_out(controller: Controller, *, restarts: bool, end: str) -> None:
    first = names(controller)[0]
    controller.turn()
    controller.says(first, "ready")
    controller.turn()
    if restarts:
        controller.says(first, "restarting", OPEN + 20 * MINUTE)
    assert controller.turn(OPEN + 119 * MINUTE).hosts[first].end is None
    assert controller.turn(OPEN + 120 * MINUTE).hosts[first].end == end
    controller.says(first, "done", OPEN + 180 * MINUTE)
    late = controller.turn(OPEN + 180 * MINUTE).hosts[first]
    assert (late.end, late.heard_late) == (end, True)


def test_it_halts_by_itself_says_why_and_lets_nobody_begin_until_somebody_resumes_it(controller: Controller) -> None:
    everybody = names(controller)[:4]
    controller.turn()
    for pair in (everybody[:2], everybody[2:]):
        for each in pair:
            controller.says(each, "ready")
        state = controller.turn()
        for each in pair:
            controller.says(each, "done", OPEN + MINUTE, exchanged_at=None)
        state = controller.turn(OPEN + MINUTE)
        if state.phase is Phase.HALTED:
            break
    assert state.halted is not None
    assert state.halted.startswith("no exchange: 2 of 2 machines")
    other = everybody[2]
    controller.says(other, "ready", OPEN + 2 * MINUTE)
    controller.turn(OPEN + 2 * MINUTE)
    assert other not in controller.permitted()
    act_of_person(
        controller.ledger, load(controller.ledger, NAME), Act("resume", detail="s: ok"), frozenset({Phase.HALTED})
    )
    controller.says(other, "ready", OPEN + 3 * MINUTE)
    assert controller.turn(OPEN + 3 * MINUTE).phase is Phase.RUNNING
    assert other in controller.permitted()


def test_a_persons_halt_counts_at_once_and_is_refused_where_there_is_nothing_to_halt(controller: Controller) -> None:
    first = names(controller)[0]
    controller.turn()
    controller.says(first, "ready")
    halts = frozenset({Phase.APPROVED, Phase.RUNNING})
    act_of_person(controller.ledger, load(controller.ledger, NAME), Act("halt", detail="suzuki: smoke"), halts)
    assert controller.turn().phase is Phase.HALTED
    assert controller.permitted() == []
    with pytest.raises(WaveError, match="is halted; halt needs one that is approved or running"):
        act_of_person(controller.ledger, load(controller.ledger, NAME), Act("halt"), halts)


def test_on_media_orders_need_no_permit_come_last_and_a_few_at_a_time(ledger: Ledger, plan: Plan) -> None:
    media = [host.model_copy(update={"model": "RK-T100"}) for host in plan.hosts if host.group == "media"]
    controller = Controller(ledger, plan.model_copy(update={"hosts": media}))
    state = controller.turn()
    assert len(controller.sent) == 2
    assert [state.tally.whole.started, state.tally.whole.away] == [2, 2]
    first, *_ = [terminal for terminal, _ in controller.sent]
    assert not controller.order(first).permit
    controller.says(first, "done", OPEN + MINUTE)
    state = controller.turn(OPEN + MINUTE)
    assert sum(each.order is not None for each in state.hosts.values()) == 3
    assert (first, "order") not in controller.sent


def test_who_is_away_on_media_takes_no_place_of_one_with_a_line(ledger: Ledger, plan: Plan) -> None:
    canary = next(host for host in plan.hosts if host.group == "canary")
    few = [canary, *[host for host in plan.hosts if host.group == "media"][:3]]
    hosts = [host.model_copy(update={"model": "RK-T100", "windows": canary.windows}) for host in few]
    controller = Controller(ledger, plan.model_copy(update={"hosts": hosts}))
    controller.turn()
    late = canary.windows[1].opens + MINUTE
    state = controller.turn(late)
    assert state.on_media == {"RK-T100": 2}, "the third waits, as so many may be away"
    controller.says(canary.terminal, "ready", late)
    controller.turn(late)
    assert controller.permitted() == [canary.terminal]


def test_whoever_never_begins_ends_unstarted_and_counts_for_nothing(controller: Controller) -> None:
    controller.turn()
    state = controller.turn(BEGIN + timedelta(days=15))
    assert state.phase is Phase.FINISHED
    assert {each.end for each in state.hosts.values()} == {"unstarted"}
    assert state.tally.whole.started == 0


def test_what_can_not_be_believed_is_refused_and_changes_nothing(controller: Controller) -> None:
    first, second, *_ = names(controller)
    controller.turn()
    controller.says(first, "ready", key="wrong")
    controller.says(first, "ready", endpoint=controller.host(second).endpoint)
    controller.says(first, "ready", terminal=second)
    controller.says(first, "ready", endpoint=Party("131041"), terminal="stranger")
    controller.turn()
    assert [refused for _, refused in controller.settled] == [True] * 4
    stranger = "R2020-9999"
    controller.others[stranger] = controller.host(first).model_copy(update={"terminal": stranger})
    controller.says(stranger, "ready")  # of no wave, but believed
    controller.turn()
    assert controller.settled[-1][1] is False
    controller.says(first, "ready", answers=WAVE)
    controller.says(first, "ready", at=OPEN - MINUTE)  # from before its order
    controller.turn()
    assert controller.permitted() == []


def test_a_permit_that_was_lost_is_given_again_and_counts_once(controller: Controller) -> None:
    first = names(controller)[0]
    controller.turn()
    controller.says(first, "ready")
    controller.turn()
    controller.says(first, "ready", OPEN + 20 * MINUTE)
    state = controller.turn(OPEN + 20 * MINUTE)
    assert state.tally.whole.started == 1
    permit = Permit.open(controller.sent[first, "permit"], AUTHORITY.public_key())
    assert permit.given_at == OPEN + 20 * MINUTE
    controller.sent.clear()
    controller.begin()
    controller.turn(OPEN + 21 * MINUTE)
    assert set(controller.sent) == {(each, "order") for each in names(controller)[:4]} | {(first, "permit")}


def test_nobody_is_overdue_because_the_controller_was_away(controller: Controller) -> None:
    """The simulated country found it: permits were in the ledger, the controller died before it had sent them."""
    first = names(controller)[0]
    controller.turn()
    controller.says(first, "ready")
    controller.turn()
    controller.says(first, "ready", OPEN + 175 * MINUTE)
    state = controller.turn(OPEN + 180 * MINUTE)
    assert state.hosts[first].end is None
    assert Permit.open(controller.sent[first, "permit"], AUTHORITY.public_key()).given_at == OPEN + 180 * MINUTE
    assert state.tally.whole.started == 1


def test_who_lets_permits_pass_has_not_begun_and_never_counts_as_lost(controller: Controller) -> None:
    first = names(controller)[0]
    controller.turn()
    given = set()
    for minutes in range(0, 240, 5):
        controller.says(first, "ready", OPEN + minutes * MINUTE)
        state = controller.turn(OPEN + minutes * MINUTE)
        given.add(controller.sent[first, "permit"])
        assert state.tally.whole.started <= 1
    assert len(given) > 10
    assert state.hosts[first].end is None
    assert not state.tally.whole.faults.get(Fault.UNREACHABLE)


def test_what_a_machine_said_before_its_permit_ended_does_not_take_its_beginning_back(controller: Controller) -> None:
    """It came late, while the machine is at work already."""
    first = names(controller)[0]
    controller.turn()
    controller.says(first, "ready")
    controller.turn()
    controller.says(first, "ready", OPEN + 14 * MINUTE)
    state = controller.turn(OPEN + 60 * MINUTE)
    assert state.hosts[first].is_away
    assert state.tally.whole.away == 1


def test_a_permit_that_was_given_before_a_halt_is_not_sent_after_it(controller: Controller) -> None:
    """The controller died between its ledger and its post; a person halted the wave before the next began."""
    first = names(controller)[0]
    controller.turn()
    controller.says(first, "ready")
    controller.turn()
    controller.sent.clear()
    halts = frozenset({Phase.RUNNING})
    act_of_person(controller.ledger, load(controller.ledger, NAME), Act("halt", detail="suzuki: smoke"), halts)
    controller.begin()
    controller.turn(OPEN + MINUTE)
    assert (first, "order") in controller.sent
    assert (first, "permit") not in controller.sent


def test_what_was_asked_long_ago_or_by_a_wrong_clock_gets_no_permit(controller: Controller) -> None:
    first, second, third, *_ = names(controller)
    controller.turn()
    controller.says(first, "ready", OPEN + 10 * MINUTE)
    controller.says(second, "ready", OPEN + 60 * MINUTE)
    controller.says(third, "ready", OPEN + 25 * MINUTE)
    state = controller.turn(OPEN + 30 * MINUTE)
    assert controller.permitted() == [third]
    assert [state.hosts[each].standing for each in (first, second)] == ["stale", "stale"]
    controller.says(first, "ready", OPEN + 31 * MINUTE)
    assert controller.turn(OPEN + 31 * MINUTE).hosts[first].standing == "away"


def test_an_aborted_wave_leaves_no_order_behind(controller: Controller) -> None:
    controller.turn()
    assert controller.sent
    act = Act("abort", detail="suzuki: bad")
    act_of_person(controller.ledger, load(controller.ledger, NAME), act, frozenset({Phase.RUNNING}))
    controller.turn(OPEN + MINUTE)
    assert controller.sent == {}


def aborted_at_work(controller: Controller) -> list[str]:
    """Abort a wave of which two have a permit and the others none; name the machines that it holds then."""
    controller.ledger.add(NAME, 10**9, lambda _: [], names(controller))
    controller.turn()
    for each in names(controller)[:2]:
        controller.says(each, "ready")
    controller.turn()
    act = Act("abort", detail="suzuki: bad")
    act_of_person(controller.ledger, load(controller.ledger, NAME), act, frozenset({Phase.RUNNING}))
    return held_of(controller)


def held_of(controller: Controller, now: datetime = OPEN) -> list[str]:
    return held_by_others(controller.ledger, "another", names(controller), now).get(NAME, [])


def test_an_aborted_wave_holds_on_to_who_has_a_permit_until_he_has_ended(controller: Controller) -> None:
    first, second, *_ = names(controller)
    assert aborted_at_work(controller) == sorted([first, second])
    controller.says(first, "restarting", OPEN + 20 * MINUTE)
    controller.turn(OPEN + 20 * MINUTE)
    assert held_of(controller) == sorted([first, second])
    controller.says(first, "done", OPEN + 30 * MINUTE)
    assert controller.turn(OPEN + 30 * MINUTE).hosts[first].end == "well"
    assert held_of(controller) == [second]
    controller.says(second, "ready", OPEN + 31 * MINUTE)  # it let its permit pass
    controller.turn(OPEN + 31 * MINUTE)
    assert held_of(controller) == []


@pytest.mark.parametrize("controlled", [False, True])
def test_who_is_never_heard_of_again_is_let_go_when_he_is_overdue(controller: Controller, *, controlled: bool) -> None:
    """Also in an aborted wave that nobody runs any more."""
    first, second, *_ = names(controller)
    assert aborted_at_work(controller) == sorted([first, second])
    if controlled:
        controller.turn(OPEN + 119 * MINUTE)
    assert held_of(controller, OPEN + 119 * MINUTE) == sorted([first, second])
    if controlled:
        controller.turn(OPEN + 120 * MINUTE)
    assert held_of(controller, OPEN if controlled else OPEN + 120 * MINUTE) == []
    ends = load(controller.ledger, NAME).hosts
    assert [ends[each].end for each in (first, second)] == [Fault.UNREACHABLE] * 2


def test_a_wave_that_runs_is_ended_by_its_controller_alone(controller: Controller) -> None:
    controller.ledger.add(NAME, 10**9, lambda _: [], names(controller))
    controller.turn()
    controller.says(names(controller)[0], "ready")
    controller.turn()
    assert held_of(controller, OPEN + 200 * MINUTE) == sorted(names(controller))


def test_a_machine_that_has_the_update_already_is_well_without_a_permit(controller: Controller) -> None:
    first = names(controller)[0]
    controller.turn()
    controller.says(first, "done", OPEN + MINUTE)
    state = controller.turn(OPEN + MINUTE)
    assert state.hosts[first].end == "well"
    assert state.tally.whole.started == 0


def test_what_is_heard_again_changes_nothing(controller: Controller) -> None:
    """A controller that begins anew reads from the hub what terminals said last of everything."""
    first = names(controller)[0]
    controller.turn()
    controller.says(first, "ready")
    controller.says(first, "restarting", OPEN + 20 * MINUTE)
    controller.says(first, "done", OPEN + 30 * MINUTE)
    for minutes, each in ((0, controller.coming[:1]), (20, controller.coming[1:2]), (30, controller.coming[2:])):
        again, controller.coming = controller.coming, list(each)
        controller.turn(OPEN + minutes * MINUTE)
        controller.coming = again
    acts = len(controller.ledger.acts(NAME))
    controller.begin()
    controller.turn(OPEN + 31 * MINUTE)
    assert controller.engine.state.hosts[first].end == "well"
    assert len(controller.ledger.acts(NAME)) == acts
