"""The immigration system writes whatever layout it likes, and gets the one that the settings name, a file a type."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from renkei.domain.layouts import Charset, Contents, Format, Layout, read, write
from renkei.domain.notices import TYPES, ImportResult, Notice, RegisterNotice, ResidenceNotice
from renkei.ministry.connector import Connector
from renkei.ministry.settings import ConnectorSettings, SettingsError, load_settings
from renkei.ministry.simulator import status_notices
from unit.domain.rows import ROWS

SHINJUKU = "131041"
DAY = date(2026, 11, 23)


@pytest.fixture
def settings(tmp_path: Path) -> ConnectorSettings:
    for folder in ("drop/to-municipalities", "drop/from-municipalities", "agent/outbox", f"agent/inbox/{SHINJUKU}"):
        (tmp_path / folder).mkdir(parents=True)
    row = {"asset_number": "T-1", "endpoint": SHINJUKU, "machine_serial": "X", "state": "in_service"}
    (tmp_path / "terminals.json").write_text(json.dumps([row]))
    return ConnectorSettings(
        drop=tmp_path / "drop",
        agent=tmp_path / "agent",
        state=tmp_path / "state",
        terminals=tmp_path / "terminals.json",
        settle_seconds=0,
    )


def run(settings: ConnectorSettings) -> None:
    connector = Connector(settings)
    try:
        connector.run_once()
    finally:
        connector.close()


def notice_of(kind: type[Notice], **changes: Any) -> Any:
    notice, findings = kind.parse(ROWS[kind])
    assert notice is not None, findings
    return replace(notice, **changes)


def files_in(folder: Path) -> list[Contents]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    return [read(BytesIO(path.read_bytes()), TYPES) for path in paths]


def notices_in(contents: Sequence[Contents]) -> list[Notice]:
    return [notice for each in contents for notice in each.notices]


@pytest.mark.parametrize("layout", Layout.every(), ids=str)
def test_a_drop_in_any_layout_is_taken_and_its_bad_notices_come_back_in_it(
    settings: ConnectorSettings, layout: Layout
) -> None:
    good, bad = status_notices([SHINJUKU], 2, 1, DAY)
    content = write([good, replace(bad, number="BAD-1")], layout).replace(b"BAD-1", b"BAD")
    (settings.drop / f"to-municipalities/day{layout.suffix}").write_bytes(content)
    run(settings)
    assert notices_in(files_in(settings.agent / "outbox")) == [good]
    rejected = settings.drop / "to-municipalities/rejected"
    [left] = [path for path in rejected.iterdir() if path.suffix == layout.suffix]
    contents = read(BytesIO(left.read_bytes()), TYPES)
    assert (contents.layout, contents.notices, len(contents.rejections)) == (layout, [], 1)


@pytest.mark.parametrize("layout", Layout.every(), ids=str)
def test_what_municipalities_sent_is_a_file_a_type_in_the_settings_layout(
    settings: ConnectorSettings, layout: Layout
) -> None:
    sent = [notice_of(ResidenceNotice), notice_of(RegisterNotice), notice_of(ImportResult)]
    for number, notice in enumerate(sent):
        path = settings.agent / f"inbox/{SHINJUKU}/notices-{number:08d}.csv"
        path.write_bytes(write([notice], Layout()))
    run(settings.model_copy(update={"layout": layout}))
    files = files_in(settings.drop / "from-municipalities")
    assert {each.notice_type: each.notices for each in files} == {type(notice): [notice] for notice in sent}
    for each in files:
        newest = replace(layout, version=max(layout.version, each.notice_type.SINCE))
        assert each.layout == newest, "a newer type comes in the first version that has it"


def test_what_the_layout_cannot_hold_is_handed_over_in_utf_8_with_an_alarm(
    settings: ConnectorSettings, caplog: pytest.LogCaptureFixture
) -> None:
    notice = notice_of(ResidenceNotice, kanji_name="𠮷")
    (settings.agent / f"inbox/{SHINJUKU}/1.csv").write_bytes(write([notice], Layout()))
    run(settings.model_copy(update={"layout": Layout(charset=Charset.WINDOWS_31J)}))
    [contents] = files_in(settings.drop / "from-municipalities")
    assert (contents.layout, contents.notices) == (Layout(), [notice])
    alarms = [record.getMessage() for record in caplog.records if record.levelname == "CRITICAL"]
    assert any("line 2: 漢字氏名" in each for each in alarms)
    assert "𠮷" not in "".join(alarms)


def test_the_settings_name_a_layout(tmp_path: Path) -> None:
    path = tmp_path / "ministry.toml"
    path.write_text('[connector]\nlayout = "xml-1"\n')
    assert load_settings(path).connector.layout == Layout(Format.XML, 1)
    path.write_text('[connector]\nlayout = "xml-9"\n')
    with pytest.raises(SettingsError, match="csv-1-windows-31j"):
        load_settings(path)
