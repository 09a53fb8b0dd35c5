"""The XML layout: read piece by piece, each notice checked against the schema (XSD) and the rules of its type.

    <?xml version="1.0" encoding="UTF-8"?>
    <notices xmlns="urn:renkei:notices:2"><inquiry><number>…</number>…</inquiry>…</notices>

A reader is never led elsewhere: no document type, no entities, no network; never kept busy: bounded in bytes, depth and
the size of a notice; and never surprised: UTF-8 only, no attributes, no element that the schema doesn't have.
"""

import io
import re
from collections.abc import Iterator, Sequence
from typing import cast

from lxml import etree

from renkei.domain.layouts.csv_layout import show
from renkei.domain.layouts.layout import (
    DESCRIBED,
    MAX_ROWS,
    VERSIONS,
    Format,
    InvalidLayout,
    Layout,
    Record,
    Rejection,
    too_many_rows,
)
from renkei.domain.layouts.xsd import ROOT, load_xsd, namespace
from renkei.domain.notices import Notice
from renkei.domain.notices_items import Finding, Item

ARTICLE = "XML様式"
_ENCODING = re.compile(rb"""^<\?xml[^>]*encoding=["']([^"'>]*)""")
_CHUNK = 16 * 1024
_MAX_NOTICE = 64 * 1024
_DEPTH = 3  # notices, a notice, its items
_ROOT_LEVEL, _NOTICE_LEVEL = 1, 2
_SURPLUS = "この通知種別にない要素があります。XMLスキーマ(XSD)にある要素だけを記載してください。"
_ATTRIBUTE = "属性は使いません。削除してください。"
_LOOSE = "項目の要素の外に文字があります。削除してください。"
_ORDER = "要素の順序をXMLスキーマ(XSD)のとおりにしてください。"


class XmlReader:
    """An XML file that is being read; see `Reader`."""

    def __init__(
        self,
        source: io.BufferedReader,
        expected: Sequence[type[Notice]],
        layout: Layout | None = None,
        *,
        reveal: bool = False,
    ) -> None:
        """Read up to the first notice.

        Args:
            source: at its beginning.
            expected: the types that may come.
            layout: the one that it must be in; None finds it out.
            reveal: whether rejections show personal values.

        Raises:
            InvalidLayout: no XML, another root or namespace, an unexpected type, or no notice at all.
        """
        self._reveal = reveal
        self._versions = VERSIONS if layout is None else (layout.version,)
        self._events = _events(source)
        _, root, _ = next(self._events)
        self.layout = Layout(Format.XML, self._version_of(root))
        known = [each for each in expected if self.layout.version >= each.SINCE]
        self._types = {f"{{{namespace(self.layout.version)}}}{each.NAME}": each for each in known}
        event, first, _ = next(self._events)
        if event == "end":
            raise InvalidLayout("rows", "通知が1件もありません。")
        self.notice_type = self._type_of(first)
        self._items = {
            f"{{{namespace(self.layout.version)}}}{item.field}": item
            for item in self.notice_type.items(self.layout.version)
        }

    def __iter__(self) -> Iterator[Record | Rejection]:
        """Read notice by notice."""
        position, rejected = 0, 0
        for event, element, level in self._events:
            if level != _NOTICE_LEVEL:
                continue
            if event == "start":
                if self._type_of(element) is not self.notice_type:
                    raise InvalidLayout("type", "1つのファイルには1種類の通知だけを記載してください。")
                continue
            position += 1
            if position > MAX_ROWS:
                raise too_many_rows()
            read = self._read(position, element, describe=rejected < DESCRIBED)
            rejected += isinstance(read, Rejection)
            yield read

    def _version_of(self, root: etree._Element) -> int:
        for version in self._versions:
            if root.tag == f"{{{namespace(version)}}}{ROOT}" and not root.attrib:
                return version
        spaces = "又は".join(namespace(version) for version in self._versions)
        raise InvalidLayout("header", f"最上位の要素は{ROOT}(名前空間 {spaces}、属性なし)にしてください。")

    def _type_of(self, element: etree._Element) -> type[Notice]:
        if isinstance(element.tag, str) and element.tag in self._types:
            return self._types[element.tag]
        names = "、".join(each.NAME for each in self._types.values())
        raise InvalidLayout("type", f"{ROOT}の中には次の要素だけを記載してください: {names}")

    def _read(self, position: int, element: etree._Element, *, describe: bool) -> Record | Rejection:
        row, findings = self._take_apart(element)
        notice = None
        if not findings:
            notice, findings = self.notice_type.parse(row)
        if notice is not None and not load_xsd(self.layout.version).validate(element):
            findings = [Finding("行", "schema", ARTICLE, _ORDER)]
        line = cast("int | None", element.sourceline) or 0
        if notice is not None and not findings:
            return Record(position, line, notice)
        shown = show(self.notice_type, row, self._reveal) if describe else {}
        return Rejection(position, line, tuple(findings), shown)

    def _take_apart(self, element: etree._Element) -> tuple[dict[str, str], list[Finding]]:
        """Return the items by Japanese name, and what is wrong with the elements as such."""
        row: dict[str, str] = {}
        findings: list[Finding] = []
        loose = [element.text, *(child.tail for child in element)]
        if any(text and text.strip() for text in loose):
            findings.append(Finding("行", "structure", ARTICLE, _LOOSE))
        if element.attrib or any(child.attrib for child in element):
            findings.append(Finding("行", "structure", ARTICLE, _ATTRIBUTE))
        for child in element:
            item = self._items.get(str(child.tag))
            if item is None:
                findings.append(Finding("行", "structure", ARTICLE, _SURPLUS))
            elif item.name in row:
                findings.append(_of(item, "が2回以上あります。1回だけ記載してください。"))
            elif not child.text:
                findings.append(_of(item, "に値がありません。値のない項目は要素ごと省いてください。"))
            else:
                row[item.name] = child.text
        return row, findings


def write_xml_layout(notices: Sequence[Notice], notice_type: type[Notice], layout: Layout) -> bytes:
    """Write notices of one type."""
    space = namespace(layout.version)
    names = {item.name: f"{{{space}}}{item.field}" for item in notice_type.items(layout.version)}
    kind = f"{{{space}}}{notice_type.NAME}"
    target = io.BytesIO()
    with etree.xmlfile(target, encoding="UTF-8") as file:
        file.write_declaration()
        with file.element(f"{{{space}}}{ROOT}", nsmap={None: space}):
            file.write("\n")
            for notice in notices:
                file.write("  ")
                with file.element(kind):
                    file.write("\n")
                    for name, text in notice.to_row(layout.version).items():
                        if text:
                            file.write("    ")
                            with file.element(names[name]):
                                file.write(text)
                            file.write("\n")
                    file.write("  ")
                file.write("\n")
    return target.getvalue() + b"\n"


def pick_elements(content: bytes, layout: Layout, positions: set[int]) -> bytes:
    """Return a file of these notices as they came.

    Args:
        content: a file that was read to its end.
        layout: its layout.
        positions: of the notices.
    """
    parts = [f'<?xml version="1.0" encoding="UTF-8"?>\n<{ROOT} xmlns="{namespace(layout.version)}">\n'.encode()]
    position = 0
    for event, element, level in _events(io.BufferedReader(io.BytesIO(content))):
        if level == _NOTICE_LEVEL and event == "end":
            position += 1
            if position in positions:
                parts += [etree.tostring(element, encoding="UTF-8", with_tail=False), b"\n"]
    return b"".join([*parts, f"</{ROOT}>\n".encode()])


def _of(item: Item, text: str) -> Finding:
    return Finding(item.name, "structure", item.article, f"{item.name}{text}")


def _events(source: io.BufferedReader) -> Iterator[tuple[str, etree._Element, int]]:
    """Parse a file.

    Yields:
        `start` or `end`, the element, and its level: 1 for the root. A notice is let go after its end.

    Raises:
        InvalidLayout: whatever keeps it from being read; nothing is yielded of what comes after.
    """
    parser = etree.XMLPullParser(
        events=("start", "end"),
        encoding="utf-8",
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    level, since_notice, head = 0, 0, b""
    while chunk := source.read(_CHUNK):
        if level == 0:
            head += chunk
            _check_head(head)
        since_notice += len(chunk)
        _feed(parser, chunk)
        # the stubs say that an element may be missing: it is for events that aren't asked for here
        events: Iterator[tuple[str, etree._Element]] = parser.read_events()  # type: ignore[assignment]
        for event, element in events:
            level += event == "start"
            if level > _DEPTH:
                raise InvalidLayout("depth", f"要素の入れ子は{_DEPTH}段までです。")
            yield event, element, level
            level -= event == "end"
            if event == "end" and level == _ROOT_LEVEL:
                since_notice = 0
                _let_go(element)
            elif event == "end" and level == 0:
                _check_between(element.text)
                _check_between(element[-1].tail if len(element) else None)
        if since_notice > _MAX_NOTICE:
            raise InvalidLayout("size", f"1件の通知が{_MAX_NOTICE // 1024}KiBを超えています。")
    try:
        parser.close()
    except etree.XMLSyntaxError:
        if any(entry.type_name == "ERR_UNDECLARED_ENTITY" for entry in parser.feed_error_log):
            raise InvalidLayout("syntax", "定義されていない実体(&…;)があります。文字で記載してください。") from None
        text = "ファイルが途中で切れているか、空です。もう一度書き出してください。"
        raise InvalidLayout("truncated", text) from None


def _feed(parser: etree.XMLPullParser, chunk: bytes) -> None:
    try:
        parser.feed(chunk)
    except etree.XMLSyntaxError as error:
        text = f"XMLとして読み取れません({error.lineno or 1}行目)。文字コード(UTF-8)とタグを確認してください。"
        raise InvalidLayout("syntax", text) from None


def _check_head(head: bytes) -> None:
    """Look at what comes before the root element, before the parser does."""
    if b"\0" in head:
        raise InvalidLayout("encoding", "文字コードはUTF-8にしてください。")
    if b"<!DOCTYPE" in head:
        raise InvalidLayout("dtd", "文書型宣言(DOCTYPE)と実体は使えません。削除してください。")
    if (declared := _ENCODING.search(head)) and declared[1].lower() != b"utf-8":
        raise InvalidLayout("encoding", "XML宣言の文字コードはUTF-8にしてください。")


def _let_go(notice: etree._Element) -> None:
    """Free a notice and what stands before it."""
    parent = notice.getparent()
    notice.text = None
    del notice[:]
    while parent is not None and (before := notice.getprevious()) is not None:
        _check_between(before.tail)
        parent.remove(before)


def _check_between(text: str | None) -> None:
    if text and text.strip():
        raise InvalidLayout("structure", f"通知と通知の間に文字があります。{_LOOSE}")
