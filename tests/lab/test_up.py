"""What `./kit up` promises of the lab as a whole."""

from pathlib import Path

from rich.console import Console

from lab.scenes import Up
from renkei.cli.kit import FLEET, ROOT
from renkei.lab.page import write_page
from renkei.lab.playbooks import run_playbook
from renkei.lab.up import bring_up, playbook_variables


def test_every_host_is_well_and_every_parcel_has_its_receipt(up: Up) -> None:
    unwell = [(host.name, host.state, host.failed_units, host.verdict) for host in up.result.hosts if not host.is_well]
    assert unwell == []
    assert up.result.is_good()


def test_notices_went_both_ways_for_every_endpoint(up: Up) -> None:
    by_link = {endpoint.link: endpoint for endpoint in up.result.endpoints}
    assert set(by_link) == {"online", "on_demand", "media"}
    assert all(endpoint.sent > 0 and endpoint.received > 0 for endpoint in by_link.values())
    assert by_link["media"].line_bytes is None
    assert all((by_link[link].line_bytes or 0) > 0 for link in ("online", "on_demand"))


def test_every_notice_of_the_ministry_has_its_registers_result(up: Up) -> None:
    by_bridge = {endpoint.bridge: endpoint for endpoint in up.result.endpoints}
    assert set(by_bridge) == {"folder", "media"}
    for endpoint in up.result.endpoints:
        assert sum(endpoint.answers.values()) > 0
        assert endpoint.unanswered == 0


def test_a_second_up_changes_nothing_and_keeps_the_result(up: Up) -> None:
    second = bring_up(ROOT, FLEET, console=Console(stderr=True))
    assert second.reused
    assert second.endpoints == up.result.endpoints


def test_a_second_full_converge_changes_nothing(up: Up) -> None:
    run = run_playbook(
        ROOT, FLEET, "site.yml", environment=up.lab.ansible_environment(), variables=playbook_variables(up.lab)
    )
    assert run.failures == []
    assert run.changed == []
    assert run.changes == 0
    assert run.hosts >= {host.name for host in up.lab.plan.hosts}


def test_the_page_stands_alone_and_shows_the_run(up: Up, tmp_path: Path) -> None:
    page = tmp_path / "index.html"
    write_page(up.result, page)
    text = page.read_text()
    assert "src=" not in text
    assert "href=" not in text
    for endpoint in up.result.endpoints:
        assert f"送信 {endpoint.sent} 件" in text
        assert f"受信 {endpoint.received} 件" in text
    for host in up.result.hosts:
        assert host.name in text
