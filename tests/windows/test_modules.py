"""What roles will ask of a terminal: it is set up once, and a second run finds nothing to do."""

from pathlib import Path
from typing import Any

import yaml

from renkei.lab.windows.host import differences
from windows.conftest import Bench

TASKS: list[dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("tasks.yml").read_text())
TEMPLATE = """[Unicode]
Unicode=yes
[System Access]
MinimumPasswordLength = 12
LockoutBadCount = 5
[Version]
signature="$CHICAGO$"
Revision=1
"""
REGISTRY = r"""Windows Registry Editor Version 5.00

[HKEY_LOCAL_MACHINE\SOFTWARE\Policies\Microsoft\Windows\Explorer]
"NoAutorun"=dword:00000001
"""
TEMP = r"C:\Windows\Temp"


def task(module: str, arguments: object = None, **keywords: object) -> dict[str, Any]:
    return {"name": module, module: arguments or {}, **keywords}


def test_a_terminal_is_set_up_once(bench: Bench) -> None:
    first = bench.play(TASKS).assert_well()
    assert first.stats["term0000"]["changed"] == len(TASKS)
    state = bench.hosts["term0000"].state()
    others = differences(state, bench.hosts["term0001"].state())
    assert [line.split(":")[0] for line in others] == ["facts/serial", "name"]
    second = bench.play(TASKS).assert_well()
    assert [result for result in second.results("term0000") if result["changed"]] == []
    assert differences(state, bench.hosts["term0000"].state()) == []


def test_check_mode_says_what_would_change_and_changes_nothing(bench: Bench) -> None:
    before = bench.hosts["term0000"].state()
    needs_what_is_not_made = {"Access", "Members of the clerks"}
    tasks = [each for each in TASKS if each["name"] not in needs_what_is_not_made]
    assert bench.play(tasks, check=True).assert_well().changed() == 2 * len(tasks)
    assert differences(before, bench.hosts["term0000"].state()) == []


def test_settings_come_by_whole_files(bench: Bench) -> None:
    apply = ["secedit.exe", "/configure", "/db", rf"{TEMP}\renkei.sdb", "/cfg", rf"{TEMP}\renkei.inf"]
    tasks = [
        task("ansible.windows.win_copy", {"content": TEMPLATE, "dest": rf"{TEMP}\renkei.inf"}),
        task("ansible.windows.win_copy", {"content": REGISTRY, "dest": rf"{TEMP}\renkei.reg"}),
        task("ansible.windows.win_command", {"argv": apply}),
        task("ansible.windows.win_command", rf"reg.exe import {TEMP}\renkei.reg"),
    ]
    bench.play(tasks).assert_well()
    host = bench.hosts["term0001"]
    assert host.security["System Access"]["MinimumPasswordLength"] == "12"
    assert host.registry[r"hklm\software\policies\microsoft\windows\explorer"]["noautorun"] == ["NoAutorun", "dword", 1]


def test_files_go_both_ways(bench: Bench) -> None:
    content, path = "漢字" * 20_000, r"C:\Users\a.txt"
    fetched = {"src": path, "dest": str(bench.folder / "{{ inventory_hostname }}"), "flat": True}
    tasks = [
        task("ansible.windows.win_copy", {"content": content, "dest": path}),
        task("ansible.builtin.fetch", fetched),
        task("ansible.windows.win_stat", {"path": path}),
    ]
    for connection in ("winrm", "psrp"):
        played = bench.play(tasks, connection=connection).assert_well()
        assert (bench.folder / "term0000").read_text() == content
        assert played.results("term0000")[2]["stat"]["size"] == len(content.encode())
        (bench.folder / "term0000").unlink()


def test_updates_and_reboots(bench: Bench) -> None:
    for host in bench.hosts.values():
        host.updates = [
            {"id": "1", "title": "Cumulative", "kb": ["KB5040001"], "categories": ["Security Updates"], "reboot": True},
            {"id": "2", "title": "Definitions", "kb": ["KB2267602"], "categories": ["Definition Updates"]},
        ]
    categories = ["SecurityUpdates", "DefinitionUpdates"]
    update = task("ansible.windows.win_updates", {"category_names": categories, "reboot": True})
    first = bench.play([update]).assert_well()
    assert first.results("term0000")[0]["installed_update_count"] == 2
    assert [host.installed for host in bench.hosts.values()] == [["1", "2"], ["1", "2"]]
    assert bench.hosts["term0000"].counts["reboot"] == 1
    assert bench.play([update]).assert_well().changed() == 0


def test_what_the_real_module_would_refuse_is_refused(bench: Bench) -> None:
    wrong: list[tuple[str, object, str]] = [
        ("win_user", {"name": "a", "group": "Users"}, "Unsupported parameters for (win_user) module: group"),
        ("win_user", {"name": "a", "state": "there"}, "value of state must be one of: present, absent, query"),
        ("win_audit_policy_system", {"audit_type": "success"}, "one of the following is required: subcategory"),
        ("win_optional_feature", {"state": "present"}, "missing required arguments: name"),
        ("win_dhcp_lease", {"type": "lease"}, "no model of the module ansible.windows.win_dhcp_lease"),
        ("win_command", "format C:", "no model of the program 'format'"),
    ]
    tasks = [task(f"ansible.windows.{name}", arguments, ignore_errors=True) for name, arguments, _ in wrong]
    results = bench.play(tasks).results("term0000")
    for result, (_, _, message) in zip(results, wrong, strict=True):
        assert message in result["msg"]


def test_what_runs_longer_than_a_connection_is_asked_for_again(bench: Bench) -> None:
    later = task("ansible.windows.win_ping", {"data": "later"}, **{"async": 30, "poll": 1})
    assert bench.play([later]).assert_well().results("term0001")[0]["ping"] == "later"


def test_a_host_that_is_booted_comes_back(bench: Bench) -> None:
    bench.play([task("ansible.windows.win_reboot", {"reboot_timeout": 60})]).assert_well()
    assert {host.counts["reboot"] for host in bench.hosts.values()} == {1}
