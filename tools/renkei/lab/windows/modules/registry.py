"""win_regedit, win_reg_stat, win_regmerge: registry keys and values, and .reg files as a whole."""

import re
from typing import Any, Final

from renkei.lab.windows.host import Host
from renkei.lab.windows.modules.model import Call, Failed, Result, model

_HIVES: Final = {
    "hkey_local_machine": "hklm",
    "hkey_current_user": "hkcu",
    "hkey_users": "hku",
    "hkey_classes_root": "hkcr",
    "hkey_current_config": "hkcc",
}
_PATH: Final = re.compile(r"(hklm|hkcu|hku|hkcr|hkcc):?\\?(.*)", re.IGNORECASE)
_LIMITS: Final = {"dword": 2**32 - 1, "qword": 2**64 - 1}
_SECTION: Final = re.compile(r"\[(-?)([^\]]+)\]")
_VALUE: Final = re.compile(r'(@|"(?:[^"\\]|\\.)*")=(.*)')


def key_of(path: str) -> str:
    """Return a registry path as it is kept: hive in short, backslashes, lower case.

    Raises:
        Failed: not below a hive.
    """
    text = path.replace("/", "\\").strip("\\")
    hive, _, rest = text.partition("\\")
    text = f"{_HIVES.get(hive.lower().rstrip(':'), hive.rstrip(':'))}\\{rest}".rstrip("\\")
    found = _PATH.fullmatch(text)
    if found is None:
        raise Failed(f"path: {path} is not a valid registry path, see module documentation for examples.")
    return f"{found[1]}\\{found[2]}".rstrip("\\").lower()


@model("ansible.windows.win_regedit")
def win_regedit(host: Host, call: Call) -> Result:
    """Set or remove a key or a value."""
    key, name = key_of(call.text("path")), call.text("name")
    present = host.registry.get(key)
    if call["state"] == "absent":
        return _remove(host, call, key, name)
    kind = call.text("type") or "string"
    data = _data(call["data"], kind)
    old = (present or {}).get(name.lower())
    wanted = data is not None or bool(name)
    new = [name, kind, data]
    result = {
        "data_changed": old is not None and wanted and old[2] != data,
        "data_type_changed": old is not None and wanted and old[1] != kind,
    }
    changed = present is None or (wanted and (old is None or old[1:] != new[1:]))
    if changed and not call.check_mode:
        values = host.registry.setdefault(key, {})
        if wanted:
            values[name.lower()] = new
    return {"changed": changed, **result}


@model("ansible.windows.win_reg_stat")
def win_reg_stat(host: Host, call: Call) -> Result:
    """Say what a key or a value is."""
    values = host.registry.get(key_of(call.text("path")))
    name = call["name"]
    if name is None:
        below = f"{key_of(call.text('path'))}\\"
        keys = sorted({key.removeprefix(below).split("\\")[0] for key in host.registry if key.startswith(below)})
        shown = {value[0]: {"type": value[1], "value": value[2]} for value in (values or {}).values()}
        return {"exists": values is not None or bool(keys), "properties": shown, "sub_keys": keys}
    value = (values or {}).get(str(name).lower())
    if value is None:
        return {"exists": False}
    return {"exists": True, "type": f"REG_{value[1].upper()}", "value": value[2], "raw_value": value[2]}


@model("community.windows.win_regmerge")
def win_regmerge(host: Host, call: Call) -> Result:
    """Merge a .reg file from the host."""
    content = host.files.get(call.text("path").replace("/", "\\").lower())
    if content is None:
        raise Failed(f"Path: {call['path']} does not exist")
    return {"changed": merge(host, content, check_mode=call.check_mode)}


def merge(host: Host, content: bytes, *, check_mode: bool = False) -> bool:
    """Merge the text of a .reg file (version 5); return whether that changes something.

    Raises:
        Failed: it isn't one.
    """
    text = content.decode("utf-16") if content[:2] in {b"\xff\xfe", b"\xfe\xff"} else content.decode("utf-8-sig")
    head, *lines = re.sub(r"\\\r?\n\s*", "", text).splitlines() or [""]
    if head.strip() != "Windows Registry Editor Version 5.00":
        raise Failed("the file is no registry script (Windows Registry Editor Version 5.00)")
    changed, key = False, ""
    for line in filter(None, map(str.strip, lines)):
        if line.startswith(";"):
            continue
        if section := _SECTION.fullmatch(line):
            key = key_of(section[2])
            changed |= _merge_section(host, key, removed=bool(section[1]), check_mode=check_mode)
        elif (value := _VALUE.fullmatch(line)) and key:
            name = "" if value[1] == "@" else _unquote(value[1])
            changed |= _merge_value(host, key, name, value[2], check_mode=check_mode)
        else:
            raise Failed(f"the registry script can't be read at: {line[:80]}")
    return changed


def _merge_section(host: Host, key: str, *, removed: bool, check_mode: bool) -> bool:
    if not removed:
        changed = key not in host.registry
        if not check_mode:
            host.registry.setdefault(key, {})
        return changed
    gone = [each for each in host.registry if each == key or each.startswith(f"{key}\\")]
    if not check_mode:
        for each in gone:
            del host.registry[each]
    return bool(gone)


def _merge_value(host: Host, key: str, name: str, text: str, *, check_mode: bool) -> bool:
    values = host.registry.get(key, {})
    old = values.get(name.lower())
    if text == "-":
        if old is not None and not check_mode:
            del values[name.lower()]
        return old is not None
    new: list[Any]
    if text.startswith('"'):
        new = [name, "string", _unquote(text)]
    elif text.startswith("dword:"):
        new = [name, "dword", int(text[6:], 16)]
    elif found := re.fullmatch(r"hex(?:\((7|2|b|0)\))?:([0-9a-f,]*)", text, re.IGNORECASE):
        kinds = {None: "binary", "7": "multistring", "2": "expandstring", "b": "qword", "0": "none"}
        raw = bytes.fromhex(found[2].replace(",", ""))
        new = [name, kinds[found[1]], _from_bytes(kinds[found[1]], raw)]
    else:
        raise Failed(f"the value {name or '@'} of {key} has a form that isn't known: {text[:40]}")
    if old == new:
        return False
    if not check_mode:
        host.registry.setdefault(key, {})[name.lower()] = new
    return True


def _remove(host: Host, call: Call, key: str, name: str) -> Result:
    values = host.registry.get(key)
    if values is None:
        return {"changed": False}
    if name and not call["delete_key"]:
        changed = name.lower() in values
        if changed and not call.check_mode:
            del values[name.lower()]
        return {"changed": changed}
    return {"changed": _merge_section(host, key, removed=True, check_mode=call.check_mode)}


def _data(data: Any, kind: str) -> Any:  # noqa: ANN401 - a registry value
    if kind in _LIMITS:
        number = int(str(data or 0), 0)
        if not -(_LIMITS[kind] + 1) // 2 <= number <= _LIMITS[kind]:
            raise Failed(f"data: {data} doesn't fit into a {kind}")
        return number & _LIMITS[kind]
    if kind == "multistring" and data is not None and not isinstance(data, list):
        return [str(data)]
    return str(data) if kind in {"string", "expandstring"} and data is not None else data


def _from_bytes(kind: str, raw: bytes) -> Any:  # noqa: ANN401 - a registry value
    if kind == "qword":
        return int.from_bytes(raw, "little")
    if kind == "expandstring":
        return raw.decode("utf-16-le").rstrip("\0")
    if kind == "multistring":
        return raw.decode("utf-16-le").rstrip("\0").split("\0")
    return raw.hex()


def _unquote(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1])
