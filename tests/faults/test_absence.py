"""Agents as services: on a line that goes wrong while the hub dies, and back after a month away."""

import datetime as dt
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import apsw

from faults.killing import until
from faults.place import Lines
from faults.promises import assert_promises, numbers
from faults.proxy import CALM, Fault, Trouble
from faults.work import attempt, settle
from renkei.agent.status import status_of

SHINJUKU = "131041"
A_MONTH = 30 * 86_400
MORE_THAN_A_PAGE = 130
PATIENCE = 60
SERVE = (
    "import sys; sys.argv = ['renkei-agent', 'serve', '--config', config]; from renkei.cli.agent import main; main()"
)
_QUIET = "import os; log = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_APPEND); os.dup2(log, 1); os.dup2(log, 2);"


@contextmanager
def serving(fleet: Any, home: Any) -> Iterator[None]:
    """`renkei-agent serve`; what it says goes into a file beside its settings."""
    config: Path = fleet.write_config(home)
    names = {"config": str(config), "said": str(config.with_suffix(".log"))}
    process = fleet.processes.Process(target=exec, args=(_QUIET + SERVE, names), daemon=True)
    process.start()
    try:
        yield
        assert process.is_alive(), "the service ended by itself"
    finally:
        process.kill()
        process.join(10)


def given(last: int) -> list[str]:
    return [f"N-{SHINJUKU}-{number:06d}" for number in range(1, last + 1)]


def test_services_deliver_over_a_bad_line_while_the_hub_dies_and_comes_back(
    fleet: Any, lines: Lines, residence_csv: Any
) -> None:
    ministry, shinjuku = fleet.agent("ministry"), fleet.agent(SHINJUKU)
    settle(ministry, shinjuku)
    lines.outside.trouble = Trouble({Fault.CUT, Fault.CORRUPT, Fault.WAIT}, every=30_000)
    lines.behind.trouble = Trouble({Fault.CUT, Fault.REPEAT}, every=60_000)
    with ExitStack() as stack:
        for home in (ministry, shinjuku):
            stack.enter_context(serving(fleet, home))
        for number in range(1, 11):
            # A whole file appears at once, as those who write it should let it.
            draft = shinjuku.settings.outbox / f".{number:04d}.csv"
            draft.write_bytes(residence_csv(1, first=number))
            draft.rename(shinjuku.settings.outbox / f"{number:04d}.csv")
            if number % 4 == 0:
                fleet.stop_hub()
                fleet.start_hub()
            until(lambda: not any(shinjuku.settings.outbox.iterdir()), PATIENCE)
        assert lines.outside.happened.total() + lines.behind.happened.total() > 0
        lines.outside.trouble = lines.behind.trouble = CALM
        until(lambda: numbers(ministry.settings.inbox / SHINJUKU) == given(10), PATIENCE)
        until(lambda: not shinjuku.spool.outgoing.unreceipted(), PATIENCE)
    assert_promises(ministry, shinjuku, given(10))


def test_an_agent_that_was_away_for_a_month_catches_up_by_itself(
    fleet: Any, lines: Lines, residence_csv: Any, status_csv: Any
) -> None:
    """Its parts have expired at the hub, its inbox is longer than a page, its certificate is due for renewal."""
    ministry, shinjuku = fleet.agent("ministry"), fleet.agent(SHINJUKU, age=280)
    settle(ministry, shinjuku)
    (shinjuku.settings.outbox / "day.csv").write_bytes(residence_csv(600))
    lines.outside.trouble = Trouble({Fault.CUT}, every=90_000)
    assert not attempt(shinjuku)
    lines.outside.trouble = CALM
    folder = ministry.settings.outbox / SHINJUKU
    folder.mkdir()
    for number in range(1, MORE_THAN_A_PAGE + 1):
        (folder / f"{number:04d}.csv").write_bytes(status_csv(1, first=number))
    settle_sender(ministry)
    age_parts(fleet)
    with serving(fleet, shinjuku), serving(fleet, ministry):
        expected = [f"S-{SHINJUKU}-{number:06d}" for number in range(1, MORE_THAN_A_PAGE + 1)]
        until(lambda: numbers(shinjuku.settings.inbox) == expected, PATIENCE)
        until(lambda: not ministry.spool.outgoing.unreceipted(), PATIENCE)
        until(lambda: approve(fleet) or shinjuku.keys().number == 2, PATIENCE)
        shinjuku.settings.request_file.touch()
        until(lambda: shinjuku.keys().number == 2, PATIENCE)
    settle(shinjuku, ministry)
    assert_promises(ministry, shinjuku, given(600))
    assert status_of(shinjuku).alarms == ()


def test_an_agent_whose_certificate_ended_while_it_was_away_says_so(fleet: Any) -> None:
    shinjuku = fleet.home(SHINJUKU)
    pending, terminal = shinjuku.keyring.prepare(shinjuku.party, shinjuku.settings.terminal), f"T-{SHINJUKU}"
    csr, point = pending.request_pem, pending.receiving_point
    entry = fleet.pki.entry(csr, shinjuku.party, terminal, point, age=399)
    a_month_ago = dt.datetime.now(dt.UTC) - dt.timedelta(days=30)
    shinjuku.keyring.adopt(pending, entry, fleet.pki.anchor.verify_entry(entry, a_month_ago), terminal)
    with serving(fleet, shinjuku):
        until(lambda: {alarm.kind for alarm in status_of(shinjuku).alarms} == {"hub", "certificate"}, PATIENCE)
    (text,) = [alarm.text for alarm in status_of(shinjuku).alarms if alarm.kind == "certificate"]
    assert "enrol this terminal anew" in text


def settle_sender(home: Any) -> None:
    until(lambda: attempt(home) and not home.spool.has_work("2000-01-01T00:00:00Z"), PATIENCE)


def age_parts(fleet: Any) -> None:
    """A month passes at the hub; when it starts it deletes what nobody took up."""
    fleet.stop_hub()
    connection = apsw.Connection(str(fleet.hub_settings.database))
    unused = "SELECT count(*) FROM parts WHERE uses = 0"
    assert connection.execute(unused).fetchall() != [(0,)], "the cut upload left parts"
    connection.execute("UPDATE parts SET stored_at = stored_at - ?", (A_MONTH,))
    fleet.start_hub()
    until(lambda: connection.execute(unused).fetchall() == [(0,)])
    connection.close()


def approve(fleet: Any) -> int:
    """The registration authority answers what is queued; how much that was."""
    with fleet.authority() as client:
        queue = client.enrolments()
        for each in queue:
            asked = each.request
            entry = fleet.pki.entry(asked.csr, asked.endpoint, asked.terminal, asked.receiving_key, generation=2)
            client.approve(each.id, entry)
    return len(queue)
