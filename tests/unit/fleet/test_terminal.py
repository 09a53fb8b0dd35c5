"""Whether a machine meets the specification, and what each municipality has to buy."""

import csv
import io
import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import tree_sitter
import tree_sitter_pwsh
from openpyxl import load_workbook
from typer.testing import CliRunner

from renkei.cli.terminal import app
from renkei.fleet.loader import load_fleet
from renkei.fleet.model import Fleet
from renkei.fleet.problems import FleetError
from renkei.fleet.terminal.check import Standing, check
from renkei.fleet.terminal.facts import FACT_PATHS, FactsError, Installed, TerminalFacts, read_facts
from renkei.fleet.terminal.orders import orders, to_csv, to_xlsx
from renkei.fleet.terminal.specification import Need, Specification, read_specification
from renkei.fleet.terminals import Profile, State

ROOT = Path(__file__).parents[3]
FILE = ROOT / "inventory" / "terminal" / "specification.yml"
TODAY = date(2026, 11, 26)

GOOD: dict[str, Any] = {
    "machine": {"manufacturer": "ACME", "model": "RK-T300", "serial": "S1"},
    "processor": {"name": "N100", "architecture": "x64", "cores": 4},
    "memory": {"mib": 16208},
    "disk": {"kind": "SSD", "system_gb": 256},
    "tpm": {"version": "2.0"},
    "firmware": {"kind": "UEFI", "secure_boot": True, "locked": True},
    "ports": {"wired": 1, "usb3": 4, "wireless": []},
    "chassis": {"lock_slot": True},
    "power": {"backup_minutes": 10},
    "os": {"edition": "IoTEnterpriseS", "build": "26100.4061", "language": "ja-JP", "time_zone": "Tokyo Standard Time"},
    "software": [
        {"id": "defender", "version": "4.18.24090.11", "sha256": "0" * 64},
        {"id": "powershell", "version": "5.1.26100.4061", "sha256": None},
    ],
}


@pytest.fixture(scope="module")
def specification() -> Specification:
    return read_specification(FILE)


@pytest.fixture(scope="module")
def sample() -> Fleet:
    return load_fleet(ROOT / "inventory" / "sample")


def machine(path: str = "", value: object = None) -> TerminalFacts:
    facts = json.loads(json.dumps(GOOD))
    if path:
        group, name = path.split(".")
        facts[group][name] = value
    return TerminalFacts.model_validate(facts)


def missed(specification: Specification, facts: TerminalFacts, profile: Profile = Profile.DEDICATED) -> list[str]:
    return [each.id for each in check(specification, facts, profile, TODAY).items if each.standing is Standing.MISSED]


@pytest.mark.parametrize("profile", list(Profile))
def test_a_machine_that_has_everything_fits(specification: Specification, profile: Profile) -> None:
    judgement = check(specification, machine(), profile, TODAY)
    assert judgement.fits
    assert {each.standing for each in judgement.items} == {Standing.MET}


@pytest.mark.parametrize(
    ("path", "value", "item"),
    [
        ("processor.architecture", "arm64", "processor-architecture"),
        ("processor.cores", 1, "processor-cores"),
        ("memory.mib", 7499, "memory"),
        ("disk.kind", "HDD", "disk-kind"),
        ("disk.system_gb", 239, "disk-size"),
        ("tpm.version", "1.2", "tpm"),
        ("tpm.version", "", "tpm"),
        ("firmware.kind", "BIOS", "firmware-kind"),
        ("firmware.secure_boot", False, "secure-boot"),
        ("firmware.locked", False, "firmware-lock"),
        ("ports.wired", 0, "lan-ports"),
        ("ports.usb3", 1, "usb-ports"),
        ("ports.wireless", ["Wi-Fi"], "wireless"),
        ("chassis.lock_slot", False, "cable-lock"),
        ("power.backup_minutes", 4, "battery"),
        ("os.language", "en-US", "language"),
        ("os.time_zone", "UTC", "time-zone"),
        ("os.edition", "Professional", "operating-system"),
        ("os.build", "22631.1000", "operating-system"),
        ("os.build", "26100.1741", "operating-system-build"),
    ],
)
def test_what_a_machine_lacks_is_named(specification: Specification, path: str, value: object, item: str) -> None:
    assert missed(specification, machine(path, value)) == [item]


def test_every_item_can_be_missed() -> None:
    """The table above has every item; one that no machine can miss would be no demand."""
    marks = test_what_a_machine_lacks_is_named.pytestmark[0].args[1]  # type: ignore[attr-defined]
    assert {item for _, _, item in marks} >= {item.id for item in read_specification(FILE).items}


@pytest.mark.parametrize("path", sorted(FACT_PATHS))
def test_what_is_not_known_is_neither_met_nor_missed(specification: Specification, path: str) -> None:
    judgement = check(specification, machine(path, None), Profile.DEDICATED, TODAY)
    assert not judgement.required(Standing.MISSED)
    demanded = {item.fact for item in specification.items if item.need is Need.REQUIRED} | {"os.edition", "os.build"}
    assert bool(judgement.required(Standing.UNKNOWN)) == (path in demanded)


def test_a_shared_machine_may_have_wireless_that_others_need(specification: Specification) -> None:
    assert missed(specification, machine("ports.wireless", ["Wi-Fi"]), Profile.SHARED) == []


def test_an_operating_system_counts_until_its_support_ends(specification: Specification) -> None:
    old = machine("os.build", "19044.5737")
    assert check(specification, old, Profile.DEDICATED, date(2032, 1, 13)).fits
    assert not check(specification, old, Profile.DEDICATED, date(2032, 1, 14)).fits


def test_a_recommended_item_refuses_nobody(specification: Specification) -> None:
    assert check(specification, machine("chassis.lock_slot", value=False), Profile.DEDICATED, TODAY).fits


def test_facts_that_are_none_are_all_named(tmp_path: Path) -> None:
    file = tmp_path / "facts.json"
    file.write_text('{"memory": {"mib": "16 GB"}, "cpu": {}, "os": {"build": "11"}}')
    with pytest.raises(FactsError) as raised:
        read_facts(file)
    assert [line.split(": ")[1] for line in str(raised.value).splitlines()] == ["memory.mib", "os.build", "cpu"]


def test_a_wrong_specification_is_named_by_line(tmp_path: Path) -> None:
    text = FILE.read_text().replace("fact: memory.mib", "fact: memory.gib").replace("id: tpm", "id: memory")
    (tmp_path / FILE.name).write_text(text.replace('"2034-10-10"', '"2034-02-30"'))
    (tmp_path / "specification.schema.json").write_text(FILE.with_name("specification.schema.json").read_text())
    with pytest.raises(FleetError) as raised:
        read_specification(tmp_path / FILE.name)
    lines = text.splitlines()
    wanted = ["fact: memory.gib", "- id: memory"]
    assert {problem.line for problem in raised.value.problems} >= {
        next(n for n, line in enumerate(lines, start=1) if wanted[0] in line),
        max(n for n, line in enumerate(lines, start=1) if wanted[1] in line),
    }
    assert len(raised.value.problems) == 3


def test_a_machine_is_bought_in_the_year_in_which_its_lifetime_ends(
    sample: Fleet, specification: Specification
) -> None:
    site = next(s for s in sample.sites.values() if s.terminal and s.terminal.state is State.IN_SERVICE)
    assert site.terminal is not None
    terminal = replace(site.terminal, in_service_on=date(2023, 4, 1))
    fleet = replace(sample, sites={site.key: replace(site, terminal=terminal)})
    assert orders(fleet, specification, 2026) == []
    (order,) = orders(fleet, specification, 2028)
    assert (order.code, order.quantity, order.present) == (site.key, 1, terminal)
    assert [order.code for order in orders(fleet, specification, 2027)] == []


def test_a_sheet_has_every_order_once_in_both_forms(sample: Fleet, specification: Specification) -> None:
    found = orders(sample, specification, 2028, frozenset({"01", "13"}))
    assert {order.code[:2] for order in found} == {"01", "13"}
    rows = list(csv.DictReader(io.StringIO(to_csv(found, specification).decode("utf-8-sig"))))
    assert [row["団体コード"] for row in rows] == [order.code for order in found]
    book = load_workbook(io.BytesIO(to_xlsx(found, specification, 2028)))
    assert [row[1] for row in book["調達一覧"].iter_rows(min_row=4, values_only=True)] == [o.code for o in found]
    *prefectures, total = book["集計"].iter_rows(min_row=4, values_only=True)
    assert total[-1] == sum(order.quantity for order in found) == sum(int(str(row[-1])) for row in prefectures)
    assert len(list(book["仕様書"].iter_rows(min_row=4))) == len(specification.items) + 1 + len(specification.software)


def test_no_text_of_a_sheet_is_cut_off(sample: Fleet, specification: Specification) -> None:
    """Spreadsheets show as much of a wrapped text as its row is high."""
    sheet = load_workbook(io.BytesIO(to_xlsx(orders(sample, specification, 2028)[:3], specification, 2028)))["仕様書"]
    long = max((item for item in specification.items), key=lambda item: len(item.text))
    (row,) = [row for row in sheet.iter_rows(min_row=4) if row[2].value == long.text]
    width = sheet.column_dimensions["C"].width
    height = sheet.row_dimensions[row[2].row].height
    assert len(long.text) * 2 > width  # full-width characters: more than a line of them
    assert height is not None
    assert height >= 16 * 2


def test_no_cell_runs_as_a_formula(sample: Fleet, specification: Specification) -> None:
    order = replace(orders(sample, specification, 2028)[0], place='=HYPERLINK("x")', contact="+1")
    (row,) = csv.DictReader(io.StringIO(to_csv([order], specification).decode("utf-8-sig")))
    assert (row["設置場所"], row["連絡先"]) == ('\'=HYPERLINK("x")', "'+1")
    sheet = load_workbook(io.BytesIO(to_xlsx([order], specification, 2028)))["調達一覧"]
    assert {cell.data_type for cell in sheet[4] if isinstance(cell.value, str)} == {"s"}


def with_software(*installed: tuple[str, str]) -> TerminalFacts:
    found = [{"id": name, "version": version} for name, version in installed]
    return TerminalFacts.model_validate({**GOOD, "software": found})


@pytest.mark.parametrize(
    ("installed", "lacking"),
    [
        ([("defender", "4.18"), ("powershell", "5.1")], []),
        ([("defender", "4.17.9999"), ("powershell", "5.1")], ["defender"]),
        ([("defender", "10.0"), ("powershell", "2.0")], ["powershell"]),
        ([("powershell", "5.1")], ["defender"]),
    ],
)
def test_a_vendors_software_has_its_floor(
    specification: Specification, installed: list[tuple[str, str]], lacking: list[str]
) -> None:
    assert missed(specification, with_software(*installed)) == lacking


def test_a_shared_machine_keeps_the_scanner_that_it_has(specification: Specification) -> None:
    assert missed(specification, with_software(("powershell", "5.1")), Profile.SHARED) == []


def test_software_that_nobody_looked_for_is_unknown(specification: Specification) -> None:
    facts = TerminalFacts.model_validate({name: value for name, value in GOOD.items() if name != "software"})
    judgement = check(specification, facts, Profile.DEDICATED, TODAY)
    assert [each.id for each in judgement.required(Standing.UNKNOWN)] == ["defender", "powershell"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('version_at_least: "4.18"', f'version_at_least: "4.18"\n    sha256: {"0" * 64}'),  # a digest nobody recorded
        ("digest: recorded_at_staging", "digest: of_release"),
        ("digest: of_release", "digest: recorded_at_staging"),
        ('version_at_least: "5.1"', "package: powershell-VERSION.msi"),
        ("package: renkei-agent-VERSION-windows-amd64.zip", 'version_at_least: "1.0"'),
    ],
)
def test_no_digest_is_claimed_that_nobody_has(tmp_path: Path, old: str, new: str) -> None:
    text = FILE.read_text()
    assert old in text
    (tmp_path / FILE.name).write_text(text.replace(old, new, 1))
    (tmp_path / "specification.schema.json").write_text(FILE.with_name("specification.schema.json").read_text())
    with pytest.raises(FleetError, match="software"):
        read_specification(tmp_path / FILE.name)


@pytest.mark.parametrize("name", ["m011011-terminal", "011011", "R2025-0001"])
def test_a_terminal_of_the_inventory_is_judged_by_its_collected_facts(tmp_path: Path, name: str) -> None:
    facts = {**GOOD, "machine": {"serial": "LAB0A0901"}, "ports": {"wired": 1, "usb3": 4, "wireless": ["Wi-Fi"]}}
    (tmp_path / "R2025-0001.json").write_text(json.dumps(facts))
    done = CliRunner().invoke(app, ["check-spec", name, "--facts", str(tmp_path), "--json"])
    assert (done.exit_code, json.loads(done.stdout)["profile"]) == (0, "shared")  # wireless may stay there


def test_facts_that_are_missing_or_anothers_are_told_with_what_to_do(tmp_path: Path) -> None:
    none = CliRunner().invoke(app, ["check-spec", "131041", "--facts", str(tmp_path)])
    assert (none.exit_code, "collect-facts.ps1" in none.stderr, "R2026-0001.json" in none.stderr) == (2, True, True)
    (tmp_path / "R2026-0001.json").write_text(json.dumps(GOOD))
    others = CliRunner().invoke(app, ["check-spec", "131041", "--facts", str(tmp_path)])
    assert (others.exit_code, "S1" in others.stderr, "LAB0A1301" in others.stderr) == (2, True, True)
    assert CliRunner().invoke(app, ["check-spec", "m999999-terminal"]).exit_code == 2


def test_the_command_says_by_its_exit_code_whether_a_machine_fits(tmp_path: Path) -> None:
    runner = CliRunner()
    form = tmp_path / "facts.json"
    form.write_text(runner.invoke(app, ["facts"]).stdout)
    unknown = runner.invoke(app, ["check-spec", str(form)])
    assert (unknown.exit_code, "未確認" in unknown.stdout) == (3, True)
    form.write_text(json.dumps({**GOOD, "memory": {"mib": 4096}}))
    wrong = runner.invoke(app, ["check-spec", str(form), "--json"])
    assert (wrong.exit_code, json.loads(wrong.stdout)["fits"]) == (1, False)
    form.write_text(json.dumps(GOOD))
    assert runner.invoke(app, ["check-spec", str(form)]).exit_code == 0
    assert runner.invoke(app, ["check-spec", str(tmp_path / "none.json")]).exit_code == 2


def test_the_collector_writes_exactly_the_facts_that_there_are() -> None:
    """No PowerShell runs here: the keys of the table that the script writes are read out of its syntax tree."""
    source = FILE.with_name("collect-facts.ps1").read_bytes()
    parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_pwsh.language()))
    found = tables(parser.parse(source).root_node)
    outer = max(found, key=lambda node: node.end_byte - node.start_byte)
    written = {key: sorted(keys(node)) for key, node in keys(outer).items()}
    model = {name: sorted(type(group).model_fields) for name, group in TerminalFacts() if group is not None}
    assert written == {**model, "software": []}
    assert sorted(Installed.model_fields) in [sorted(keys(table)) for table in found]


def tables(node: tree_sitter.Node) -> list[tree_sitter.Node]:
    found = [node] if node.type == "hash_literal_expression" else []
    return found + [each for child in node.children for each in tables(child)]


def keys(node: tree_sitter.Node) -> dict[str, tree_sitter.Node]:
    """The entries of the first table in a piece of the tree."""
    found = {}
    for table in tables(node)[:1]:
        body = next(child for child in table.children if child.type == "hash_literal_body")
        for entry in body.children:
            if entry.type == "hash_entry":
                key = next(child for child in entry.children if child.type == "key_expression")
                found[(key.text or b"").decode()] = entry.children[-1]
    return found
