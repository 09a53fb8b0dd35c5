"""The page and the summary show the figures of a run and nothing that isn't in it."""

import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from renkei.evidence.verdict import Verdict
from renkei.lab.page import write_page
from renkei.lab.result import EndpointResult, HostResult, Phase, Result
from renkei.lab.summary import print_summary

GOOD = Verdict(passed=7, failed=0, skipped=0, failures=[])
BAD = Verdict(passed=6, failed=1, skipped=0, failures=["test_<b>time</b>"])


def result(
    *, verdict: Verdict = GOOD, state: str = "running", receipts: int = 3, results: int = 41, unanswered: int = 0
) -> Result:
    sites = {
        "ministry": ("router", "firewall", "linkage", "immigration"),
        "asp": ("router", "firewall", "hub", "mirror"),
        "131041": ("router", "firewall", "terminal", "register"),
    }
    hosts = [
        HostResult(
            name=f"{site}-{part}",
            site=site,
            part=part,
            address="192.0.2.1",
            state="running",
            failed_units=[],
            verdict=GOOD,
        )
        for site, parts in sites.items()
        for part in parts
    ]
    hosts[-1] = hosts[-1].model_copy(update={"verdict": verdict, "state": state})
    endpoint = EndpointResult(
        code="131041", name="新宿区", link="online", line_kbps=100_000, sent=41, received=57, parcels=3,
        receipts=receipts, line_bytes=123_456, seconds=4.2,
        types={"市町村伝達": 17, "市町村通知": 24}, results={"取込済": 38, "エラー": results - 38},
        bridge="folder", answers={"取込済": 14, "エラー": 2}, unanswered=unanswered, confirmed=3,
    )  # fmt: skip
    moment = datetime(2026, 11, 23, 16, 0, tzinfo=UTC)
    return Result(
        fleet="lab", started_at=moment, finished_at=moment, reused=False, hosts=hosts, endpoints=[endpoint],
        phases=[Phase(name="hosts", seconds=12.5), Phase(name="provision", seconds=99.9, changed=314)],
    )  # fmt: skip


def page(tmp_path: Path, shown: Result) -> str:
    write_page(shown, tmp_path / "index.html")
    return (tmp_path / "index.html").read_text()


def test_the_page_shows_what_was_sent_by_type_and_what_became_of_it(tmp_path: Path) -> None:
    text = page(tmp_path, result())
    row = text.split("通知の種別と取込結果")[1].split("<tbody>")[1].split("</tr>")[0]
    figures = [cell.split("<")[0] for cell in row.split('<td class="n')[1:]]
    assert [figure.split(">")[1] for figure in figures] == ["17", "24", "0", "41", "38", "3", "0", "100%"]


def test_the_page_shows_what_became_of_the_ministrys_notices_in_the_registers(tmp_path: Path) -> None:
    row = page(tmp_path, result(unanswered=1)).split("住基システムの取込結果")[1].split("<tbody>")[1].split("</tr>")[0]
    assert "共有フォルダ" in row
    figures = [cell.split("<")[0] for cell in row.split('<td class="n')[1:]]
    assert [figure.split(">")[1] for figure in figures] == ["17", "3", "14", "2", "1"]


def test_a_notice_without_a_result_is_no_good_run(tmp_path: Path) -> None:
    assert not result(results=40).is_good()
    assert "要対応の項目があります" in page(tmp_path, result(results=40))


def test_the_page_shows_the_figures_of_the_run(tmp_path: Path) -> None:
    text = page(tmp_path, result())
    for figure in ("送信 41 件", "受信 57 件", "3 / 3", "120.6 KiB", "99.9", "314", "2026-11-24 01:00 JST"):
        assert figure in text
    assert "全機器が正常に稼働" in text


@pytest.mark.parametrize("wrong", [{"verdict": BAD}, {"state": "exited"}, {"receipts": 2}, {"unanswered": 1}])
def test_whatever_is_wrong_turns_the_verdict(tmp_path: Path, wrong: dict[str, Any]) -> None:
    shown = result(**wrong)
    assert not shown.is_good()
    assert "要対応の項目があります" in page(tmp_path, shown)


def test_what_hosts_say_is_text_and_not_markup(tmp_path: Path) -> None:
    assert "test_&lt;b&gt;time&lt;/b&gt;" in page(tmp_path, result(verdict=BAD))


def test_a_run_without_parcels_is_not_good() -> None:
    endpoint = result().endpoints[0].model_copy(update={"parcels": 0, "receipts": 0})
    assert not result().model_copy(update={"endpoints": [endpoint]}).is_good()


def test_the_summary_fits_80_columns_and_names_who_is_unwell() -> None:
    out = io.StringIO()
    print_summary(result(verdict=BAD), Path("/x/index.html"), Console(file=out, width=80))
    assert max(len(line) for line in out.getvalue().splitlines()) <= 80
    assert "131041-register" in out.getvalue()
    assert "11 of 12 hosts are well" in out.getvalue()
