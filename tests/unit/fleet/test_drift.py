"""What a check says would change, as a list for a person."""

from typing import Any

from renkei.fleet.drift import Difference, differences

HOST = "m131041-terminal"


def found(result: dict[str, Any], task: str = "agent : The settings are those of the inventory") -> list[Difference]:
    """The differences of a report with one task, on one host."""
    return differences({"plays": [{"tasks": [{"task": {"name": task}, "hosts": {HOST: result}}]}]})


def setup(kind: str, role: str, profile: str = "dedicated") -> dict[str, Any]:
    row = {"control": "idle-lock", "kind": kind, "place": "a.place", "wanted": "600", "found": "-"}
    others = {"base": [], "firewall": [], "hardening": []}
    return {"ansible_facts": {"terminal_base_setup": {"profile": profile, "deviations": {**others, role: [row]}}}}


def test_a_file_is_told_by_its_changed_lines_alone() -> None:
    diff = {"before": "a\nb\nc\n", "after": "a\nB\nc\n", "before_header": "/etc/x", "after_header": "/etc/x"}
    assert found({"changed": True, "diff": [diff]}) == [
        Difference(HOST, "agent : The settings are those of the inventory", "/etc/x", ("-b", "+B"))
    ]


def test_a_file_that_is_missing_has_its_templates_name() -> None:
    diff = {"before": "", "after": "a\n", "after_header": "/root/.ansible/tmp/local-1/agent.toml.j2"}
    (one,) = found({"changed": True, "diff": [diff]})
    assert one.place == "agent.toml"


def test_a_files_mode_and_owner_are_told() -> None:
    diff = {"before": {"path": "/x", "mode": "0644"}, "after": {"path": "/x", "mode": "0640"}}
    (one,) = found({"changed": True, "diff": diff})
    assert (one.place, one.lines) == ("/x", ("-mode: 0644", "+mode: 0640"))


def test_content_and_mode_of_one_file_are_two_differences() -> None:
    text = {"before": "", "after": "a\n", "before_header": "/x"}
    mode = {"before": {"path": "/x", "mode": "0644"}, "after": {"path": "/x", "mode": "0640"}}
    assert [each.place for each in found({"changed": True, "diff": [text, mode]})] == ["/x", "/x"]


def test_of_a_loop_the_changed_elements_are_told() -> None:
    results = [{"changed": True, "item": "one"}, {"changed": False, "item": "two"}]
    assert [each.place for each in found({"changed": True, "results": results})] == ["one"]


def test_what_is_as_it_should_be_or_was_skipped_is_no_difference() -> None:
    assert found({"changed": False}) == found({"skipped": True, "changed": False}) == []


def test_where_the_check_broke_off_is_said_and_marked() -> None:
    (one,) = found({"failed": True, "msg": "no space left", "changed": False})
    assert not one.checked
    assert "no space left" in one.lines[0]
    (silent,) = found({"unreachable": True, "msg": "timed out"})
    assert not silent.checked


def test_what_the_playbook_itself_ignores_breaks_nothing_off() -> None:
    assert found({"failed": True, "ignored": True, "changed": False}) == []


def test_each_setting_of_a_windows_machine_is_a_difference_and_the_task_that_sets_them_none() -> None:
    assert found(setup("registry", "hardening")) == [Difference(HOST, "idle-lock", "a.place", ("--", "+600"))]
    assert found({"changed": True, "action": "ansible.windows.win_powershell"}) == []
    assert len(found({"changed": True, "action": "ansible.windows.win_hostname"})) == 1


def test_facts_and_settings_of_a_shared_machine_are_a_persons() -> None:
    assert [each.person for each in found(setup("fact", "hardening"))] == [True]
    assert [each.person for each in found(setup("registry", "hardening", "shared"))] == [True]
    assert [each.person for each in found(setup("registry", "firewall", "shared"))] == [False]


def test_a_list_stays_readable_whatever_differs() -> None:
    diff = {"before": "", "after": "\n".join("x" * 900 for _ in range(900)), "after_header": "/x"}
    (one,) = found({"changed": True, "diff": [diff]})
    assert len(one.lines) == 40
    assert max(map(len, one.lines)) == 200


def test_results_that_are_secret_are_told_by_their_task_alone() -> None:
    censored = {"censored": "the output has been hidden", "changed": True}
    assert found(censored) == [Difference(HOST, "agent : The settings are those of the inventory")]
