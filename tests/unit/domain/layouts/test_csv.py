import io
from dataclasses import replace
from itertools import islice
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from renkei.domain.layouts import (
    MAX_ROWS,
    Charset,
    Contents,
    Format,
    InvalidLayout,
    Layout,
    Rejection,
    Unwritable,
    open_reader,
    read,
    rejected_part,
    write,
    write_anyway,
)
from renkei.domain.layouts.csv_layout import MAX_LINE
from renkei.domain.notices import TYPES, Inquiry, Notice, ResidenceNotice, StatusNotice
from unit.domain.rows import NOTICES, ROWS, plain_texts
from unit.examples import examples

SJIS = Layout(charset=Charset.WINDOWS_31J)


def notice_of(kind: type[Notice], **changes: Any) -> Any:
    notice, findings = kind.parse(ROWS[kind])
    assert notice is not None, findings
    return replace(notice, **changes)


def taken(content: bytes, *kinds: type[Notice], layout: Layout | None = None) -> Contents:
    return read(io.BytesIO(content), kinds or TYPES, layout)


@pytest.fixture
def good() -> ResidenceNotice:
    made: ResidenceNotice = notice_of(ResidenceNotice)
    return made


@pytest.fixture
def lines(good: ResidenceNotice) -> list[bytes]:
    return write([good, replace(good, number="2"), replace(good, number="3")], Layout()).splitlines(keepends=True)


@pytest.mark.parametrize("notice_type", TYPES)
@settings(max_examples=examples(12), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_notices_in_windows_31j_come_back_as_they_were(notice_type: type[Notice], data: st.DataObject) -> None:
    notices = data.draw(st.lists(NOTICES[notice_type](plain_texts), min_size=1, max_size=4))
    content = write(notices, SJIS)
    assert taken(content) == taken(content, layout=SJIS)
    assert (taken(content).notices, taken(content).layout) == (notices, SJIS)


def test_a_bom_lf_and_columns_in_another_order_are_accepted(good: ResidenceNotice) -> None:
    header, line, _ = write([good], Layout()).decode().split("\r\n")
    turned = "\n".join(",".join(reversed(each.split(","))) for each in (header, line)) + "\n\n"
    for charset, bom in ((Charset.UTF_8, b"\xef\xbb\xbf"), (Charset.WINDOWS_31J, b"")):
        contents = taken(bom + turned.encode(charset.codec))
        assert (contents.notices, contents.layout.charset) == ([good], charset)


def test_a_bad_line_is_rejected_by_its_number_and_the_others_go_on(lines: list[bytes]) -> None:
    for bad in (
        lines[2].replace(b"AB12345678CD", b"ab"),
        lines[2].replace(b"AB12345678CD", b"AB12345678CD\x00"),
        b"\xff\xfe" + lines[2],
        b'"' + lines[2],
        b"a,b\r\n",
        b"\x00\r\n",
        b"x" * (3 * MAX_LINE) + b"\r\n",
    ):
        contents = taken(b"".join([lines[0], lines[1], bad, lines[3]]))
        assert [notice.number for notice in contents.notices] == ["131041-20261123-0001", "3"]
        assert [record.line for record in contents.records] == [2, 4]
        assert [(rejection.line, len(rejection.findings)) for rejection in contents.rejections] == [(3, 1)]


def test_an_open_quote_never_swallows_the_next_line(lines: list[bytes]) -> None:
    broken = lines[1].replace("歌舞伎町".encode(), '"歌舞伎町'.encode()).replace(b"\xe6\x9d\xb1", b'"\xe6\x9d\xb1', 1)
    contents = taken(b"".join([lines[0], broken, lines[2], lines[3]]))
    assert [notice.number for notice in contents.notices] == ["2", "3"]
    assert [rejection.line for rejection in contents.rejections] == [2]


def test_a_file_that_is_cut_off_never_passes_half_a_value(lines: list[bytes]) -> None:
    """Even where the cut falls into the last column, and what is left would be a right notice."""
    for end in range(1, len(lines[3])):
        contents = taken(b"".join(lines[:3]) + lines[3][:-end])
        whole = end == 1  # all but the line feed: a CR alone ends no line
        assert [notice.number for notice in contents.notices] == ["131041-20261123-0001", "2"], whole
        assert [rejection.line for rejection in contents.rejections] == [4]


@pytest.mark.parametrize(
    "number", ["AB12345678CD\n", "AB12345678CD\r\n", "ＡＢ12345678CD", "AB１2345678CD", "AB12345678CD ", "AB12345678C٣"]
)
def test_a_card_number_is_ascii_to_its_end(number: str, lines: list[bytes]) -> None:
    text = lines[1].decode().replace("AB12345678CD", f'"{number}"')
    contents = taken(lines[0] + text.encode())
    assert contents.notices == []
    assert contents.rejections


@pytest.mark.parametrize("start", list("=+-@＝＋－＠\t\r"))
def test_what_a_spreadsheet_would_run_is_refused(start: str, lines: list[bytes]) -> None:
    text = lines[1].decode().replace("東京都新宿区", f"\"{start}cmd|' /C calc'!A0")
    text = text.replace("一丁目4番1号", '一丁目4番1号"', 1)
    contents = taken(lines[0] + text.encode())
    assert contents.notices == []
    assert len(contents.rejections) >= 1


@pytest.mark.parametrize("notice_type", TYPES)
@settings(max_examples=examples(8), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_no_cell_that_is_written_begins_as_a_formula(notice_type: type[Notice], data: st.DataObject) -> None:
    notice = data.draw(NOTICES[notice_type](st.text(min_size=1, max_size=20).filter(_is_text)))
    for value in notice.to_row().values():
        assert not value.startswith(("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠"))


def _is_text(text: str) -> bool:
    return not _wrong_address(text)


def _wrong_address(text: str) -> bool:
    _, findings = ResidenceNotice.parse(ROWS[ResidenceNotice] | {"住居地": text})
    return any(finding.item == "住居地" for finding in findings)


def test_a_rejection_masks_personal_values_and_keeps_what_helps(lines: list[bytes]) -> None:
    [rejection] = taken(lines[0] + lines[1].replace(b"AB12345678CD", b"AB12345678C")).rejections
    told = repr(rejection)
    for secret in ("NGUYEN", "AB123", "歌舞伎町", "1995", "ベトナム", "札幌"):
        assert secret not in told
    assert rejection.shown["通知番号"] == "131041-20261123-0001"
    assert rejection.shown["氏名"] == "＊＊＊"
    assert "漢字氏名" not in rejection.shown


def test_a_row_shifted_by_a_column_shows_no_name_in_a_place_that_may_be_shown(lines: list[bytes]) -> None:
    fields = lines[1].decode().rstrip("\r\n").split(",")
    for shift in range(1, len(fields)):
        shifted = [fields[0], *fields[1 + shift :], *fields[1 : 1 + shift]]
        rejections = taken(lines[0] + (",".join(shifted) + "\r\n").encode()).rejections
        for secret in ("NGUYEN", "AB12345678CD", "歌舞伎町", "1995-04-12", "ベトナム", "男"):
            assert secret not in repr([rejection.shown for rejection in rejections]), shift


def test_another_type_of_notice_is_rejected(lines: list[bytes]) -> None:
    content = lines[0] + lines[1].replace("市町村伝達".encode(), "法務省通知".encode(), 1)
    [rejection] = taken(content).rejections
    assert [(finding.item, finding.rule) for finding in rejection.findings] == [("通知種別", "choice")]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("氏名", "名前"),
        ("氏名,", ""),
        ("氏名", "氏名,氏名"),
        ("前住居地", "前住居地,備考"),
        ("訂正対象通知番号", "訂正"),
    ],
)
def test_a_wrong_header_refuses_the_file_and_says_what_it_should_be(old: str, new: str, lines: list[bytes]) -> None:
    header = lines[0].decode().replace(old, new, 1).encode()
    with pytest.raises(InvalidLayout, match=r"市町村伝達.*通知種別,通知番号,市区町村コード") as refused:
        taken(header + lines[1])
    assert refused.value.rule == "header"


@pytest.mark.parametrize(
    "content", [b"", b"\r\n", b"\xff\xfea\x00", b"x" * (2 * MAX_LINE), b'"a', "通知種別".encode("utf-16"), b"\0" * 9]
)
def test_a_file_without_a_header_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidLayout, match="見出しがありません") as refused:
        taken(content)
    assert refused.value.rule == "header"


def test_a_layout_that_is_named_is_the_only_one(good: ResidenceNotice) -> None:
    for written in (Layout(), Layout(version=1), SJIS, Layout(Format.XML), Layout(Format.XML, 1)):
        content = write([good], written)
        for named in (Layout(), Layout(version=1), SJIS, Layout(Format.XML), Layout(Format.XML, 1)):
            if named == written:
                assert taken(content, layout=named).notices == [good]
            else:
                with pytest.raises(InvalidLayout):
                    taken(content, layout=named)


def test_an_unexpected_type_is_refused_with_the_expected_ones(good: ResidenceNotice) -> None:
    with pytest.raises(InvalidLayout, match="法務省通知"):
        taken(write([good], Layout()), StatusNotice)
    with pytest.raises(InvalidLayout, match="ありません"):
        taken(write([good], Layout(version=1)), Inquiry, layout=Layout(version=1))


def test_a_file_with_too_many_rows_is_refused(lines: list[bytes]) -> None:
    reader = open_reader(io.BytesIO(lines[0] + b"a\n" * (MAX_ROWS + 1)), TYPES)
    records = iter(reader)
    assert sum(1 for _ in islice(records, MAX_ROWS)) == MAX_ROWS
    with pytest.raises(InvalidLayout, match="100000件") as refused:
        next(records)
    assert refused.value.rule == "rows"


@given(st.binary(max_size=300))
def test_noise_is_rejected_and_nothing_worse(noise: bytes) -> None:
    for layout in (Layout(), SJIS):
        header = write([notice_of(ResidenceNotice)], layout).splitlines(keepends=True)[0]
        assert taken(header + noise).notices == []


def test_the_rejected_lines_are_left_as_they_came(lines: list[bytes]) -> None:
    content = b"".join([lines[0], b"a,b\n", b"\n", lines[1], b"\xff\r\n", b"last"])
    contents = taken(content)
    assert [rejection.line for rejection in contents.rejections] == [2, 5, 6]
    left = rejected_part(content, contents.layout, contents.rejections)
    assert left == lines[0] + b"a,b\r\n\xff\r\nlast\r\n"


def test_what_windows_31j_cannot_hold_is_told_by_line_and_item_never_a_question_mark() -> None:
    fine = notice_of(StatusNotice, kanji_name="高崎")
    bad = notice_of(StatusNotice, kanji_name="𠮷髙〜", kanji_original="邓", number="M-2")
    with pytest.raises(Unwritable, match="line 3: 漢字氏名, 漢字氏名\\(原文字\\)") as refused:
        write([fine, bad], SJIS)
    [rejection] = refused.value.rejections
    assert (rejection.position, rejection.line, rejection.shown) == (2, 3, {"通知番号": "M-2"})
    assert [(each.item, each.rule) for each in rejection.findings] == [
        ("漢字氏名", "characters"),
        ("漢字氏名(原文字)", "characters"),
    ]
    assert "1文字目、3文字目" in rejection.findings[0].message
    assert not set("𠮷〜邓") & set(repr(refused.value.rejections) + str(refused.value)), "the characters are personal"
    content, why = write_anyway([fine, bad], SJIS)
    assert why is not None
    assert (taken(content).notices, taken(content).layout) == ([fine, bad], Layout())
    assert write_anyway([fine], SJIS) == (write([fine], SJIS), None)


@given(st.text("〜～−－‖∥¥‾髙﨑①㈱―—漢", min_size=1, max_size=5) | st.text(min_size=1, max_size=5))
def test_windows_31j_holds_a_text_whole_or_refuses_it(text: str) -> None:
    if _wrong_address(text):
        return
    notice = notice_of(ResidenceNotice, address=text, previous_address="札幌市")
    try:
        content = write([notice], SJIS)
    except Unwritable:
        return
    assert taken(content).notices == [notice]


def test_private_characters_of_a_register_are_refused_in_the_persons_terms(lines: list[bytes]) -> None:
    gaiji = (
        lines[1].decode().replace("NGUYEN VAN AN,", "NGUYEN VAN AN,外").encode("cp932").replace(b"\x8aO", b"\xf0\x40")
    )
    [rejection] = taken(lines[0].decode().encode("cp932") + gaiji).rejections
    assert [(each.item, each.rule) for each in rejection.findings] == [("漢字氏名", "form")]


def test_notices_of_no_or_several_types_make_no_file(good: ResidenceNotice) -> None:
    for mixed in ([], [good, notice_of(StatusNotice)]):
        with pytest.raises(ValueError, match="one type"):
            write(mixed, Layout())


def test_there_are_no_other_layouts() -> None:
    assert [str(each) for each in (Layout(), Layout(Format.XML, 1), SJIS)] == ["csv-2", "xml-1", "csv-2-windows-31j"]
    for wrong in ({"version": 0}, {"version": 3}, {"format": Format.XML, "charset": Charset.WINDOWS_31J}):
        with pytest.raises(ValueError, match=r"layout|UTF-8"):
            Layout(**wrong)


def test_many_rejections_are_described_and_the_rest_counted(lines: list[bytes]) -> None:
    bad = lines[1].replace(b"AB12345678CD", b"ab")
    rejections: list[Rejection] = taken(lines[0] + bad * 1200).rejections
    assert len(rejections) == 1200
    assert [bool(each.shown) for each in (rejections[0], rejections[999], rejections[1000])] == [True, True, False]
    assert all(each.findings == rejections[0].findings for each in rejections)
