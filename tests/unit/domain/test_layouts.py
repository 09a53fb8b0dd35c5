import io
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from renkei.domain.layouts import MAX_LINE, MAX_ROWS, InvalidLayout, Rejection, read_csv, write_csv
from renkei.domain.notices import ResidenceNotice, StatusNotice

Row = dict[str, str]
EXAMPLE: dict[str, Any] = {
    "municipality": "131041",
    "basis": "住基法22条",
    "filed_on": date(2026, 11, 20),
    "name": "NGUYEN VAN AN",
    "birth_date": "1995-04-12",
    "sex": "男",
    "nationality": "ベトナム",
    "card_number": "AB12345678CD",
    "moved_on": date(2026, 11, 18),
    "previous_address": "北海道札幌市中央区北1条西2丁目",
}
TEXT = st.text('漢字渡邉𠮷髙丁目,"・ーAZ09', min_size=1, max_size=20)


def notice_of(row: Row) -> ResidenceNotice:
    notice, findings = ResidenceNotice.parse(row)
    assert notice is not None, findings
    return notice


def read(content: bytes) -> tuple[list[ResidenceNotice], list[Rejection]]:
    return read_csv(io.BytesIO(content), ResidenceNotice)


@pytest.fixture
def good(residence_row: Row) -> ResidenceNotice:
    return notice_of(residence_row)


@pytest.fixture
def lines(good: ResidenceNotice) -> list[bytes]:
    return write_csv([good, replace(good, number="2"), replace(good, number="3")]).splitlines(keepends=True)


@given(addresses=st.lists(TEXT, min_size=1, max_size=5))
def test_notices_come_back_as_they_were_written(addresses: list[str]) -> None:
    notices = [
        ResidenceNotice(**{**EXAMPLE, "number": f"{number}", "address": address})
        for number, address in enumerate(addresses)
    ]
    assert read(write_csv(notices)) == (notices, [])


def test_a_status_notice_goes_by_the_same_layout(status_row: Row) -> None:
    notice, _ = StatusNotice.parse(status_row)
    assert notice is not None
    assert read_csv(io.BytesIO(write_csv([notice])), StatusNotice) == ([notice], [])


def test_a_bom_lf_and_columns_in_another_order_are_accepted(good: ResidenceNotice) -> None:
    content = write_csv([good]).decode()
    header, line, _ = content.split("\r\n")
    turned = "\n".join(",".join(reversed(each.split(","))) for each in (header, line)) + "\n\n"
    assert read(b"\xef\xbb\xbf" + turned.encode()) == ([good], [])


def test_a_bad_line_is_rejected_by_its_number_and_the_others_go_on(lines: list[bytes]) -> None:
    for bad in (
        lines[2].replace(b"AB12345678CD", b"ab"),
        b"\xff\xfe" + lines[2],
        b'"' + lines[2],
        b"a,b\r\n",
        b"x" * (3 * MAX_LINE) + b"\r\n",
    ):
        notices, rejections = read(b"".join([lines[0], lines[1], bad, lines[3]]))
        assert [notice.number for notice in notices] == ["131041-20261123-0001", "3"]
        assert [(rejection.line, len(rejection.findings)) for rejection in rejections] == [(3, 1)]


def test_an_open_quote_never_swallows_the_next_line(lines: list[bytes]) -> None:
    broken = lines[1].replace("歌舞伎町".encode(), '"歌舞伎町'.encode()).replace(b"\xe6\x9d\xb1", b'"\xe6\x9d\xb1', 1)
    notices, rejections = read(b"".join([lines[0], broken, lines[2], lines[3]]))
    assert [notice.number for notice in notices] == ["2", "3"]
    assert [rejection.line for rejection in rejections] == [2]


def test_a_last_line_without_an_end_counts(lines: list[bytes]) -> None:
    notices, rejections = read(b"".join(lines).rstrip())
    assert (len(notices), rejections) == (3, [])


def test_a_rejection_masks_personal_values_and_keeps_what_helps(lines: list[bytes]) -> None:
    _, [rejection] = read(lines[0] + lines[1].replace(b"AB12345678CD", b"AB12345678C"))
    told = repr(rejection)
    for secret in ("NGUYEN", "AB123", "歌舞伎町", "1995", "ベトナム", "札幌"):
        assert secret not in told
    assert rejection.masked["通知番号"] == "131041-20261123-0001"
    assert rejection.masked["氏名"] == "＊＊＊"
    assert rejection.masked["漢字氏名"] == ""


def test_a_row_shifted_by_a_column_shows_no_name_in_a_place_that_may_be_shown(lines: list[bytes]) -> None:
    fields = lines[1].decode().rstrip("\r\n").split(",")
    for shift in range(1, len(fields)):
        shifted = [fields[0], *fields[1 + shift :], *fields[1 : 1 + shift]]
        _, rejections = read(lines[0] + (",".join(shifted) + "\r\n").encode())
        for secret in ("NGUYEN", "AB12345678CD", "歌舞伎町", "1995-04-12", "ベトナム", "男"):
            assert secret not in repr([rejection.masked for rejection in rejections]), shift


def test_another_type_of_notice_is_rejected(lines: list[bytes]) -> None:
    _, [rejection] = read(lines[0] + lines[1].replace("市町村伝達".encode(), "法務省通知".encode(), 1))
    assert [(finding.item, finding.rule) for finding in rejection.findings] == [("通知種別", "choice")]


@pytest.mark.parametrize(
    ("old", "new"),
    [("氏名", "名前"), ("氏名,", ""), ("氏名", "氏名,氏名"), ("通知種別", "種別"), ("前住居地", "前住居地,備考")],
)
def test_a_wrong_header_refuses_the_file_and_says_what_it_should_be(old: str, new: str, lines: list[bytes]) -> None:
    header = lines[0].decode().replace(old, new, 1).encode()
    with pytest.raises(InvalidLayout, match="通知種別, 通知番号, 市区町村コード"):
        read(header + lines[1])


@pytest.mark.parametrize("content", [b"", b"\r\n", b"\xff\xfea\x00", b"x" * (2 * MAX_LINE), b'"a'])
def test_a_file_without_a_header_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidLayout, match="header"):
        read(content)


def test_a_file_with_too_many_rows_is_refused(lines: list[bytes]) -> None:
    assert len(read(lines[0] + b"a\n" * MAX_ROWS)[1]) == MAX_ROWS
    with pytest.raises(InvalidLayout, match="at most 100000 rows"):
        read(lines[0] + b"a\n" * (MAX_ROWS + 1))


def test_a_file_holds_notices_of_one_type(good: ResidenceNotice, status_row: Row) -> None:
    status, _ = StatusNotice.parse(status_row)
    assert status is not None
    for mixed in ([], [good, status]):
        with pytest.raises(InvalidLayout, match="one type"):
            write_csv(mixed)


@given(st.binary(max_size=300))
def test_noise_is_rejected_and_nothing_worse(noise: bytes) -> None:
    header = write_csv([ResidenceNotice(**{**EXAMPLE, "number": "1", "address": "a"})])
    notices, _ = read(header.splitlines(keepends=True)[0] + noise)
    assert notices == []
