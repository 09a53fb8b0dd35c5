"""The verify playbook's verdict on each host, read from the JUnit files that testinfra wrote."""

from pathlib import Path
from xml.etree import ElementTree as ET

from pydantic import BaseModel, ConfigDict


class Verdict(BaseModel):
    """The checks of one host: how many passed, failed and were skipped, and the names of those that failed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    passed: int
    failed: int
    skipped: int
    failures: list[str]


def read_verdict(junit: Path) -> Verdict:
    """Read one host's JUnit file, as pytest writes it on this machine."""
    passed, skipped, failures = 0, 0, []
    for case in ET.parse(junit).getroot().iter("testcase"):  # noqa: S314 - our own pytest's output
        if case.find("failure") is not None or case.find("error") is not None:
            failures.append(case.get("name", ""))
        elif case.find("skipped") is not None:
            skipped += 1
        else:
            passed += 1
    return Verdict(passed=passed, failed=len(failures), skipped=skipped, failures=failures)
