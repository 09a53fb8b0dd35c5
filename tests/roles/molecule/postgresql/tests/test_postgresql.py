"""Two machines, one database: who gets in, what a commit means, that the standby takes over and the other returns."""

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from testinfra.host import Host

from renkei.exchange.certificates import (
    Authority,
    certificate_to_pem,
    issue_database_client,
    key_to_pem,
    make_key,
    make_server_request,
)
from roles.environment import ROLE_TESTS, ROOT
from roles.machines import Machines, wait_until
from roles.probes import client_credentials, foreign_authority, given, issuing_authority, play, reached, writable

FIRST, SECOND = "asp-hub-2", "asp-hub"
"""The primary of the fleet, and the standby."""
CONVERGE = ROLE_TESTS / "molecule" / "postgresql" / "converge.yml"
FAILOVER = ROOT / "ansible" / "playbooks" / "failover.yml"
DATA = "/var/lib/renkei-postgresql"
NOW = datetime.now(UTC)
PSQL = "runuser -u postgres -- psql -XAtq -h /run/renkei-postgresql"

#: Logs in to a database as libpq would, and prints `in`, or what the server or TLS said against it.
_LOG_IN = """
import json, socket, ssl, struct, sys
asked = json.load(sys.stdin)
try:
    line = socket.create_connection((asked["address"], 5432), 4, (asked["source"], 0) if asked["source"] else None)
    if asked["tls"]:
        line.sendall(struct.pack("!II", 8, 80877103))
        if line.recv(1) != b"S":
            sys.exit("no TLS")
        context = ssl.create_default_context(cafile="/etc/renkei/pki/root.pem")
        if asked["oldest"]:
            context.maximum_version = ssl.TLSVersion.TLSv1_2
        if asked["chain"]:
            open("/run/login.pem", "w").write(asked["chain"])
            context.load_cert_chain("/run/login.pem")
        line = context.wrap_socket(line, server_hostname=asked["address"])
        line.settimeout(0.5)
        try:
            line.recv(1)  # a refusal, which would be lost if something were sent to who has closed the line
        except TimeoutError:
            line.settimeout(4)
    words = b"".join(f"{name}\\0{value}\\0".encode() for name, value in asked["words"].items()) + b"\\0"
    line.sendall(struct.pack("!II", len(words) + 8, 196608) + words)
    answer = line.makefile("rb")
    kind, size = struct.unpack("!cI", answer.read(5))
    body = answer.read(size - 4)
    if kind == b"R":
        print("in" if body == bytes(4) else f"asked for more: {body}")
    else:
        print(next(field[1:] for field in body.split(b"\\0") if field[:1] == b"M").decode())
except OSError as refusal:
    print(refusal)
"""
_HEALTHY = """
import socket
with socket.socket(socket.AF_UNIX) as line:
    line.settimeout(5)
    line.connect("/run/renkei-hub/health.sock")
    line.sendall(b"GET /healthz HTTP/1.1\\r\\nHost: hub\\r\\nConnection: close\\r\\n\\r\\n")
    print(line.recv(64).split()[1].decode())
"""


@pytest.fixture
def first(machine: Machines) -> Host:
    return machine(FIRST)


@pytest.fixture
def second(machine: Machines) -> Host:
    return machine(SECOND)


@pytest.fixture(scope="module")
def issuing(machine: Machines) -> Authority:
    return issuing_authority(machine.running("moj-linkage"))


def sql(host: Host, statement: str) -> str:
    """Ask a machine's PostgreSQL as its administrator, in the database that isn't the hubs'."""
    return str(host.check_output(f"{PSQL} -d postgres -c %s", statement))


def healthy(host: Host) -> bool:
    return bool(host.run("python3 -c %s", _HEALTHY).stdout.strip() == "200")


def following(host: Host) -> str:
    """Who follows a primary, and how."""
    return sql(host, "SELECT application_name, state, sync_state FROM pg_stat_replication")


def log_in(host: Host, address: str, **other: Any) -> str:
    """Log in from a host as the hub to its database, but for what is `other`."""
    words = {"user": "renkei-hub", "database": "renkei"} | other.pop("words", {})
    asked = {"address": address, "source": "", "tls": True, "oldest": False, "chain": "", "words": words, **other}
    for _ in range(5):
        said = given(host, json.dumps(asked), "python3 -c %s", _LOG_IN).strip()
        if "EOF occurred" not in said:  # a refusal by TLS, whose reason was overtaken by the end of the line
            break
    return said


def pair(host: Host, folder: str) -> str:
    """A certificate, its issuer and its key, of a machine."""
    return "".join(host.file(f"{folder}/{name}.pem").content_string for name in ("certificate", "key"))


def database_client(name: str, issuing: Authority, at: datetime) -> str:
    """Issue a client's credentials that are good for 30 days from a time on."""
    key = make_key()
    certificate = issue_database_client(make_server_request(key, name), name, issuing, at, 30)
    return certificate_to_pem(certificate) + certificate_to_pem(issuing.certificate) + key_to_pem(key)


@contextmanager
def stopped(host: Host) -> Iterator[None]:
    host.check_output("systemctl stop renkei-postgresql")
    try:
        yield
    finally:
        host.check_output("systemctl start renkei-postgresql")


def test_one_is_written_to_and_the_other_follows_every_commit(first: Host, second: Host) -> None:
    assert following(first) == f"{SECOND}|streaming|sync"
    assert (sql(first, "SELECT pg_is_in_recovery()"), sql(second, "SELECT pg_is_in_recovery()")) == ("f", "t")


def test_a_commit_is_on_the_standby_when_it_is_told(first: Host, second: Host) -> None:
    sql(first, "DROP TABLE IF EXISTS probe; CREATE TABLE probe (what TEXT); INSERT INTO probe VALUES ('told')")
    position = sql(first, "SELECT pg_current_wal_flush_lsn()")
    assert sql(second, f"SELECT pg_last_wal_receive_lsn() >= '{position}'") == "t"
    assert wait_until(lambda: sql(second, "SELECT count(*) FROM probe WHERE what = 'told'") == "1")


def test_without_the_standby_nothing_is_told_and_the_hub_says_so(first: Host, second: Host) -> None:
    with stopped(second):
        waiting = first.run(f"timeout 3 {PSQL} -d postgres -c %s", "INSERT INTO probe VALUES ('untold')")
        assert waiting.rc == 124
        wait_until(lambda: not healthy(first), 60)
    wait_until(lambda: following(first) == f"{SECOND}|streaming|sync")
    wait_until(lambda: healthy(first), 60)


def test_the_hub_logs_in_by_its_certificate(first: Host, machine: Machines) -> None:
    address = machine.address(FIRST, "lan0")
    assert log_in(first, address, chain=pair(first, "/etc/renkei/hub-store")) == "in"


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"tls": False}, "no encryption"),
        ({"oldest": True}, "PROTOCOL_VERSION"),
        ({"chain": lambda _: ""}, "requires a valid client certificate"),
        ({"chain": lambda _: database_client("hub.asp-hub-2", foreign_authority(NOW), NOW)}, "UNKNOWN_CA"),
        ({"chain": lambda ours: database_client("hub.asp-hub-2", ours, NOW - timedelta(31))}, "CERTIFICATE_EXPIRED"),
        ({"chain": lambda ours: database_client("hub.asp-hub-3", ours, NOW)}, "certificate authentication failed"),
        ({"chain": lambda ours: database_client("standby.asp-hub", ours, NOW)}, "certificate authentication failed"),
        (
            {"chain": lambda ours: client_credentials(ours, "131041", "hub.asp-hub-2", NOW, 30).pem},
            "certificate authentication failed",
        ),
        ({"words": {"user": "postgres"}}, "no pg_hba.conf entry"),
        ({"words": {"user": "renkei-owner"}}, "no pg_hba.conf entry"),
        ({"words": {"database": "postgres"}}, "no pg_hba.conf entry"),
        ({"words": {"user": "renkei-standby", "replication": "true"}}, "no pg_hba.conf entry"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_who_is_otherwise_in_one_thing_is_refused(
    first: Host, machine: Machines, issuing: Authority, other: dict[str, Any], said: str
) -> None:
    chosen = dict(other)
    make: Callable[[Authority], str] | None = chosen.pop("chain", None)
    chain = make(issuing) if make else pair(first, "/etc/renkei/hub-store")
    assert said in log_in(first, machine.address(FIRST, "lan0"), chain=chain, **chosen)


def test_the_hubs_certificate_does_not_follow_as_a_standby(second: Host, first: Host, machine: Machines) -> None:
    words = {"user": "renkei-standby", "replication": "true"}
    address = machine.address(FIRST, "lan0")
    assert log_in(second, address, chain=pair(second, "/etc/renkei/postgresql/standby"), words=words) == "in"
    refused = log_in(second, address, chain=pair(first, "/etc/renkei/hub-store"), words=words)
    assert "certificate authentication failed" in refused


def test_an_address_that_is_not_listed_is_refused_whatever_it_shows(first: Host, machine: Machines) -> None:
    chain, address = pair(first, "/etc/renkei/hub-store"), machine.address(FIRST, "lan0")
    first.check_output("ip address add 10.99.0.1/32 dev lo")
    try:
        by_the_unit = log_in(first, address, source="10.99.0.1", chain=chain)
        first.check_output("systemctl set-property --runtime renkei-postgresql IPAddressAllow=10.99.0.1")
        by_the_database = log_in(first, address, source="10.99.0.1", chain=chain)
    finally:
        first.check_output("rm -r /run/systemd/system.control/renkei-postgresql.service.d; systemctl daemon-reload")
        first.check_output("ip address del 10.99.0.1/32 dev lo")
    assert by_the_unit == "timed out"
    assert 'no pg_hba.conf entry for host "10.99.0.1"' in by_the_database


@pytest.mark.parametrize("name", ["asp-mirror", "moj-linkage", "m131041-terminal"])
@pytest.mark.parametrize("database", [FIRST, SECOND])
def test_nobody_else_gets_as_far_as_the_database(machine: Machines, name: str, database: str) -> None:
    assert machine.connect(name, machine.address(database, "lan0"), 5432) == "silence"


@pytest.mark.parametrize("name", [FIRST, SECOND])
def test_it_listens_at_one_address_keeps_sums_and_knows_no_password(machine: Machines, name: str) -> None:
    host = machine(name)
    listening = host.check_output("ss -Hltn 'sport = :5432'").splitlines()
    assert [line.split()[3] for line in listening] == [f"{machine.address(name, 'lan0')}:5432"]
    assert sql(host, "SHOW data_checksums") == "on"
    assert sql(host, "SELECT count(*) FROM pg_authid WHERE rolpassword IS NOT NULL") == "0"


def test_its_unit_writes_nowhere_else_and_others_read_nothing_of_it(first: Host) -> None:
    assert writable(first, "renkei-postgresql", f"{DATA} {DATA}/data") == {DATA, f"{DATA}/data"}
    for path in (DATA, "/run/renkei-postgresql", "/etc/renkei/postgresql/server/key.pem"):
        assert "Permission denied" in first.run("runuser -u renkei-hub -- ls %s && cat %s", path, path).stderr


def test_the_hub_writes_rows_and_changes_no_table_and_no_journal(first: Host) -> None:
    for harm in ("UPDATE journal SET entry = ''", "DELETE FROM journal", "CREATE TABLE more (number INT)"):
        refused = first.run(f"{PSQL} -d renkei -c %s -c %s", 'SET ROLE "renkei-hub"', harm)
        assert "permission denied" in refused.stderr
    assert json.loads(first.check_output("renkei-hub status --json"))["live_certificates"] >= 2


def test_the_hub_reaches_its_database_and_nobody_else(first: Host, machine: Machines) -> None:
    mirror = machine.address("asp-mirror", "lan0")
    assert machine.connect(FIRST, mirror, 3142) == "open"
    assert reached(first, "renkei-hub", machine.address(FIRST, "lan0"), 5432) == "open"
    assert reached(first, "renkei-hub", machine.address(SECOND, "lan0"), 5432) == "open"
    assert reached(first, "renkei-hub", mirror, 3142) != "open"


def test_a_reboot_brings_database_and_hub_back(machine: Machines, first: Host) -> None:
    machine.restart(FIRST)
    wait_until(lambda: healthy(first), 60)
    assert following(first) == f"{SECOND}|streaming|sync"


def run_with(
    playbook: Path, declared: dict[str, Any], primary: str, standby: str, *arguments: str
) -> subprocess.CompletedProcess[str]:
    """Run a playbook as if fleet.yml named these."""
    databases = declared["renkei_databases"] | {"primary": primary, "standby": standby}
    return play(playbook, "--extra-vars", json.dumps({"renkei_databases": databases}), *arguments)


def entries(host: Host) -> int:
    return int(json.loads(host.check_output("renkei-hub status --json"))["journal_entries"])


def test_a_run_promotes_nobody(first: Host, second: Host, declared: dict[str, Any]) -> None:
    done = run_with(CONVERGE, declared, SECOND, FIRST, "--tags", "postgresql_preflight")
    assert done.returncode != 0
    assert "still follows asp-hub-2" in done.stdout
    assert (sql(first, "SELECT pg_is_in_recovery()"), sql(second, "SELECT pg_is_in_recovery()")) == ("f", "t")


def test_the_standby_takes_over_and_the_other_comes_back_as_its_standby(
    first: Host, second: Host, declared: dict[str, Any]
) -> None:
    before = entries(first)
    sql(first, "INSERT INTO probe VALUES ('before')")
    done = run_with(FAILOVER, declared, SECOND, "")
    assert done.returncode == 0, done.stdout
    assert first.run("systemctl is-active renkei-postgresql").stdout.strip() == "inactive"
    assert sql(second, "SELECT count(*) FROM probe WHERE what = 'before'") == "1"
    assert entries(first) == before, "the hub finds its journal on the other machine"
    wait_until(lambda: healthy(first), 60)

    done = run_with(CONVERGE, declared, SECOND, FIRST, "--tags", "postgresql")
    assert done.returncode == 0, done.stdout
    assert following(second) == f"{FIRST}|streaming|sync"
    assert first.run(f"ls -d {DATA}/data.replaced-*").rc == 0, "what the old primary held is kept"
    sql(second, "INSERT INTO probe VALUES ('after')")
    assert wait_until(lambda: sql(first, "SELECT count(*) FROM probe WHERE what = 'after'") == "1")
    wait_until(lambda: healthy(first), 60)
