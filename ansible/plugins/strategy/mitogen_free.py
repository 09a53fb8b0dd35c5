"""Ansible's free strategy with Mitogen underneath: no host waits for another one's tasks, see mitogen_linear.py."""
# ruff: noqa: INP001 - Ansible finds plugins by their folder, not as a package

import ansible_mitogen.loaders
import ansible_mitogen.strategy

_Free = ansible_mitogen.loaders.strategy_loader.get("free", class_only=True)


class StrategyModule(ansible_mitogen.strategy.StrategyMixin, _Free):  # type: ignore[misc]  # no annotations there
    """The strategy, under the name that Ansible looks for."""
