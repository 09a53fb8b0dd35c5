"""Which layout an endpoint gets is the fleet's, or its own."""

import json
from importlib.resources import files

import pytest
import yaml

from renkei.domain.layouts import Layout
from renkei.fleet.loader import load_fleet
from renkei.fleet.variables import host_variables

from .conftest import ROOT, Draft


def layouts(draft: Draft) -> dict[str, str]:
    fleet = load_fleet(draft.folder)
    return {
        host.site.key: host_variables(fleet, host)["renkei_layout"]
        for host in fleet.hosts.values()
        if host.site.endpoint
    }


def test_an_endpoint_gets_the_fleets_layout_or_its_own(draft: Draft) -> None:
    assert set(layouts(draft).values()) == {"csv-2"}
    draft.edit("fleet.yml", "  jitter_seconds: 600\n", "  jitter_seconds: 600\n  layout: xml-1\n")
    draft.edit("endpoints.csv", "site_block,place", "site_block,layout,place")
    text = (draft.folder / "endpoints.csv").read_text(encoding="utf-8").splitlines()
    rows = [row.split(",") for row in text]
    own = {"012271": "csv-1-windows-31j"}
    spread = [rows[0], *([*row[:7], own.get(row[0], ""), *row[7:]] for row in rows[1:])]
    (draft.folder / "endpoints.csv").write_text("\n".join(",".join(row) for row in spread) + "\n", encoding="utf-8")
    found = layouts(draft)
    assert found["012271"] == "csv-1-windows-31j"
    assert {found[key] for key in found if key != "012271"} == {"xml-1"}


def test_a_layout_that_there_is_not_is_a_problem_with_its_line(draft: Draft) -> None:
    draft.edit("endpoints.csv", "site_block,place", "site_block,layout")
    draft.edit("endpoints.csv", "layout,contact", "layout,contact")
    line = draft.line("endpoints.csv", "012271")
    problems = draft.problems()
    assert any(each.startswith(f"endpoints.csv:{line}: layout ") and "csv-1-windows-31j" in each for each in problems)


@pytest.mark.parametrize(("role", "variable"), [("agent", "agent_layout"), ("ministry", "ministry_connector_layout")])
def test_the_roles_know_every_layout(role: str, variable: str) -> None:
    specs = yaml.safe_load((ROOT / f"roles/{role}/meta/argument_specs.yml").read_text(encoding="utf-8"))
    known = specs["argument_specs"]["main"]["options"][variable]["choices"]
    assert sorted(known) == sorted(map(str, Layout.every()))


def test_the_schema_of_a_fleet_knows_every_layout() -> None:
    schema = json.loads((files("renkei.fleet") / "fleet.schema.json").read_text(encoding="utf-8"))
    known = schema["properties"]["exchange"]["properties"]["layout"]["enum"]
    assert sorted(known) == sorted(map(str, Layout.every()))
