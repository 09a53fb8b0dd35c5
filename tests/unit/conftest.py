"""What a quick run (`-m "not thorough"`) leaves to a whole one: real processes and most examples of a property."""

from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("whole", deadline=None)
settings.register_profile("quick", deadline=None, max_examples=20)


def is_quick(config: pytest.Config) -> bool:
    return bool(config.option.markexpr == "not thorough")


def pytest_configure(config: pytest.Config) -> None:
    settings.load_profile("quick" if is_quick(config) else "whole")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Don't import a file that is thorough as a whole: browsers and plots take seconds for that alone."""
    if not is_quick(config) or collection_path.suffix != ".py":
        return None
    return "\npytestmark = pytest.mark.thorough\n" in collection_path.read_text(encoding="utf-8") or None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Count what has a hub in a process of its own as thorough, unless it is marked as what its file is about."""
    for item in items:
        if "fleet" in getattr(item, "fixturenames", ()) and item.get_closest_marker("quick") is None:
            item.add_marker(pytest.mark.thorough)
