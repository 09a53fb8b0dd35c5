"""A plan as the platform's own files: security template, audit policy, registry file; and what to ask a machine for.

Each is whole and goes to the machine in one call.
"""

import csv
import io
from collections.abc import Iterable, Mapping
from typing import Any

from renkei.fleet.controls.audit import NUMBERS, WORDS, guid
from renkei.fleet.controls.model import Data
from renkei.fleet.controls.plan import Plan, list_keys

_REGISTRY_HEAD = "Windows Registry Editor Version 5.00"
_AUDIT_HEAD = (
    *("Machine Name", "Policy Target", "Subcategory", "Subcategory GUID"),
    *("Inclusion Setting", "Exclusion Setting", "Setting Value"),
)
ALL_VALUES = "*"
"""Stands for every value of a key in what a machine is asked for."""


def security_template(plan: Plan) -> str:
    """Write a security template for `secedit /configure`: account policies and user rights."""
    sections: dict[str, dict[str, str]] = {}
    for each in plan.wanted:
        for section, keys in each.settings.security.items():
            sections.setdefault(section, {}).update({key: str(data) for key, data in keys.items()})
        for right, sids in each.settings.rights.items():
            members = ",".join(f"*{sid}" if sid.startswith("S-") else sid for sid in sids)
            sections.setdefault("Privilege Rights", {})[right] = members
    lines = ["[Unicode]", "Unicode=yes"]
    for section, values in sections.items():
        lines += [f"[{section}]", *(f"{key} = {value}".rstrip() for key, value in values.items())]
    return "\r\n".join([*lines, "[Version]", 'signature="$CHICAGO$"', "Revision=1", ""])


def audit_policy(plan: Plan) -> str:
    """Write an audit policy for `auditpol /restore`; GUIDs and numbers are what counts, in every language."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(_AUDIT_HEAD)
    for each in plan.wanted:
        for name, kinds in each.settings.audit.items():
            number = NUMBERS[kinds]
            writer.writerow(["", "System", name, guid(name), WORDS[number], "", number])
    return text.getvalue()


def registry_file(plan: Plan) -> str:
    """Write a registry file for `reg import`; a list's key is made anew, so that nothing of a former list stays."""
    replaced = {key for each in plan.wanted for key in list_keys(each.control)}
    return write_registry(registry(plan), replaced)


def registry(plan: Plan) -> dict[str, dict[str, Data]]:
    """Return all registry values of a plan: key → value name → data."""
    keys: dict[str, dict[str, Data]] = {}
    for each in plan.wanted:
        for key, values in each.settings.registry.items():
            if not isinstance(values, str):
                keys.setdefault(key, {}).update(values)
    return keys


def write_registry(keys: Mapping[str, Mapping[str, Data]], replaced: Iterable[str] = ()) -> str:
    """Write a registry file; keys in `replaced` are removed first."""
    lines = [_REGISTRY_HEAD]
    anew = set(replaced)
    for key, values in keys.items():
        path = key.replace("HKLM\\", "HKEY_LOCAL_MACHINE\\", 1)
        if key in anew:
            lines += ["", f"[-{path}]"]
        lines += ["", f"[{path}]", *(f"{quoted(name)}={_written(data)}" for name, data in values.items())]
    return "\r\n".join([*lines, ""])


def questions(plan: Plan) -> dict[str, Any]:
    """Say what a machine must be asked for, to hold it against the plan: registry values, features, services."""
    asked: dict[str, list[str]] = {key: list(values) for key, values in registry(plan).items()}
    for each in plan.wanted:
        asked.update({key: [ALL_VALUES] for key in list_keys(each.control)})
    return {
        "registry": asked,
        "features": sorted({name for each in plan.wanted for name in each.settings.features}),
        "services": sorted({name for each in plan.wanted for name in each.settings.services}),
    }


def quoted(text: str) -> str:
    """Write a name or a text as registry files have it."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _written(data: Data) -> str:
    return f"dword:{data:08x}" if isinstance(data, int) else quoted(data)
