from pathlib import Path

from renkei.evidence.verdict import read_verdict

JUNIT = """<?xml version="1.0" encoding="utf-8"?>
<testsuites><testsuite name="pytest">
<testcase name="test_time_is_served"/>
<testcase name="test_no_password"><failure message="no">details</failure></testcase>
<testcase name="test_setup"><error message="no">details</error></testcase>
<testcase name="test_only_on_terminals"><skipped message="no"/></testcase>
</testsuite></testsuites>"""


def test_errors_count_as_failures_and_are_named(tmp_path: Path) -> None:
    (tmp_path / "host.xml").write_text(JUNIT)
    verdict = read_verdict(tmp_path / "host.xml")
    assert (verdict.passed, verdict.failed, verdict.skipped) == (1, 2, 1)
    assert verdict.failures == ["test_no_password", "test_setup"]
