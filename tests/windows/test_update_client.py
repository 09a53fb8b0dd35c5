"""The update policy of simulated terminals: each by its ring, line, hours and link, and nothing on shared ones."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from renkei.lab.windows.host import Host, differences
from windows.staging import PLAYBOOKS, Run, Staging, make_staging, served

FAST, SLOW, MEDIA, SHARED = "m011011-terminal", "m011029-terminal", "m011037-terminal", "m011045-terminal"
SERVER = "https://mirror.asp.renkei.example:8531"
WINDOWS = r"hklm\software\policies\microsoft\windows"
REPORTED = "What differs about updates and needs a person, or is another's to change, is said"
PLAY = [
    {
        "name": "Update policy",
        "hosts": "terminals",
        "gather_facts": False,
        "strategy": "terminal_linear",
        "roles": [{"role": "update_client"}],
    }
]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Staging]:
    """Four terminals: a fast line, a slow one whose machine is switched off at night, media, and a shared machine."""
    lines = {
        1: {"link": "on_demand", "line_kbps": "1500", "ring": "main_west", "maintenance": "switched_off"},
        2: {"link": "media", "ring": "early"},
    }
    made = make_staging(tmp_path_factory.mktemp("bench"), 4, {3: "shared"}, lines)
    made.extra = {
        "update_client_authority_file": str(made.folder / "root.pem"),
        "update_client_report_dir": str(made.folder),
    }
    with served(made) as staging:
        yield staging


def play(bench: Staging, *arguments: str) -> Run:
    """Run the role alone; it reads the machines itself."""
    book = bench.folder / "updates.json"
    book.write_text(json.dumps([PLAY[0] | {"vars_files": [str(PLAYBOOKS / "vars" / "windows.yml")]}]))
    return bench.play(book, *arguments)


def states(bench: Staging) -> dict[str, dict[str, Any]]:
    return {name: machine.state() for name, machine in bench.machines.items()}


def policy(machine: Host, *path: str) -> dict[str, Any]:
    """The values of a policy's key, as Windows writes their names."""
    found = machine.registry["\\".join([WINDOWS, *path])]
    return {name: data for name, _, data in found.values()}


def reported(run: Run, name: str) -> bool:
    return (REPORTED, "done", "") in run.outcomes[name]


@pytest.fixture(scope="module")
def before(bench: Staging) -> dict[str, dict[str, Any]]:
    """The states before; check mode changes nothing, a second run finds nothing to do."""
    found = states(bench)
    checked = bench.assert_well(play(bench, "--check"))
    assert {name: checked.recap[name]["changed"] for name in bench.machines} == {FAST: 3, SLOW: 3, MEDIA: 2, SHARED: 0}
    assert states(bench) == found
    bench.assert_well(play(bench))
    after = states(bench)
    second = bench.assert_well(play(bench))
    assert second.total("changed") == 0, second.output
    assert states(bench) == after
    assert [reported(second, name) for name in bench.machines] == [False, False, False, True]
    return found


@pytest.mark.usefixtures("before")
def test_updates_come_from_the_asp_alone_and_the_service_knows_the_ring(bench: Staging) -> None:
    machine = bench.machines[FAST]
    update = policy(machine, "windowsupdate")
    assert (update["WUServer"], update["WUStatusServer"], update["TargetGroup"]) == (SERVER, SERVER, "early")
    sources = [data for name, data in update.items() if name.startswith("SetPolicyDrivenUpdateSourceFor")]
    assert (sources, update["DoNotConnectToWindowsUpdateInternetLocations"]) == ([1, 1, 1, 1], 1)
    automatic = policy(machine, "windowsupdate", "au")
    assert (automatic["UseWUServer"], automatic["UseUpdateClassPolicySource"]) == (1, 1)
    assert machine.facts["known_to"] == [SERVER, "early"]
    assert bench.machines[SLOW].facts["known_to"] == [SERVER, "main_west"]
    root = x509.load_pem_x509_certificate((bench.folder / "root.pem").read_bytes())
    assert machine.facts["roots"] == [root.fingerprint(hashes.SHA1()).hex()]  # noqa: S303 - what Windows calls it by
    patterns = {name: data for name, _, data in machine.registry[rf"{WINDOWS} defender\signature updates"].values()}
    assert (patterns["FallbackOrder"], patterns["ForceUpdateFromMU"]) == ("InternalDefinitionUpdateServer", 0)


@pytest.mark.usefixtures("before")
def test_windows_installs_and_restarts_by_no_decision_of_its_own(bench: Staging) -> None:
    for name in (FAST, SLOW, MEDIA):
        update, automatic = (policy(bench.machines[name], "windowsupdate", *more) for more in ((), ("au",)))
        assert (automatic["AUOptions"], automatic["NoAutoRebootWithLoggedOnUsers"]) == (3, 1)
        assert (update["SetComplianceDeadline"], update["SetComplianceDeadlineForFU"]) == (0, 0)
        assert (update["SetActiveHours"], update["ActiveHoursStart"], update["ActiveHoursEnd"]) == (1, 8, 18)


@pytest.mark.usefixtures("before")
def test_a_line_is_the_offices_while_it_is_open(bench: Staging) -> None:
    """20 % of 1 Gbps in office hours, 80 % otherwise; 25 % of 1.5 Mbps, and of nothing the least that can be said."""
    limits = {name: policy(bench.machines[name], "bits") for name in (FAST, SLOW)}
    hours = {(each["MaxBandwidthValidFrom"], each["MaxBandwidthValidTo"]) for each in limits.values()}
    rates = [(each["MaxTransferRateOnSchedule"], each["MaxTransferRateOffSchedule"]) for each in limits.values()]
    assert (hours, rates) == ({(8, 18)}, [(200_000, 800_000), (375, 15)])
    for name, shares in ((FAST, (20, 80)), (SLOW, (25, 1))):
        delivery = policy(bench.machines[name], "deliveryoptimization")
        assert delivery["DODownloadMode"] == 99
        for kind in ("Background", "Foreground"):
            words = [f"DOSetHoursToLimit{kind}DownloadBandwidth_{word}" for word in ("From", "To", "In", "Out")]
            assert tuple(delivery[word] for word in words) == (8, 18, *shares)


@pytest.mark.usefixtures("before")
def test_where_updates_come_on_media_nothing_is_searched_for(bench: Staging) -> None:
    assert policy(bench.machines[MEDIA], "windowsupdate", "au")["NoAutoUpdate"] == 1
    assert policy(bench.machines[FAST], "windowsupdate", "au")["NoAutoUpdate"] == 0
    assert bench.machines[MEDIA].facts["searched"] is None
    assert bench.machines[MEDIA].counts["Start-UpdateSearch.ps1"] == 0


def test_on_a_shared_machine_nothing_is_touched(bench: Staging, before: dict[str, dict[str, Any]]) -> None:
    machine = bench.machines[SHARED]
    assert differences(before[SHARED], machine.state()) == []
    assert machine.counts["Import-Settings.ps1"] == machine.counts["Start-UpdateSearch.ps1"] == 0
    report = json.loads((bench.folder / f"{SHARED}-updates.json").read_text())
    found = {each["control"] for each in report["deviations"]}
    assert {"update-source", "update-ring", "updates-by-order", "update-delivery", "updates-in-time"} <= found
    assert json.loads((bench.folder / f"{FAST}-updates.json").read_text())["deviations"] == []


@pytest.mark.usefixtures("before")
def test_what_is_overdue_is_said_and_nothing_is_done_about_it(bench: Staging) -> None:
    machine = bench.machines[FAST]
    critical = {"id": "1", "title": "KB1", "kb": ["1"], "categories": [], "severity": "Critical"}
    machine.updates = [critical | {"offered": int(time.time()) - 6 * 86400}]
    assert not reported(bench.assert_well(play(bench)), FAST)
    machine.updates = [critical | {"offered": int(time.time()) - 8 * 86400}]
    run = bench.assert_well(play(bench))
    assert (reported(run, FAST), reported(run, SLOW), run.total("changed")) == (True, False, 0)
    machine.updates = []


@pytest.mark.usefixtures("before")
def test_an_endpoint_that_changes_its_ring_is_in_it_after_the_next_run(bench: Staging) -> None:
    endpoints = bench.fleet.folder / "endpoints.csv"
    others = {name: state for name, state in states(bench).items() if name != SLOW}
    text = endpoints.read_text(encoding="utf-8")
    endpoints.write_text(text.replace("main_west", "canary"), encoding="utf-8")
    run = bench.assert_well(play(bench))
    assert run.recap[SLOW]["changed"] == run.total("changed") == 2
    assert bench.machines[SLOW].facts["known_to"] == [SERVER, "canary"]
    assert {name: state for name, state in states(bench).items() if name != SLOW} == others


@pytest.mark.usefixtures("before")
def test_a_terminal_with_no_way_to_the_service_is_refused_before_anything_is_touched(bench: Staging) -> None:
    """The last of this file: it takes the flow away."""
    flows: Path = bench.fleet.folder.parent / "policy" / "flows.yml"
    lines = flows.read_text(encoding="utf-8").split("\n\n")
    flows.write_text("\n\n".join(each for each in lines if "id: windows-updates" not in each), encoding="utf-8")
    found = states(bench)
    run = play(bench)
    assert run.code != 0
    assert "Restore the flow windows-updates, or make the endpoint's link media" in " ".join(run.output.split())
    assert [run.recap[name]["failed"] for name in bench.machines] == [1, 1, 0, 0]
    assert states(bench) == found
