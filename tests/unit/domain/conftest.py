"""Rows as they stand in a file: a right one of each type is in `rows`."""

import pytest

from renkei.domain.notices import ResidenceNotice, StatusNotice
from unit.domain.rows import ROWS


@pytest.fixture
def residence_row() -> dict[str, str]:
    return dict(ROWS[ResidenceNotice])


@pytest.fixture
def status_row() -> dict[str, str]:
    return dict(ROWS[StatusNotice])
