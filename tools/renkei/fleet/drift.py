"""What a run of Ansible in check mode would change, as a list that a person can judge before anything is changed.

    differences(json.loads(report))  # of the callback ansible.posix.json, of a run with --check --diff

A task that would change something is a difference, with the lines that would change where the task says them. On
Windows, where one task imports a whole file of settings, each setting is a difference of its own: `terminal_base` reads
the machine once and says what differs.
"""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final

#: Tasks of Windows roles that set what `terminal_base_setup` lists: it stands for them.
_WHOLE_FILES: Final = frozenset({"ansible.windows.win_powershell", "win_powershell", "terminal_drive"})
_SETUP: Final = "terminal_base_setup"
_LINES, _WIDTH = 40, 200


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that isn't as it should be.

    Attributes:
        host: where.
        what: the state that isn't reached: a task's name, or a control's id.
        place: the file or setting, empty where the task doesn't say.
        lines: `-` what is there, `+` what should be there; at most 40 of 200 characters.
        checked: false where the check itself failed there: what comes after it on that host isn't known.
        person: repair can't set it (a fact, or a setting of a machine that has other duties): somebody sees to it.
    """

    host: str
    what: str
    place: str = ""
    lines: tuple[str, ...] = ()
    checked: bool = True
    person: bool = False


def differences(report: Mapping[str, Any]) -> list[Difference]:
    """List what a check found, in the order of its tasks.

    Args:
        report: what the callback printed.

    Raises:
        KeyError, TypeError, AttributeError: it isn't such a report.
    """
    found: list[Difference] = []
    for play in report["plays"]:
        for task in play["tasks"]:
            for host, result in task["hosts"].items():
                found += _of_result(host, str(task["task"]["name"]), result)
    return found


def _of_result(host: str, task: str, result: Mapping[str, Any]) -> Iterator[Difference]:
    if result.get("unreachable") or (result.get("failed") and not result.get("ignored")):
        yield Difference(host, task, lines=(f"can't be checked: {_short(str(result.get('msg', '')))}",), checked=False)
        return
    setup = (result.get("ansible_facts") or {}).get(_SETUP)
    if setup is not None:
        yield from _of_setup(host, setup)
    elif result.get("changed") and result.get("action") not in _WHOLE_FILES:
        parts = [each for each in result.get("results") or [result] if each.get("changed")]
        for part in parts:
            for diff in _diffs(part):
                place, lines = _told(diff)
                yield Difference(host, task, place or _item(part), lines)


def _of_setup(host: str, setup: Mapping[str, Any]) -> Iterator[Difference]:
    """Each setting of a Windows machine that differs, by the role that sets it."""
    whole = setup["profile"] == "dedicated"
    for role, rows in setup["deviations"].items():
        for row in rows:
            lines = (f"-{_short(str(row['found']))}", f"+{_short(str(row['wanted']))}")
            person = row["kind"] == "fact" or not (whole or role == "firewall")
            yield Difference(host, str(row["control"]), str(row["place"]), lines, person=person)


def _diffs(result: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Give a result's diffs, one of them empty where it has none."""
    diff = result.get("diff") or {}
    found = [each for each in (diff if isinstance(diff, list) else [diff]) if each]
    return found or [{}]


def _told(diff: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    """Give place and changed lines of a diff as Ansible's modules say it: of texts, or of a file's properties."""
    before, after = diff.get("before"), diff.get("after")
    place = _file(diff)
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        place = place or str(after.get("path", before.get("path", "")))
        names = [name for name in sorted({*before, *after}) if before.get(name) != after.get(name)]
        sides = [
            f"{sign}{name}: {side.get(name, '')}" for name in names for sign, side in (("-", before), ("+", after))
        ]
        return place, tuple(_short(each) for each in sides[:_LINES])
    if isinstance(before, str) and isinstance(after, str):
        compared = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=0)
        changed = [_short(line) for line in compared if not line.startswith(("---", "+++", "@@"))]
        return place, tuple(changed[:_LINES])
    return place, ()


def _file(diff: Mapping[str, Any]) -> str:
    """Name the file of a diff of texts; of one that isn't there yet only the template is known."""
    there, source = diff.get("before_header"), PurePosixPath(str(diff.get("after_header") or ""))
    return str(there) if there else source.stem if source.suffix == ".j2" else ""


def _item(result: Mapping[str, Any]) -> str:
    """Name the element of a loop, or nothing."""
    item = result.get("_ansible_item_label", result.get("item", ""))
    return _short(item if isinstance(item, str) else str(item))


def _short(text: str) -> str:
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 1]}…"
