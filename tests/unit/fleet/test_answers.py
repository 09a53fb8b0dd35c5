"""Answer files: nothing stands in one that isn't on the list, whatever is done to it."""

import shutil
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from lxml import etree

from renkei.fleet.problems import FleetError
from renkei.fleet.terminal.media.answers import MAX_BYTES, Rules, check, read_rules, render
from unit.examples import examples

FILES = Path(__file__).parents[3] / "inventory" / "terminal"
TEMPLATE = FILES / "answer-file.xml.j2"
RULES = read_rules(FILES / "answer-rules.yml")
VALUES = {
    "language": "ja-JP",
    "time_zone": "Tokyo Standard Time",
    "organization": "新宿区",
    "computer_name": "RENKEI-131041",
}
GOOD = render(TEMPLATE, VALUES, RULES)
UNATTEND = "{urn:schemas-microsoft-com:unattend}"


def problems(content: bytes) -> list[str]:
    return [problem.what for problem in check(content, TEMPLATE, RULES)]


def tree() -> etree._Element:
    return etree.fromstring(GOOD)


def elements(root: etree._Element) -> list[etree._Element]:
    return [each for each in root.iter() if isinstance(each.tag, str)]


def text_of(root: etree._Element) -> bytes:
    return etree.tostring(root, xml_declaration=True, encoding="utf-8")


def test_the_answer_file_of_the_kit_keeps_the_rules() -> None:
    assert problems(GOOD) == []
    assert b"<ComputerName>RENKEI-131041</ComputerName>" in GOOD
    assert "<Organization>新宿区</Organization>".encode() in GOOD


def test_no_disk_is_erased_and_no_account_made_by_itself() -> None:
    for name in (b"DiskConfiguration", b"UserAccounts", b"AutoLogon", b"ProductKey", b"Password"):
        assert name not in GOOD


@settings(max_examples=examples(60), deadline=None)
@given(place=st.integers(0, 10_000), name=st.from_regex(r"[A-Z][A-Za-z]{2,20}", fullmatch=True))
def test_an_element_that_is_not_on_the_list_is_refused_wherever_it_stands(place: int, name: str) -> None:
    root = tree()
    known = {
        path_part.removesuffix("[]")
        for c in RULES.components.values()
        for p in c.settings
        for path_part in p.split("/")
    }
    assume(name not in known)
    every = elements(root)
    parent = every[place % len(every)]
    line = parent.sourceline
    etree.SubElement(parent, UNATTEND + name).text = "true"
    found = check(text_of(root), TEMPLATE, RULES)
    assert found
    assert any(problem.line >= line for problem in found)


@settings(max_examples=examples(60), deadline=None)
@given(
    place=st.integers(0, 10_000),
    value=st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=40),
)
def test_a_value_that_the_rule_does_not_allow_is_refused_and_not_repeated(place: int, value: str) -> None:
    root = tree()
    leaves = [each for each in elements(root) if len(each) == 0]
    leaf = leaves[place % len(leaves)]
    component = next(each for each in leaf.iterancestors() if each.tag == f"{UNATTEND}component")
    path = str(leaf.tag).removeprefix(UNATTEND)
    for parent in leaf.iterancestors():
        if parent is component:
            break
        path = f"{str(parent.tag).removeprefix(UNATTEND)}/{path}"
    path = path.replace("SynchronousCommand/", "SynchronousCommand[]/")
    rule = RULES.components[str(component.get("name"))].settings[path]
    leaf.text = value
    read_back = etree.fromstring(text_of(root))
    assert (problems(text_of(read_back)) == []) == rule.allows(value)
    if len(value) > 8 and not rule.allows(value):  # it may be a secret
        assert not any(value in str(problem) for problem in check(text_of(root), TEMPLATE, RULES))


@settings(max_examples=examples(40), deadline=None)
@given(place=st.integers(0, 10_000), name=st.sampled_from(["pass", "name", "wcm", "x", "processorArchitecture"]))
def test_an_attribute_that_is_not_on_the_list_is_refused(place: int, name: str) -> None:
    root = tree()
    every = elements(root)
    target = every[place % len(every)]
    assume(target.get(name) is None)
    target.set(name, "amd64")
    assert problems(text_of(root))


@settings(max_examples=examples(40), deadline=None)
@given(place=st.integers(0, 10_000))
def test_an_element_twice_is_refused(place: int) -> None:
    root = tree()
    every = elements(root)[1:]
    target = every[place % len(every)]
    parent = target.getparent()
    assert parent is not None
    parent.append(etree.fromstring(etree.tostring(target)))
    is_item = str(target.tag).endswith("SynchronousCommand")  # a list may have several
    assert bool(problems(text_of(root))) != is_item


@settings(max_examples=examples(40), deadline=None)
@given(place=st.integers(0, 10_000), kind=st.sampled_from(["comment", "instruction", "text"]))
def test_nothing_hides_between_the_elements(place: int, kind: str) -> None:
    root = tree()
    every = elements(root)
    parent = every[place % len(every)]
    if kind == "text":
        assume(len(parent))
        parent[0].tail = "P@ssw0rd"
    else:
        parent.append(etree.Comment("P@ssw0rd") if kind == "comment" else etree.ProcessingInstruction("x", "y"))
    assert problems(text_of(root))


@settings(max_examples=examples(40), deadline=None)
@given(st.binary(max_size=400))
def test_what_is_no_answer_file_is_told_so(junk: bytes) -> None:
    assert problems(junk)


@settings(max_examples=examples(60), deadline=None)
@given(place=st.integers(0, len(GOOD) - 1), byte=st.integers(0, 255))
def test_a_changed_byte_is_harmless_or_refused(place: int, byte: int) -> None:
    """Whatever is accepted holds only what the rules allow: read again, every setting is on the list."""
    changed = GOOD[:place] + bytes([byte]) + GOOD[place + 1 :]
    if not problems(changed):
        root = etree.fromstring(changed)
        names = {str(each.get("name")) for each in root.iter(f"{UNATTEND}component")}
        assert names <= set(RULES.components)


def test_a_document_type_is_refused() -> None:
    bomb = GOOD.replace(b"<unattend", b'<!DOCTYPE unattend [<!ENTITY x "ja-JP">]>\n<unattend', 1)
    assert problems(bomb) == ["has a document type"]


@pytest.mark.parametrize(
    ("old", "new", "line_of", "what"),
    [
        ("<AcceptEula>true</AcceptEula>", "<ProductKey><Key>A</Key></ProductKey>", "ProductKey", "UserData/ProductKey"),
        ("<ProtectYourPC>3", "<ProtectYourPC>1", "ProtectYourPC", "OOBE/ProtectYourPC"),
        ('pass="specialize"', 'pass="auditUser"', 'pass="auditUser"', "the pass 'auditUser'"),
        ("Microsoft-Windows-Setup", "Microsoft-Windows-UnattendedJoin", "UnattendedJoin", "UnattendedJoin"),
        ("first-boot.ps1 powershell", "first-boot.ps1 pwsh", "CommandLine", "CommandLine"),
    ],
)
def test_a_wrong_template_is_told_by_its_own_line(tmp_path: Path, old: str, new: str, line_of: str, what: str) -> None:
    text = TEMPLATE.read_text(encoding="utf-8")
    assert old in text
    wrong = tmp_path / TEMPLATE.name
    wrong.write_text(text.replace(old, new, 1), encoding="utf-8")
    line = next(n for n, each in enumerate(wrong.read_text().splitlines(), start=1) if line_of in each)
    with pytest.raises(FleetError) as raised:
        render(wrong, VALUES, RULES)
    assert [(problem.file, problem.line) for problem in raised.value.problems] == [(wrong, line)]
    assert what in str(raised.value)


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    wrong = tmp_path / TEMPLATE.name
    text = TEMPLATE.read_text(encoding="utf-8").replace("<ProtectYourPC>3", "<ProtectYourPC>1")
    wrong.write_text(text.replace("<Enable>false", "<Enable>true"), encoding="utf-8")
    with pytest.raises(FleetError) as raised:
        render(wrong, VALUES, RULES)
    assert len(raised.value.problems) == 2


def test_a_value_that_there_is_not_is_told_by_its_line(tmp_path: Path) -> None:
    wrong = tmp_path / TEMPLATE.name
    wrong.write_text(
        TEMPLATE.read_text(encoding="utf-8").replace("{{ time_zone }}", "{{ password }}"), encoding="utf-8"
    )
    with pytest.raises(FleetError, match="'password' is undefined"):
        render(wrong, VALUES, RULES)


def test_a_template_that_changes_its_lines_or_is_too_large_is_refused(tmp_path: Path) -> None:
    wrong = tmp_path / TEMPLATE.name
    wrong.write_text(TEMPLATE.read_text(encoding="utf-8") + "{% for i in [1, 2] %}\n{% endfor %}\n", encoding="utf-8")
    with pytest.raises(FleetError, match="lines"):
        render(wrong, VALUES, RULES)
    wrong.write_text("x" * (MAX_BYTES + 1))
    with pytest.raises(FleetError, match="larger"):
        render(wrong, VALUES, RULES)


def test_a_name_with_markup_stays_a_name() -> None:
    with pytest.raises(FleetError, match="Organization"):
        render(TEMPLATE, {**VALUES, "organization": "</Organization><ProductKey>"}, RULES)


def rewritten(tmp_path: Path, old: str, new: str) -> Rules:
    for name in ("answer-rules.yml", "answer-rules.schema.json"):
        shutil.copy(FILES / name, tmp_path)
    file = tmp_path / "answer-rules.yml"
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")
    return read_rules(file)


@pytest.mark.parametrize(
    "secret", ["UserData/ProductKey/Key", "AutoLogon/Password/Value", "UserAccounts/LocalAccounts"]
)
def test_the_list_itself_can_not_allow_a_secret(tmp_path: Path, secret: str) -> None:
    with pytest.raises(FleetError, match=r"answer-rules.yml:\d+: "):
        rewritten(tmp_path, "UserData/FullName", secret)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("UserData/FullName", "UserData/Organization"),
        ("name: Microsoft-Windows-International-Core\n", "name: Microsoft-Windows-Setup\n"),
        ('pattern: "[A-Za-z0-9 .()+-]{1,60}"', 'pattern: "[A-Z"'),
        ('values: ["3"]', 'values: ["3"], pattern: "3"'),
        ("passes: [windowsPE]", "passes: [windowspe]"),
    ],
)
def test_a_wrong_list_is_told_by_its_line(tmp_path: Path, old: str, new: str) -> None:
    with pytest.raises(FleetError, match=r"answer-rules.yml:\d+: "):
        rewritten(tmp_path, old, new)
