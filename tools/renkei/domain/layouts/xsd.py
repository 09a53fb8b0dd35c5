"""The XML layout's schema (XSD 1.0), made from the tables of the notice types.

    <notices xmlns="urn:renkei:notices:2"><residence_notice><number>…</number>…</residence_notice>…</notices>

The namespace ends in the layout's version. A schema says what each element may hold; what depends on other elements is
told by the rules of the type, which stand in docs/interface/.
"""

import re
from functools import cache

from lxml import etree

from renkei.domain.notices import TYPES
from renkei.domain.notices_items import LIST_SEPARATOR, Form, Item

ROOT = "notices"
_XS = "http://www.w3.org/2001/XMLSchema"
_PATTERNS = {
    Form.NUMBER: r"[0-9A-Za-z]([0-9A-Za-z\-]*[0-9A-Za-z])?",
    Form.CODE: r"[0-9]{6}",
    Form.BIRTH: r"[0-9]{4}-[0-9]{2}-[0-9]{2}",
    Form.ROMAN: r"[A-Z][A-Z '.,\-]*",
    Form.CARD: r"[A-Z]{2}[0-9]{8}[A-Z]{2}",
    Form.PERIOD: r"無期限|([1-9][0-9]?年)?([1-9][0-9]?月)?([1-9][0-9]{0,2}日)?",
    Form.DATE: r"[0-9]{4}-[0-9]{2}-[0-9]{2}",
}


def namespace(version: int) -> str:
    """Return the namespace of a version of the layout."""
    return f"urn:renkei:notices:{version}"


def make_xsd(version: int) -> bytes:
    """Return the schema of a version of the layout, UTF-8."""
    types = [each for each in TYPES if version >= each.SINCE]
    spaces: dict[str | None, str] = {"xs": _XS, None: namespace(version)}
    root = etree.Element(f"{{{_XS}}}schema", nsmap=spaces)  # type: ignore[arg-type]  # the stubs forget None
    root.set("targetNamespace", namespace(version))
    root.set("elementFormDefault", "qualified")
    whole = _add(root, "element", name=ROOT)
    _document(whole, f"A file of notices of one type (renkei XML layout {version}).")
    choice = _add(_add(whole, "complexType"), "choice")
    for each in types:
        _add(choice, "element", ref=each.NAME, maxOccurs="unbounded")
    for each in types:
        element = _add(root, "element", name=each.NAME)
        _document(element, f"{each.TYPE} ({each.ARTICLE})")
        sequence = _add(_add(element, "complexType"), "sequence")
        for item in each.items(version):
            _add_item(sequence, item)
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)


@cache
def load_xsd(version: int) -> etree.XMLSchema:
    """Return the compiled schema of a version of the layout."""
    return etree.XMLSchema(etree.fromstring(make_xsd(version), etree.XMLParser(resolve_entities=False)))


def _add_item(sequence: etree._Element, item: Item) -> None:
    optional = {} if item.needed is True else {"minOccurs": "0"}
    element = _add(sequence, "element", name=item.field, **optional)
    _document(element, f"{item.name} ({item.article})")
    base = "xs:date" if item.form is Form.DATE else "xs:string"
    restriction = _add(_add(element, "simpleType"), "restriction", base=base)
    if item.form is Form.CHOICE:
        for choice in item.choices:
            _add(restriction, "enumeration", value=choice)
        return
    if item.form is Form.CHOICES:
        one = "|".join(re.escape(choice) for choice in item.choices)
        _add(restriction, "pattern", value=f"({one})({LIST_SEPARATOR}({one}))*")
    elif item.form in _PATTERNS:
        _add(restriction, "pattern", value=_PATTERNS[item.form])
    if item.form is not Form.DATE:
        _add(restriction, "minLength", value="1")
        _add(restriction, "maxLength", value=str(item.length))


def _add(parent: etree._Element, kind: str, **attributes: str) -> etree._Element:
    return etree.SubElement(parent, f"{{{_XS}}}{kind}", attributes)


def _document(element: etree._Element, text: str) -> None:
    _add(_add(element, "annotation"), "documentation").text = text
