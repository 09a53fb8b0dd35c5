"""Ansible action: the system drive of a Windows machine is encrypted, its recovery password sealed in the vault."""

# ruff: noqa: INP001 - Ansible finds plugins by their folder, not as a package

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase

from renkei.fleet.terminal.vault import Vault, VaultError

DOCUMENTATION = """
name: terminal_drive
short_description: An encrypted system drive whose recovery password the vault keeps
description:
  - Runs the script that encrypts the drive, and seals the recovery password that it says. That is in no variable,
    result or log. Without a vault that can take it the drive isn't touched.
author: renkei
options:
  script: {description: Text of the script., type: str, required: true}
  terminal: {description: Under which name the vault keeps it; the asset number., type: str, required: true}
  vault: {description: Folder of the vault on the controller., type: path, required: true}
"""

ACCOUNT = "bitlocker"
_RECOVERY = re.compile(r"\d{6}(-\d{6}){7}")


class ActionModule(ActionBase):
    """The plugin; the vault is `renkei.fleet.terminal.vault`."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Encrypt the drive and keep its recovery password."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        given = self._task.args
        terminal, vault, now = str(given["terminal"]), Vault(Path(str(given["vault"])).expanduser()), datetime.now(UTC)
        try:
            vault.recipients()
            if self._task.check_mode:
                return result | {"changed": True}
            done = self._execute_module(
                module_name="ansible.windows.win_powershell",
                module_args={"script": str(given["script"]), "error_action": "stop"},
                task_vars=task_vars,
            )
            said = [str(each) for each in done.get("output") or [] if _RECOVERY.fullmatch(str(each))]
            if done.get("failed") or len(said) != 1:
                return result | {"failed": True, "msg": str(done.get("msg") or "the drive said no recovery password")}
            vault.offer(terminal, ACCOUNT, said[0], now)
            vault.confirm(terminal, ACCOUNT, now)
        except VaultError as error:
            return result | {"failed": True, "msg": str(error)}
        return result | {"changed": True}
