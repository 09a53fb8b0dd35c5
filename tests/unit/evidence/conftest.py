"""A fleet with a real hub, as the agent's tests have it."""

from unit.agent.conftest import fleet, pki, residence_csv, status_csv

__all__ = ["fleet", "pki", "residence_csv", "status_csv"]
