"""Where Linux hosts and network devices stand, by what was signed of them."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from renkei.cli import patch, updates
from renkei.exchange.packages import Device, HostState, Package, PackageSet
from renkei.exchange.parties import AUTHORITY
from renkei.fleet.hosts.firmware import Advisory, Model
from renkei.fleet.model import Fleet
from renkei.fleet.patching.host_words import host_act, host_why
from renkei.fleet.patching.hosts import HostRow, Rule, Seen, in_order, judge_host, read_seen, survey_hosts
from renkei.fleet.patching.intake import Believer
from renkei.fleet.patching.standing import Standing

from .host_desk import Desk, package
from .scenes import DAY, NOW, Ministry, said

LAB = Path(__file__).parents[4] / "inventory" / "lab"
ADVISORY = Advisory("DSA-1-1", "https://d.example/1", "a hole", urgent=True, since=date(2026, 11, 1), fixed="12.7")
FIRMWARE = {
    "debian-12": Model("Debian 12", {"12.6": date(2026, 6, 1), "12.7": date(2026, 11, 1)}, (ADVISORY,), debian=True)
}


def package_set(number: int, at: datetime, *packages: Package) -> PackageSet:
    return PackageSet(number=number, issued_at=at, hosts=3, packages=list(packages))


def state(host: str = "asp-hub", version: str = "12.7", *packages: str, **changes: Any) -> HostState:
    held = list(packages or ("bash=5.2-2",))
    values = {"host": host, "device": Device(model="debian-12", version=version), "packages": held, "restart": False}
    return HostState.model_validate({**values, "seen_at": NOW - timedelta(hours=1), **changes})


def rule(*sets: PackageSet) -> Rule:
    return Rule(in_order(sets, NOW), FIRMWARE, 30, 7, 3)


def judged(lab: Fleet, found: HostState | None, by: Rule) -> HostRow:
    return judge_host(lab.hosts["asp-hub"], Seen(found), by, NOW)


def test_a_host_that_has_the_sets_versions_is_up_to_date(lab: Fleet) -> None:
    wanted = rule(package_set(1, NOW - DAY, package("bash", "5.2-2"), package("nginx", "1.22")))
    row = judged(lab, state(), wanted)
    assert (row.standing, row.lacks, row.version_days) == (Standing.UP_TO_DATE, (), 25)
    assert judged(lab, state(packages=["bash=5.2-3"]), wanted).standing is Standing.UP_TO_DATE  # newer than the set's


@pytest.mark.parametrize(
    ("age", "urgency", "standing"),
    [
        (29, "routine", Standing.DUE),
        (31, "routine", Standing.LATE),
        (6, "urgent", Standing.DUE),
        (8, "urgent", Standing.LATE),
    ],
)
def test_a_deadline_counts_from_the_first_set_that_wanted_more(
    lab: Fleet, age: int, urgency: str, standing: Standing
) -> None:
    first = package_set(1, NOW - age * DAY, package("bash", "5.2-3", urgency))
    second = package_set(2, NOW - DAY, package("bash", "5.2-4", urgency))
    row = judged(lab, state(), rule(second, first))
    assert (row.standing, row.lacks) == (standing, ("bash=5.2-4",))
    behind = judged(lab, state(packages=["bash=5.2-3"]), rule(first, second))  # it has the first one's
    assert behind.standing is Standing.DUE


def test_an_advisory_asks_for_a_new_version_and_has_a_deadline(lab: Fleet) -> None:
    row = judged(lab, state(version="12.6"), rule())
    assert (row.standing, [each.id for each in row.asked]) == (Standing.LATE, ["DSA-1-1"])
    assert row.version_days == 178
    assert host_why(row, NOW)[1] == "DSA-1-1 asks for 12.7"
    assert "12.7以降を求めています" in host_why(row, NOW)[0]
    unknown = judged(lab, state(version="12.99"), rule())
    assert (unknown.standing, unknown.unlisted, unknown.version_days) == (Standing.UP_TO_DATE, True, None)
    assert "doesn't know debian-12 12.99" in host_why(unknown, NOW)[1]


def test_of_several_advisories_the_version_that_has_every_fix_is_named(lab: Fleet) -> None:
    days = {"12.5": date(2026, 5, 1), "12.6": date(2026, 6, 1), "12.7": date(2026, 11, 1)}
    later = replace(ADVISORY, id="DSA-2-1", since=date(2026, 11, 10), fixed="12.6")  # found late, mended long ago
    by = replace(rule(), firmware={"debian-12": Model("Debian 12", days, (ADVISORY, later), debian=True)})
    row = judged(lab, state(version="12.5"), by)
    assert host_why(row, NOW)[1] == "DSA-1-1, DSA-2-1 asks for 12.7"
    assert "12.7以降を求めています" in host_why(row, NOW)[0]


def test_of_a_makers_version_nothing_is_guessed(lab: Fleet) -> None:
    days = {"15.9(3)M9": date(2026, 5, 1), "15.9(3)M10": date(2026, 10, 20), "15.9(3)M11": date(2026, 11, 20)}
    asks = replace(ADVISORY, id="SA-1", fixed="15.9(3)M10")
    by = replace(rule(), firmware={"C1111 15.9": Model("C1111", days, (asks,))})

    def at(version: str) -> HostRow:
        device = Device(model="C1111 15.9", version=version)
        return judged(lab, state().model_copy(update={"device": device, "packages": []}), by)

    old, fixed, unknown = at("15.9(3)M9"), at("15.9(3)M10"), at("v7.4.4")
    assert (old.standing, old.newest, old.version_days) == (Standing.LATE, "15.9(3)M11", 209)
    assert (fixed.standing, fixed.newest, fixed.asked) == (Standing.UP_TO_DATE, "15.9(3)M11", ())
    assert (unknown.standing, unknown.newest, unknown.unlisted) == (Standing.LATE, "", True)
    assert host_why(unknown, NOW)[1] == (
        "SA-1 asks for 15.9(3)M10; inventory/firmware.yml doesn't know C1111 15.9 v7.4.4"
    )
    assert "enter its version" in host_act(unknown)[1]
    assert "bring the device's firmware" in host_act(old)[1]


def test_nobody_looked_is_a_state_of_its_own(lab: Fleet) -> None:
    never, old = judged(lab, None, rule()), judged(lab, state(seen_at=NOW - 3 * DAY - timedelta(seconds=1)), rule())
    assert {never.standing, old.standing} == {Standing.UNKNOWN}
    assert never.alarm
    assert host_why(old, NOW)[1] == "nobody has looked at it for 3 days"
    assert "look.yml" in host_act(never)[0]
    assert judged(lab, state(restart=True), rule()).standing is Standing.REBOOT


def test_every_host_of_the_fleet_but_terminals_is_judged(lab: Fleet) -> None:
    report = survey_hosts(lab, {"asp-hub": Seen(state())}, rule(), (), NOW)
    assert {row.host.name for row in report.rows} == {
        host.name for host in lab.hosts.values() if host.part != "terminal"
    }
    assert report.counts[Standing.UNKNOWN] == len(report.rows) - 1
    assert report.by_part["hub"] == {Standing.UP_TO_DATE: 1}


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_versions_are_resolved_signed_and_listed(desk: Desk) -> None:
    desk.put("asp-hub", "12.15", package("bash", "5.2-3", "urgent"))
    desk.put("asp-mirror")
    out, common = desk.folder / "set.json", ["resolve", str(desk.found), "--number", "4", "--fleet", str(LAB)]
    tried = json.loads(desk.run(updates.app, *common, "--dry-run", "--json").stdout)
    assert tried["wanted_by"] == {"bash": ["asp-hub", "asp-mirror"]}
    assert "asp-router" in tried["not_looked_at"]
    assert not any("terminal" in name for name in tried["not_looked_at"])  # these say themselves how they are
    desk.run(updates.app, *common, code=2)
    shown = desk.run(updates.app, *common, *desk.signing, "--out", str(out)).output
    assert "nobody looked at" in shown
    listed = json.loads(desk.run(updates.app, "list", str(out), *desk.root, "--json").stdout)
    assert (listed["number"], listed["hosts"]) == (4, 2)
    assert [(each["name"], each["version"], each["urgency"]) for each in listed["packages"]] == [
        ("bash", "5.2-3", "urgent")
    ]
    assert "bash" in desk.run(updates.app, "list", str(out), *desk.root).stdout
    envelope = json.loads(out.read_text())
    stranger = Ministry().entry(AUTHORITY, "authority")
    out.write_text(json.dumps(envelope | {"entry": stranger.model_dump()}))
    desk.run(updates.app, "list", str(out), *desk.root, code=1)


@pytest.mark.thorough
def test_what_was_found_becomes_evidence_and_stands_beside_the_terminals(desk: Desk) -> None:
    for host in (host for site in ("ministry", "asp") for host in _hosts(site)):
        desk.put(host, "12.5" if host == "asp-router" else "12.15")
    desk.run(patch.app, "sign", str(desk.found), *desk.signing, "--out", str(desk.seen))
    inbox = desk.folder / "in"
    inbox.mkdir()
    desk.ministry.put(inbox, said("131041", "R2026-0001", NOW - DAY))
    states = ["--states", str(desk.folder / "states.db"), *desk.root]
    desk.run(patch.app, "take", str(inbox), *states)
    catalogues = [word for file in desk.ministry.put_catalogues(desk.folder) for word in ("--catalogue", str(file))]
    page = desk.folder / "page.html"
    words = ["status", *states, *catalogues, "--fleet", str(LAB), "--hosts", str(desk.seen)]
    found = json.loads(desk.run(patch.app, *words, "--json", "--page", str(page), code=3).stdout)["hosts"]
    by_name = {each["host"]: each for each in found["hosts"]}
    assert by_name["asp-hub"]["standing"] == "up_to_date"
    assert len(by_name["asp-hub"]["evidence_sha256"]) == 64
    router = by_name["asp-router"]
    assert (router["standing"], router["newest"]) == ("late", "12.15")
    assert [each["id"] for each in router["advisories"]] == ["DSA-5673-1", "DSA-5724-1"]
    assert by_name["m131041-router"]["standing"] == "unknown"
    assert "asp-router: debian-12 12.5" in " ".join(desk.run(patch.app, *words, code=3).stdout.split())
    text = page.read_text(encoding="utf-8")
    assert "サーバーとネットワーク機器" in text
    assert '<a href="https://www.debian.org/security/2024/dsa-5724">DSA-5724-1</a>' in text


def test_a_file_that_is_wrong_keeps_nothing_from_the_others(desk: Desk) -> None:
    desk.put("asp-hub")
    for name, text in (("asp-mirror", "{"), ("asp-router", '{"host": "asp-router"}')):
        (desk.found / f"{name}.json").write_text(text)
    shown = desk.run(patch.app, "sign", str(desk.found), *desk.signing, "--out", str(desk.seen), code=2)
    assert [file.name for file in desk.seen.iterdir()] == ["asp-hub.json"]
    assert "asp-mirror.json: is no JSON" in shown.stderr
    assert "asp-router.json: seen_at" in shown.stderr


def test_what_was_altered_or_is_of_another_host_is_not_believed(desk: Desk) -> None:
    desk.put("asp-hub")
    desk.put("asp-mirror")
    desk.run(patch.app, "sign", str(desk.found), *desk.signing, "--out", str(desk.seen))
    (desk.seen / "asp-router.json").write_bytes((desk.seen / "asp-hub.json").read_bytes())
    signed = json.loads((desk.seen / "asp-mirror.json").read_text())
    forged = signed["envelope"].replace('"sig":"ME', '"sig":"MF')
    assert forged != signed["envelope"]
    (desk.seen / "asp-mirror.json").write_text(json.dumps(signed | {"envelope": forged}))
    seen = read_seen(desk.seen, Believer(desk.ministry.anchor), datetime.now(UTC))
    assert seen["asp-hub"].state
    assert seen["asp-router"].refused == "it is about asp-hub"
    assert seen["asp-mirror"].refused


def _hosts(site: str) -> list[str]:
    parts = {
        "ministry": ("router", "firewall", "linkage", "immigration"),
        "asp": ("router", "firewall", "hub", "mirror"),
    }
    return [f"{'moj' if site == 'ministry' else 'asp'}-{part}" for part in parts[site]]
