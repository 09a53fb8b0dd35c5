"""Ansible module: the packages of a wave are at exactly the versions that it names, or back at those before."""

# ruff: noqa: INP001 - Ansible finds modules by their folder, not as a package

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.debian_packages import (
    ENVIRONMENT,
    AptError,
    Debian,
    Step,
    digest,
    lock_holder,
    needs_restart,
)

DOCUMENTATION = """
module: exact_packages
short_description: Exact versions of Debian packages, as a wave has them
description:
  - C(look) says what is to be done and what stands against it. C(fetch) brings the packages here, holds each against
    its SHA-256, and keeps the versions before. C(install) installs them in one call of apt, or takes them back. Nothing
    is done with a package that the host doesn't have, unless one that it has needs it and the wave has it, too.
author: The renkei authors
options:
  step: {description: What to do., type: str, choices: [look, fetch, install], required: true}
  action:
    description: Install the versions of the wave, or take them back to those before.
    type: str
    choices: [install, uninstall]
    default: install
  packages:
    description: The wave's packages.
    type: list
    elements: dict
    required: true
    options:
      name: {description: Its name., type: str, required: true}
      version: {description: Its version., type: str, required: true}
      architecture: {description: Its architecture., type: str, required: true}
      sha256: {description: Of its file., type: str, required: true}
      size: {description: Of its file in bytes., type: int, required: true}
      urgency: {description: How soon., type: str, default: routine}
  resumed:
    description: The wave had begun here, so that what it left half done is brought to an end first.
    type: bool
    default: false
  reserve_mib: {description: What stays free on the disk., type: int, default: 1024}
  home:
    description: Where fetched packages and the note of the versions before lie.
    type: path
    default: /var/lib/renkei-packages
"""

RETURN = """
todo: {description: What is to be done, as NAME=VERSION (NAME- for one that goes)., type: list, elements: str}
hindrances: {description: What stands against it., type: list, elements: str}
held: {description: The wave's packages that the host has, as NAME=VERSION., type: list, elements: str}
begun: {description: Whether a wave has brought some of them already., type: bool}
no_way_back: {description: Versions before that are nowhere to be had., type: list, elements: str}
restart: {description: Why the host needs a restart., type: list, elements: str}
"""

_GROWS = 5
"""A package takes up to so many times the size of its file while it is unpacked and installed."""
_MIB = 1024 * 1024
_NAMED = 8


class Work:
    """What is to be done on this host."""

    def __init__(self, module: AnsibleModule) -> None:
        self.parameters: dict[str, Any] = module.params
        home = Path(self.parameters["home"])
        self.note, self.archives = home / "before.json", home / "archives"
        self.debian = Debian(lambda command: module.run_command(command, environ_update=ENVIRONMENT), self.archives)
        self.listed = {each["name"]: each for each in self.parameters["packages"]}
        self.installed = self.debian.installed()
        self.noted: dict[str, dict[str, str]] = json.loads(self.note.read_text()) if self.note.exists() else {}
        self.takes_back = self.parameters["action"] == "uninstall"

    def go_on(self, *, check_mode: bool) -> None:
        """Bring to an end what the wave itself has left half done: its controller was killed, or the power went."""
        if self.parameters["resumed"] and not check_mode and self.debian.broken():
            self.debian.repair()
            self.installed = self.debian.installed()

    @property
    def begun(self) -> bool:
        """Whether a wave has brought some of these packages already."""
        return any(has == self._at(name) and has in self.noted.get(name, {}) for name, has in self.held.items())

    @property
    def held(self) -> dict[str, str]:
        """The wave's packages that the host has."""
        return {name: self.installed[name] for name in self.listed if name in self.installed}

    @property
    def wanted(self) -> dict[str, str]:
        """What has to come to which version; an empty one is to go."""
        if not self.takes_back:
            return {name: self.listed[name]["version"] for name, has in self.held.items() if has != self._at(name)}
        bad = [name for name, has in self.held.items() if has == self._at(name)]
        return {name: self.noted[name][self._at(name)] for name in bad if self._at(name) in self.noted.get(name, {})}

    def steps(self) -> list[Step]:
        """What apt would do."""
        if self.takes_back:
            return [Step(name, self.installed[name], after, security=False) for name, after in self.wanted.items()]
        return self.debian.plan(self.wanted)

    def hindrances(self) -> list[str]:
        """What stands against it."""
        found = [f"{path} is held: another program is at the packages" for path in [lock_holder()] if path]
        if broken := self.debian.broken():
            found.append(f"an earlier installation is half done: {' '.join(broken[:3])}")
        if held := sorted(self.debian.held_back() & set(self.wanted)):
            found.append(f"on hold by somebody's word: {', '.join(held)}")
        found += self._against_taking_back() if self.takes_back else self._against_installing()
        sizes = sum(self.listed[name]["size"] for name in self.wanted)
        needed = self.parameters["reserve_mib"] * _MIB + _GROWS * sizes if self.wanted else 0
        for folder in ("/", "/var"):
            space = os.statvfs(folder)
            if (free := space.f_bavail * space.f_frsize) < needed:
                found.append(f"{folder} has {free // _MIB} MiB free, {needed // _MIB} are needed")
        return found

    def _against_installing(self) -> list[str]:
        newer = [name for name, version in self.wanted.items() if self.debian.is_newer(self.installed[name], version)]
        if newer:
            names = ", ".join(f"{name} {self.installed[name]}" for name in newer[:_NAMED])
            return [f"newer than the wave's: {names}; resolve the versions anew"]
        try:
            steps = self.debian.plan(self.wanted)
        except AptError as error:
            return [str(error)]
        gone = [step.name for step in steps if not step.after]
        alien = [f"{step.name}={step.after}" for step in steps if step.after and step.after != self._at(step.name)]
        return [
            *([f"would be removed: {', '.join(gone[:_NAMED])}"] if gone else []),
            *([f"would come along, and the wave doesn't have it: {', '.join(alien[:_NAMED])}"] if alien else []),
        ]

    def _against_taking_back(self) -> list[str]:
        bad = {name for name, has in self.held.items() if has == self._at(name)}
        unknown = sorted(bad - set(self.wanted))
        lost = [f"{name}={before}" for name, before in self.wanted.items() if before and not self._has(name, before)]
        return [
            *([f"nobody noted what was before: {', '.join(unknown[:_NAMED])}"] if unknown else []),
            *([f"the versions before are nowhere to be had: {', '.join(lost[:_NAMED])}"] if lost else []),
        ]

    def fetch(self) -> list[str]:
        """Bring everything here, hold it against the wave's digests, note and keep what was before."""
        self.archives.mkdir(parents=True, exist_ok=True)
        if self.takes_back:
            return []
        steps = self.steps()
        self.debian.fetch({step.name: step.after for step in steps})
        for step in steps:
            for file in self.debian.files(step.name, step.after):
                if digest(file) != self.listed[step.name]["sha256"]:
                    file.unlink()
                    raise AptError(f"{file.name} isn't what the wave has by its SHA-256; it was removed")
        missing = [each for each in steps if each.before and not self.debian.keep(each.name, each.before)]
        for step in steps:
            before = {after: known for after, known in self.noted.get(step.name, {}).items() if known != step.after}
            self.noted[step.name] = {**before, step.after: step.before}
        unfinished = self.note.with_suffix(".new")
        unfinished.write_text(json.dumps(self.noted, sort_keys=True))
        unfinished.replace(self.note)
        return [f"{step.name}={step.before}" for step in missing]

    def install(self) -> None:
        """Do it, and drop the files of versions that are neither installed nor the ones before."""
        if self.takes_back:
            back = {name: version for name, version in self.wanted.items() if version}
            self.debian.take_back(back, set(self.wanted) - set(back))
        else:
            self.debian.install({step.name: step.after for step in self.steps()})
        self.installed = self.debian.installed()
        kept = [*self.installed.items(), *((name, self._before(name)) for name in self.installed)]
        self.debian.forget(file for name, version in kept for file in self.debian.files(name, version))

    def _has(self, name: str, version: str) -> bool:
        self.archives.mkdir(parents=True, exist_ok=True)
        return self.debian.keep(name, version) if not self.debian.files(name, version) else True

    def _at(self, name: str) -> str:
        return self.listed[name]["version"] if name in self.listed else ""

    def _before(self, name: str) -> str:
        return self.noted.get(name, {}).get(self.installed[name], "")


def main() -> None:
    """Run the module."""
    package = {key: {"type": "str", "required": True} for key in ("name", "version", "architecture", "sha256")}
    package |= {"size": {"type": "int", "required": True}, "urgency": {"type": "str", "default": "routine"}}
    module = AnsibleModule(
        argument_spec={
            "step": {"type": "str", "choices": ["look", "fetch", "install"], "required": True},
            "action": {"type": "str", "choices": ["install", "uninstall"], "default": "install"},
            "packages": {"type": "list", "elements": "dict", "options": package, "required": True},
            "resumed": {"type": "bool", "default": False},
            "reserve_mib": {"type": "int", "default": 1024},
            "home": {"type": "path", "default": "/var/lib/renkei-packages"},
        },
        supports_check_mode=True,
    )
    result: dict[str, Any] = {"changed": False, "hindrances": [], "no_way_back": []}
    try:
        work = Work(module)
        step = module.params["step"]
        if step == "look":
            work.go_on(check_mode=module.check_mode)
            if not module.check_mode and not work.takes_back:
                work.debian.refresh()
            result["hindrances"] = work.hindrances()
        elif work.wanted and not module.check_mode:
            result["changed"] = True
            if step == "fetch":
                result["no_way_back"] = work.fetch()
            else:
                work.install()
        todo = [f"{name}={version}" if version else f"{name}-" for name, version in sorted(work.wanted.items())]
        held = [f"{name}={version}" for name, version in sorted(work.held.items())]
        module.exit_json(**result, todo=todo, held=held, begun=work.begun, restart=needs_restart())
    except (AptError, OSError, ValueError) as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
