"""What a simulated host does with the scripts that Ansible sends: its wrappers are known by their structure.

Ansible 2.19 pipes a manifest into `bootstrap_wrapper.ps1`: which scripts, with which parameters, around which module.
The module's script itself is never run: its model is. A raw script is recognised by what makes it what it is, and one
that nobody foresaw fails.
"""

import json
import math
import re
import time
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha1
from typing import Any

from renkei.lab.windows.host import Host
from renkei.lab.windows.modules import MODELS, Call, run_model
from renkei.lab.windows.modules.patching import stays_down

_SEPARATOR = re.compile(r"\r?\n?\0\0\0\0\r?\n?")
_WRAPPER = '{"name": "exec_wrapper"'
_ASYNC_SECONDS = 0.3


@dataclass(frozen=True, slots=True)
class Output:
    """What a script left: its exit code, the objects (lines) of its output, its error text."""

    code: int = 0
    lines: list[str] = field(default_factory=list)
    error: str = ""

    @property
    def text(self) -> str:
        """The output as a console shows it."""
        return "\r\n".join(self.lines)


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How a host behaves beyond its state: how long a reboot takes, in seconds."""

    reboot_seconds: float = 1.0


def run(host: Host, behaviour: Behaviour, script: str, piped: str) -> Output:
    """Run a script with what was piped into it."""
    if piped.startswith(_WRAPPER):
        _, manifest, *rest = _SEPARATOR.split(piped)
        return _run_manifest(host, json.loads(manifest), rest[0] if rest else "")
    return _run_raw(host, behaviour, script)


def _run_manifest(host: Host, manifest: Mapping[str, Any], piped: str) -> Output:
    action = manifest["actions"][-1]
    name, parameters = action["name"], action["params"]
    if name == "module_wrapper.ps1":
        return _run_module(host, manifest, parameters)
    host.counts[name] += 1
    handler = _ACTIONS.get(name)
    if handler is None:
        return Output(1, error=f"the simulated host doesn't know the script {name}")
    return handler(host, parameters, piped)


def _run_module(host: Host, manifest: Mapping[str, Any], parameters: Mapping[str, Any]) -> Output:
    wrappers = {each["name"]: each["params"] for each in manifest["actions"]}
    script = str(parameters["Script"])
    if not parameters.get("ForModule"):
        return Output(1, error=f"the simulated host doesn't run scripts of one's own ({script})")
    name = re.sub(r"^ansible_collections\.(\w+\.\w+)\.plugins\.modules\.", r"\1.", script.rsplit(".", 1)[0])
    arguments = next(each["Value"] for each in parameters["Variables"] if each["Name"] == "complex_args")
    if "become_wrapper.ps1" in wrappers:
        host.counts[f"become {wrappers['become_wrapper.ps1'].get('BecomeUser')}"] += 1
    result = run_model(host, name, Call(arguments))
    if "async_wrapper.ps1" in wrappers:
        asked = wrappers["async_wrapper.ps1"]
        job = f"{asked['AsyncJid']}.1"
        host.jobs[job] = {"result": result, "at": time.monotonic() + _ASYNC_SECONDS}
        result = {
            "started": True,
            "finished": False,
            "ansible_job_id": job,
            "results_file": rf"{asked['AsyncDir']}\{job}",
            "_ansible_suppress_tmpdir_delete": True,
        }
    return Output(1 if result.get("failed") else 0, [json.dumps(result, ensure_ascii=False)])


def _make_folder(host: Host, parameters: Mapping[str, Any], _piped: str) -> Output:
    path = rf"C:\Users\ansible\AppData\Local\Temp\{parameters['Name']}"
    host.folders.add(path.lower())
    return Output(lines=[path])


def _expand_user(_host: Host, parameters: Mapping[str, Any], _piped: str) -> Output:
    return Output(lines=[str(parameters["Path"]).replace("~", r"C:\Users\ansible")])


def _put_file(host: Host, parameters: Mapping[str, Any], piped: str) -> Output:
    content = b"".join(b64decode(line) for line in piped.split())
    host.files[str(parameters["Path"]).lower()] = content
    digest = sha1(content).hexdigest()  # noqa: S324 - Ansible compares this digest
    return Output(lines=[json.dumps({"sha1": digest})])


def _fetch_winrm(host: Host, parameters: Mapping[str, Any], _piped: str) -> Output:
    content = host.files.get(str(parameters["Path"]).lower())
    if content is None:
        return Output(1, error=f"{parameters['Path']} does not exist")
    start = int(parameters["Offset"])
    return Output(lines=[b64encode(content[start : start + int(parameters["BufferSize"])]).decode()])


def _fetch_psrp(host: Host, parameters: Mapping[str, Any], _piped: str) -> Output:
    content, size = host.files.get(str(parameters["Path"]).lower()), int(parameters["BufferSize"])
    if content is None:
        return Output(1, error=f"{parameters['Path']} does not exist")
    pieces = [b64encode(content[start : start + size]).decode() for start in range(0, len(content), size)]
    return Output(lines=["[FILE]", *pieces])


_ACTIONS = {
    "powershell_mkdtemp.ps1": _make_folder,
    "powershell_expand_user.ps1": _expand_user,
    "winrm_put_file.ps1": _put_file,
    "psrp_put_file.ps1": _put_file,
    "winrm_fetch_file.ps1": _fetch_winrm,
    "psrp_fetch_file.ps1": _fetch_psrp,
}


def _run_raw(host: Host, behaviour: Behaviour, script: str) -> Output:
    """Run the few scripts that Ansible sends without a manifest: what win_reboot and the end of win_copy need."""
    if "LastBootUpTime" in script:
        host.counts["boot time"] += 1
        return Output(lines=[str(host.boot_time)])
    if "shutdown.exe /r" in script:
        host.counts["reboot"] += 1
        host.down_until = time.monotonic() + (math.inf if stays_down(host) else behaviour.reboot_seconds)
        host.boot_time += 10_000_000
        host.reboot_pending = False
        return Output(lines=[json.dumps({"stdout": "", "stderr": "", "rc": 0})])
    if found := re.search(r"AutoLogonChecked.*'(success-[0-9a-f-]+)'", script, re.DOTALL):
        return Output(lines=[found[1]])
    if found := re.search(r"Remove-Item '([^']*)' -Force", script):
        path = found[1].lower().removesuffix("\\.")
        host.folders = {each for each in host.folders if each != path and not each.startswith(f"{path}\\")}
        host.files = {each: content for each, content in host.files.items() if not each.startswith(f"{path}\\")}
        return Output()
    host.counts["unknown script"] += 1
    return Output(1, error="the simulated host has no PowerShell and doesn't know this script")


def known_modules() -> list[str]:
    """Return the full names of the modules that have a model."""
    return sorted(MODELS)
