"""Ansible's linear strategy with Mitogen underneath: one Python stays on each host instead of one a task.

Mitogen brings this plugin along, but in a folder whose path has the Python's version in it; here it is found beside the
others. Hosts that aren't reached by ssh (Windows) are served as without it.
"""
# ruff: noqa: INP001 - Ansible finds plugins by their folder, not as a package

import ansible_mitogen.loaders
import ansible_mitogen.strategy

_Linear = ansible_mitogen.loaders.strategy_loader.get("linear", class_only=True)


class StrategyModule(ansible_mitogen.strategy.StrategyMixin, _Linear):  # type: ignore[misc]  # no annotations there
    """The strategy, under the name that Ansible looks for."""
