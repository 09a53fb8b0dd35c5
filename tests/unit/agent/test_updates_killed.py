"""An agent that is killed while it carries out an order loses nothing and does nothing twice."""

from typing import Any

import pytest

from renkei.exchange.updates import Order
from renkei.store.sqlite import Database
from unit.agent.office import Office
from unit.agent.update_host import BEFORE, order

KILLS = 100


@pytest.mark.parametrize("step", [3, pytest.param(None, marks=pytest.mark.thorough)])
def test_a_kill_before_or_after_anything_that_is_written_or_done_changes_nothing_of_its_course(
    office: Office, monkeypatch: pytest.MonkeyPatch, step: int | None
) -> None:
    """Killed at each of its steps in turn, an agent installs once, restarts once, and says the same."""
    number, killed = 0, True
    for number in range(KILLS) if step is None else [step]:
        given = order(number + 1, office.host.now, nights=1)
        office.host.build, office.host.installed, office.host.began, office.host.restarts = BEFORE, [], [], []
        office.take(given)
        office.pass_time(30)
        killed = _live_through(office, given, monkeypatch, number)
        stages = [each.stage for each in office.said(given.id)]
        assert stages[-2:] == ["restarting", "done"], (number, stages)
        assert stages.count("done") == stages.count("restarting") == 1
        assert (len(office.host.began), len(office.host.restarts)) == (1, 1), number
        assert office.said(given.id)[-1].fulfils(given)
        office.pass_time(24 * 60)
        if not killed:
            break
    assert killed is (step is not None), "more steps than were tried, or no kill came"


class Killed(BaseException):
    """What no handler of the program's catches."""


def _live_through(office: Office, given: Order, monkeypatch: pytest.MonkeyPatch, step: int) -> bool:
    """Let an order be carried out by an agent that dies at its step-th step; whether it came to that."""
    counted, killed = 0, False

    def deadly(work: Any) -> Any:
        def call(*arguments: Any, **named: Any) -> Any:
            nonlocal counted, killed
            result = None
            for after in (False, True):
                if after:
                    result = work(*arguments, **named)
                counted += 1
                if counted == step + 1:
                    killed = True
                    raise Killed
            return result

        return call

    with monkeypatch.context() as patched:
        patched.setattr(Database, "write", deadly(Database.write))
        for name in ("start", "restart"):
            patched.setattr(office.host, name, deadly(getattr(office.host, name)))
        for _ in range(24):
            try:
                office.turn()
                last = office.home.spool.updates.last_said(str(given.id))
                if last is not None and last.stage == "ready":
                    office.take(office.permit(given))
            except Killed:
                office.reopen()
            office.pass_time(5)
    return killed


def test_an_agent_that_is_killed_after_every_turn_does_the_same(office: Office) -> None:
    given = office.order()
    office.take(given)
    office.pass_time(30)
    office.turn()
    office.take(office.permit(given))
    for _ in range(20):
        office.reopen()
        office.run(5)
    assert [each.stage for each in office.said(given.id)] == ["ready", "restarting", "done"]
    assert len(office.host.began) == len(office.host.restarts) == 1
