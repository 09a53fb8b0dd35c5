"""Ansible callback: what became of every task on every host, a line of JSON each, into the file RENKEI_OUTCOMES."""

import json
import os
from functools import partialmethod
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: outcomes
type: notification
short_description: What became of every task on every host
description: For tests; the recap only counts.
options: {}
"""


class CallbackModule(CallbackBase):  # type: ignore[misc]  # ansible-core has no types
    """The plugin; Ansible calls it in the controller's main process, one result after another."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "outcomes"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        """Open the file."""
        super().__init__()
        self._file = open(os.environ["RENKEI_OUTCOMES"], "w", encoding="utf-8")  # noqa: PTH123, SIM115 - until Ansible ends

    def _note(self, outcome: str, result: Any, **_: object) -> None:
        why = result.result.get("false_condition") or result.result.get("skipped_reason") or ""
        about = {"host": result.host.name, "task": result.task.name, "outcome": outcome, "why": str(why)}
        self._file.write(json.dumps(about) + "\n")
        self._file.flush()

    v2_runner_on_ok = partialmethod(_note, "done")
    v2_runner_on_skipped = partialmethod(_note, "skipped")
    v2_runner_on_failed = partialmethod(_note, "failed")
    v2_runner_on_unreachable = partialmethod(_note, "unreachable")
