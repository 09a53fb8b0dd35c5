"""Ansible action: a Windows account has a password of its own that only the vault knows, sealed."""

# ruff: noqa: INP001 - Ansible finds plugins by their folder, not as a package

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase

from renkei.fleet.terminal.vault import Vault, VaultError, make_password

DOCUMENTATION = """
name: terminal_password
short_description: Windows accounts with passwords that are this machine's own
description:
  - Makes a new password where one is due, seals it in the vault, gives it to the account (C(ansible.windows.win_user))
    and notes that the machine has it. It is in no variable, result, log or argument of a process.
  - Where none is due, nothing is asked of the machine.
author: renkei
options:
  terminal: {description: Under which name the vault keeps them; the asset number., type: str, required: true}
  vault: {description: Folder of the vault on the controller., type: path, required: true}
  max_age_days: {description: Days after which a password is due., type: int, required: true}
  enabled: {description: Accounts that the machine is known to have and not disabled., type: list, elements: str}
  accounts:
    description: The accounts; one that isn't there or is disabled is made or enabled.
    type: list
    elements: dict
    required: true
    options:
      name: {description: Name of the local account., type: str, required: true}
      full_name: {description: Whose account it is., type: str}
      groups: {description: Local groups that it is in., type: list, elements: str}
      first_sign_in:
        description: Whether its owner has to choose a password at the first sign-in; then it is set once only.
        type: bool
"""


class ActionModule(ActionBase):
    """The plugin; the vault is `renkei.fleet.terminal.vault`."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Rotate the passwords that are due."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        given = self._task.args
        terminal, vault = str(given["terminal"]), Vault(Path(str(given["vault"])).expanduser())
        enabled = {str(name).lower() for name in given["enabled"]}
        done: list[str] = []
        for account in given["accounts"]:
            name, now = str(account["name"]), datetime.now(UTC)
            try:
                due = name.lower() not in enabled or (
                    not account.get("first_sign_in") and vault.due(terminal, name, now, int(given["max_age_days"]))
                )
                if due and not self._task.check_mode:
                    self._give(vault, terminal, account, task_vars)
            except VaultError as error:
                return result | {"failed": True, "msg": str(error), "accounts": done}
            done += [name] if due else []
        return result | {"changed": bool(done), "accounts": done}

    def _give(self, vault: Vault, terminal: str, account: dict[str, Any], task_vars: dict[str, Any] | None) -> None:
        """Give an account a new password: sealed first, then set, then noted as set.

        Raises:
            VaultError: it can't be sealed, or the machine didn't take it.
        """
        name, now, password = str(account["name"]), datetime.now(UTC), make_password()
        vault.offer(terminal, name, password, now)
        arguments = {
            "name": name,
            "password": password,
            "update_password": "always",
            "account_disabled": False,
            "fullname": str(account.get("full_name") or ""),
            "groups": list(account.get("groups") or []),
            "groups_action": "add",
            "password_expired": bool(account.get("first_sign_in")),
        }
        done = self._execute_module(module_name="ansible.windows.win_user", module_args=arguments, task_vars=task_vars)
        if done.get("failed") or done.get("unreachable"):
            raise VaultError(
                f"{name} on {terminal}: the machine didn't take the password: {done.get('msg', 'no answer')}"
            )
        vault.confirm(terminal, name, now)
