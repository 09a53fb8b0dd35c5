import io
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from renkei.domain.layouts import (
    MAX_ROWS,
    Contents,
    Format,
    InvalidLayout,
    Layout,
    read,
    rejected_part,
    write,
)
from renkei.domain.layouts.xsd import load_xsd, make_xsd
from renkei.domain.notices import TYPES, Inquiry, Notice, ResidenceNotice
from unit.domain.rows import NOTICES, ROWS
from unit.examples import examples

XML, OLD = Layout(Format.XML), Layout(Format.XML, 1)
HEAD = b'<?xml version="1.0" encoding="UTF-8"?>\n<notices xmlns="urn:renkei:notices:2">\n'
TAIL = b"</notices>\n"
KIND, TARGET = "<kind>状態照会</kind>".encode(), b"<target>2</target>"
INQUIRY = b"<inquiry><number>1</number><municipality>131041</municipality>" + KIND + TARGET + b"</inquiry>\n"


def notice_of(kind: type[Notice], **changes: Any) -> Any:
    notice, findings = kind.parse(ROWS[kind])
    assert notice is not None, findings
    return replace(notice, **changes)


def taken(content: bytes, *kinds: type[Notice]) -> Contents:
    return read(io.BytesIO(content), kinds or TYPES)


def refused(content: bytes, *kinds: type[Notice]) -> str:
    with pytest.raises(InvalidLayout) as error:
        taken(content, *kinds)
    return error.value.rule


@pytest.mark.parametrize("notice_type", TYPES)
@settings(max_examples=examples(15), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_csv_xml_and_objects_are_interchangeable(notice_type: type[Notice], data: st.DataObject) -> None:
    notices = data.draw(st.lists(NOTICES[notice_type](), min_size=1, max_size=4))
    for version in (1, 2):
        if version < notice_type.SINCE:
            continue
        old = [replace(each, **{item.field: None for item in each.ITEMS if item.since > version}) for each in notices]
        csv, xml = Layout(version=version), Layout(Format.XML, version)
        from_csv = taken(write(notices, csv))
        from_xml = taken(write(from_csv.notices, xml))
        assert from_csv.notices == from_xml.notices == old
        assert (from_csv.layout, from_xml.layout) == (csv, xml)
        assert write(from_xml.notices, csv) == write(notices, csv)
        assert load_xsd(version).validate(etree.fromstring(write(notices, xml)))


def test_each_notice_is_placed() -> None:
    contents = taken(HEAD + INQUIRY * 3 + TAIL)
    assert [(each.position, each.line) for each in contents.records] == [(1, 3), (2, 4), (3, 5)]


def test_a_bad_notice_is_rejected_with_all_that_is_wrong_and_the_others_go_on() -> None:
    bad = INQUIRY.replace(b"<number>1</number>", b"<number>NGUYEN</number>").replace(b"131041", b"131042")
    contents = taken(HEAD + INQUIRY + bad + INQUIRY + TAIL)
    assert [each.position for each in contents.records] == [1, 3]
    [rejection] = contents.rejections
    assert (rejection.position, rejection.line) == (2, 4)
    assert [(each.item, each.rule) for each in rejection.findings] == [("通知番号", "form"), ("市区町村コード", "form")]
    assert "NGUYEN" not in repr(rejection)


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        (b"<number>1</number>", b"", "required"),
        (b"<number>1</number>", b"<number/>", "structure"),
        (b"<number>1</number>", b"<number>1</number><number>1</number>", "structure"),
        (b"<number>1</number>", b"<number>1</number><name>NGUYEN</name>", "structure"),
        (b"<number>1</number>", b'<number secret="NGUYEN">1</number>', "structure"),
        (b"<inquiry>", b'<inquiry secret="NGUYEN">', "structure"),
        (b"<number>1</number>", b"<number>1</number>NGUYEN", "structure"),
        (b"<inquiry>", b"<inquiry>NGUYEN", "structure"),
        (b"<number>1</number>", b'<number xmlns="urn:other">1</number>', "structure"),
        (KIND + TARGET, TARGET + KIND, "schema"),
        (b"<number>1</number>", b"<number>1\n</number>", "form"),
        (b"<target>2</target>", "<target>２</target>".encode(), "form"),
    ],
)  # fmt: skip
def test_a_notice_of_another_structure_is_rejected(old: bytes, new: bytes, rule: str) -> None:
    contents = taken(HEAD + INQUIRY.replace(old, new) + INQUIRY + TAIL)
    assert len(contents.records) == 1
    [rejection] = contents.rejections
    assert rule in {each.rule for each in rejection.findings}
    assert "NGUYEN" not in repr(rejection)


@pytest.mark.parametrize("end", range(1, len(TAIL + INQUIRY)))
def test_a_file_that_is_cut_off_is_refused_whole(end: int) -> None:
    rule = refused((HEAD + INQUIRY * 2 + TAIL).rstrip()[:-end])
    assert rule in {"truncated", "syntax"}


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (HEAD + TAIL, "rows"),
        (HEAD + b"<!-- none -->" + TAIL, "rows"),
        (HEAD + INQUIRY + b"<result/>" + TAIL, "type"),
        (HEAD + INQUIRY + b"loose" + TAIL, "structure"),
        (HEAD + b"loose" + INQUIRY + TAIL, "structure"),
        (HEAD + INQUIRY + b"loose" + INQUIRY + TAIL, "structure"),
        (HEAD + INQUIRY + TAIL + b"more", "syntax"),
        (HEAD.replace(b":2", b":3") + INQUIRY + TAIL, "header"),
        (HEAD.replace(b":2", b":1") + INQUIRY + TAIL, "type"),
        (HEAD.replace(b"<notices ", b'<notices version="2" ') + INQUIRY + TAIL, "header"),
        (b"<html><body/></html>", "header"),
        (b"<", "truncated"),
        (b"<?xml version='1.0'?>", "truncated"),
        (HEAD + b"<a><b><c><d/></c></b></a>" + TAIL, "type"),
        (HEAD + INQUIRY.replace(b">1<", b"><b><c/></b><") + TAIL, "depth"),
        (HEAD + b"<inquiry><number>" + b"<b>" * 100_000, "syntax"),
        (HEAD + INQUIRY.replace(b">1<", b">\0<") + TAIL, "encoding"),
        (HEAD + INQUIRY * 200 + INQUIRY.replace(b">1<", b">\0<") + TAIL, "syntax"),
        (HEAD + INQUIRY.replace(b">1<", b">\xff<") + TAIL, "syntax"),
        (HEAD + INQUIRY.replace(b">1<", b">&#0;<") + TAIL, "syntax"),
        (HEAD + INQUIRY.replace(b">1<", b">&name;<") + TAIL, "syntax"),
        ((HEAD + INQUIRY + TAIL).decode().encode("utf-16"), "header"),
        (b"\xff\xfe" + (HEAD + INQUIRY + TAIL).decode().encode("utf-16-le"), "header"),
        ((HEAD + INQUIRY + TAIL).decode().encode("cp932"), "syntax"),
        ((HEAD + INQUIRY + TAIL).replace(b'"UTF-8"', b'"Shift_JIS"'), "encoding"),
        (b"<\0n\0", "encoding"),
        (HEAD + b"<inquiry><number>" + b"1" * 100_000 + b"</number></inquiry>" + TAIL, "size"),
        (HEAD + b"<inquiry>" + b" " * 100_000 + b"</inquiry>" + TAIL, "size"),
        (b" " * 100_000 + b"<notices/>", "header"),
        (b"<!--" + b" " * 100_000 + b"-->" + HEAD, "size"),
    ],
)
def test_a_file_that_is_none_of_ours_is_refused_with_its_rule(content: bytes, rule: str) -> None:
    assert refused(content) == rule


LAUGHS = b"".join(b'<!ENTITY l%d "%s">' % (level, b"&l%d;" % (level - 1) * 10) for level in range(1, 10))


@pytest.mark.parametrize(
    "dtd",
    [
        b"<!DOCTYPE notices>",
        b'<!DOCTYPE notices [<!ENTITY l0 "lol">' + LAUGHS + b"]>",
        b'<!DOCTYPE notices [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
        b'<!DOCTYPE notices SYSTEM "http://198.51.100.1/x.dtd">',
        b'<!DOCTYPE notices [<!ENTITY % p SYSTEM "http://198.51.100.1/x.ent"> %p;]>',
        b"<!-- " + b"x" * 16_380 + b" --><!DOCTYPE notices>",  # across the pieces that are read
    ],
    ids=["plain", "laughs", "file", "dtd", "parameter", "split"],
)
def test_a_document_type_is_refused_before_it_is_parsed(dtd: bytes) -> None:
    body = HEAD.partition(b"\n")[2] + INQUIRY.replace(b">1<", b">&l9;&x;<") + TAIL
    assert refused(dtd + body) == "dtd"


def test_comments_and_instructions_are_passed_over_and_cdata_is_text() -> None:
    content = HEAD + b"<!-- a --><?b c?>" + INQUIRY.replace(b">1<", b"><![CDATA[1]]><!-- d --><") + TAIL
    assert [each.number for each in taken(content).notices] == ["1"]


def test_other_prefixes_are_the_same_names() -> None:
    content = write([notice_of(Inquiry)], XML).decode()
    prefixed = content.replace("<", "<n:").replace("<n:/", "</n:").replace("<n:?", "<?").replace("xmlns=", "xmlns:n=")
    assert taken(prefixed.encode()).notices == [notice_of(Inquiry)]
    bad = prefixed.replace("131041<", "131042<").encode()
    contents = taken(bad)
    left = rejected_part(bad, contents.layout, contents.rejections)
    assert taken(left.replace(b"131042", b"131041")).notices == [notice_of(Inquiry)]


def test_the_rejected_notices_are_left_as_they_came_to_be_corrected() -> None:
    bad = INQUIRY.replace(b"131041", b"131042").replace(b"<inquiry>", b"<inquiry><!-- c -->")
    content = HEAD + INQUIRY + bad + INQUIRY + bad + TAIL
    contents = taken(content)
    left = rejected_part(content, contents.layout, contents.rejections)
    assert [each.findings for each in taken(left).rejections] == [each.findings for each in contents.rejections]
    assert len(taken(left.replace(b"131042", b"131041")).notices) == 2


@pytest.mark.thorough
def test_a_file_with_too_many_notices_is_refused() -> None:
    assert refused(HEAD + b"<inquiry/>" * (MAX_ROWS + 1) + TAIL) == "rows"


def test_an_unexpected_type_is_refused_with_the_expected_ones() -> None:
    with pytest.raises(InvalidLayout, match="residence_notice"):
        taken(HEAD + INQUIRY + TAIL, ResidenceNotice)


@given(st.binary(max_size=200))
def test_noise_is_refused_and_nothing_worse(noise: bytes) -> None:
    for content in (b"<" + noise, HEAD + noise, HEAD + INQUIRY + noise):
        with pytest.raises(InvalidLayout):
            taken(content)


@given(st.data())
@settings(max_examples=examples(30), deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_schema_refuses_what_the_table_of_a_type_refuses(data: st.DataObject) -> None:
    """Lengths, code tables and forms of the XSD are those of the tables."""
    notice_type = data.draw(st.sampled_from(TYPES))
    item = data.draw(st.sampled_from(notice_type.ITEMS))
    long = "x" * (item.length + 1)
    text = data.draw(st.sampled_from(["", long, "１", "AB12345678CD\n", "2026-11-23Z", "2026-02-30", "他", "-1", "a"]))
    element = etree.fromstring(write([data.draw(NOTICES[notice_type]())], XML))[0]
    found = element.find(f"{{urn:renkei:notices:2}}{item.field}")
    if found is None or notice_type.parse(ROWS[notice_type] | {item.name: text})[1] == []:
        return
    found.text = text
    if item.choices or item.form.name in {"CARD", "CODE", "DATE", "PERIOD"} or text in {"", long}:
        assert not load_xsd(2).validate(element), (item.name, text)


def test_a_newer_item_is_never_required_by_the_schema() -> None:
    old, new = (etree.fromstring(make_xsd(version)) for version in (1, 2))
    space = {"xs": "http://www.w3.org/2001/XMLSchema"}
    for notice_type in TYPES:
        path = f"xs:element[@name='{notice_type.NAME}']//xs:element"
        before = {each.get("name"): each.get("minOccurs") for each in old.findall(path, space)}
        after = {each.get("name"): each.get("minOccurs") for each in new.findall(path, space)}
        assert list(before) == list(after)[: len(before)], "new elements come after the old"
        if before:
            assert all(after[name] == "0" for name in after.keys() - before.keys())
