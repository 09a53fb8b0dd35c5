"""The platform's own files of settings, each taken as a whole: security template, audit policy, registry file."""

import configparser
import csv
import io
from typing import Final

from renkei.fleet.controls.audit import SUBCATEGORIES, WORDS, guid
from renkei.lab.windows.host import Host
from renkei.lab.windows.modules.files import path_of
from renkei.lab.windows.modules.model import Failed
from renkei.lab.windows.modules.registry import merge

_RIGHTS: Final = "Privilege Rights"
_NAMES: Final = {guid(name): name.lower() for name in SUBCATEGORIES}
_NUMBERS: Final = {word.lower(): number for number, word in WORDS.items()} | {"none": 0}
_HEAD: Final = (
    "Machine Name,Policy Target,Subcategory,Subcategory GUID,Inclusion Setting,Exclusion Setting,Setting Value\r\n"
)


def decoded(content: bytes) -> str:
    """Return the text of a file of settings, which may be UTF-16 as Windows writes it."""
    return content.decode("utf-16" if content[:2] in {b"\xff\xfe", b"\xfe\xff"} else "utf-8-sig")


def apply_template(host: Host, text: str) -> None:
    """Do what `secedit /configure` does with a security template: what it names is set, the rest stays.

    Raises:
        Failed: it can't be read, or has a section that no machine knows.
    """
    template = configparser.ConfigParser(interpolation=None, delimiters=("=",), strict=True)
    template.optionxform = str  # type: ignore[assignment,method-assign]  # keys keep their case
    try:
        template.read_string(text)
    except configparser.Error as error:
        raise Failed(f"secedit: the template can't be read: {error}") from None
    if template.get("Version", "signature", fallback="") != '"$CHICAGO$"':
        raise Failed("secedit: the template has no signature")
    for name in template.sections():
        section = {key: value.strip() for key, value in template[name].items()}
        if name == _RIGHTS:
            for right, members in section.items():
                host.rights[right] = [part.strip().removeprefix("*") for part in members.split(",") if part.strip()]
        elif name in host.security:
            host.security[name].update(section)
        elif name not in {"Unicode", "Version"}:
            raise Failed(f"secedit: the template has a section [{name}] that isn't known")


def template_of(host: Host) -> str:
    """Return what `secedit /export` writes."""
    lines = ["[Unicode]", "Unicode=yes"]
    for name, section in host.security.items():
        if name != _RIGHTS:
            lines += [f"[{name}]", *(f"{key} = {value}" for key, value in section.items())]
    lines.append(f"[{_RIGHTS}]")
    for right, members in host.rights.items():
        if members:  # a right that nobody has isn't exported
            lines.append(f"{right} = " + ",".join(f"*{each}" if each.startswith("S-1-") else each for each in members))
    return "\r\n".join([*lines, "[Version]", 'signature="$CHICAGO$"', "Revision=1", ""])


def restore_audit(host: Host, text: str) -> None:
    """Do what `auditpol /restore` does: GUID and number of each row count.

    Raises:
        Failed: a row isn't one.
    """
    rows = list(csv.reader(io.StringIO(text)))
    for row in rows[1:]:
        if len(row) != 7 or row[3].upper() not in _NAMES or row[6] not in {"0", "1", "2", "3"}:  # noqa: PLR2004 - columns
            raise Failed(f"auditpol: error 0x00000057, the parameter is incorrect: {','.join(row)[:80]}")
        host.audit[_NAMES[row[3].upper()]] = WORDS[int(row[6])].lower()


def audit_of(host: Host) -> str:
    """Return what `auditpol /backup` writes."""
    rows = []
    for name in SUBCATEGORIES:
        setting = host.audit.get(name.lower(), "none")
        number = _NUMBERS[setting]
        rows.append(f"{host.name},System,{name},{guid(name)},{WORDS[number]},,{number}\r\n")
    return _HEAD + "".join(rows)


def secedit(host: Host, words: list[str]) -> str:
    """Apply a security template: `secedit /configure /db DB /cfg FILE /areas …`; `/export` writes one."""
    given = _options(words)
    file = path_of(given.get("cfg", ""))
    if "export" in given:
        host.files[file] = template_of(host).encode("utf-16")
        return "The task has completed successfully."
    content = host.files.get(file)
    if "configure" not in given or content is None:
        raise Failed(f"secedit: the template {given.get('cfg')} does not exist")
    apply_template(host, decoded(content))
    return "The task has completed successfully."


def auditpol(host: Host, words: list[str]) -> str:
    """Restore a whole audit policy from a CSV: `auditpol /restore /file:FILE`; `/backup` writes one."""
    given = _options(words)
    file = path_of(given.get("file", ""))
    if "backup" in given:
        host.files[file] = audit_of(host).encode()
        return "The command was successfully executed."
    content = host.files.get(file)
    if "restore" not in given or content is None:
        raise Failed(f"auditpol: the file {given.get('file')} does not exist")
    restore_audit(host, decoded(content))
    return "The command was successfully executed."


def reg(host: Host, words: list[str]) -> str:
    """Import a registry file: `reg import FILE`."""
    if words[:1] != ["import"] or len(words) < 2:  # noqa: PLR2004 - import FILE
        raise Failed(f"the simulated host has no model of reg {' '.join(words)}")
    content = host.files.get(path_of(words[1]))
    if content is None:
        raise Failed("ERROR: Error opening the file. There may be a disk or file system error.")
    merge(host, content)
    return "The operation completed successfully."


def _options(words: list[str]) -> dict[str, str]:
    """Read `/name value` and `/name:value`."""
    found: dict[str, str] = {}
    last = ""
    for word in words:
        if word.startswith("/"):
            last, _, value = word[1:].partition(":")
            last = last.lower()
            found[last] = value
        elif last:
            found[last] = word
    return found


TOOLS: Final = {"secedit": secedit, "auditpol": auditpol, "reg": reg}
"""By the program's name, in lower case and without `.exe`."""
