"""Every rule of every type is broken here once, and nothing else with it; right notices of all kinds are drawn."""

from dataclasses import fields
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from renkei.domain.notices import (
    TYPES,
    CardIssueNotice,
    ImportResult,
    Inquiry,
    InvalidNotice,
    Notice,
    RegisterNotice,
    ResidenceNotice,
    StatusNotice,
)
from renkei.domain.notices.register import CAUSES
from renkei.domain.notices.residents import CATEGORIES
from renkei.domain.notices.results import ERROR_ITEMS, WHOLE
from renkei.domain.notices_items import Form, Item, When
from unit.domain.rows import NOTICES, ROWS
from unit.examples import examples

Row = dict[str, str]
Case = tuple[type[Notice], Row, set[tuple[str, str]]]

_SETTLED = {"届出区分": "住基法30条の47", "移転日": "", "前住居地": ""}
_NO_STAY = {"在留資格": "", "在留期間": "", "在留期間の満了の日": "", "在留カード番号": "", "変更項目": "氏名"}
_REFUGE = {**_NO_STAY, "外国人住民区分": "一時庇護許可者"}
_SPECIAL = {**_NO_STAY, "外国人住民区分": "特別永住者", "特別永住者証明書番号": "ZZ87654321YX"}
_ORIGINAL = {"漢字氏名": "阮文安", "漢字氏名(原文字)": "阮文安"}
_NO_AMENDMENT = {"修正項目": "", "修正前の住所": ""}
_ENTRY = {"処理区分": "記載", "処理事由": "転入", "届出条項": "住基法22条", **_NO_AMENDMENT}
_BIRTH = {
    **_ENTRY,
    "処理事由": "出生",
    "届出条項": "戸籍法49条",
    "生年月日": "2026-11-10",
    "事由発生日": "2026-11-10",
    "外国人住民区分": "経過滞在者",
    "在留カード番号": "",
}
_DEATH = {
    "処理区分": "消除",
    "処理事由": "死亡",
    "届出条項": "戸籍法86条",
    "事由発生日": "2026-11-18",
    **_NO_AMENDMENT,
}
_DEPARTURE = {
    "処理区分": "消除",
    "処理事由": "転出",
    "届出条項": "住基法24条",
    "転出予定日": "2026-12-01",
    **_NO_AMENDMENT,
}

BETWEEN: list[Case] = [
    (
        ResidenceNotice,
        {"届出区分": "住基法30条の46", "住居地を定めた日": "2026-11-18"},
        {("住居地を定めた日", "required")},
    ),
    (ResidenceNotice, {**_SETTLED, "住居地を定めた日": "2026-11-21"}, {("住居地を定めた日", "order")}),
    (ResidenceNotice, {"移転日": "2026-11-21"}, {("移転日", "order")}),
    (
        ResidenceNotice,
        {"生年月日": "2026-11-19", **_SETTLED, "住居地を定めた日": "2026-11-18"},
        {("生年月日", "order")},
    ),
    (ResidenceNotice, {"生年月日": "2026-11-19"}, {("生年月日", "order")}),
    (ResidenceNotice, {"届出日": "2012-07-08", "移転日": "2012-07-01"}, {("届出日", "order")}),
    (ResidenceNotice, {"前住居地": "東京都新宿区歌舞伎町一丁目4番1号"}, {("前住居地", "conflict")}),
    (ResidenceNotice, {"漢字氏名(原文字)": "阮文安"}, {("漢字氏名", "required")}),
    (ResidenceNotice, {"訂正対象通知番号": "131041-20261123-0001"}, {("訂正対象通知番号", "conflict")}),
    (StatusNotice, {**_SPECIAL, "氏名": ""}, {("氏名", "required")}),
    (StatusNotice, {"在留期間の満了の日": ""}, {("在留期間の満了の日", "required")}),
    (StatusNotice, {"在留期間": "無期限", "在留期間の満了の日": ""}, {("在留期間", "conflict")}),
    (StatusNotice, {"在留資格": "高度専門職2号"}, {("在留期間", "conflict")}),
    (StatusNotice, {"変更項目": "氏名、特別永住者証明書番号"}, {("変更項目", "conflict")}),
    (StatusNotice, {"変更日": "2026-11-21"}, {("変更日", "order")}),
    (StatusNotice, {"生年月日": "2026-11-20"}, {("生年月日", "order")}),
    (StatusNotice, {"在留期間の満了の日": "1995-04-11"}, {("生年月日", "order")}),
    (StatusNotice, {**_REFUGE, "上陸期間等の満了の日": "1995-04-11"}, {("生年月日", "order")}),
    (StatusNotice, {"漢字氏名(原文字)": "阮文安"}, {("漢字氏名", "required")}),
    (StatusNotice, {"訂正対象通知番号": "M-20261120-77"}, {("訂正対象通知番号", "conflict")}),
    (RegisterNotice, {"処理事由": "職権記載", "届出条項": "", "届出日": ""}, {("処理事由", "conflict")}),
    (RegisterNotice, {**_ENTRY, "届出条項": "住基法23条"}, {("届出条項", "conflict")}),
    (RegisterNotice, {**_DEATH, "届出条項": ""}, {("届出条項", "required")}),
    (
        RegisterNotice,
        {
            **_ENTRY,
            "処理事由": "国外転入",
            "届出条項": "住基法30条の46",
            "外国人住民区分": "経過滞在者",
            "在留カード番号": "",
        },
        {("外国人住民区分", "conflict")},
    ),
    (RegisterNotice, {"修正項目": "氏名", "修正前の住所": ""}, {("修正項目", "conflict")}),
    (RegisterNotice, {"修正前の住所": ""}, {("修正前の住所", "required")}),
    (RegisterNotice, {"修正前の住所": "東京都新宿区西新宿二丁目8番1号"}, {("修正前の住所", "conflict")}),
    (RegisterNotice, {**_BIRTH, "事由発生日": "2026-11-11"}, {("事由発生日", "conflict")}),
    (RegisterNotice, {**_BIRTH, "氏名": ""}, {("氏名", "required")}),
    (RegisterNotice, {"届出日": "2026-11-21"}, {("届出日", "order")}),
    (RegisterNotice, {**_DEATH, "届出条項": "", "届出日": "", "事由発生日": "2026-11-21"}, {("事由発生日", "order")}),
    (RegisterNotice, {**_DEATH, "届出日": "2026-11-17"}, {("事由発生日", "order")}),
    (
        RegisterNotice,
        {"処理事由": "職権修正", "届出条項": "", "届出日": "", "生年月日": "2026-11-21"},
        {("生年月日", "order")},
    ),
    (RegisterNotice, {**_DEATH, "生年月日": "2026-11-19"}, {("生年月日", "order")}),
    (RegisterNotice, {"届出日": "1995-04-11"}, {("生年月日", "order")}),
    (RegisterNotice, {**_DEPARTURE, "転出予定日": "1995-04-11"}, {("生年月日", "order")}),
    (RegisterNotice, {"処理日": "2012-07-08", "届出日": "2012-07-08"}, {("処理日", "order")}),
    (RegisterNotice, {"漢字氏名(原文字)": "阮文安"}, {("漢字氏名", "required")}),
    (RegisterNotice, {"訂正対象通知番号": "131041-20261123-0002"}, {("訂正対象通知番号", "conflict")}),
    (CardIssueNotice, {"交付日": "2026-06-13"}, {("交付日", "order")}),
    (CardIssueNotice, {"訂正対象通知番号": "131041-20261123-0003"}, {("訂正対象通知番号", "conflict")}),
    (ImportResult, {"対象通知番号": "131041-20261123-0004"}, {("対象通知番号", "conflict")}),
    (Inquiry, {"対象通知番号": "131041-20261123-0005"}, {("対象通知番号", "conflict")}),
]
RIGHT: list[tuple[type[Notice], Row]] = [
    (ResidenceNotice, {**_SETTLED, "住居地を定めた日": "2026-11-18"}),
    *((notice_type, {"漢字氏名": "阮文安"}) for notice_type in (ResidenceNotice, StatusNotice, RegisterNotice)),
    *((notice_type, _ORIGINAL) for notice_type in (ResidenceNotice, StatusNotice, RegisterNotice)),
    *((each, {"訂正対象通知番号": "X-1"}) for each in TYPES if each.STREAM == "notices"),
    (StatusNotice, _SPECIAL),
    (StatusNotice, {**_REFUGE, "上陸期間等の満了の日": "2027-05-01"}),
    (StatusNotice, {**_NO_STAY, "外国人住民区分": "経過滞在者", "氏名": "", "漢字氏名": "グエン アン"}),
    (StatusNotice, {**_SPECIAL, "変更項目": "外国人住民区分、在留資格、在留カード番号"}),
    (StatusNotice, {"在留資格": "高度専門職2号", "在留期間": "無期限", "在留期間の満了の日": ""}),
    (RegisterNotice, _ENTRY),
    (RegisterNotice, {"外国人住民区分": "特別永住者", "在留カード番号": "", "特別永住者証明書番号": "ZZ87654321YX"}),
    (RegisterNotice, _BIRTH),
    (RegisterNotice, {**_BIRTH, "氏名": "", "漢字氏名": "グエン アン"}),
    (RegisterNotice, {**_DEATH, "届出条項": "", "届出日": ""}),
    (RegisterNotice, _DEATH),
    (RegisterNotice, _DEPARTURE),
    (RegisterNotice, {**_DEPARTURE, "転出予定日": "2026-11-10"}),
    (ImportResult, {"結果": "取込済", "エラー項目": "", "理由": ""}),
    (ImportResult, {"結果": "未取込", "エラー項目": "", "理由": "転出予定日を待っています"}),
]


def wrong(notice_type: type[Notice], changes: Row) -> set[tuple[str, str]]:
    notice, findings = notice_type.parse(ROWS[notice_type] | changes)
    assert (notice is None) == bool(findings)
    assert all(finding.article and finding.message for finding in findings)
    return {(finding.item, finding.rule) for finding in findings}


@pytest.mark.parametrize("notice_type", TYPES)
def test_a_right_row_becomes_a_notice_and_goes_back(notice_type: type[Notice]) -> None:
    notice, findings = notice_type.parse(ROWS[notice_type])
    assert findings == []
    assert notice is not None
    assert notice.to_row() == ROWS[notice_type]


@pytest.mark.parametrize(("notice_type", "changes"), RIGHT)
def test_what_the_law_has_is_right(notice_type: type[Notice], changes: Row) -> None:
    assert wrong(notice_type, changes) == set()


@pytest.mark.parametrize(("notice_type", "changes", "expected"), BETWEEN)
def test_a_rule_between_items_is_told(notice_type: type[Notice], changes: Row, expected: set[tuple[str, str]]) -> None:
    assert set(changes) <= set(ROWS[notice_type])
    assert wrong(notice_type, changes) == expected


@pytest.mark.parametrize("notice_type", TYPES)
def test_every_rule_between_items_has_a_case_that_breaks_it(notice_type: type[Notice]) -> None:
    told = set()
    for case_type, changes, _ in BETWEEN:
        if case_type is notice_type:
            _, findings = notice_type.parse(ROWS[notice_type] | changes)
            told |= {(finding.item, finding.rule, finding.message) for finding in findings}
    assert {(rule.item, rule.rule, rule.message) for rule in notice_type.RULES} == told


@pytest.mark.parametrize("notice_type", TYPES)
def test_the_table_of_a_type_and_its_attributes_are_the_same(notice_type: type[Notice]) -> None:
    assert {item.field for item in notice_type.ITEMS} == {field.name for field in fields(notice_type)}
    names = [item.name for item in notice_type.ITEMS]
    assert len(set(names)) == len(names)
    for item in notice_type.ITEMS:
        assert item.article
        assert (item.form in {Form.CHOICE, Form.CHOICES}) == bool(item.choices)
        assert all(len(choice) <= item.length for choice in item.choices)
        if item.form is Form.CHOICES:
            assert len("、".join(item.choices)) <= item.length
        if isinstance(item.needed, When):
            other = next(each for each in notice_type.ITEMS if each.field == item.needed.field)
            assert item.needed.required | item.needed.permitted <= set(other.choices)
    fields_of = {item.field: item.name for item in notice_type.ITEMS}
    for rule in notice_type.RULES:
        assert rule.fields <= set(fields_of)
        assert rule.item in {fields_of[field] for field in rule.fields}


_JUNK = {
    Form.NUMBER: "番号",
    Form.CODE: "131042",
    Form.CHOICE: "他",
    Form.CHOICES: "他",
    Form.DATE: "2026-2-30",
    Form.BIRTH: "昭和",
    Form.ROMAN: "ＡＢ",
    Form.TEXT: "=1",
    Form.CARD: "AB1234567８CD",
    Form.PERIOD: "１年",
}
ITEMS = [(notice_type, item) for notice_type in TYPES for item in notice_type.ITEMS]


def _situation(notice_type: type[Notice], item: Item) -> Row:
    """A row in which the item must or may be there."""
    for changes in ({}, *(changes for right_type, changes in RIGHT if right_type is notice_type)):
        row = ROWS[notice_type] | changes
        if row[item.name]:
            return row
    raise AssertionError(item.name)


@pytest.mark.parametrize(("notice_type", "item"), ITEMS)
def test_what_is_no_value_of_an_item_is_told(notice_type: type[Notice], item: Item) -> None:
    row = _situation(notice_type, item)
    junk = wrong(notice_type, row | {item.name: _JUNK[item.form]})
    assert (item.name, "choice" if item.choices else "form") in junk
    assert (item.name, "length") in wrong(notice_type, row | {item.name: "1" * (item.length + 1)})


@pytest.mark.parametrize(("notice_type", "item"), ITEMS)
def test_an_item_is_there_exactly_when_the_law_asks_for_it(notice_type: type[Notice], item: Item) -> None:
    row = _situation(notice_type, item)
    if not isinstance(item.needed, When):
        assert ((item.name, "required") in wrong(notice_type, row | {item.name: ""})) is item.needed
        return
    other = next(each for each in notice_type.ITEMS if each.field == item.needed.field)
    for choice in other.choices:
        at = row | {other.name: choice}
        missing = (item.name, "required") in wrong(notice_type, at | {item.name: ""})
        surplus = (item.name, "unexpected") in wrong(notice_type, at)
        assert surplus is (choice not in item.needed.required | item.needed.permitted), choice
        if choice in item.needed.required:
            assert missing, choice


def test_an_error_may_lie_in_every_item_of_a_notice() -> None:
    subjects = [notice_type for notice_type in TYPES if notice_type.STREAM == "notices"]
    names = {item.name for subject in subjects for item in subject.ITEMS}
    assert set(ERROR_ITEMS) == names | {WHOLE}
    assert len(ERROR_ITEMS) == len(set(ERROR_ITEMS))


def test_a_cause_has_one_action_and_its_own_filings() -> None:
    filings = [article for cause in CAUSES.values() for article in cause.filings]
    assert len(filings) == len(set(filings))
    assert {name for name, cause in CAUSES.items() if cause.event} == {
        "出生",
        "国籍喪失",
        "死亡",
        "国籍取得",
        "失踪宣告",
    }
    assert all(cause.filings for cause in CAUSES.values() if cause.filed)


def test_each_type_has_its_way_and_its_stream() -> None:
    ways = {each.TYPE: (each.TO_MINISTRY, each.TO_ENDPOINT, each.STREAM, each.SINCE) for each in TYPES}
    assert ways == {
        "市町村伝達": (True, False, "notices", 1),
        "法務省通知": (False, True, "notices", 1),
        "市町村通知": (True, False, "notices", 2),
        "特定在留カード交付通知": (True, False, "notices", 2),
        "取込結果": (True, True, "results", 2),
        "照会": (True, True, "results", 2),
    }


@pytest.mark.parametrize("notice_type", TYPES)
def test_a_version_of_the_layouts_has_its_items_and_types(notice_type: type[Notice]) -> None:
    old = {item.name for item in notice_type.items(1)}
    new = {item.name for item in notice_type.items(2)}
    assert new == {item.name for item in notice_type.ITEMS}
    if notice_type.SINCE == 1:
        assert new - old == {"漢字氏名(原文字)", "訂正対象通知番号"}
        assert not any(item.needed for item in notice_type.ITEMS if item.since > 1), "a new item never breaks the old"
    else:
        assert old == set()


@pytest.mark.parametrize("notice_type", TYPES)
@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=examples(20), deadline=None)
@given(data=st.data())
def test_right_notices_of_all_kinds_go_to_text_and_back(notice_type: type[Notice], data: st.DataObject) -> None:
    notice = data.draw(NOTICES[notice_type]())
    assert notice_type.parse(notice.to_row()) == (notice, [])


@pytest.mark.parametrize("notice_type", TYPES)
@settings(max_examples=examples(20), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_any_text_is_a_notice_or_findings_that_tell_no_value(notice_type: type[Notice], data: st.DataObject) -> None:
    secret = "秘密" + data.draw(st.text(max_size=10))
    names = data.draw(st.sets(st.sampled_from([item.name for item in notice_type.ITEMS]), min_size=1))
    others = {name: data.draw(st.sampled_from((secret, "", "2026-11-23", *CATEGORIES))) for name in sorted(names)}
    notice, findings = notice_type.parse(ROWS[notice_type] | others)
    assert (notice is None) == bool(findings)
    told = repr(notice) + repr(findings) + str(InvalidNotice(findings))
    for value in ("秘密", "NGUYEN", "1995-04-12", "歌舞伎町", "AB12345678CD", "ベトナム"):
        assert value not in told


@pytest.mark.parametrize("notice_type", TYPES)
def test_a_notice_says_no_more_of_itself_than_its_number(notice_type: type[Notice]) -> None:
    notice: Any
    notice, _ = notice_type.parse(ROWS[notice_type])
    assert repr(notice) == f"{notice_type.__name__}(number={notice.number!r}, municipality='131041', …)"
