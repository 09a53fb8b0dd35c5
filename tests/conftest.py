"""How the tests that need hosts are spread over processes: a folder is one process's, in its order.

Tests of tests/windows share simulated hosts with fixed addresses, those of tests/lab and tests/roles a lab each.
"""

import pytest
from xdist.scheduler import LoadScopeScheduling


class _AFolderEach(LoadScopeScheduling):
    """Give each process a whole folder of tests/ at a time."""

    def _split_scope(self, nodeid: str) -> str:
        return nodeid.split("/")[1]


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LoadScopeScheduling | None:
    """Spread by folder where `--dist=loadscope` asks for it."""
    return _AFolderEach(config, log) if config.getoption("dist") == "loadscope" else None
