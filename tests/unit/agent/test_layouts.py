"""Each endpoint reads whatever layout comes and writes the one that its settings name."""

from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from renkei.agent import building
from renkei.agent.home import Home
from renkei.domain.layouts import Charset, Contents, Format, Layout, read, write
from renkei.domain.notices import TYPES, Notice, ResidenceNotice, StatusNotice
from renkei.exchange.encoding import EncodingError
from unit.domain.rows import ROWS

SHINJUKU = "131041"
LAYOUTS = [
    Layout(),
    Layout(version=1),
    Layout(charset=Charset.WINDOWS_31J),
    Layout(Format.XML),
    Layout(Format.XML, 1),
]


def notice_of(kind: type[Notice], **changes: Any) -> Any:
    notice, findings = kind.parse(ROWS[kind])
    assert notice is not None, findings
    return replace(notice, **changes)


def only_file(home: Home) -> Path:
    (path,) = home.settings.inbox.iterdir()
    return path


def contents_of(path: Path) -> Contents:
    return read(BytesIO(path.read_bytes()), TYPES)


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_a_notice_arrives_in_the_layout_of_the_recipients_settings(fleet: Any, layout: Layout) -> None:
    ministry, shinjuku = fleet.agent("ministry"), fleet.agent(SHINJUKU, layout=str(layout))
    folder = ministry.settings.outbox / SHINJUKU
    folder.mkdir()
    notice = notice_of(StatusNotice, kanji_name="高崎")
    (folder / "change.xml").write_bytes(write([notice], Layout(Format.XML, 1)))
    fleet.exchange(ministry)
    fleet.exchange(shinjuku)
    path = only_file(shinjuku)
    contents = contents_of(path)
    assert (path.suffix, contents.layout, contents.notices) == (layout.suffix, layout, [notice])


@pytest.mark.quick
def test_what_windows_31j_cannot_hold_arrives_in_utf_8_with_an_alarm_that_tells_no_name(fleet: Any) -> None:
    ministry = fleet.agent("ministry")
    shinjuku = fleet.agent(SHINJUKU, layout="csv-2-windows-31j")
    folder = ministry.settings.outbox / SHINJUKU
    folder.mkdir()
    notice = notice_of(StatusNotice, kanji_name="𠮷")
    (folder / "change.csv").write_bytes(write([notice], Layout()))
    fleet.exchange(ministry)
    fleet.exchange(shinjuku)
    assert contents_of(only_file(shinjuku)).notices == [notice]
    [alarm] = [each for each in shinjuku.spool.alarms() if each.kind == "layout"]
    assert "line 2: 漢字氏名" in alarm.text
    assert "𠮷" not in alarm.text


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_bad_notices_of_any_layout_go_back_in_it_and_can_be_corrected(fleet: Any, layout: Layout) -> None:
    fleet.agent("ministry")
    shinjuku = fleet.agent(SHINJUKU)
    good, bad = notice_of(ResidenceNotice), notice_of(ResidenceNotice, number="2", name="NGUYEN BA")
    content = write([good, bad], layout).replace(b"NGUYEN BA", b"nguyen ba")
    name = f"day{layout.suffix}"
    (shinjuku.settings.outbox / name).write_bytes(content)
    outcome = fleet.exchange(shinjuku)
    assert (outcome.notices_taken, outcome.rows_rejected) == (1, 1)
    reason = (shinjuku.settings.rejected / f"{name}.reason.txt").read_text()
    assert "氏名" in reason
    assert "nguyen" not in reason
    left = (shinjuku.settings.rejected / name).read_bytes()
    (shinjuku.settings.outbox / name).write_bytes(left.replace(b"nguyen ba", b"NGUYEN BA"))
    again = fleet.exchange(shinjuku)
    assert (again.notices_taken, again.rows_rejected) == (1, 0)


@pytest.mark.quick
def test_what_the_recipient_cannot_read_yet_waits_with_an_alarm(fleet: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    fleet.agent("ministry")
    shinjuku = fleet.agent(SHINJUKU)

    def refuse(*_arguments: object) -> None:
        raise EncodingError("version 1 of the encoding has no 市町村通知")

    monkeypatch.setattr(building, "build_parcel", refuse)
    (shinjuku.settings.outbox / "day.csv").write_bytes(write([notice_of(ResidenceNotice)], Layout()))
    fleet.exchange(shinjuku)
    assert [path.name for path in shinjuku.settings.outbox.iterdir()] == ["day.csv"]
    [alarm] = [each for each in shinjuku.spool.alarms() if each.kind == "outbox"]
    assert "day.csv waits" in alarm.text
    monkeypatch.undo()
    assert fleet.exchange(shinjuku).parcels_sent == 1
