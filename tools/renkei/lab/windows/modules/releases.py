"""win_get_url, win_unzip, and the agent's own installer: what the role `agent` asks of a terminal."""

import hashlib
import io
import json
import urllib.error
import urllib.request
import zipfile
from collections.abc import Sequence
from typing import Any

from renkei.agent.windows import layout
from renkei.lab.windows.host import Host, Ran
from renkei.lab.windows.modules.files import path_of
from renkei.lab.windows.modules.model import Call, Failed, Result, model

_SECONDS = 30
_LIMIT = 256 * 1024 * 1024
_INTERPRETER = r"\python\python.exe"
_SHORTCUT = path_of(r"C:\Users\Public\Desktop\連携端末の状況.url")
_FOLDERS = ("state", "log", "staging", "inbox", "outbox", "done", "rejected", "confirm", "keys", "page")


@model("ansible.windows.win_get_url")
def win_get_url(host: Host, call: Call) -> Result:
    """Fetch a file over HTTP; one that isn't what its digest says isn't kept."""
    url, dest = call.text("url"), path_of(call.text("dest"))
    algorithm, wanted = call.text("checksum_algorithm") or "sha1", call.text("checksum").lower()
    there = host.files.get(dest)
    if there is not None and wanted and call["force"] is False and _digest(algorithm, there) == wanted:
        return {"changed": False, "dest": call["dest"], "url": url}
    if call.check_mode:
        return {"changed": True, "dest": call["dest"], "url": url}
    if not url.startswith(("http://", "https://")):
        raise Failed(f"Unable to download '{url}': the simulated host fetches over HTTP only")
    try:
        with urllib.request.urlopen(url, timeout=_SECONDS) as answer:  # noqa: S310 - the scheme was looked at
            content = answer.read(_LIMIT)
    except (OSError, urllib.error.URLError) as error:
        raise Failed(f"Error downloading '{url}' to '{call['dest']}': {error}") from error
    if wanted and _digest(algorithm, content) != wanted:
        raise Failed(
            f"The checksum for {call['dest']} did not match '{wanted}', it was '{_digest(algorithm, content)}'"
        )
    host.files[dest] = content
    return {"changed": there != content, "dest": call["dest"], "url": url, "status_code": 200}


@model("community.windows.win_unzip")
def win_unzip(host: Host, call: Call) -> Result:
    """Unpack a zip, unless what it creates is there."""
    created, source, target = path_of(call.text("creates")), path_of(call.text("src")), path_of(call.text("dest"))
    if created and (created in host.files or created in host.folders):
        return {"changed": False, "skipped": True, "msg": f"The file or directory '{call['creates']}' already exists."}
    content = host.files.get(source)
    if content is None:
        raise Failed(f"File '{call['src']}' does not exist.")
    if not call.check_mode:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for name in archive.namelist():
                _unpack(host, f"{target}\\{path_of(name)}", archive.read(name))
        if call["delete_archive"]:
            del host.files[source]
    return {"changed": True, "dest": call["dest"], "src": call["src"], "removed": bool(call["delete_archive"])}


def _unpack(host: Host, path: str, content: bytes) -> None:
    folder = path.rpartition("\\")[0]
    while folder and folder not in host.folders:
        host.folders.add(folder)
        folder = folder.rpartition("\\")[0]
    host.files[path] = content
    if path.endswith(_INTERPRETER):
        host.programs.setdefault(path, _release)


def _release(host: Host, words: Sequence[str]) -> Ran:
    """Do what `renkei-agent service install` says that it does; of the agent itself nothing runs here."""
    match list(words):
        case [program, "-X", "utf8", "-m", "renkei.cli.agent", "service", "install", "--json", *rest]:
            version = path_of(program).removesuffix(_INTERPRETER).rpartition("\\")[2]
            clerks = rest[1] if rest[:1] == ["--clerks"] else ""
            changed = _install(host, version) + (_let_in(host, clerks) if clerks else [])
            return Ran(0, json.dumps({"release": version, "changed": changed}), "")
    raise Failed(f"the simulated host has no model of {' '.join(words)!r}")


def _install(host: Host, version: str) -> list[str]:
    changed = []
    for name in _FOLDERS:
        folder = path_of(rf"{layout.DATA}\{name}")
        if folder not in host.folders:
            host.folders |= {path_of(str(layout.DATA)), folder}
            changed.append(f"folder {layout.DATA}\\{name}")
    chosen, content = path_of(rf"{layout.PROGRAMS}\chosen.json"), json.dumps({"version": version}).encode()
    if host.files.get(chosen) != content:
        host.files[chosen] = content
        changed.append(f"release {version} chosen")
    wanted: dict[str, Any] = {
        "name": layout.SERVICE,
        "display_name": "Renkei agent",
        "start_mode": "delayed",
        "path": rf'"{layout.PROGRAMS}\launcher\python\python.exe" -X utf8 -m renkei.agent.windows.launcher',
        "username": layout.ACCOUNT,
        "required_privileges": ["SeChangeNotifyPrivilege"],
    }
    service = host.services.get(layout.SERVICE)
    if service is None or any(service.get(key) != value for key, value in wanted.items()):
        host.services[layout.SERVICE] = {"state": "stopped", "dependencies": [], **(service or {}), **wanted}
        changed.append("service")
    return changed


def _let_in(host: Host, clerks: str) -> list[str]:
    """Make the clerks' group, let it into the page's folder, and put the way there on the desktop."""
    changed = []
    if clerks.lower() not in host.groups:
        host.groups[clerks.lower()] = {"name": clerks, "description": "", "members": []}
        changed.append(f"group {clerks}")
    page, rights = path_of(str(layout.PAGE)), {"SYSTEM": "full", "Administrators": "full", layout.ACCOUNT: "modify"}
    entries = [{"who": who, "rights": what, "inherits": False} for who, what in {**rights, clerks: "read"}.items()]
    if host.acls.get(page) != entries:
        host.acls[page] = entries
        changed.append(f"folder {layout.PAGE}")
    if _SHORTCUT not in host.files:
        host.files[_SHORTCUT] = b"[InternetShortcut]\r\nURL=file:///C:/ProgramData/Renkei/page/renkei.html\r\n"
        changed.append("shortcut")
    return changed


def _digest(algorithm: str, content: bytes) -> str:
    return hashlib.new(algorithm, content).hexdigest()
