"""Files, folders, access control lists: win_file, win_stat, win_copy, slurp, win_tempfile, win_acl and inheritance."""

import hashlib
import uuid
from base64 import b64encode
from typing import Any

from renkei.lab.windows.host import Host
from renkei.lab.windows.modules.model import Call, Failed, Result, model


def path_of(text: str) -> str:
    """Return a path as it is kept: backslashes, lower case, no backslash at the end."""
    return text.replace("/", "\\").rstrip("\\").lower()


@model("ansible.windows.win_file")
def win_file(host: Host, call: Call) -> Result:
    """Make a folder or an empty file, or remove either."""
    path, state = path_of(call.text("path")), call["state"]
    there = path in host.folders or path in host.files
    if state == "absent":
        if not call.check_mode:
            _remove(host, path)
        return {"changed": there}
    if state == "directory":
        if path in host.files:
            raise Failed(f"path {call['path']} is not a directory")
        if not call.check_mode:
            _make_folders(host, path)
        return {"changed": not there}
    if state == "touch":
        if not call.check_mode:
            host.files.setdefault(path, b"")
        return {"changed": True}
    if not there:
        raise Failed(f"path {call['path']} will not be created")
    return {"changed": False}


@model("ansible.windows.win_stat")
def win_stat(host: Host, call: Call) -> Result:
    """Say what a path is."""
    path = path_of(call.text("path"))
    content = host.files.get(path)
    if content is None:
        return {"stat": {"exists": path in host.folders, "isdir": path in host.folders, "isreg": False}}
    stat: dict[str, Any] = {"exists": True, "isdir": False, "isreg": True, "size": len(content), "path": call["path"]}
    if call["get_checksum"] is not False:
        stat["checksum"] = hashlib.new(call.text("checksum_algorithm") or "sha1", content).hexdigest()
    return {"stat": stat}


@model("ansible.windows.slurp", "ansible.legacy.slurp", "ansible.builtin.slurp")
def slurp(host: Host, call: Call) -> Result:
    """Return a file's content."""
    content = host.files.get(path_of(call.text("src")))
    if content is None:
        raise Failed(f"Path {call['src']} is not found")
    return {"content": b64encode(content).decode(), "encoding": "base64"}


@model("ansible.windows.win_tempfile")
def win_tempfile(host: Host, call: Call) -> Result:
    """Make a temporary file or folder."""
    path = rf"C:\Windows\Temp\{call.text('prefix') or 'ansible.'}{uuid.uuid4().hex[:8]}{call.text('suffix')}"
    if call["state"] == "directory":
        host.folders.add(path.lower())
    else:
        host.files[path.lower()] = b""
    return {"changed": True, "path": path}


@model(
    "ansible.windows.win_copy",
    internal=("_copy_mode", "_original_basename", "files", "directories", "symlinks", "recursive", "mode"),
)
def win_copy(host: Host, call: Call) -> Result:
    """Take what the action plugin has put into a temporary file, or say what has to be put there."""
    destination = call.text("dest").replace("/", "\\")
    mode = call.text("_copy_mode") or "single"
    if mode == "query":
        return _query(host, call, destination)
    if mode == "single":
        return _copy_single(host, call, destination)
    if mode == "remote":
        return _copy_remote(host, call, destination)
    raise Failed(f"the simulated host has no model of win_copy's way {mode!r}: let the host fetch it over HTTP")


@model("ansible.windows.win_acl")
def win_acl(host: Host, call: Call) -> Result:
    """Add or remove an access control entry."""
    path = path_of(call.text("path"))
    if path not in host.folders | host.files.keys() and not path.startswith("hk"):
        raise Failed(f"{call['path']} file or directory does not exist on the host")
    entry = {
        "user": call["user"],
        "rights": call["rights"],
        "type": call["type"],
        "inherit": call.text("inherit"),
        "propagation": call.text("propagation") or "None",
    }
    entries = host.acls.setdefault(path, [])
    there = entry in entries
    if call["state"] == "absent":
        if there and not call.check_mode:
            entries.remove(entry)
        return {"changed": there}
    if not there and not call.check_mode:
        entries.append(entry)
    return {"changed": not there}


@model("ansible.windows.win_acl_inheritance")
def win_acl_inheritance(host: Host, call: Call) -> Result:
    """Let a path inherit access control entries, or not."""
    path = path_of(call.text("path"))
    if path not in host.folders | host.files.keys():
        raise Failed(f"{call['path']} file or directory does not exist on the host")
    barrier = {"inheritance": "absent"}
    entries = host.acls.setdefault(path, [])
    wanted = call["state"] == "absent"
    changed = (barrier in entries) != wanted
    if changed and not call.check_mode:
        entries[:] = [barrier, *entries] if wanted else [entry for entry in entries if entry != barrier]
    return {"changed": changed}


def _query(host: Host, call: Call, destination: str) -> Result:
    wanted = []
    for file in call["files"] or []:
        present = host.files.get(path_of(f"{destination}\\{file['dest']}"))
        if present is None or (call["force"] is not False and _sha1(present) != file["checksum"]):
            wanted.append(file)
    folders = [
        folder
        for folder in call["directories"] or []
        if path_of(f"{destination}\\{folder['dest']}") not in host.folders
    ]
    return {"changed": bool(wanted or folders), "files": wanted, "directories": folders, "symlinks": []}


def _copy_single(host: Host, call: Call, destination: str) -> Result:
    content = host.files.get(path_of(call.text("src")))
    if content is None:
        raise Failed(f"Cannot copy src file: '{call['src']}' as it does not exist")
    if path_of(destination) in host.folders:
        destination = f"{destination.rstrip(chr(92))}\\{call['_original_basename']}"
    return _write(host, call, destination, content)


def _copy_remote(host: Host, call: Call, destination: str) -> Result:
    source = path_of(call.text("src"))
    if source in host.folders:
        below = [path for path in host.files if path.startswith(f"{source}\\")]
        results = [_write(host, call, destination + path.removeprefix(source), host.files[path]) for path in below]
        return {
            "changed": any(result["changed"] for result in results),
            "dest": destination,
            "operation": "folder_copy",
        }
    content = host.files.get(source)
    if content is None:
        raise Failed(f"Cannot copy src file: '{call['src']}' as it does not exist")
    return _write(host, call, destination, content)


def _write(host: Host, call: Call, destination: str, content: bytes) -> Result:
    path = path_of(destination)
    changed = host.files.get(path) != content
    if changed and not call.check_mode:
        host.files[path] = content
    return {
        "changed": changed,
        "dest": destination,
        "src": call["src"],
        "checksum": _sha1(content),
        "size": len(content),
        "operation": "file_copy",
    }


def _make_folders(host: Host, path: str) -> None:
    while path:
        host.folders.add(path)
        path = path.rpartition("\\")[0]


def _remove(host: Host, path: str) -> None:
    below = f"{path}\\"
    host.folders = {each for each in host.folders if each != path and not each.startswith(below)}
    for each in [each for each in host.files if each == path or each.startswith(below)]:
        del host.files[each]
    for each in [each for each in host.acls if each == path or each.startswith(below)]:
        del host.acls[each]


def _sha1(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()  # noqa: S324 - Ansible compares this digest
