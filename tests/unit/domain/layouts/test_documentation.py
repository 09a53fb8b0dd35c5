"""docs/interface/ is what the tables say, and its samples are read for ever."""

from io import BytesIO
from pathlib import Path

import pytest
from lxml import etree

from renkei.domain.layouts import Format, Layout, read
from renkei.domain.layouts.documentation import interface_files
from renkei.domain.notices import TYPES

FOLDER = Path(__file__).parents[4] / "docs/interface"
SAMPLES = sorted((FOLDER / "samples").iterdir())


def test_the_documents_are_what_the_tables_make() -> None:
    made = interface_files()
    stale = [name for name, content in made.items() if (FOLDER / name).read_bytes() != content]
    assert not stale, "run: renkei notice schema --out docs/interface"
    there = {str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*") if path.is_file()}
    assert {name for name in there if not name.startswith("samples/")} == {*made, "README.md"}


def test_there_is_a_sample_of_each_type_in_each_layout() -> None:
    wanted = {
        f"{each.NAME}-{layout}{layout.suffix}"
        for each in TYPES
        for layout in Layout.every()
        if layout.version >= each.SINCE
    }
    assert {path.name for path in SAMPLES} == wanted


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_a_sample_of_a_published_version_is_read(path: Path) -> None:
    contents = read(BytesIO(path.read_bytes()), TYPES)
    assert contents.rejections == []
    assert path.stem == f"{contents.notice_type.NAME}-{contents.layout}"
    if contents.layout.format is Format.XML:
        schema = etree.XMLSchema(etree.parse(FOLDER / f"notices-{contents.layout.version}.xsd"))
        assert schema.validate(etree.parse(path)), schema.error_log
        twin = FOLDER / f"samples/{contents.notice_type.NAME}-csv-{contents.layout.version}.csv"
        assert read(BytesIO(twin.read_bytes()), TYPES).notices == contents.notices


def test_every_item_is_documented_with_its_article_and_every_rule_with_its_own() -> None:
    text = (FOLDER / "notices.md").read_text(encoding="utf-8")
    for each in TYPES:
        section = text.partition(f'<a id="{each.NAME}"></a>')[2].partition("<a id=")[0]
        for item in each.ITEMS:
            [row] = [line for line in section.splitlines() if line.startswith(f"| `{item.field}` | {item.name} |")]
            assert f"| {item.length} |" in row
            assert item.article in row
        for rule in each.RULES:
            assert f"| {rule.item} | `{rule.rule}` | {rule.message} | {rule.article} |" in section
