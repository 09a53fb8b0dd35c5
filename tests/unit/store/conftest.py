"""A PostgreSQL server for the stores that are tested on it."""

from collections.abc import Iterator

import pytest

from clusters import Cluster, a_cluster


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    with a_cluster() as cluster:
        yield cluster
