from dataclasses import FrozenInstanceError, fields, replace
from datetime import date
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from renkei.domain.notices import (
    EITHER,
    MOVED,
    SETTLED,
    STATUSES,
    TYPES,
    InvalidNotice,
    Notice,
    ResidenceNotice,
    StatusNotice,
)

Row = dict[str, str]


def wrong(notice_type: type[Notice], row: Row) -> set[tuple[str, str]]:
    notice, findings = notice_type.parse(row)
    assert (notice is None) == bool(findings)
    return {(finding.item, finding.rule) for finding in findings}


def test_a_row_becomes_a_notice_with_days(residence_row: Row) -> None:
    residence, _ = ResidenceNotice.parse(residence_row)
    assert residence is not None
    assert (residence.moved_on, residence.settled_on) == (date(2026, 11, 18), None)


def test_all_findings_come_at_once(residence_row: Row) -> None:
    residence_row |= {
        "氏名": "",
        "性別": "M",
        "在留カード番号": "AB1",
        "届出日": "2026-02-30",
        "市区町村コード": "131042",
    }
    assert wrong(ResidenceNotice, residence_row) == {
        ("氏名", "required"),
        ("性別", "choice"),
        ("在留カード番号", "form"),
        ("届出日", "form"),
        ("市区町村コード", "form"),
    }


def test_rules_between_right_items_are_told_together_with_what_is_wrong_with_others(residence_row: Row) -> None:
    both = residence_row | {"性別": "M", "移転日": "2026-11-21"}
    assert wrong(ResidenceNotice, both) == {("性別", "choice"), ("移転日", "order")}
    hidden = residence_row | {"届出日": "昨日", "移転日": "2026-11-21"}
    assert wrong(ResidenceNotice, hidden) == {("届出日", "form")}, "an order to a day that isn't one says nothing"


def test_what_hangs_on_an_item_that_is_wrong_is_not_told(residence_row: Row) -> None:
    wrong_basis = residence_row | {"届出区分": "引越し", "在留カード番号": "AB1"}
    assert wrong(ResidenceNotice, wrong_basis) == {("届出区分", "choice"), ("在留カード番号", "form")}


@pytest.mark.parametrize("notice_type", TYPES)
def test_a_missing_item_is_a_finding_with_its_article(notice_type: type[Notice]) -> None:
    _, findings = notice_type.parse({})
    always = {item.name: item.article for item in notice_type.ITEMS if item.needed is True}
    told = {finding.item: finding.article for finding in findings if finding.rule == "required"}
    assert told.items() >= always.items()
    between = {rule.item for rule in notice_type.RULES if rule.rule == "required"}
    assert told.keys() - always.keys() <= between


@pytest.mark.parametrize("basis", SETTLED + MOVED + EITHER)
def test_a_filing_tells_of_settling_or_of_moving_as_its_article_has_it(basis: str, residence_row: Row) -> None:
    moved = residence_row | {"届出区分": basis}
    settled = moved | {"移転日": "", "前住居地": "", "住居地を定めた日": "2026-11-18"}
    assert (wrong(ResidenceNotice, moved) == set()) == (basis in MOVED + EITHER)
    assert (wrong(ResidenceNotice, settled) == set()) == (basis in SETTLED + EITHER)
    neither = moved | {"移転日": "", "前住居地": ""}
    both = moved | {"住居地を定めた日": "2026-11-18"}
    half = moved | {"前住居地": ""}
    for row in (neither, both, half):
        assert wrong(ResidenceNotice, row)


@pytest.mark.parametrize(
    ("category", "changes"),
    [
        ("特別永住者", {"特別永住者証明書番号": "ZZ87654321YX"}),
        ("一時庇護許可者", {"上陸期間等の満了の日": "2027-05-01"}),
        ("仮滞在許可者", {"上陸期間等の満了の日": "2027-05-01"}),
        ("経過滞在者", {}),
    ],
)
def test_each_kind_of_resident_has_the_items_of_the_table_and_no_others(
    category: str, changes: Row, status_row: Row
) -> None:
    stay = {"在留資格": "", "在留期間": "", "在留期間の満了の日": "", "在留カード番号": ""}
    status_row |= {"変更項目": "氏名"}
    assert wrong(StatusNotice, status_row | stay | changes | {"外国人住民区分": category}) == set()
    extra = wrong(StatusNotice, status_row | changes | {"外国人住民区分": category})
    assert extra == {(name, "unexpected") for name in stay}
    for name in changes:
        missing = status_row | stay | {"外国人住民区分": category}
        assert wrong(StatusNotice, missing) == {(name, "required")}


def test_a_limited_stay_has_a_last_day_and_an_unlimited_one_has_none(status_row: Row) -> None:
    unlimited = {"在留期間": "無期限", "在留資格": "永住者"}
    expiry = {("在留期間の満了の日", "required")}
    assert wrong(StatusNotice, status_row | unlimited | {"在留期間の満了の日": ""}) == set()
    assert wrong(StatusNotice, status_row | unlimited) == expiry
    assert wrong(StatusNotice, status_row | {"在留期間の満了の日": ""}) == expiry


def test_a_special_permanent_resident_may_have_a_name_in_kanji_alone(status_row: Row) -> None:
    stay = {"在留資格": "", "在留期間": "", "在留期間の満了の日": "", "在留カード番号": ""}
    special = status_row | stay | {"外国人住民区分": "特別永住者", "特別永住者証明書番号": "ZZ87654321YX", "氏名": ""}
    special |= {"変更項目": "氏名"}
    assert wrong(StatusNotice, special | {"漢字氏名": "金太郎"}) == set()
    assert wrong(StatusNotice, special) == {("氏名", "required")}
    assert wrong(StatusNotice, status_row | {"氏名": "", "漢字氏名": "金太郎"}) == {("氏名", "required")}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("移転日", "2026-11-21"),
        ("生年月日", "2026-11-21"),
    ],
)
def test_nothing_happens_after_it_was_filed(name: str, text: str, residence_row: Row) -> None:
    assert wrong(ResidenceNotice, residence_row | {name: text}) == {(name, "order")}


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("1990-01-31", True),
        ("1960-00-00", True),
        ("1975-06-00", True),
        ("1975-00-06", False),
        ("0000-00-00", False),
        ("1975-13-00", False),
        ("1975-02-30", False),
        ("1849-01-01", False),
        ("昭和50年1月1日", False),
        ("1975/01/01", False),
        ("１９７５-01-01", False),
    ],
)
def test_a_day_of_birth_may_lack_day_and_month(residence_row: Row, *, text: str, right: bool) -> None:
    assert (wrong(ResidenceNotice, residence_row | {"生年月日": text}) == set()) is right


@pytest.mark.parametrize(
    "name", ["nguyen", "ＮＧＵＹＥＮ", "NGUYEN ", " NGUYEN", "NGUYEN\tAN", "グエン", "-AN", "A" * 81]
)
def test_a_name_is_in_the_letters_of_a_passport(name: str, residence_row: Row) -> None:
    assert {item for item, _ in wrong(ResidenceNotice, residence_row | {"氏名": name})} == {"氏名"}


@pytest.mark.parametrize(
    "text",
    ["=cmd|' /C calc'!A0", "+81", "@SUM(A1)", "-1", "a\nb", "a\u2028b", "a\x00b", " a", "a\u3000", "\ue000", "\ud800"],
)
def test_an_address_holds_no_formula_and_no_control_character(text: str, residence_row: Row) -> None:
    assert wrong(ResidenceNotice, residence_row | {"住居地": text}) == {("住居地", "form")}


@pytest.mark.parametrize("text", ["渡邉𠮷髙", "辻󠄀", "﨑", "葛󠄀飾区１－２－３ マンション１０１"])
def test_rare_kanji_and_their_variants_are_text(text: str, residence_row: Row) -> None:
    assert wrong(ResidenceNotice, residence_row | {"漢字氏名": text, "住居地": text}) == set()


@pytest.mark.parametrize("number", ["NGUYEN", "AB12345678CD", "1995-04-12", "1-", "-1", "1 2", "1" * 37, "１"])
def test_a_notices_number_is_never_a_name_or_a_card(number: str, residence_row: Row) -> None:
    assert {item for item, _ in wrong(ResidenceNotice, residence_row | {"通知番号": number})} == {"通知番号"}


def test_changed_items_are_named_once_each(status_row: Row) -> None:
    for text in ("在留期間、在留期間", "在留期間,氏名", "住所", "在留期間、", "、"):
        assert wrong(StatusNotice, status_row | {"変更項目": text}) == {("変更項目", "choice")}


def test_statuses_are_those_of_residents() -> None:
    assert len(set(STATUSES)) == len(STATUSES)
    assert not {"外交", "公用", "短期滞在"} & set(STATUSES)  # 入管法19条の3


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_finding_and_no_text_of_a_notice_tells_a_personal_value(data: st.DataObject, residence_row: Row) -> None:
    name = data.draw(st.sampled_from([item.name for item in ResidenceNotice.ITEMS]))
    secret = "秘密" + data.draw(st.text(max_size=10))
    notice, findings = ResidenceNotice.parse(residence_row | {name: secret})
    told = repr(notice) + repr(findings) + repr(InvalidNotice(findings))
    assert "秘密" not in told
    for value in ("NGUYEN", "1995-04-12", "歌舞伎町", "AB12345678CD", "ベトナム"):
        assert value not in told


def test_a_wrong_notice_cannot_be_made_or_changed(residence_row: Row) -> None:
    notice, _ = ResidenceNotice.parse(residence_row)
    assert notice is not None
    with pytest.raises(InvalidNotice, match="氏名") as refused:
        replace(notice, name="秘密")
    assert [finding.item for finding in refused.value.findings] == ["氏名"]
    assert "秘密" not in str(refused.value)
    with pytest.raises(FrozenInstanceError):
        notice.name = "X"  # type: ignore[misc]


def test_a_notice_that_was_read_is_the_one_that_is_made(residence_row: Row) -> None:
    read, _ = ResidenceNotice.parse(residence_row)
    assert read is not None
    made = ResidenceNotice(**{field.name: getattr(read, field.name) for field in fields(read)})
    assert (read, hash(read)) == (made, hash(made))


def test_values_of_another_type_are_findings_not_crashes(residence_row: Row) -> None:
    notice, _ = ResidenceNotice.parse(residence_row)
    assert notice is not None
    bad: dict[str, Any] = {"filed_on": "2026-11-20", "birth_date": date(1990, 1, 1), "name": date(1990, 1, 1)}
    with pytest.raises(InvalidNotice) as refused:
        replace(notice, **bad)
    assert {finding.item for finding in refused.value.findings} == {"届出日", "生年月日", "氏名"}
