"""The update policy of a terminal follows from the fleet; what is overdue follows from what the machine says."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from renkei.exchange.certificates import certificate_to_pem, make_key, make_root
from renkei.fleet.controls import files
from renkei.fleet.controls.plan import make_plan
from renkei.fleet.controls.table import HARDENING, leaves, read_controls
from renkei.fleet.controls.verdict import deviations
from renkei.fleet.loader import load_fleet
from renkei.fleet.model import Fleet
from renkei.fleet.terminal.setup import Choices, Setup, as_variables, make_setup
from renkei.fleet.terminal.updates import parameters_of, thumbprint
from renkei.fleet.terminals import Profile
from unit.fleet.conftest import ROOT, Draft

NOW = datetime(2026, 11, 26, 3, tzinfo=UTC)
TABLE = read_controls(ROOT / "inventory" / "controls" / "windows.yml")


def parameters(fleet: Fleet, code: str) -> dict[str, Any]:
    endpoint = fleet.sites[code].endpoint
    assert endpoint is not None
    return parameters_of(fleet, endpoint)


def setup_of(fleet: Fleet, name: str, **values: object) -> Setup:
    return make_setup(fleet, fleet.hosts[name], TABLE, (), Choices(["10.64.0.75"], values))


def overdue(said: object, **values: object) -> list[tuple[str, str]]:
    plan = make_plan(
        TABLE, Profile.DEDICATED, values={"update-server": "https://a:8531", "update-ring": "early"} | values
    )
    alone = plan.part("update_client")
    state: dict[str, Any] = {"security": "", "audit": "", "registry": {}, "accounts": [], "updates": said}
    state |= {"features": {}, "services": {}}
    found = deviations(alone, state, now=NOW)
    return [(each.kind, each.found) for each in found if each.control == "updates-in-time"]


def ago(**span: float) -> float:
    return (NOW - timedelta(**span)).timestamp()


def test_the_policy_is_the_endpoints_own(lab: Fleet) -> None:
    assert parameters(lab, "131041") == {
        "update-server": "https://mirror.asp.renkei.test:8531",
        "update-ring": "canary",
        "updates-by-media": 0,
        "update-days": 14,
        "urgent-update-days": 7,
        "office-begin": 8,
        "office-end": 18,
        "office-percent": 20,
        "otherwise-percent": 80,
        "office-kbps": 20_000,
        "otherwise-kbps": 80_000,
    }
    assert (parameters(lab, "012271")["updates-by-media"], parameters(lab, "012271")["office-kbps"]) == (1, 300)
    assert parameters(lab, "012271")["pattern-hours"] == 264  # and by the table, 24, where there is a line


@pytest.mark.parametrize(
    ("hours", "delivery", "expected"),
    [
        ("09:00-17:00", (10, 0), (9, 17, 10, 1)),
        ("22:00-06:30", (100, 50), (22, 7, 100, 50)),
        ("00:00-24:00", (0, 80), (0, 23, 1, 80)),
        ("08:30-24:00", (20, 80), (8, 0, 20, 80)),
    ],
)
def test_hours_are_full_ones_and_no_share_is_nothing(
    draft: Draft, hours: str, delivery: tuple[int, int], expected: tuple[int, int, int, int]
) -> None:
    """What isn't limited would be 0 to Windows, and an hour that the office shares is the office's."""
    text = 'office_hours: "08:30-17:15"\n      working_days: ["17:30-22:00"]\n'
    text += "      delivery: {office_hours_percent: 20, otherwise_percent: 80}"
    shares = f"{{office_hours_percent: {delivery[0]}, otherwise_percent: {delivery[1]}}}"
    draft.edit(
        "fleet.yml", text, f'office_hours: "{hours}"\n      closing_days: ["07:00-08:00"]\n      delivery: {shares}'
    )
    found = parameters(load_fleet(draft.folder), "131041")
    names = ("office-begin", "office-end", "office-percent", "otherwise-percent")
    assert tuple(found[name] for name in names) == expected


def test_every_parameter_that_the_fleet_gives_is_one_of_the_table_and_within_its_bounds(lab: Fleet) -> None:
    for name in ("m131041-terminal", "m011011-terminal", "m012271-terminal"):
        assert setup_of(lab, name).updates.wanted


def test_each_setting_is_set_by_one_role(lab: Fleet) -> None:
    setup = setup_of(lab, "m131041-terminal")
    parts = [[each.control.id for each in part.wanted] for part in (setup.hardening, setup.updates)]
    assert sorted(parts[0] + parts[1]) == sorted(each.control.id for each in setup.plan.wanted)
    others = {place for each in TABLE.controls.values() if each.role == HARDENING for place, _ in leaves(each.settings)}
    words = ("WindowsUpdate", "Signature Updates", "DeliveryOptimization", "BITS")
    assert not [place for place in others if any(word in place[0] for word in words)]


def test_only_what_a_role_finds_wrong_goes_to_the_machine(lab: Fleet) -> None:
    setup = setup_of(lab, "m131041-terminal")
    registry: dict[str, Any] = {}
    for part in (setup.base, setup.firewall, files.registry(setup.plan)):
        for key, values in part.items():
            registry.setdefault(key, {}).update(
                {
                    name: {"kind": "DWord" if isinstance(data, int) else "String", "data": data}
                    for name, data in values.items()
                }
            )
    state: dict[str, Any] = {"security": files.security_template(setup.plan), "audit": files.audit_policy(setup.plan)}
    state |= {"registry": registry, "features": {}, "services": {}, "accounts": [], "disk": {"protection": "on"}}
    state |= {"firmware": {"secure_boot": True}, "tpm": {"ready": True}, "applocker": {"enforced": True}}
    state |= {"defender": {"real_time": True, "pattern_hours": 3}, "network": {"wireless": []}}
    state |= {"updates": {"searched": datetime.now(UTC).timestamp(), "missing": []}}
    assert as_variables(setup, state)["files"] == {}
    registry[r"HKLM\SOFTWARE\Policies\Microsoft\Windows\WindowsUpdate"]["TargetGroup"]["data"] = "main"
    found = as_variables(setup, state)
    assert found["files"].keys() == {"updates"}
    assert '"TargetGroup"="canary"' in found["files"]["updates"]["registry"]
    assert [(each["control"], each["found"]) for each in found["deviations"]["updates"]] == [("update-ring", "main")]
    assert found["way_to_updates"]


def test_a_machine_that_does_not_know_the_root_of_the_service_is_found(lab: Fleet, tmp_path: Path) -> None:
    root = tmp_path / "root.pem"
    root.write_text(certificate_to_pem(make_root("test root", make_key(), NOW, 30).certificate))
    host, choices = lab.hosts["m131041-terminal"], Choices(["10.64.0.75"], authority=thumbprint(root))
    setup = make_setup(lab, host, TABLE, (), choices)
    assert setup.questions["roots"] == [choices.authority]
    state: dict[str, Any] = {
        "security": "",
        "audit": "",
        "registry": {},
        "accounts": [],
        "features": {},
        "services": {},
    }

    def found(**more: object) -> list[str]:
        return [each.wanted for each in setup.held_against({**state, **more})["updates"] if each.kind == "certificate"]

    assert found() == found(roots=[]) == [choices.authority]
    assert found(roots=[choices.authority]) == []


def test_a_root_that_is_no_certificate_is_named(tmp_path: Path) -> None:
    (tmp_path / "root.pem").write_text("nothing")
    for name in ("root.pem", "missing.pem"):
        with pytest.raises(ValueError, match=rf"{name}: is no certificate in PEM form"):
            thumbprint(tmp_path / name)


def test_an_update_is_overdue_after_its_deadline_a_critical_one_sooner() -> None:
    def offered(**span: float) -> list[dict[str, Any]]:
        return [{"name": f"KB{urgent:d}", "urgent": urgent, "since": ago(**span)} for urgent in (False, True)]

    searched = {"searched": ago(hours=3)}
    assert overdue(searched | {"missing": offered(days=6, hours=23)}) == []
    assert overdue(searched | {"missing": offered(days=7, hours=1)}) == [("fact", "KB1")]
    assert overdue(searched | {"missing": offered(days=30, hours=1)}) == [("fact", "KB0, KB1")]
    assert overdue(searched | {"missing": offered(days=15)}, **{"update-days": 14}) == [("fact", "KB0, KB1")]


def test_a_machine_that_did_not_search_is_not_known_to_be_patched() -> None:
    assert overdue({"searched": None, "missing": []}) == [("fact", "last search: never")]
    assert overdue({"searched": ago(days=2, hours=23), "missing": []}) == []
    assert overdue({"searched": ago(days=3, hours=1), "missing": []}) == [("fact", "last search: 2026-11-23")]
    assert overdue(None) == [("fact", "-")]


def test_where_updates_come_on_media_the_machine_is_not_asked() -> None:
    assert overdue({"searched": None, "missing": []}, **{"updates-by-media": 1}) == []
