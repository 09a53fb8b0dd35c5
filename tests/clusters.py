"""PostgreSQL clusters of the tests' own, made with initdb in a folder of their own; Debian's cluster is left alone.

What makes their commits durable is the very file that the role postgresql gives to the machines of a fleet.
"""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import psycopg

BIN = Path("/usr/lib/postgresql/15/bin")
USER = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
PORT = 5432
_HBA = "local all all trust\nlocal replication all trust\n"
_SETTINGS = """
listen_addresses = ''
unix_socket_directories = '{folder}'
max_connections = 60
shared_buffers = 16MB
autovacuum = off
log_line_prefix = ''
"""
_DURABILITY = Path(__file__).parents[1] / "roles" / "postgresql" / "files" / "durability.conf"


class Cluster:
    """A PostgreSQL server: its folder also holds its socket, so its address is the folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self._numbers = count(1)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the server and wait until it takes connections."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [BIN / "postgres", "-D", self.data], user=USER, stdout=log, stderr=log, cwd="/"
            )
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                psycopg.connect(self.url(), connect_timeout=2).close()
            except psycopg.OperationalError:
                assert self._process.poll() is None, (self.folder / "log").read_text()
                time.sleep(0.02)
            else:
                return
        raise AssertionError((self.folder / "log").read_text())

    def kill(self) -> None:
        """Kill every process of the server at once, as a machine that fails would."""
        if self._process is None:
            return
        children = _children(self._process.pid)
        for pid in (self._process.pid, *children):
            os.kill(pid, signal.SIGKILL)
        self._process.wait(10)
        self._process = None

    def stop(self) -> None:
        """Stop the server, its connections too."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(20)
            self._process = None

    def url(self, schema: str = "public", *others: "Cluster", user: str = USER) -> str:
        """The connection string of a schema here, or on whichever of the others is the primary."""
        hosts = ",".join(str(cluster.folder) for cluster in (self, *others))
        return f"host={hosts} port={PORT} dbname=postgres user={user} options='-c search_path={schema}'"

    def new_schema(self) -> str:
        """Make an empty place for a store, in less time than a database takes; return its name."""
        name = f"test_{next(self._numbers)}"
        self.execute(f"CREATE SCHEMA {name}")
        return name

    def make_users(self, *names: str) -> None:
        """Make users that may log in and have no right to anything."""
        known = {name for (name,) in self.execute("SELECT rolname FROM pg_roles")}
        for name in set(names) - known:
            self.execute(f'CREATE ROLE "{name}" LOGIN')

    def execute(self, sql: str, schema: str = "public") -> list[tuple[object, ...]]:
        """Run a statement as the superuser."""
        with psycopg.connect(self.url(schema), autocommit=True) as connection:
            cursor = connection.execute(sql.encode())
            return cursor.fetchall() if cursor.description else []

    def configure(self, **settings: str) -> None:
        """Change settings that a reload takes up."""
        for name, value in settings.items():
            self.execute(f"ALTER SYSTEM SET {name} = '{value}'")
        self.execute("SELECT pg_reload_conf()")

    def promote(self) -> None:
        """Make this standby the primary; its commits wait for the machine that was it."""
        self.execute("SELECT pg_promote(true, 20)")

    def go_on_alone(self) -> None:
        """Let commits wait for nobody."""
        self.configure(synchronous_standby_names="")


@contextmanager
def a_cluster() -> Iterator[Cluster]:
    """A running cluster that nobody else uses."""
    with _folder() as folder:
        _run("initdb", "-D", folder / "data", "-A", "trust", "-U", USER, "-E", "UTF8", "--data-checksums", "--no-sync",
             "--no-instructions", "--locale=C.UTF-8")  # fmt: skip
        with (folder / "data" / "postgresql.conf").open("a") as settings:
            settings.write(_SETTINGS.format(folder=folder) + _DURABILITY.read_text(encoding="utf-8"))
        (folder / "data" / "pg_hba.conf").write_text(_HBA)
        yield from _running(Cluster(folder))


@contextmanager
def a_standby(primary: Cluster) -> Iterator[Cluster]:
    """A synchronous standby of `primary`; every commit there waits for it from now on."""
    with _folder() as folder:
        _run("pg_basebackup", "-h", primary.folder, "-U", USER, "-D", folder / "data", "-R", "-c", "fast", "--no-sync")
        with (folder / "data" / "postgresql.auto.conf").open("a") as settings:
            settings.write(f"unix_socket_directories = '{folder}'\ncluster_name = 'standby'\n")
            settings.write("synchronous_standby_names = 'primary'\n")
        for standby in _running(Cluster(folder)):
            primary.configure(synchronous_standby_names="standby")
            deadline = time.monotonic() + 20
            while primary.execute("SELECT sync_state FROM pg_stat_replication") != [("sync",)]:
                assert time.monotonic() < deadline, "the standby didn't become synchronous"
                time.sleep(0.02)
            yield standby


def _running(cluster: Cluster) -> Iterator[Cluster]:
    cluster.start()
    try:
        yield cluster
    finally:
        cluster.kill()


@contextmanager
def _folder() -> Iterator[Path]:
    """A folder with a short name, which a socket's address needs, that the server's user owns."""
    folder = Path(tempfile.mkdtemp(prefix="renkei-pg-", dir="/tmp"))
    if os.geteuid() == 0:
        shutil.chown(folder, USER)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def _run(program: str, *arguments: object) -> None:
    done = subprocess.run(
        [BIN / program, *map(str, arguments)], user=USER, cwd="/", check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def _children(pid: int) -> list[int]:
    return [int(found) for found in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
