"""What the role writes is what the agent reads."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import jinja2
import pytest

from renkei.agent.settings import SettingsError, load
from renkei.domain.layouts import Layout
from renkei.domain.windows import JST

TEMPLATE = Path(__file__).parents[3] / "roles/agent/templates/etc/renkei/agent.toml.j2"


def rendered(tmp_path: Path, **changes: Any) -> Path:
    values = {
        "agent_endpoint": "131041",
        "agent_terminal": "T-131041-01",
        "agent_machine_serial": "LAB131041A",
        "agent_link": "online",
        "agent_layout": "csv-2",
        "agent_gateway": "https://gateway.renkei.example:8443",
        "agent_enrolment": "https://enrolment.renkei.example:8444",
        "agent_exchange_times": ["08:45"],
        "agent_exchange_jitter_seconds": 300,
        "agent_exchange_stable_seconds": 3,
        "agent_exchange_mode": "daily",
        "agent_exchange_reserve_mib": 64,
        "agent_exchange_inbox_files": 20_000,
        "agent_exchange_horizon_hours": 24,
        "agent_exchange_crl_grace_days": 4,
        "agent_keep_days": 366,
        "agent_updates_reserve_gib": 10,
        "agent_updates_office_hours": "08:30-17:15",
        "agent_updates_closed_on": ["sat", "sun"],
        "agent_bridge": "none",
        "agent_home": "/var/lib/renkei-agent",
        "agent_trust_anchor": "/etc/renkei/pki/root.pem",
        "agent_media_scan": "if_present",
        "agent_page": True,
        "agent_page_port": 8470,
        "agent_page_folder": "/var/lib/renkei-page",
    }
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)  # noqa: S701 - it makes TOML
    environment.filters |= {"to_json": json.dumps, "bool": bool}
    path = tmp_path / "agent.toml"
    path.write_text(environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(values | changes))
    return path


@pytest.mark.parametrize("layout", Layout.every(), ids=str)
def test_the_layout_of_the_inventory_reaches_the_agent(tmp_path: Path, layout: Layout) -> None:
    assert load(rendered(tmp_path, agent_layout=str(layout))).layout == layout


def test_the_paths_of_windows_reach_the_agent_as_they_are(tmp_path: Path) -> None:
    assert str(load(rendered(tmp_path, agent_home=r"C:\ProgramData\Renkei")).home) == r"C:\ProgramData\Renkei"


def test_a_layout_that_there_is_not_is_named_with_those_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="layout: there is no layout 'csv-9'; there are csv-1, csv-2"):
        load(rendered(tmp_path, agent_layout="csv-9"))


def test_the_reserves_and_limits_of_the_inventory_reach_the_agent(tmp_path: Path) -> None:
    values = {"reserve_mib": 128, "inbox_files": 500, "horizon_hours": 48, "crl_grace_days": 7}
    settings = load(rendered(tmp_path, **{f"agent_exchange_{name}": value for name, value in values.items()}))
    assert settings.exchange.model_dump(include=set(values)) == values
    assert load(rendered(tmp_path, agent_keep_days=400)).keep_days == 400


def test_the_page_is_served_where_the_inventory_wants_it(tmp_path: Path) -> None:
    page = load(rendered(tmp_path, agent_page_port=8471)).page
    assert page is not None
    assert (page.port, page.folder) == (8471, Path("/var/lib/renkei-page"))
    assert load(rendered(tmp_path, agent_page=False)).page is None


def test_the_office_hours_of_the_maintenance_profile_reach_the_agent(tmp_path: Path) -> None:
    thursday = datetime(2026, 11, 26, 10, tzinfo=JST)
    saturday = datetime(2026, 11, 28, 10, tzinfo=JST)
    own = load(rendered(tmp_path)).updates.own_windows
    assert own is not None
    assert not own.is_open(thursday)
    assert own.is_open(saturday)
    assert load(rendered(tmp_path, agent_updates_office_hours="")).updates.own_windows is None
