"""The certificates and files of the agent's tests."""

from unit.agent.conftest import pki, residence_csv

__all__ = ["pki", "residence_csv"]
