"""`renkei notice`: what it prints, where, and with which exit code."""

import json
import subprocess
import sys
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from renkei.cli.notice import app
from renkei.domain.layouts import Charset, Format, Layout, read, write
from renkei.domain.layouts.xsd import make_xsd
from renkei.domain.notices import TYPES, Inquiry, Notice, ResidenceNotice, StatusNotice
from unit.domain.rows import NOTICES, ROWS, plain_texts
from unit.examples import examples

SECRETS = ("NGUYEN", "AB12345678CD", "歌舞伎町", "1995-04-12", "ベトナム")


def run(*arguments: str | Path, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(app, [str(each) for each in arguments], input=stdin)


def notice_of(kind: type[Notice], **changes: Any) -> Any:
    notice, findings = kind.parse(ROWS[kind])
    assert notice is not None, findings
    return replace(notice, **changes)


def notices_in(content: bytes) -> list[Notice]:
    contents = read(BytesIO(content), TYPES)
    assert contents.rejections == []
    return contents.notices


@pytest.fixture
def wrong(tmp_path: Path) -> Path:
    """Of two notices the second has three errors."""
    content = write([notice_of(ResidenceNotice), notice_of(ResidenceNotice, number="2")], Layout())
    head, good, bad = content.splitlines(keepends=True)
    bad = bad.replace("住基法22条".encode(), b"x").replace(b"AB12345678CD", b"AB12345678C").replace(b"1995-04-12", b"")
    path = tmp_path / "day.csv"
    path.write_bytes(head + good + bad)
    return path


def right(tmp_path: Path, notices: list[Notice], layout: Layout) -> Path:
    path = tmp_path / f"right{layout.suffix}"
    path.write_bytes(write(notices, layout))
    return path


@pytest.mark.parametrize("notice_type", TYPES)
def test_a_right_file_is_named_by_layout_and_type_and_exits_0(tmp_path: Path, notice_type: type[Notice]) -> None:
    for layout in (Layout(), Layout(Format.XML), Layout(charset=Charset.WINDOWS_31J)):
        path = right(tmp_path, [notice_of(notice_type)], layout)
        result = run("validate", path)
        assert result.exit_code == 0
        assert result.stdout == f"{path}: {layout}, {notice_type.TYPE} ({notice_type.NAME}): 1 right, 0 wrong\n"


def test_every_error_is_told_at_once_with_line_item_rule_and_article_and_no_value(wrong: Path) -> None:
    result = run("validate", wrong)
    assert result.exit_code == 1
    *errors, summary = result.stdout.splitlines()
    assert [line.split(": ")[:3] for line in errors] == [
        [f"{wrong}:3", "届出区分", "choice"],
        [f"{wrong}:3", "生年月日", "required"],
        [f"{wrong}:3", "在留カード番号", "form"],
    ]
    assert all("入管法施行令2条" in line for line in errors)
    assert "半角の英大文字2字" in errors[2]
    assert summary.endswith("1 right, 1 wrong")
    assert not any(secret in result.output for secret in SECRETS)


def test_values_are_shown_to_who_asks_for_them(wrong: Path) -> None:
    result = run("validate", wrong, "--show-values")
    assert "[AB12345678C]" in result.stdout
    assert "[x]" in result.stdout
    assert "[AB12345678C]" not in run("validate", wrong).stdout
    assert json.loads(run("validate", wrong, "--json", "--show-values").stdout)["errors"][2]["value"] == "AB12345678C"


def test_json_says_the_same(wrong: Path) -> None:
    result = run("validate", wrong, "--json")
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert (told["layout"], told["type"], told["good"], told["wrong"]) == ("csv-2", "residence_notice", 1, 1)
    assert told["refused"] is None
    assert [(each["line"], each["notice"], each["rule"]) for each in told["errors"]] == [
        (3, 2, "choice"),
        (3, 2, "required"),
        (3, 2, "form"),
    ]
    assert told["errors"][2]["value"] == "＊＊＊"
    assert not any(secret in result.stdout for secret in SECRETS)


@pytest.mark.parametrize(
    ("content", "rule"),
    [(b"nothing", "header"), (b"<!DOCTYPE a><a/>", "dtd"), (b"<notices xmlns='urn:renkei:notices:2'>", "truncated")],
)
def test_a_file_that_cannot_be_read_is_refused_with_its_rule(tmp_path: Path, content: bytes, rule: str) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(content)
    result = run("validate", path)
    assert result.exit_code == 1
    assert result.stdout.startswith(f"{path}: {rule}: ")
    told = json.loads(run("validate", path, "--json").stdout)
    assert (told["refused"]["rule"], told["layout"], told["errors"]) == (rule, None, [])


def test_a_file_that_is_cut_off_says_that_nothing_of_it_counts(tmp_path: Path) -> None:
    path = right(tmp_path, [notice_of(Inquiry)] * 3, Layout(Format.XML))
    path.write_bytes(path.read_bytes()[:-5])
    result = run("validate", path)
    assert result.exit_code == 1
    assert "truncated" in result.stdout
    assert result.stdout.endswith("nothing of it counts\n")


def test_a_layout_that_is_named_is_the_only_one(tmp_path: Path) -> None:
    path = right(tmp_path, [notice_of(StatusNotice)], Layout(version=1))
    assert run("validate", path, "--layout", "csv-1").exit_code == 0
    assert run("validate", path, "--layout", "csv-2").exit_code == 1
    unknown = run("validate", path, "--layout", "csv-9")
    assert unknown.exit_code == 2
    assert "csv-1-windows-31j" in unknown.stderr


def test_what_is_not_there_exits_2(tmp_path: Path) -> None:
    for arguments in (
        ["validate", tmp_path / "none.csv"],
        ["convert", tmp_path / "none.csv", "--to", "xml"],
        ["schema", "--layout", "9"],
        ["schema", "--format", "header"],
        ["schema", "--format", "header", "--type", "inquiry", "--layout", "1"],
    ):
        result = run(*arguments)
        assert result.exit_code == 2, arguments
        assert result.stderr.strip()


@pytest.mark.parametrize("notice_type", TYPES)
@settings(
    max_examples=examples(6),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_conversion_goes_round_through_every_layout(
    tmp_path: Path, notice_type: type[Notice], data: st.DataObject
) -> None:
    notices = data.draw(st.lists(NOTICES[notice_type](plain_texts), min_size=1, max_size=3))
    path = right(tmp_path, notices, Layout())
    first = path.read_bytes()
    for arguments in (["--to", "xml"], ["--to", "csv", "--charset", "windows-31j"], ["--to", "csv"]):
        result = run("convert", path, *arguments)
        assert result.exit_code == 0, result.stderr
        path.write_bytes(result.stdout_bytes)
    assert path.read_bytes() == first


def test_of_very_many_wrong_notices_the_first_are_told_and_all_are_counted(tmp_path: Path) -> None:
    path = right(tmp_path, [notice_of(Inquiry)], Layout())
    head, row = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(head + row.replace(b"131041", b"131042") * 10_500)
    lines = run("validate", path).stdout.splitlines()
    assert len(lines) == 10_000 + 2
    assert lines[-2] == f"{path}: 500 more wrong notices, not told here: correct these and look again"
    assert lines[-1].endswith("0 right, 10,500 wrong")
    told = json.loads(run("validate", path, "--json").stdout)
    assert (told["wrong"], told["not_told"], len(told["errors"])) == (10_500, 500, 10_000)


def test_conversion_reads_standard_input_and_writes_a_file_for_its_owner(tmp_path: Path) -> None:
    out = tmp_path / "out.xml"
    result = run("convert", "-", "--to", "xml", "--out", out, stdin=write([notice_of(Inquiry)], Layout()))
    assert (result.exit_code, result.output) == (0, "")
    assert notices_in(out.read_bytes()) == [notice_of(Inquiry)]
    assert out.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["out.xml"]


def test_conversion_writes_nothing_where_a_notice_is_wrong(tmp_path: Path, wrong: Path) -> None:
    out = tmp_path / "out.xml"
    result = run("convert", wrong, "--to", "xml", "--out", out)
    assert result.exit_code == 1
    assert "在留カード番号: form" in result.stderr
    assert result.stdout == ""
    assert not out.exists()


def test_what_an_older_layout_has_no_item_for_is_left_out_and_said(tmp_path: Path) -> None:
    notice = notice_of(StatusNotice, kanji_name="陳", kanji_original="陈")
    path = right(tmp_path, [notice, notice_of(StatusNotice)], Layout())
    result = run("convert", path, "--to", "xml", "--layout", "1")
    assert result.exit_code == 0
    assert result.stderr == "left out: 漢字氏名(原文字) of 1 notices; layout 1 has no such item\n"
    assert notices_in(result.stdout_bytes)[0] == replace(notice, kanji_original=None)
    newer = right(tmp_path, [notice_of(Inquiry)], Layout())
    result = run("convert", newer, "--to", "csv", "--layout", "1")
    assert result.exit_code == 2
    assert "layout csv-1 has no 照会" in result.stderr


def test_what_windows_31j_cannot_hold_is_an_error_and_no_question_mark(tmp_path: Path) -> None:
    path = right(tmp_path, [notice_of(StatusNotice), notice_of(StatusNotice, kanji_name="高𠮷")], Layout())
    arguments = ["convert", path, "--to", "csv", "--charset", "windows-31j"]
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"{path}:3: 漢字氏名: characters: 漢字氏名の2文字目は")
    assert "𠮷" not in result.output
    assert "2文字目「𠮷」(U+20BB7)" in run(*arguments, "--show-values").stderr
    assert run("convert", path, "--to", "xml", "--charset", "windows-31j").exit_code == 2


def test_schemas_are_printed() -> None:
    assert run("schema").stdout_bytes == make_xsd(2)
    assert run("schema", "--format", "xsd", "--layout", "1").stdout_bytes == make_xsd(1)
    header = run("schema", "--format", "header", "--type", "inquiry").stdout_bytes
    assert header.decode() == "通知種別,通知番号,市区町村コード,照会区分,対象通知番号\r\n"
    table = run("schema", "--format", "csv", "--layout", "1").stdout.splitlines()
    assert len(table) == 1 + sum(len(each.items(1)) for each in TYPES)
    assert "# Notices, item by item" in run("schema", "--format", "markdown").stdout


def test_renkei_knows_the_command_and_needs_no_other_room_for_it(tmp_path: Path) -> None:
    path = right(tmp_path, [notice_of(Inquiry)], Layout())
    script = (
        "import sys; sys.argv = ['renkei', 'notice', 'validate', sys.argv[1]]\n"
        "from renkei.cli.renkei import main\n"
        "try:\n    main()\n"
        "finally:\n    print(sorted({name.split('.')[1] for name in sys.modules if name.startswith('renkei.')}))\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(path)], check=True, capture_output=True, text=True)
    summary, rooms = done.stdout.splitlines()
    assert summary.endswith("1 right, 0 wrong")
    assert rooms == "['cli', 'domain']", "a host has not all libraries"
