"""`renkei inventory` and `renkei policy`."""

import json
from typing import Any

from typer.testing import CliRunner, Result

from renkei.cli import inventory, policy

from .conftest import INVENTORY, Draft

LAB = ["--fleet", str(INVENTORY / "lab")]


def run(module: Any, *words: str, code: int = 0) -> Result:
    result = CliRunner().invoke(module.app, list(words))
    assert result.exit_code == code, result.output
    return result


def data(module: Any, *words: str, code: int = 0) -> Any:
    return json.loads(run(module, *words, "--json", code=code).stdout)


def test_check_counts_what_a_good_fleet_has() -> None:
    assert data(inventory, "check", *LAB) == {
        "fleet": "lab",
        "endpoints": 3,
        "hosts": 20,
        "machines": 4,
        "problems": [],
    }
    assert "3 endpoints, 20 hosts, 4 machines; no problems" in run(inventory, "check", *LAB).stdout


def test_check_prints_every_problem_and_exits_1(draft: Draft) -> None:
    draft.edit("endpoints.csv", ",online,", ",always,")
    draft.edit("terminals.csv", ",shared,", ",rented,")
    words = ["check", "--fleet", str(draft.folder)]
    lines = run(inventory, *words, code=1).stdout.splitlines()
    assert lines == [
        f"{draft.folder}/endpoints.csv:4: link 'always' is unknown; write one of online, on_demand, media",
        f"{draft.folder}/terminals.csv:4: profile 'rented' is unknown; write one of dedicated, shared",
    ]
    problems = data(inventory, *words, code=1)["problems"]
    assert [f"{p['file']}:{p['line']}: {p['what']}; {p['remedy']}" for p in problems] == lines


def test_the_default_fleet_comes_from_the_environment(draft: Draft) -> None:
    draft.edit("fleet.yml", "name: lab", "name: other")
    result = CliRunner().invoke(inventory.app, ["check", "--json"], env={"RENKEI_FLEET": str(draft.folder)})
    assert json.loads(result.stdout)["fleet"] == "other"


def test_list_has_a_line_a_host_within_80_columns() -> None:
    lines = run(inventory, "list", *LAB).stdout.splitlines()
    assert len(lines) == 1 + 20
    assert max(map(len, lines)) <= 80
    assert "m131041-terminal    10.33.153.130   canary      online    新宿区" in lines


def test_list_can_be_limited_to_a_group() -> None:
    assert [row["host"] for row in data(inventory, "list", "--group", "link_media", *LAB)] == [
        f"m012271-{part}" for part in ("router", "firewall", "terminal", "register")
    ]
    assert "it has all, routers" in run(inventory, "list", "--group", "wards", *LAB, code=2).stderr


def test_show_has_the_history_of_the_machines() -> None:
    shown = data(inventory, "show", "m131041-terminal", *LAB)
    assert [(machine["asset_number"], machine["state"]) for machine in shown["machines"]] == [
        ("R2026-0001", "in_service"),
        ("R2021-0001", "retired"),
    ]
    assert shown["variables"]["renkei_terminal"]["machine_serial"] == "LAB0A1301"
    text = run(inventory, "show", "m131041-terminal", *LAB).stdout
    assert "    retired_on: 2026-06-15" in text.splitlines()


def test_an_unknown_host_exits_2_and_says_where_names_come_from() -> None:
    for module in (inventory, policy):
        result = run(module, "show", "nobody", *LAB, code=2)
        assert "has no host 'nobody'; `renkei inventory list` shows them" in result.stderr


def test_policy_check_counts_connections_and_hosts_crossed() -> None:
    rows = {row["flow"]: row for row in data(policy, "check", *LAB)["flows"]}
    assert (rows["exchange"]["connections"], rows["exchange"]["crossed"]) == (4, 15)
    assert (rows["ministry-drop"]["connections"], rows["ministry-drop"]["crossed"]) == (1, 3)
    assert max(map(len, run(policy, "check", *LAB).stdout.splitlines())) <= 80


def test_policy_check_exits_1_for_a_flow_that_joins_nobody(draft: Draft) -> None:
    flows = draft.folder.parent / "policy" / "flows.yml"
    flows.write_text(flows.read_text(encoding="utf-8").replace("from: [immigrations]", "from: [registers]"))
    found = data(policy, "check", "--fleet", str(draft.folder), code=1)["problems"]
    assert [problem["what"] for problem in found] == ["flow 'ministry-drop' joins no two hosts"]


def test_paths_name_the_hosts_in_their_order() -> None:
    rows = data(policy, "paths", "exchange", *LAB)
    assert rows[0] == {
        "flow": "exchange",
        "path": ["terminal", "firewall", "router", "asp-router", "asp-firewall", "asp-hub"],
        "connections": 3,
    }
    assert max(map(len, run(policy, "paths", *LAB).stdout.splitlines())) <= 80
    assert "there is no flow 'mail'" in run(policy, "paths", "mail", *LAB, code=2).stderr


def test_policy_show_is_what_the_lookup_gives() -> None:
    rows = data(policy, "show", "m131041-terminal", *LAB)
    assert {(row["chain"], row["flow"]) for row in rows} == {
        ("output", "exchange"),
        ("output", "enrolment"),
        ("output", "time"),
        ("output", "packages"),
        ("output", "register-share"),
        ("input", "provisioning"),
        ("output", "provisioning-packages"),
        ("input", "provisioning-windows"),
        ("output", "windows-updates"),
    }
    assert "10.70.102.10 -> 10.64.0.74 8443/tcp" in run(policy, "show", "m131041-terminal", *LAB).stdout


def test_windows_of_a_terminal_are_shown_from_a_moment_on() -> None:
    words = ["windows", "m131041-terminal", *LAB, "--at", "2026-12-28T18:00+09:00", "--days", "8"]
    lines = run(inventory, *words).stdout.splitlines()
    assert lines == [
        "131041 新宿区, profile evening: open, 240 minutes left",
        "  2026-12-28 Mon 18:00 to 2026-12-28 Mon 22:00",
        "  2027-01-04 Mon 17:30 to 2027-01-04 Mon 22:00",
        "  2027-01-05 Tue 17:30 to 2027-01-05 Tue 22:00",
    ]
    found = data(inventory, *words)
    assert (found["open"], found["minutes_left"], len(found["windows"])) == (True, 240, 3)
    assert found["windows"][1]["start"] == "2027-01-04T17:30:00+09:00"


def test_windows_are_of_terminals_and_of_moments_with_a_zone() -> None:
    assert "is no endpoint's host" in run(inventory, "windows", "moj-router", *LAB, code=2).stderr
    for at, what in (
        ("2026-12-28T18:00", "has no time zone"),
        ("soon", "is no moment"),
        ("0001-01-01T00:00Z", "is no"),
    ):
        assert what in run(inventory, "windows", "m131041-terminal", *LAB, "--at", at, code=2).stderr
