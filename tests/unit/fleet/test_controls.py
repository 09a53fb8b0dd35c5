"""The table of controls, what follows from it for a machine, and whether a machine holds it."""

import csv
import io
import json
import shutil
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from renkei.cli.controls import app
from renkei.fleet.controls import files
from renkei.fleet.controls.cis import read_comparison
from renkei.fleet.controls.exceptions import controls_off, read_exceptions
from renkei.fleet.controls.guard import dangers
from renkei.fleet.controls.model import Settings, Table
from renkei.fleet.controls.page import write_page
from renkei.fleet.controls.plan import Plan, WrongValue, make_plan
from renkei.fleet.controls.table import GUIDELINE, read_controls
from renkei.fleet.controls.verdict import BadState, deviations
from renkei.fleet.model import Fleet
from renkei.fleet.problems import FleetError
from renkei.fleet.terminals import Profile

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "inventory" / "controls"
VALUES: dict[str, Any] = {
    "update-server": "https://mirror.asp.renkei.test:8531",
    "update-ring": "canary",
    "usb-devices": [r"USBSTOR\DiskACME_1"],
}
NOW = datetime(2026, 11, 26, tzinfo=UTC)


@pytest.fixture(scope="module")
def table() -> Table:
    return read_controls(FOLDER / "windows.yml")


@pytest.fixture(scope="module")
def plan(table: Table) -> Plan:
    return make_plan(table, Profile.DEDICATED, values=VALUES)


def holding(plan: Plan) -> dict[str, Any]:
    """The state of a machine that holds a plan, as it would say it."""
    security = files.security_template(plan)
    asked = files.questions(plan)
    registry: dict[str, Any] = {key: {} for key in asked["registry"]}
    for key, values in files.registry(plan).items():
        registry[key] = {
            name: {"kind": "DWord" if isinstance(data, int) else "String", "data": data}
            for name, data in values.items()
        }
    return {
        "security": security,
        "audit": files.audit_policy(plan),
        "registry": registry,
        "features": dict.fromkeys(asked["features"], "Disabled"),
        "services": dict.fromkeys(asked["services"], "Disabled"),
        "disk": {"protection": "on"},
        "firmware": {"secure_boot": True},
        "tpm": {"ready": True},
        "applocker": {"enforced": True},
        "defender": {"real_time": True, "pattern_hours": 3},
        "network": {"wireless": []},
        "updates": {"searched": NOW.timestamp() - 3600, "missing": []},
        "accounts": [{"name": "yamada", "enabled": True, "last_logon": "2026-11-20T00:00:00+00:00", "created": None}],
    }


def spoiled(tmp_path: Path, changes: dict[str, str]) -> list[str]:
    """The problems of a copy of the table in which something was replaced."""
    shutil.copy(FOLDER / "controls.schema.json", tmp_path)
    text = (FOLDER / "windows.yml").read_text(encoding="utf-8")
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new, 1)
    (tmp_path / "windows.yml").write_text(text, encoding="utf-8")
    with pytest.raises(FleetError) as caught:
        read_controls(tmp_path / "windows.yml")
    return [problem.what for problem in caught.value.problems]


def test_every_control_of_the_guideline_is_held_here_or_elsewhere(table: Table) -> None:
    held = {number for control in table.controls.values() for number in control.guideline}
    assert held.isdisjoint(table.elsewhere)
    assert sorted(held | table.elsewhere.keys()) == list(GUIDELINE)


def test_every_item_of_the_cis_list_is_covered_or_left_out_with_a_reason(table: Table) -> None:
    comparison = read_comparison(FOLDER / "cis-windows-11.yml", table)
    out = {item for group in comparison.left_out for item in group.items}
    assert set(comparison.level_1) == comparison.covered.keys() | out
    assert comparison.covered.keys().isdisjoint(out)
    assert len(comparison.level_1) == 383


def test_an_item_that_nobody_names_is_found(table: Table, tmp_path: Path) -> None:
    shutil.copy(FOLDER / "cis.schema.json", tmp_path)
    text = (FOLDER / "cis-windows-11.yml").read_text(encoding="utf-8")
    (tmp_path / "cis.yml").write_text(text.replace("items: [2.2.16]", "items: [2.2.99]"), encoding="utf-8")
    with pytest.raises(FleetError, match=r"2\.2\.16 is neither covered nor left out"):
        read_comparison(tmp_path / "cis.yml", table)


def test_what_is_wrong_in_the_table_is_said_all_at_once(tmp_path: Path) -> None:
    changes = {
        "id: no-autorun": "id: lockout",
        '"${lockout-attempts}"': '"${lockout-attempt}"',
        "Credential Validation:": "Credentials:",
        "LimitBlankPasswordUse: 1": "NoLMHash: 0",
        'guideline: ["28"]': 'guideline: ["27"]',
        "[WlanSvc, ": "[WinRM, ",
    }
    found = spoiled(tmp_path, changes)
    for what in (
        "lockout stands twice",
        "lockout: there is no parameter 'lockout-attempt'",
        "audit-sign-in: the audit policy has no subcategory 'Credentials'",
        "credential-protection and blank-passwords both set",
        "the guideline's control 28 is nowhere",
        "no-wireless: without the service WinRM Ansible doesn't get in",
    ):
        assert any(what in problem for problem in found), what
    risk = "    risk: Short passwords are guessed.\n"
    assert any("'risk' is a required property" in problem for problem in spoiled(tmp_path, {risk: ""}))


@pytest.mark.parametrize(
    "settings",
    [
        Settings(rights={"SeNetworkLogonRight": ("S-1-5-32-545",)}),
        Settings(rights={"SeDenyNetworkLogonRight": ("S-1-5-32-546", "S-1-5-113")}),
        Settings(rights={"SeDenyNetworkLogonRight": ("S-1-5-114",)}),
        Settings(services=("MpsSvc",)),
        Settings(registry={r"HKLM\SOFTWARE\Policies\Microsoft\Windows\WinRM\Service": {"AllowAutoConfig": 0}}),
        Settings(registry={r"HKLM\SOFTWARE\Policies\Microsoft\WindowsFirewall\DomainProfile": {"EnableFirewall": 1}}),
        Settings(
            registry={
                r"HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Policies\System": {"LocalAccountTokenFilterPolicy": 0}
            }
        ),
        Settings(
            registry={
                r"HKLM\SYSTEM\CurrentControlSet\Control\SecurityProviders\SCHANNEL\Protocols\TLS 1.2\Server": {
                    "Enabled": 0
                }
            }
        ),
    ],
)
def test_what_cuts_the_connection_that_it_came_over_is_refused(settings: Settings) -> None:
    assert list(dangers(settings))


def test_a_machine_that_holds_the_plan_has_no_deviations(plan: Plan) -> None:
    assert deviations(plan, holding(plan), ["yamada"], NOW) == []


def test_every_single_setting_that_is_missing_is_found(plan: Plan) -> None:
    """Of a machine as bare as one can be, each setting and each fact of every control is a deviation."""
    bare = holding(plan)
    asked = files.questions(plan)
    bare |= {"security": "[Unicode]\r\n", "audit": "head\r\n", "registry": {key: {} for key in asked["registry"]}}
    bare |= {
        "features": dict.fromkeys(asked["features"], "Enabled"),
        "services": dict.fromkeys(asked["services"], "Auto"),
    }
    bare |= {"disk": {}, "firmware": {}, "tpm": {}, "applocker": {}, "defender": {}, "network": {}, "updates": None}
    bare["accounts"] = [{"name": "tantou", "enabled": True, "last_logon": None, "created": None}]
    found = deviations(plan, bare, ["yamada"], NOW)
    assert {each.control for each in found} == {each.control.id for each in plan.wanted}
    nobody = sum(1 for each in plan.wanted for sids in each.settings.rights.values() if not sids)
    settings = sum(
        sum(map(len, each.settings.security.values()))
        + len(each.settings.rights)
        + len(each.settings.audit)
        + sum(map(len, each.settings.registry.values()))
        + len(each.settings.features)
        + len(each.settings.services)
        + (each.check is not None)
        for each in plan.wanted
    )
    assert len(found) == settings - nobody  # a right that nobody shall have isn't missed where nobody has it


def test_a_stricter_machine_passes_and_a_laxer_one_does_not(plan: Plan) -> None:
    def with_security(old: str, new: str) -> list[str]:
        state = holding(plan)
        assert old in state["security"]
        state["security"] = state["security"].replace(old, new)
        return [each.control for each in deviations(plan, state, None, NOW)]

    assert with_security("MinimumPasswordLength = 14", "MinimumPasswordLength = 20") == []
    assert with_security("MinimumPasswordLength = 14", "MinimumPasswordLength = 8") == ["password-length"]
    assert with_security("LockoutBadCount = 5", "LockoutBadCount = 3") == []
    assert with_security("LockoutBadCount = 5", "LockoutBadCount = 0") == ["lockout"]
    assert with_security("PasswordComplexity = 1", "PasswordComplexity = 2") == ["password-complexity"]


def test_a_device_that_is_no_longer_registered_is_found(table: Table, plan: Plan) -> None:
    later = make_plan(table, Profile.DEDICATED, values=VALUES | {"usb-devices": []})
    assert [each.control for each in deviations(later, holding(plan), None, NOW)] == ["usb-registered"]
    assert r"[-HKEY_LOCAL_MACHINE\SOFTWARE\Policies\Microsoft\Windows\DeviceInstall\Restrictions\AllowDeviceIDs]" in (
        files.registry_file(later)
    )


def test_accounts_that_nobody_listed_or_used_are_found(plan: Plan) -> None:
    state = holding(plan)
    state["accounts"] += [
        {"name": "tanaka", "enabled": True, "last_logon": "2026-01-01T00:00:00+00:00", "created": None},
        {"name": "ito", "enabled": False, "last_logon": None, "created": "2020-01-01T00:00:00+00:00"},
        {"name": "sato", "enabled": True, "last_logon": "2026-11-25T00:00:00+00:00", "created": None},
    ]
    listed = deviations(plan, state, ["yamada", "tanaka"], NOW)
    assert [(each.place, each.found) for each in listed] == [("accounts.unexpected", "tanaka, sato")]
    assert [each.found for each in deviations(plan, state, None, NOW)] == ["tanaka"]


def test_a_state_that_lacks_something_is_no_verdict(plan: Plan) -> None:
    state = holding(plan)
    del state["accounts"]
    with pytest.raises(BadState, match="accounts"):
        deviations(plan, state, None, NOW)


@pytest.mark.parametrize(
    ("values", "what"),
    [
        ({"lockout-attempts": 50}, "lockout-attempts is a number from 3 to 10, not '50'"),
        ({"usb-devices": ["everything"]}, "usb-devices: 'everything' doesn't match"),
        ({"update-server": "http://elsewhere.example"}, "update-server: 'http://elsewhere.example' doesn't match"),
        ({"lockout": 3}, "there is no parameter 'lockout'"),
    ],
)
def test_parameters_are_held_to_their_bounds(table: Table, values: dict[str, Any], what: str) -> None:
    with pytest.raises(WrongValue) as caught:
        make_plan(table, Profile.DEDICATED, values=VALUES | values)
    assert what in str(caught.value)


def test_what_a_fleet_must_give_is_asked_for(table: Table) -> None:
    with pytest.raises(WrongValue, match="update-server has no value"):
        make_plan(table, Profile.DEDICATED)
    make_plan(table, Profile.DEDICATED, off={"update-source", "update-ring"})


def test_audit_files_bear_guids_and_numbers(plan: Plan) -> None:
    rows = {row["Subcategory"]: row for row in csv.DictReader(io.StringIO(files.audit_policy(plan)))}
    assert rows["Logon"]["Subcategory GUID"] == "{0CCE9215-69AE-11D9-BED3-505054503030}"
    assert (rows["Logon"]["Setting Value"], rows["Account Lockout"]["Setting Value"]) == ("3", "2")


def exceptions(tmp_path: Path, table: Table, fleet: Fleet, **changes: object) -> list[str]:
    row = {
        "control": "lockout",
        "where": ["m131041-terminal"],
        "reason": "住基端末と共用のため",
        "approver": "情報政策課長 佐藤",
    }
    row = row | {"until": "2027-03-31"} | changes
    file = tmp_path / "exceptions.yml"
    file.write_text(json.dumps({"exceptions": [{key: value for key, value in row.items() if value is not None}]}))
    schema = FOLDER / "exceptions.schema.json"
    try:
        found = read_exceptions(file, schema, table, {*fleet.hosts, *fleet.groups}, date(2026, 11, 26))
    except FleetError as error:
        return [problem.what for problem in error.problems]
    return [f"off: {name}" for name in controls_off(found, fleet.hosts["m131041-terminal"])]


def test_an_exception_holds_where_it_says_until_its_last_day(tmp_path: Path, table: Table, lab: Fleet) -> None:
    assert exceptions(tmp_path, table, lab) == ["off: lockout"]
    assert exceptions(tmp_path, table, lab, where=["ring_canary"]) == ["off: lockout"]
    assert exceptions(tmp_path, table, lab, where=["m011011-terminal"]) == []
    assert exceptions(tmp_path, table, lab, until="2026-11-26") == ["off: lockout"]
    assert exceptions(tmp_path, table, lab, until="2026-11-25") == [
        "the exception from lockout is over since 2026-11-25"
    ]


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"reason": None}, "'reason' is a required property"),
        ({"approver": None}, "'approver' is a required property"),
        ({"until": None}, "'until' is a required property"),
        ({"until": "2027-02-30"}, "2027-02-30 is no day of the calendar"),
        ({"control": "everything"}, "there is no control 'everything'"),
        ({"where": ["m999999-terminal"]}, "the fleet has no host or group 'm999999-terminal'"),
    ],
)
def test_an_exception_that_lacks_something_is_refused(
    tmp_path: Path, table: Table, lab: Fleet, changes: dict[str, object], what: str
) -> None:
    assert any(what in problem for problem in exceptions(tmp_path, table, lab, **changes))


def test_the_page_is_written_from_the_table(table: Table) -> None:
    page = write_page(table, read_comparison(FOLDER / "cis-windows-11.yml", table))
    assert (ROOT / "docs" / "controls.md").read_text(encoding="utf-8") == page, "write it by: renkei controls page"


def test_the_command_lists_shows_and_checks(table: Table) -> None:
    runner = CliRunner()
    listed = json.loads(runner.invoke(app, ["list", "--profile", "shared", "--json"]).stdout)
    assert {row["id"] for row in listed["controls"]} == table.controls.keys() - {"listed-software"}
    assert "System Access LockoutBadCount = ${lockout-attempts}" in runner.invoke(app, ["show", "lockout"]).stdout
    assert runner.invoke(app, ["show", "nothing"]).exit_code == 2
    assert "no problems" in runner.invoke(app, ["check"]).stdout
    assert all(len(line) <= 80 for line in runner.invoke(app, ["list"]).stdout.splitlines())
