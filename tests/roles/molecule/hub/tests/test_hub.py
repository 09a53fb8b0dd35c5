"""The hub serves its sockets to whom they are for, reaches nobody, writes nowhere else, and comes back."""

import json
from typing import Any

import pytest
from testinfra.host import Host

from roles.environment import ROOT
from roles.machines import Machines, wait_until
from roles.probes import given, reached, writable

_ASK = """
import socket, sys
with socket.socket(socket.AF_UNIX) as line:
    line.settimeout(5)
    line.connect(sys.argv[1])
    line.sendall(b"GET /healthz HTTP/1.1\\r\\nHost: hub\\r\\nConnection: close\\r\\n\\r\\n")
    print(line.recv(64).split()[1].decode())
"""


BACKUPS = "/var/backups/renkei-hub"
LIBFAKETIME = ROOT / "build/cache/faketime/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"


@pytest.fixture
def hub(machine: Machines) -> Host:
    return machine("asp-hub")


def healthy(hub: Host) -> bool:
    return bool(hub.run("python3 -c %s /run/renkei-hub/health.sock", _ASK).stdout.strip() == "200")


def status(hub: Host) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(hub.check_output("renkei-hub status --json"))
    return found


def test_it_is_healthy_and_the_authority_vouches_for_it(hub: Host) -> None:
    wait_until(lambda: healthy(hub))
    assert status(hub)["live_certificates"] >= 2


@pytest.mark.parametrize(("user", "may"), [("www-data", True), ("nobody", False)])
@pytest.mark.parametrize("name", ["hub", "enrolment"])
def test_only_the_gateway_opens_its_doors(hub: Host, user: str, name: str, *, may: bool) -> None:
    path = f"/run/renkei-hub/{name}.sock"
    assert (hub.run("runuser -u %s -- python3 -c %s %s", user, _ASK, path).rc == 0) == may


def test_the_gateway_does_not_open_the_door_of_health(hub: Host) -> None:
    refused = hub.run("runuser -u www-data -- python3 -c %s /run/renkei-hub/health.sock", _ASK)
    assert "PermissionError" in refused.stderr


def test_nobody_else_reads_its_store_or_its_keys(hub: Host) -> None:
    for path in ("hub.db", "keys"):
        assert "Permission denied" in hub.run("runuser -u www-data -- ls /var/lib/renkei-hub/%s", path).stderr


def test_it_has_no_network(hub: Host, machine: Machines) -> None:
    mirror = machine.address("asp-mirror", "lan0")
    assert machine.connect("asp-hub", mirror, 3142) == "open"
    assert reached(hub, "renkei-hub", mirror, 3142) == "Network is unreachable"


def test_it_writes_nowhere_but_in_its_own_folder(hub: Host) -> None:
    assert writable(hub, "renkei-hub", "/var/lib/renkei-hub") == {"/var/lib/renkei-hub"}


@pytest.mark.parametrize("name", ["renew", "backup"])
def test_its_timers_wait_for_their_time_and_their_work_has_the_hubs_sandbox(
    hub: Host, machine: Machines, name: str
) -> None:
    state = hub.check_output("systemctl show --property=ActiveState,UnitFileState renkei-hub-%s.timer", name)
    assert set(state.split()) == {"ActiveState=active", "UnitFileState=enabled"}
    own = {"/var/lib/renkei-hub"} | ({BACKUPS} if name == "backup" else set())
    assert writable(hub, f"renkei-hub-{name}", f"/var/lib/renkei-hub {BACKUPS}") == own
    assert reached(hub, f"renkei-hub-{name}", machine.address("asp-mirror", "lan0"), 3142) == "Network is unreachable"


def test_a_backup_is_sound_nobody_elses_and_takes_the_place_of_the_oldest(hub: Host) -> None:
    for second in range(10, 40):
        hub.check_output("touch %s", f"{BACKUPS}/renkei-hub-20200101T0000{second}Z.db")
    before = hub.check_output("ls %s", BACKUPS).split()
    hub.check_output("systemctl start renkei-hub-backup.service")
    said = hub.check_output("journalctl --unit=renkei-hub-backup --lines=5 --output=cat")
    after = hub.check_output("ls %s", BACKUPS).split()
    (new,) = set(after) - set(before)
    assert f"{BACKUPS}/{new}: sound, " in said
    assert after == sorted([*before, new])[-24:]
    assert hub.file(f"{BACKUPS}/{new}").user == "renkei-hub"
    assert "Permission denied" in hub.run("runuser -u www-data -- ls %s", BACKUPS).stderr
    hub.check_output("find %s -name %s -delete", BACKUPS, "renkei-hub-2020*")


def test_it_asks_for_its_next_certificate_in_time_and_the_authority_answers(machine: Machines, hub: Host) -> None:
    """The timer's work, now and under a clock that is 300 days ahead."""
    asked = "journalctl --unit=renkei-hub-renew --lines=3 --output=cat"
    hub.check_output("systemctl start renkei-hub-renew.service")
    assert "not due: " in hub.check_output(asked)
    machine.put("asp-hub", LIBFAKETIME, "/usr/local/lib/libfaketime.so.1")
    drop_in = "/run/systemd/system/renkei-hub-renew.service.d"
    hub.check_output("mkdir -p %s", drop_in)
    before = hub.check_output("date '+%Y-%m-%d %H:%M:%S'")
    clock = "[Service]\nEnvironment=LD_PRELOAD=/usr/local/lib/libfaketime.so.1 FAKETIME=+300d\n"
    given(hub, clock, f"tee {drop_in}/clock.conf >/dev/null")
    try:
        hub.check_output("systemctl daemon-reload && systemctl start renkei-hub-renew.service")
    finally:
        hub.check_output("rm -r %s && systemctl daemon-reload", drop_in)
    assert "asked: " in hub.check_output(asked)
    answered = "journalctl --unit=renkei-hub --output=cat --since=%s --grep='approved enrolment=.* endpoint=hub'"
    wait_until(lambda: "terminal=asp-hub" in hub.run(answered, before).stdout)
    assert status(hub)["pending_enrolments"] == 0
    assert healthy(hub)


def test_it_comes_back_when_it_is_killed(hub: Host) -> None:
    hub.check_output("systemctl kill --signal=KILL renkei-hub")
    wait_until(lambda: healthy(hub))
