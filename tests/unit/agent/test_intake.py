"""From the outbox into the spool; no hub is needed for that."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from renkei.agent import intake
from renkei.agent.home import Home
from renkei.agent.intake import Intake, Watch
from renkei.exchange.bindings import VerifiedParty
from renkei.exchange.parcels import open_parcel
from unit.examples import examples

MakeCsv = Callable[..., bytes]


@pytest.fixture
def endpoint(offline: Any) -> Home:
    home: Home = offline.agent("131041")
    return home


@pytest.fixture
def ministry(offline: Any) -> tuple[VerifiedParty, Any]:
    party: tuple[VerifiedParty, Any] = offline.party("ministry")
    return party


def take(home: Home, recipient: VerifiedParty | None, watch: Watch | None = None) -> Intake:
    return intake.take_all(home, watch or Watch(0), intake.Recipients(lambda _party: recipient))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_becomes_a_parcel_that_only_its_recipient_opens(
    offline: Any, endpoint: Home, ministry: Any, residence_csv: MakeCsv
) -> None:
    (endpoint.settings.outbox / "day.csv").write_bytes(residence_csv(3))
    assert take(endpoint, ministry[0]).notices == 3
    (message,) = endpoint.spool.outgoing.unreceipted()
    sender = offline.pki.anchor.verify_entry(endpoint.keys().entry, offline.now())
    opened = open_parcel(message.manifest, message.sealed, sender, ministry[0].party, ministry[1])
    assert [notice.number for notice in opened.notices] == [f"N-131041-{n:06d}" for n in (1, 2, 3)]
    assert b"TEST PERSON" not in message.sealed
    assert names(endpoint.settings.done) == ["day.csv"]


def test_bad_rows_are_kept_with_their_reasons_and_good_rows_go_on(
    endpoint: Home, ministry: Any, residence_csv: MakeCsv
) -> None:
    lines = residence_csv(3).split(b"\r\n")
    lines[2] = lines[2].replace(b"1990-01-31", b"1990-13-31")
    (endpoint.settings.outbox / "day.csv").write_bytes(b"\r\n".join(lines))
    outcome = take(endpoint, ministry[0])
    assert (outcome.notices, outcome.rejected) == (2, 1)
    assert names(endpoint.settings.rejected) == ["day.csv", "day.csv.reason.txt"]
    assert (endpoint.settings.rejected / "day.csv").read_bytes() == lines[0] + b"\r\n" + lines[2] + b"\r\n"
    reason = (endpoint.settings.rejected / "day.csv.reason.txt").read_text()
    assert "3行目" in reason
    assert "生年月日" in reason
    assert "TEST PERSON" not in reason
    assert "1990-13-31" not in reason


def test_a_corrected_file_of_rejected_rows_is_taken(endpoint: Home, ministry: Any, residence_csv: MakeCsv) -> None:
    (endpoint.settings.outbox / "day.csv").write_bytes(residence_csv(2).replace(b"1990-01-31", b"1990-13-31", 1))
    take(endpoint, ministry[0])
    corrected = (endpoint.settings.rejected / "day.csv").read_bytes().replace(b"1990-13-31", b"1990-01-31")
    (endpoint.settings.outbox / "day.csv").write_bytes(corrected)
    assert take(endpoint, ministry[0]).notices == 1
    assert [message.sequence for message in endpoint.spool.outgoing.unreceipted()] == [1, 2]


def test_a_row_of_another_municipality_is_rejected(endpoint: Home, ministry: Any, residence_csv: MakeCsv) -> None:
    other = residence_csv(1, "011011", 9).split(b"\r\n", 1)[1]
    (endpoint.settings.outbox / "day.csv").write_bytes(residence_csv(1) + other)
    outcome = take(endpoint, ministry[0])
    assert (outcome.notices, outcome.rejected) == (1, 1)
    assert "131041だけ" in (endpoint.settings.rejected / "day.csv.reason.txt").read_text()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("list.xlsx", b"PK\x03\x04"),
        ("empty.csv", b""),
        ("header.csv", "氏名,生年月日\r\n".encode()),
        ("sjis.csv", "通知種別,氏名\r\n".encode("cp932")),
    ],
)
def test_a_file_that_cannot_be_read_goes_back_whole_with_the_reason(
    endpoint: Home, ministry: Any, name: str, content: bytes
) -> None:
    (endpoint.settings.outbox / name).write_bytes(content)
    assert take(endpoint, ministry[0]).rejected == 1
    assert names(endpoint.settings.rejected) == [name, f"{name}.reason.txt"]
    assert (endpoint.settings.rejected / name).read_bytes() == content
    assert endpoint.spool.outgoing.unreceipted() == []


def test_the_same_file_put_there_again_is_not_sent_again(endpoint: Home, ministry: Any, residence_csv: MakeCsv) -> None:
    for _ in range(2):
        (endpoint.settings.outbox / "day.csv").write_bytes(residence_csv(1))
        take(endpoint, ministry[0])
    assert len(endpoint.spool.outgoing.unreceipted()) == 1
    assert "受け付け済み" in (endpoint.settings.rejected / "day.csv.reason.txt").read_text()


def test_a_file_taken_before_a_kill_is_only_moved(endpoint: Home, ministry: Any, residence_csv: MakeCsv) -> None:
    path = endpoint.settings.outbox / "day.csv"
    path.write_bytes(residence_csv(1))
    take(endpoint, ministry[0])
    ((source, _),) = [endpoint.spool.outgoing.source(s.sha256, s.folder) for s in unmove(endpoint)]
    (endpoint.settings.done / "day.csv").rename(path)
    take(endpoint, ministry[0])
    assert names(endpoint.settings.done) == ["day.csv"]
    assert len(endpoint.spool.outgoing.unreceipted()) == 1
    assert endpoint.spool.outgoing.source(source.sha256, "")[1]


def unmove(home: Home) -> list[Any]:
    home.spool._database.write(lambda connection: connection.execute("UPDATE sources SET moved = 0"))
    return home.spool.outgoing.unmoved()


def test_files_still_being_written_hidden_and_temporary_ones_are_left_alone(
    endpoint: Home, ministry: Any, residence_csv: MakeCsv
) -> None:
    outbox = endpoint.settings.outbox
    for name in (".hidden.csv", "copying.csv.part", "young.csv", "link.csv"):
        (outbox / name).write_bytes(residence_csv(1)) if name != "link.csv" else (outbox / name).symlink_to(
            "/etc/passwd"
        )
    assert take(endpoint, ministry[0], Watch(60)).waiting == 1
    os.utime(outbox / "young.csv", (time.time() - 120,) * 2)
    assert take(endpoint, ministry[0], Watch(60)).notices == 1
    assert names(outbox) == [".hidden.csv", "copying.csv.part", "link.csv"]


def test_a_file_dated_in_the_future_is_taken_once_it_stays_the_same(
    endpoint: Home, ministry: Any, residence_csv: MakeCsv
) -> None:
    path, watch = endpoint.settings.outbox / "day.csv", Watch(0.05)
    path.write_bytes(residence_csv(1))
    os.utime(path, (time.time() + 86400,) * 2)
    assert take(endpoint, ministry[0], watch).waiting == 1
    time.sleep(0.06)
    assert take(endpoint, ministry[0], watch).notices == 1


def test_without_a_binding_of_the_recipient_a_file_waits(endpoint: Home, residence_csv: MakeCsv) -> None:
    (endpoint.settings.outbox / "day.csv").write_bytes(residence_csv(1))
    assert take(endpoint, None).waiting == 1
    assert names(endpoint.settings.outbox) == ["day.csv"]


def test_the_ministry_has_a_folder_for_each_recipient_and_names_what_is_elsewhere(
    offline: Any, status_csv: MakeCsv
) -> None:
    home = offline.agent("ministry")
    parties = {code: offline.party(code)[0] for code in ("131041", "011011")}
    for code in parties:
        (home.settings.outbox / code).mkdir()
        (home.settings.outbox / code / "change.csv").write_bytes(status_csv(2, code))
    (home.settings.outbox / "999999").mkdir()
    assert intake.take_all(home, Watch(0), intake.Recipients(parties.get)).notices == 4
    assert [(m.recipient, m.sequence) for m in home.spool.outgoing.unreceipted()] == [("011011", 1), ("131041", 1)]
    assert [alarm.subject for alarm in home.spool.alarms()] == ["999999"]
    assert names(home.settings.done) == ["011011", "131041"]


@settings(max_examples=examples(15), suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    damage=st.lists(st.sampled_from([b"", b"1990-13-31", b'"', b"\xff", b",,,", b"\x00"]), min_size=1, max_size=6),
    separator=st.sampled_from([b"\r\n", b"\n"]),
    mark=st.sampled_from([b"", b"\xef\xbb\xbf"]),
)
def test_every_row_is_either_sent_or_kept_for_correction(
    offline: Any, residence_csv: MakeCsv, damage: list[bytes], separator: bytes, mark: bytes
) -> None:
    home, ministry = offline.agent("131041"), offline.party("ministry")
    header, *rows = residence_csv(len(damage)).rstrip().split(b"\r\n")
    rows = [row.replace(b"1990-01-31", fault) if fault else row for row, fault in zip(rows, damage, strict=True)]
    content = mark + separator.join([header, *rows]) + separator
    (home.settings.outbox / "day.csv").write_bytes(content)
    outcome = take(home, ministry[0])
    good = sum(fault == b"" for fault in damage)
    kept = home.settings.rejected / "day.csv"
    bad = kept.read_bytes().rstrip(b"\r\n").split(b"\r\n")[1:] if kept.exists() else []
    assert (outcome.notices, outcome.rejected) == (good, len(damage) - good)
    assert bad == [row for row, fault in zip(rows, damage, strict=True) if fault]
    assert sum(message.count for message in home.spool.outgoing.unreceipted()) == good
