"""What arguments a real module takes, read out of the installed collections, and what it would say to wrong ones.

A module written on Ansible.Basic declares its arguments in PowerShell (`$spec = @{ … }`): that is parsed, never run.
Older ones declare nothing that can be read: for these the module's documentation counts, which is stricter than they
are themselves, since they pass over what they don't know.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import tree_sitter
import tree_sitter_pwsh
import yaml

_LANGUAGE = tree_sitter.Language(tree_sitter_pwsh.language())
_OPAQUE = frozenset(
    {
        *("hash_literal_expression", "array_expression", "sub_expression", "script_block_expression"),
        *("type_literal", "cast_expression", "expandable_string_literal", "verbatim_string_characters"),
    }
)
_CONSTANTS = {"$true": True, "$false": False, "$null": None}
_TRUE = frozenset({"y", "yes", "on", "1", "true", "t", "1.0"})
_FALSE = frozenset({"n", "no", "off", "0", "false", "f", "0.0"})
_TYPES = {"str": "str", "path": "str", "sid": "str", "raw": "raw", "json": "raw", "bool": "bool", "int": "int"}
_DOCUMENTATION = re.compile(r"DOCUMENTATION\s*=\s*r?(?P<q>'''|\"\"\")(?P<text>.*?)(?P=q)", re.DOTALL)


class WrongArguments(Exception):
    """What the real module would fail with."""


class _NotLiteral(Exception):
    """An expression that would have to be run."""


@dataclass(frozen=True, slots=True)
class ModuleSpec:
    """A module's arguments, in the form of Ansible.Basic; `source` is `module` or `documentation`."""

    name: str
    source: str
    options: Mapping[str, Mapping[str, Any]]
    rules: Mapping[str, Any]
    supports_check_mode: bool


@cache
def spec_of(module: str) -> ModuleSpec:
    """Return the arguments of a module by its full name, such as `ansible.windows.win_service`.

    Raises:
        LookupError: the collections have no such module.
    """
    namespace, collection, name = module.split(".")
    folder = files(f"ansible_collections.{namespace}.{collection}") / "plugins" / "modules"
    script, python = folder.joinpath(f"{name}.ps1"), folder.joinpath(f"{name}.py")
    yml = folder.joinpath(f"{name}.yml")
    if not script.is_file():
        raise LookupError(f"the installed collections have no module {module}")
    declared = _declared(script.read_bytes())
    if declared is not None:
        rules = {key: _nested(key, declared[key]) for key in _RULES if key in declared}
        check_mode = bool(declared.get("supports_check_mode", False))
        return ModuleSpec(module, "module", declared.get("options", {}), rules, check_mode)
    if yml.is_file():
        documentation = yaml.safe_load(yml.read_text(encoding="utf-8"))["DOCUMENTATION"]
    else:
        found = _DOCUMENTATION.search(python.read_text(encoding="utf-8"))
        documentation = yaml.safe_load(found["text"]) if found else {}
    text = script.read_text(encoding="utf-8-sig")
    return ModuleSpec(
        module, "documentation", documentation.get("options") or {}, {}, "_ansible_check_mode" in text.lower()
    )


def check(spec: ModuleSpec, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return a module's arguments with aliases resolved, types converted and defaults filled in.

    Raises:
        WrongArguments: in the words of Ansible.Basic.
    """
    return _check(spec.options, spec.rules, given, f"({spec.name.rsplit('.', 1)[-1]}) module", "")


def _nested(rule: str, value: Any) -> Any:  # noqa: ANN401 - JSON
    """Bring a rule to a list of lists: a literal of one element in PowerShell tells nothing of how deep it is."""
    if rule == "required_by":
        return value
    while value and isinstance(value[0], list) and value[0] and isinstance(value[0][0], list):
        (value,) = value
    return value if not value or isinstance(value[0], list) else [value]


_RULES = ("mutually_exclusive", "required_together", "required_one_of", "required_if", "required_by")


def _check(
    options: Mapping[str, Mapping[str, Any]],
    rules: Mapping[str, Any],
    given: Mapping[str, Any],
    whose: str,
    within: str,
) -> dict[str, Any]:
    aliases = {alias: name for name, option in options.items() for alias in option.get("aliases") or ()}
    named = {aliases.get(key, key): value for key, value in given.items() if not key.startswith("_ansible_")}
    if unknown := sorted(key for key in named if key not in options):
        supported = f"Supported parameters include: {', '.join(sorted(options))}"
        raise WrongArguments(f"Unsupported parameters for {whose}: {', '.join(unknown)}{within}. {supported}")
    _check_rules(rules, {key for key, value in named.items() if value is not None}, named, within)
    missing = sorted(name for name, each in options.items() if each.get("required") and named.get(name) is None)
    if missing:
        raise WrongArguments(f"missing required arguments: {', '.join(missing)}{within}")
    return {name: _value(name, option, named.get(name), within) for name, option in options.items()}


def _check_rules(rules: Mapping[str, Any], given: set[str], values: Mapping[str, Any], within: str) -> None:
    for names in rules.get("mutually_exclusive", ()):
        if len(given.intersection(names)) > 1:
            raise WrongArguments(f"parameters are mutually exclusive: {', '.join(names)}{within}")
    for names in rules.get("required_together", ()):
        if given.intersection(names) and not given.issuperset(names):
            raise WrongArguments(f"parameters are required together: {', '.join(names)}{within}")
    for names in rules.get("required_one_of", ()):
        if not given.intersection(names):
            raise WrongArguments(f"one of the following is required: {', '.join(names)}{within}")
    for rule in rules.get("required_if", ()):
        _check_required_if(rule, given, values, within)
    for key, names in (rules.get("required_by") or {}).items():
        if key in given and (lacking := [name for name in _listed(names) if name not in given]):
            raise WrongArguments(f"missing parameter(s) required by '{key}': {', '.join(lacking)}{within}")


def _check_required_if(rule: list[Any], given: set[str], values: Mapping[str, Any], within: str) -> None:
    key, value, names, *one = rule
    if str(values.get(key)).lower() != str(value).lower():
        return
    lacking = [name for name in names if name not in given]
    enough_with_one = bool(one) and bool(one[0])
    if len(lacking) == len(names) if enough_with_one else lacking:
        few = "any" if enough_with_one else "all"
        listed = ", ".join(lacking)
        raise WrongArguments(f"{key} is {value} but {few} of the following are missing: {listed}{within}")


def _value(name: str, option: Mapping[str, Any], given: Any, within: str) -> Any:  # noqa: ANN401 - JSON
    if given is None:
        given = option.get("default")
    if given is None:
        return None
    kind = str(option.get("type", "str"))
    if kind == "list":
        items = _listed(given)
        if option.get("options"):
            inside = f" found in {name}{within}"
            return [_check(option["options"], option, item, name, inside) for item in items]
        return [
            _convert(name, str(option.get("elements", "raw")), item, within)
            for item in _chosen(name, option, items, within)
        ]
    if kind == "dict":
        if not isinstance(given, dict):
            raise WrongArguments(_unconvertible(name, given, "dict", within))
        return (
            _check(option["options"], option, given, name, f" found in {name}{within}")
            if option.get("options")
            else given
        )
    return _chosen(name, option, [_convert(name, kind, given, within)], within)[0]


def _chosen(name: str, option: Mapping[str, Any], values: list[Any], within: str) -> list[Any]:
    choices = option.get("choices")
    if not choices:
        return values
    known = {str(choice).lower(): choice for choice in choices}
    for value in values:
        if str(value).lower() not in known:
            kind = "one or more of" if option.get("type") == "list" else "one of"
            listed = ", ".join(map(str, choices))
            raise WrongArguments(f"value of {name} must be {kind}: {listed}. Got no match for: {value}{within}")
    return [known[str(value).lower()] for value in values]


def _convert(name: str, kind: str, value: Any, within: str) -> Any:  # noqa: ANN401 - JSON
    kind = _TYPES.get(kind, kind)
    text = str(value).lower()
    try:
        if kind == "bool":
            if text not in _TRUE | _FALSE:
                raise ValueError  # noqa: TRY301 - said below, in the module's words
            return text in _TRUE
        if kind == "int":
            return int(str(value), 0) if isinstance(value, str) else int(value)
        if kind == "float":
            return float(value)
    except (TypeError, ValueError):
        raise WrongArguments(_unconvertible(name, value, kind, within)) from None
    return str(value) if kind == "str" and not isinstance(value, str | dict | list) else value


def _unconvertible(name: str, value: object, kind: str, within: str) -> str:
    given = type(value).__name__
    return f"argument for {name} is of type {given} and we were unable to convert to {kind}{within}"


def _listed(value: Any) -> list[Any]:  # noqa: ANN401 - JSON
    if isinstance(value, list):
        return value
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else [value]


# -- reading PowerShell's literals


def _declared(script: bytes) -> dict[str, Any] | None:
    """Return what `$spec` is assigned in a script, None when it isn't made of literals alone."""
    root = tree_sitter.Parser(_LANGUAGE).parse(script.removeprefix(b"\xef\xbb\xbf")).root_node
    known: dict[str, Any] = dict(_CONSTANTS)
    for assignment in _assignments(root):
        name = _text(assignment.named_children[0]).lower()
        try:
            value = _literal(assignment.named_children[-1], known)
        except _NotLiteral:
            if name == "$spec":
                return None
            continue
        if name == "$spec":
            return value if isinstance(value, dict) else None
        known[name] = value
    return None


def _assignments(root: tree_sitter.Node) -> list[tree_sitter.Node]:
    found, waiting = [], [root]
    while waiting:
        node = waiting.pop()
        if node.type == "assignment_expression":
            found.append(node)
        waiting.extend(reversed(node.children))
    return found


def _literal(node: tree_sitter.Node, known: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON
    while node.named_child_count == 1 and node.type not in _OPAQUE:
        node = node.named_children[0]
    text = _text(node)
    if node.type == "hash_literal_expression":
        entries = [entry for body in node.named_children for entry in (body.named_children or [body])]
        pairs = [entry.named_children for entry in entries if entry.type == "hash_entry"]
        return {_text(key).strip("'\""): _literal(value, known) for key, value in pairs}
    if node.type == "array_expression":
        items: list[Any] = []
        for child in (child for statement in node.named_children for child in statement.named_children):
            value = _literal(child, known)
            items.extend(value if isinstance(value, list) and not _text(child).startswith("@") else [value])
        return items
    if "array_literal" in node.type:
        return [_literal(child, known) for child in node.named_children]
    if node.type == "variable" and text.lower() in known:
        return known[text.lower()]
    if found := re.fullmatch(r"'([^']*)'|\"([^\"$`]*)\"", text):
        return found[1] if found[1] is not None else found[2]
    if re.fullmatch(r"-?\d+", text):
        return int(text)
    raise _NotLiteral(text)


def _text(node: tree_sitter.Node) -> str:
    return (node.text or b"").decode()
