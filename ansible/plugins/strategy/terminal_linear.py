"""Ansible's linear strategy for terminals: what every task needs is loaded once, before tasks go to forked workers.

Without it every worker would load the fleet, its controls, the libraries of the connection and its plugins with what
they import anew: several times what the task itself takes.
"""
# ruff: noqa: INP001 - Ansible finds plugins by their folder, not as a package

import gc
from importlib import import_module
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.loader import action_loader, filter_loader, lookup_loader, test_loader
from ansible.plugins.strategy.linear import StrategyModule as LinearStrategy

from renkei.fleet.problems import FleetError
from renkei.fleet.terminal.loaded import loaded

#: Of the connection and of what the workers do with PowerShell modules.
_LIBRARIES = (
    *("pypsrp.powershell", "pypsrp.wsman", "pypsrp.shell", "requests", "spnego"),
    *("ansible.plugins.connection.psrp", "ansible.plugins.shell.powershell"),
    *("ansible.executor.powershell.module_manifest", "ansible.executor.module_common"),
)
#: Plugins by their kinds; the first filter or test that is asked for makes its loader look all of them up.
_PLUGINS = (
    (lookup_loader, ("renkei_terminal", "ansible.builtin.file")),
    (filter_loader, ("ansible.builtin.bool",)),
    (test_loader, ("ansible.builtin.match",)),
    (action_loader, ("ansible.windows.win_powershell", "ansible.builtin.assert", "ansible.builtin.set_fact")),
)
_CONTROLS = Path(__file__).parents[3] / "inventory" / "controls"


class StrategyModule(LinearStrategy):  # type: ignore[misc]  # no annotations there
    """The strategy, under the name that Ansible looks for."""

    def run(self, iterator: Any, play_context: Any) -> Any:  # noqa: ANN401 - Ansible's signature
        """Load what the workers need, then run the play.

        Raises:
            AnsibleError: the fleet or its controls have problems; with all of them.
        """
        for name in _LIBRARIES:
            import_module(name)
        for loader, names in _PLUGINS:
            for name in names:
                loader.get(name, class_only=True)
        for source in self._inventory._sources:  # noqa: SLF001 - Ansible has no other way to them
            if Path(source).name == "fleet.yml":
                try:
                    loaded(Path(source), _CONTROLS)
                except FleetError as error:
                    raise AnsibleError(f"the fleet or its controls have problems:\n{error}") from error
        gc.collect()
        gc.freeze()  # else a worker's collection would look through all of it, and copy the pages that it shares
        return super().run(iterator, play_context)
