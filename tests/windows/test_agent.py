"""A terminal's life, its agent run by a Windows CPython under Wine: set up, exchanging, killed, fallen back, retired.

The tests are one story of one terminal, in this order. What Wine can't show stands in docs/windows-agent.md.
"""

import json
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from renkei.agent.versions import MARK
from renkei.agent.windows.layout import service_sid
from renkei.exchange.codes import new_code
from renkei.fleet.windows_package import build_windows_package
from unit.agent.conftest import Pki, pki, residence_csv, status_csv
from unit.agent.enrolling import answer
from unit.agent.page_scenes import Clerk
from windows.conftest import make_bench, serve
from windows.cpython import CACHE, ROOT, double
from windows.handed import handed
from windows.role_play import mirror, role
from windows.terminal import ENDPOINT, GROUP, Terminal, terminal_at_hub

__all__ = ["pki", "residence_csv", "status_csv"]

ASSET = "T-131041-01"
SERVICE = r"HKLM\SYSTEM\CurrentControlSet\Services\renkei-agent"
UNPROTECT = """
import sys
from pathlib import Path
from renkei.agent.platform import key_passphrase
print(len(key_passphrase(Path(sys.argv[1]))))
"""
RIGHTS = r"""
import json, sys
from pathlib import Path
from renkei.agent import platform
from renkei.agent.windows import access
import win32security
sddl = access.page_sddl(access.sid_of(sys.argv[1]))
acl = win32security.ConvertStringSecurityDescriptorToSecurityDescriptor(sddl, 1).GetSecurityDescriptorDacl()
entries = [acl.GetAce(number) for number in range(acl.GetAceCount())]
page = {win32security.ConvertSidToStringSid(sid): mask for _, mask, sid in entries}
opened = {"page": platform.is_open_to_all(Path(r"C:\ProgramData\Renkei\page"))}
opened["others may read"] = platform.is_open_to_all(Path(r"C:\users\Public"))
print(json.dumps({"sddl": sddl, "page": page, "open": opened}))
"""
BROKEN = """

def _run(self):
    raise SystemExit("this release is broken")


Service.run = _run
"""


def own_address() -> str:
    """This machine's address towards others; no packet is sent to find it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        return str(probe.getsockname()[0])


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory, pki: Pki) -> Iterator[Terminal]:
    with terminal_at_hub(tmp_path_factory.mktemp("terminal"), pki) as terminal:
        yield terminal


def test_the_role_sets_the_terminal_up_once(terminal: Terminal, tmp_path: Path) -> None:
    bench = make_bench(tmp_path, 1)
    bench.hosts["term0000"] = handed("term0000", terminal.wine)
    with mirror(terminal.package.archive.parent) as url:
        tasks = role(CACHE / "packages" / "windows.json", url, terminal.fleet.pki.anchor_file, **terminal.variables())
        for served in serve(bench):
            first = served.play(tasks, patience=300).assert_well()
            assert first.stats["term0000"]["changed"] > 5
            assert served.play(tasks, patience=300).assert_well().changed() == 0
    again = json.loads(terminal.agent("service", "install", "--clerks", GROUP, "--start", "--json"))
    assert again == {"release": terminal.package.name, "changed": []}


def test_the_package_says_what_its_cpython_is_and_is_the_same_when_built_again(
    terminal: Terminal, tmp_path: Path
) -> None:
    archive, interpreter = double()
    again = build_windows_package(ROOT, archive, out=tmp_path, interpreter=interpreter)
    assert again.rebuilt
    assert again.sha256 == terminal.package.sha256
    about = json.loads((terminal.programs / "versions" / terminal.package.name / MARK).read_text())
    assert about["cpython"]["double"] is True
    assert json.loads((tmp_path / "windows.json").read_text())["double"] is True


def test_the_service_is_what_the_documentation_says(terminal: Terminal) -> None:
    found = json.loads(terminal.agent("service", "status", "--json"))
    assert found["state"] == "running"
    service = found["service"]
    assert service["ObjectName"] == r"NT SERVICE\renkei-agent"
    assert (service["Start"], service["DelayedAutostart"], service["ServiceSidType"]) == (2, 1, 1)
    assert service["RequiredPrivileges"] == ["SeChangeNotifyPrivilege"]
    actions = bytes.fromhex(service["FailureActions"])
    assert int.from_bytes(actions[12:16], "little") == 3  # three restarts, after 5 s, 1 min, 5 min
    assert [int.from_bytes(actions[at : at + 8], "little") for at in (20, 28, 36)] == [
        1 + (milliseconds << 32) for milliseconds in (5_000, 60_000, 300_000)
    ]
    assert service["FailureActionsOnNonCrashFailures"] == 1
    assert service["ImagePath"].startswith(r'"C:\Program Files\Renkei\launcher\python\python.exe" ')


def test_it_enrols_with_its_code_through_the_service(terminal: Terminal) -> None:
    code = new_code()
    said = terminal.agent("enrol", "--code-file", "-", "--json", given=code.encode(), code=1)
    assert json.loads(said)["state"] == "pending"
    assert answer(terminal.fleet, code) == 1
    terminal.wait((terminal.data / "keys" / "1" / "entry.json").exists, "the service fetches its certificate")


def test_notices_go_both_ways(terminal: Terminal, residence_csv: Any, status_csv: Any) -> None:
    (terminal.data / "outbox" / "day.csv").write_bytes(residence_csv(3))
    terminal.wait(lambda: terminal.at_the_ministry(f"N-{ENDPOINT}-000003"), "the ministry has the notices")
    folder = terminal.ministry.settings.outbox / ENDPOINT
    folder.mkdir(exist_ok=True)
    (folder / "status.csv").write_bytes(status_csv(2, ENDPOINT))
    terminal.fleet.exchange(terminal.ministry)
    terminal.wait(lambda: list((terminal.data / "inbox").glob("*.csv")), "the terminal has the ministry's notices")
    status = json.loads(terminal.agent("status", "--json", code=1))  # an alarm
    (peer,) = [each for each in status["peers"] if each["party"] == "ministry"]
    assert (peer["notices_sent"], peer["notices_received"]) == (3, 2)
    # whatever ACL is set, Wine makes it one by which everybody may read: the page is kept shut
    (alarm,) = status["alarms"]
    assert (alarm["kind"], "everybody may read" in alarm["text"]) == ("page", True)
    assert not (terminal.data / "page" / "renkei.html").exists()


def test_no_key_lies_in_clear_and_another_account_opens_none(terminal: Terminal) -> None:
    keys = terminal.data / "keys"
    content = b"".join(path.read_bytes() for path in keys.rglob("*") if path.is_file())
    assert content.count(b"BEGIN ENCRYPTED PRIVATE KEY") == 2
    assert b"BEGIN PRIVATE KEY" not in content
    arguments = (UNPROTECT, r"C:\ProgramData\Renkei\keys")
    assert terminal.python(*arguments).stdout.strip() == b"64"
    other = terminal.python(*arguments, check=False, variables={"USER": "clerk", "LOGNAME": "clerk"})
    assert other.returncode != 0
    assert b"passphrase.dpapi" in other.stderr


def test_a_killed_release_is_started_again_by_the_launcher(terminal: Terminal) -> None:
    terminal.wait(lambda: terminal.notes().get("proven"), "the release proves itself")
    starts = terminal.log().count("starting release")
    (terminal.data / "page").chmod(0o700)  # what Wine reads as an ACL: now the page may be opened
    (release,) = terminal.wine.processes("renkei.cli.agent", "serve")
    os.kill(release, signal.SIGKILL)
    terminal.wait(lambda: terminal.log().count("starting release") > starts, "the release starts again")
    assert terminal.notes()["proven"] is True  # it had proven itself: nothing falls back


def test_the_clerks_page_is_served_on_loopback_and_the_desktop_leads_to_it(terminal: Terminal) -> None:
    content = terminal.shortcut.read_text()
    assert content == "[InternetShortcut]\nURL=file:///C:/ProgramData/Renkei/page/renkei.html\n"
    page = terminal.data / "page"
    terminal.wait((page / "renkei.html").is_file, "the page is served")
    clerk = Clerk(page)
    assert clerk.origin == f"http://127.0.0.1:{terminal.page_port}"
    assert clerk.enter().status_code == 200
    assert "表示を更新" in clerk.get().text
    stranger = Clerk(page)
    stranger.ticket = clerk.ticket
    assert stranger.enter().status_code == 403
    with socket.socket() as probe:  # what a neighbour would try
        assert probe.connect_ex((own_address(), terminal.page_port)) != 0
    clerk.http.close()


def test_the_clerks_group_alone_may_read_what_opens_the_page(terminal: Terminal) -> None:
    """What is set; whether it keeps others out is Windows' own, and the acceptance run's."""
    said = json.loads(terminal.python(RIGHTS, GROUP).stdout)
    full, modify, read = 0x1F01FF, 0x1301BF, 0x1200A9
    assert said["sddl"].startswith("D:P")  # nothing comes from above
    assert {sid: mask for sid, mask in said["page"].items() if sid not in {"S-1-5-18", "S-1-5-32-544"}} == {
        service_sid(): modify,
        "S-1-5-32-547": read,
    }
    assert said["page"]["S-1-5-18"] == said["page"]["S-1-5-32-544"] == full
    assert said["open"] == {"page": False, "others may read": True}


def test_a_release_dies_with_its_launcher(terminal: Terminal) -> None:
    terminal.wait(lambda: terminal.wine.processes("renkei.cli.agent", "serve"), "the release runs")
    (launcher,) = terminal.wine.processes("renkei.agent.windows.launcher")
    os.kill(launcher, signal.SIGKILL)
    terminal.wait(lambda: not terminal.wine.processes("renkei.cli.agent", "serve"), "the release dies, too")


def test_what_lay_in_the_outbox_when_the_power_failed_arrives_once(terminal: Terminal, residence_csv: Any) -> None:
    (terminal.data / "outbox" / "evening.csv").write_bytes(residence_csv(2, first=4))
    delay = (
        "/v",
        "AutoStartDelay",
        "/t",
        "REG_DWORD",
        "/d",
        "2000",
        "/f",
    )  # Windows and Wine give delayed services 120 s
    terminal.wine.run("reg.exe", "add", r"HKLM\SYSTEM\CurrentControlSet\Control", *delay)
    terminal.wine.cut_power()
    terminal.wine.boot()  # the service starts by itself
    terminal.wait(lambda: terminal.at_the_ministry(f"N-{ENDPOINT}-000005"), "the notices arrive")
    got = b"".join(path.read_bytes() for path in (terminal.ministry.settings.inbox / ENDPOINT).glob("*.csv"))
    assert [got.count(f"N-{ENDPOINT}-{number:06d}".encode()) for number in range(1, 6)] == [1] * 5


def test_a_release_that_breaks_is_given_up_for_the_one_before(terminal: Terminal) -> None:
    broken = terminal.unpack("9.9.9-broken")
    service = terminal.programs / "versions" / broken / "lib" / "renkei" / "agent" / "service.py"
    (service.parent / "__pycache__" / "service.cpython-311.pyc").unlink()
    service.write_text(service.read_text() + BROKEN)
    terminal.agent("service", "install", "--clerks", GROUP, version=broken)
    terminal.wait(lambda: f"{terminal.package.name} runs in its place" in terminal.log(), "the former release runs")
    assert terminal.notes()["failures"] == 3
    assert "Fatal Python error" not in terminal.log()  # it ended in order, as a program that breaks does
    assert json.loads(terminal.agent("service", "status", "--json"))["chosen"] == broken
    # the former release answers; the installation set the page's ACL anew, which is Wine's alarm again
    assert json.loads(terminal.agent("status", "--json", code=None))["party"] == ENDPOINT
    terminal.agent("service", "install", "--clerks", GROUP)
    assert json.loads(terminal.agent("service", "status", "--json"))["chosen"] == terminal.package.name


def test_a_machine_that_others_wait_for_is_not_retired(terminal: Terminal) -> None:
    terminal.wait(lambda: terminal.wine.processes("renkei.cli.agent", "serve"), "the release runs")
    refused = terminal.agent("retire", ASSET, code=1)
    assert "files in the inbox" in refused  # nobody imported them
    assert "--abandon" in refused
    assert (terminal.data / "keys" / "1" / "signing.pem").is_file()
    assert "this machine is" in terminal.agent("retire", "T-other", code=2)
    assert json.loads(terminal.agent("service", "status", "--json"))["state"] == "running"


def test_a_retired_machine_has_its_record_and_neither_keys_nor_service(terminal: Terminal) -> None:
    record = json.loads(terminal.agent("retire", ASSET, "--abandon", "--json").splitlines()[0])
    assert (record["endpoint"], record["terminal"], len(record["certificates"])) == (ENDPOINT, ASSET, 1)
    assert record["keys"] >= 5
    assert record["abandoned"]["files in the inbox"] >= 1
    assert [path.name for path in terminal.data.iterdir()] == ["retired.json"]
    assert terminal.wine.run("reg.exe", "query", SERVICE, check=False).returncode != 0
    assert not terminal.wine.processes("renkei.agent.windows.launcher")
    assert sorted(path.name for path in terminal.programs.iterdir()) == ["versions"]
    assert not terminal.shortcut.exists()
