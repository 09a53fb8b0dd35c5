"""Ansible action: a wave is run to its end by `renkei wave run`, which shows its progress; its end is the result."""

# ruff: noqa: INP001 - Ansible finds plugins by their folder, not as a package

import json
import os
import subprocess
from tempfile import TemporaryFile
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

DOCUMENTATION = """
name: renkei_wave
short_description: Run a wave to its end
description:
  - Runs C(renkei wave run … --json), shows what it says on its way, and fails with the reason when the wave was halted
    or aborted, or may not run. Whoever breaks it off may begin it again.
author: renkei
options:
  argv: {description: The command line, type: list, elements: str, required: true}
"""

RETURN = """
wave:
  description: Where the wave stands, as C(renkei wave status --json) has it.
  type: dict
"""

_HALTED, _ABORTED = 3, 4
_LINES = 20


class ActionModule(ActionBase):  # type: ignore[misc]  # ansible-core has no types
    """The plugin."""

    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the wave."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        said: list[str] = []
        # what shows this run doesn't show those that the wave's controller begins
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_CALLBACK")}
        with TemporaryFile("w+", encoding="utf-8") as end:  # a pipe would be full before its progress has ended
            with subprocess.Popen(  # noqa: S603 - the playbook's own words; no shell
                [str(word) for word in self._task.args["argv"]],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=end,
                stderr=subprocess.PIPE,
                text=True,
            ) as process:
                for line in process.stderr or ():
                    said = [*said, line.rstrip()][-_LINES:]
                    Display().display(f"  {line.rstrip()}")
            end.seek(0)
            text = end.read()
        try:
            wave = json.loads(text)
        except ValueError:
            return {**result, "failed": True, "msg": "\n".join(said) or text[-2000:] or "renkei wave run said nothing"}
        return {**result, **_outcome(process.returncode, wave), "wave": wave}


def _outcome(code: int, wave: dict[str, Any]) -> dict[str, Any]:
    groups = "; ".join(
        f"{group} " + ", ".join(f"{number} {standing}" for standing, number in sorted(counts.items()))
        for group, counts in wave["groups"].items()
    )
    what = f"wave {wave['wave']} is {wave['phase']}: {groups}"
    if code == _HALTED:
        then = f"`renkei wave resume {wave['wave']}` or `renkei wave abort {wave['wave']}`, with --why"
        look = "Look at the machines that fell out (docs/runbooks/wave.md), then"
        return {"failed": True, "msg": f"{what}. It was halted: {wave['halted']}. {look} {then}"}
    if code == _ABORTED:
        return {"failed": True, "msg": f"{what}. It was aborted: {wave['aborted']}"}
    return {"failed": code != 0, "changed": code == 0 and wave["phase"] == "finished", "msg": what}
