"""The connector: one file of the immigration system to many municipalities and back, each notice exactly once."""

import itertools
import json
import os
import signal
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from io import BytesIO
from pathlib import Path

import pytest

from renkei.domain.layouts import Layout, read, write
from renkei.domain.notices import ResidenceNotice, StatusNotice
from renkei.exchange.clock import parse_time
from renkei.ministry.connector import MARK, AnotherConnectorError, Connector
from renkei.ministry.settings import ConnectorSettings
from renkei.ministry.simulator import residence_notices, status_notices

CODES = ["011011", "012271", "131041"]
DAY = date(2026, 11, 23)
NAME = "WANG"  # in nearly every simulated file; never in a reason file


@pytest.fixture
def settings(tmp_path: Path) -> ConnectorSettings:
    for folder in ("drop/to-municipalities", "drop/from-municipalities", "agent/outbox", "agent/inbox"):
        (tmp_path / folder).mkdir(parents=True)
    rows = [
        {"asset_number": f"T-{code}", "endpoint": code, "machine_serial": "X", "state": "in_service"} for code in CODES
    ]
    (tmp_path / "terminals.json").write_text(json.dumps(rows))
    return ConnectorSettings(
        drop=tmp_path / "drop",
        agent=tmp_path / "agent",
        state=tmp_path / "state",
        terminals=tmp_path / "terminals.json",
        settle_seconds=0,
    )


def run(settings: ConnectorSettings, at: Callable[[str], None] = lambda _moment: None) -> int:
    connector = Connector(settings, at=at)
    try:
        return connector.run_once()
    finally:
        connector.close()


def drop(settings: ConnectorSettings, name: str, notices: list[StatusNotice]) -> Path:
    path = settings.drop / "to-municipalities" / name
    path.write_bytes(write(notices, Layout()))
    return path


def published(settings: ConnectorSettings) -> dict[str, object]:
    found: dict[str, object] = json.loads((settings.agent / "outbox" / MARK).read_text())
    return found


def test_the_mark_says_up_to_when_the_outbox_is_complete(settings: ConnectorSettings) -> None:
    begin = datetime.now(UTC) - timedelta(seconds=2)
    drop(settings, "a.csv", status_notices(CODES, 3, 1, DAY))
    run(settings)
    mark = published(settings)
    assert mark["endpoints"] == CODES
    assert begin <= parse_time(str(mark["published_up_to"])) <= datetime.now(UTC)


def test_a_file_that_is_not_taken_yet_holds_the_mark_before_its_arrival(settings: ConnectorSettings) -> None:
    path = drop(settings, "growing.csv", status_notices(CODES, 3, 1, DAY))
    patient = settings.model_copy(update={"settle_seconds": 600})
    run(patient)
    assert parse_time(str(published(settings)["published_up_to"])).timestamp() < path.stat().st_ctime
    assert path.exists()


def arrive(settings: ConnectorSettings, code: str, name: str, notices: list[ResidenceNotice]) -> None:
    folder = settings.agent / "inbox" / code
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(write(notices, Layout()))


def visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))


def outbox(settings: ConnectorSettings) -> dict[str, list[str]]:
    """The numbers of the notices handed to the agent, by municipality, in order."""
    found: dict[str, list[str]] = {}
    for path in visible(settings.agent / "outbox"):
        contents = read(BytesIO(path.read_bytes()), [StatusNotice])
        notices, rejections = contents.notices, contents.rejections
        assert rejections == []
        found.setdefault(path.parent.name, []).extend(notice.number for notice in notices)
    return found


def by_municipality(notices: list[StatusNotice]) -> dict[str, list[str]]:
    return {code: [each.number for each in notices if each.municipality == code] for code in CODES}


def test_a_file_is_split_by_municipality_in_its_order(settings: ConnectorSettings) -> None:
    notices = status_notices(CODES, 60, 1, DAY)
    path = drop(settings, "20261123.csv", notices)
    assert run(settings) == 1
    assert outbox(settings) == by_municipality(notices)
    assert not path.exists()
    assert visible(settings.drop) == []


def test_files_reach_the_outbox_in_the_order_in_which_they_were_dropped(settings: ConnectorSettings) -> None:
    batches = [status_notices(["131041"], 3, seed, DAY) for seed in range(3)]
    for age, (name, batch) in enumerate(zip(["c.csv", "b.csv", "a.csv"], batches, strict=True)):
        path = drop(settings, name, batch)
        os.utime(path, ns=(10**18 + age, 10**18 + age))
    run(settings)
    assert outbox(settings)["131041"] == [notice.number for batch in batches for notice in batch]


def test_a_file_that_is_still_being_written_waits(settings: ConnectorSettings) -> None:
    path = drop(settings, "x.csv", status_notices(CODES, 3, 1, DAY))
    assert run(settings.model_copy(update={"settle_seconds": 600})) == 0
    drop(settings, ".x.csv", status_notices(CODES, 3, 2, DAY)).rename(path.with_name("y.part"))
    os.utime(path, (0, 0))
    assert run(settings.model_copy(update={"settle_seconds": 600})) == 1
    assert (path.parent / "y.part").exists()


def test_bad_rows_come_back_with_reasons_that_name_nobody_and_good_rows_go_on(settings: ConnectorSettings) -> None:
    notices = status_notices(CODES, 40, 5, DAY)
    lines = write(notices, Layout()).split(b"\r\n")
    assert NAME.encode() in b"".join(lines)
    lines[3] = lines[3].replace(b",2026-11-23,", b",23.11.2026,", 1)
    lines[7] = b"\xff\xfe broken"
    (settings.drop / "to-municipalities/x.csv").write_bytes(b"\r\n".join(lines))
    run(settings)
    kept = [notice for place, notice in enumerate(notices, start=1) if place not in {3, 7}]
    assert outbox(settings) == by_municipality(kept)
    rows, reasons = visible(settings.drop / "to-municipalities/rejected")
    assert rows.read_bytes() == b"\r\n".join([lines[0], lines[3], lines[7], b""])
    text = reasons.read_text()
    assert "4行目" in text
    assert "8行目" in text
    assert notices[2].number in text
    assert (notices[2].name or "") not in text


def test_a_notice_for_a_municipality_outside_the_fleet_is_rejected_and_not_left_in_an_outbox(
    settings: ConnectorSettings,
) -> None:
    notices = status_notices([*CODES, "271004"], 8, 1, DAY)
    drop(settings, "x.csv", notices)
    run(settings)
    assert sorted(outbox(settings)) == CODES
    rows, reasons = visible(settings.drop / "to-municipalities/rejected")
    contents = read(BytesIO(rows.read_bytes()), [StatusNotice])
    returned = contents.notices
    assert [each.number for each in returned] == [each.number for each in notices if each.municipality == "271004"]
    assert "271004は連携先の市区町村ではありません" in reasons.read_text()


@pytest.mark.parametrize("content", [b"", b"\x00\x01", "通知種別,何か\r\n".encode()], ids=["empty", "binary", "header"])
def test_what_is_no_file_of_notices_comes_back_whole(settings: ConnectorSettings, content: bytes) -> None:
    (settings.drop / "to-municipalities/x.csv").write_bytes(content)
    assert run(settings) == 1
    returned, reasons = visible(settings.drop / "to-municipalities/rejected")
    assert returned.read_bytes() == content
    assert "ファイル全体を受理しませんでした" in reasons.read_text()
    assert outbox(settings) == {}


def test_the_same_file_sent_again_is_not_handed_over_again(settings: ConnectorSettings) -> None:
    notices = status_notices(CODES, 5, 1, DAY)
    for _ in range(2):
        path = drop(settings, "x.csv", notices)
        run(settings)
        assert not path.exists()
    assert outbox(settings) == by_municipality(notices)


def test_a_file_of_which_nothing_went_on_may_be_sent_again(settings: ConnectorSettings) -> None:
    notices = status_notices(CODES, 5, 1, DAY)
    inventory = settings.terminals.read_text()
    settings.terminals.write_text("[]")
    drop(settings, "x.csv", notices)
    run(settings)
    assert outbox(settings) == {}
    settings.terminals.write_text(inventory)
    drop(settings, "x.csv", notices)
    run(settings)
    assert outbox(settings) == by_municipality(notices)


def test_a_symbolic_link_in_the_drop_is_not_followed(settings: ConnectorSettings, tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_bytes(write(status_notices(CODES, 1, 1, DAY), Layout()))
    (settings.drop / "to-municipalities/x.csv").symlink_to(secret)
    assert run(settings) == 0
    assert secret.exists()


def test_what_municipalities_sent_becomes_one_file_in_the_order_of_each(settings: ConnectorSettings) -> None:
    sent = {code: [residence_notices(code, 4, seed, DAY) for seed in range(2)] for code in CODES}
    for code, batches in sent.items():
        for number, batch in enumerate(batches):
            arrive(settings, code, f"{number:010d}.csv", batch)
    assert run(settings) == 6
    (merged,) = visible(settings.drop / "from-municipalities")
    contents = read(BytesIO(merged.read_bytes()), [ResidenceNotice])
    notices, rejections = contents.notices, contents.rejections
    assert rejections == []
    assert notices == [notice for batches in sent.values() for batch in batches for notice in batch]
    assert visible(settings.agent / "inbox") == []


def test_a_municipality_that_speaks_for_another_is_refused_and_alarmed(
    settings: ConnectorSettings, caplog: pytest.LogCaptureFixture
) -> None:
    own, foreign = residence_notices("131041", 2, 1, DAY), residence_notices("011011", 1, 1, DAY)
    arrive(settings, "131041", "1.csv", [*own, *foreign])
    run(settings)
    (merged,) = visible(settings.drop / "from-municipalities")
    assert read(BytesIO(merged.read_bytes()), [ResidenceNotice]).notices == own
    assert len(visible(settings.state / "rejected")) == 2
    alarms = [record.getMessage() for record in caplog.records if record.levelname == "CRITICAL"]
    assert alarms == ["1.csv: 1 rows of municipality 131041 were rejected"]


def test_a_file_that_nobody_fetches_is_alarmed_once_and_never_removed(
    settings: ConnectorSettings, caplog: pytest.LogCaptureFixture
) -> None:
    def alarms() -> list[str]:
        return [record.getMessage() for record in caplog.records if "waits since" in record.getMessage()]

    arrive(settings, "131041", "1.csv", residence_notices("131041", 1, 1, DAY))
    run(settings)
    (waiting,) = visible(settings.drop / "from-municipalities")
    moment = datetime.now(UTC)
    connector = Connector(settings, clock=lambda: moment)
    try:
        for hours, count in ((23, 0), (25, 1), (26, 1), (24 * 4000, 1)):
            moment = datetime.now(UTC) + timedelta(hours=hours)
            connector._tend_after = 0.0
            connector.run_once()
            assert len(alarms()) == count, hours
    finally:
        connector.close()
    assert alarms()[0].startswith(str(waiting))
    assert waiting.exists()


def test_two_connectors_never_work_on_the_same_folders(settings: ConnectorSettings) -> None:
    first = Connector(settings)
    with pytest.raises(AnotherConnectorError, match="another connector is running"):
        Connector(settings)
    first.close()


@pytest.mark.thorough
def test_a_kill_at_any_moment_neither_loses_nor_doubles_a_notice(settings: ConnectorSettings) -> None:
    expected: dict[str, list[str]] = {code: [] for code in CODES}
    for moment in itertools.count():
        outgoing = status_notices(CODES, 9, moment, DAY)
        drop(settings, f"{moment}.csv", outgoing)
        for code, numbers in by_municipality(outgoing).items():
            expected[code] += numbers
        arrive(settings, "131041", f"{moment:010d}.csv", residence_notices("131041", 2, moment, DAY))
        child = os.fork()
        if child == 0:
            steps = itertools.count()

            def at(_moment: str, moment: int = moment, steps: "itertools.count[int]" = steps) -> None:
                if next(steps) == moment:
                    os.kill(os.getpid(), signal.SIGKILL)

            run(settings, at)
            os._exit(0)
        killed = os.WIFSIGNALED(os.waitpid(child, 0)[1])
        run(settings)
        if not killed:
            break
    assert moment > 10  # every moment of both ways was tried
    assert outbox(settings) == expected
    collected = [
        notice.number
        for path in visible(settings.drop / "from-municipalities")
        for notice in read(BytesIO(path.read_bytes()), [ResidenceNotice]).notices
    ]
    sent = [notice.number for each in range(moment + 1) for notice in residence_notices("131041", 2, each, DAY)]
    assert collected == sent
    leftovers = list(settings.drop.rglob(".renkei-*")) + visible(settings.drop / "to-municipalities")
    assert leftovers == []
