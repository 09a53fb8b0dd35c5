"""Uploads by OpenSSH's sftp: what municipalities use where there is nothing better.

A file is written under another name, synced (`put -f`) and renamed: like a parcel it is there whole or not at all.
sshd is Debian's, unpacked by `./kit env`. It runs as root with its privilege separation, in a mount namespace of its
own that has the user and the folder which the package's installation would have made; nothing is installed or started
besides. Keys are ECDSA P-256 on both sides.
"""

import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from bench.exchanging.offers import Offer
from faults.gateway import free_port

UNPACKED = Path(__file__).parents[3] / "build" / "cache" / "sshd"
SESSIONS_OF_A_LANE = 4
_PATIENCE = 10.0
_CONFIG = """\
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host
PidFile none
AuthorizedKeysFile {folder}/client.pub
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
MaxStartups 1000
MaxSessions 1000
Subsystem sftp internal-sftp
ForceCommand internal-sftp
"""
_USERS = "root:x:0:0:root:/root:/bin/sh\nsshd:x:100:65534::/run/sshd:/usr/sbin/nologin\n"
_NAMESPACE = """\
mount --bind {folder}/passwd /etc/passwd && mount --bind {folder}/shadow /etc/shadow &&
mount -t tmpfs -o mode=755 tmpfs /run && mkdir -m 755 /run/sshd && exec {sshd} -D -e -f {folder}/sshd_config
"""


class Server:
    """A running sshd.

    Args:
        folder: is made; where files arrive, too.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        (folder / "arrived").mkdir(parents=True)
        for name in ("host", "client"):
            command = ["ssh-keygen", "-q", "-t", "ecdsa", "-b", "256", "-N", "", "-f", folder / name]
            subprocess.run(command, check=True)
        (folder / "sshd_config").write_text(_CONFIG.format(port=self._port, folder=folder))
        (folder / "passwd").write_text(_USERS)
        (folder / "shadow").write_text("root:*:19000:0:99999:7:::\nsshd:*:19000:0:99999:7:::\n")

    def __enter__(self) -> Self:
        """Start it."""
        script = _NAMESPACE.format(folder=self._folder, sshd=UNPACKED / "usr" / "sbin" / "sshd")
        libraries = {"LD_LIBRARY_PATH": str(UNPACKED / "usr" / "lib" / "x86_64-linux-gnu")}
        with (self._folder / "sshd.log").open("wb") as log:
            self._process = subprocess.Popen(
                ["unshare", "--mount", "sh", "-c", script], env=os.environ | libraries, stderr=log
            )
        for _ in range(100):
            time.sleep(0.05)
            if b"Server listening" in (self._folder / "sshd.log").read_bytes():
                return self
        raise RuntimeError(f"sshd didn't start: {(self._folder / 'sshd.log').read_text()[-500:]}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it."""
        self._process.terminate()
        self._process.wait(10)

    def put_in_open_sessions(self, lanes: Sequence[Sequence[Path]]) -> tuple[float, float]:
        """Put each lane's files by one session; return files a second and the CPU seconds, without connecting."""
        sessions = []
        for files in lanes:
            session = subprocess.Popen(
                self._sftp(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
            assert session.stdin
            assert session.stdout
            session.stdin.write(b"pwd\n")
            session.stdin.flush()
            while b"Remote working directory" not in session.stdout.readline():
                if session.poll() is not None:
                    raise RuntimeError("sftp could not open a session; sshd.log says why")
            sessions.append((session, files))
        begin, before = time.monotonic(), self._cpu()
        for session, files in sessions:
            assert session.stdin
            session.stdin.write("".join(self._put(file) for file in files).encode())
            session.stdin.close()
        for session, _ in sessions:
            assert session.stdout
            session.stdout.read()
            if session.wait():
                raise RuntimeError("sftp could not put a file; sshd.log says why")
        seconds = time.monotonic() - begin
        self._wait_for_sessions_to_end()
        self._check(lanes)
        return sum(map(len, lanes)) / seconds, self._cpu() - before

    def put_in_a_session_each(self, lanes: Sequence[Sequence[Path]]) -> float:
        """Put some of each lane's files, a session for each, as many at once as there are lanes."""
        begin = time.monotonic()
        for turn in range(SESSIONS_OF_A_LANE):
            sessions = []
            for files in lanes:
                session = subprocess.Popen(
                    self._sftp(), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
                )
                assert session.stdin
                session.stdin.write(self._put(files[turn]).encode())
                session.stdin.close()
                sessions.append(session)
            if sum(session.wait() for session in sessions):
                raise RuntimeError("sftp could not put a file; sshd.log says why")
        return len(lanes) * SESSIONS_OF_A_LANE / (time.monotonic() - begin)

    def _cpu(self) -> float:
        """CPU seconds of the server, its sessions, and the clients that this process started, ended ones included."""
        total = 0.0
        for process in (psutil.Process(), *psutil.Process().children(recursive=True)):
            times = process.cpu_times()
            own = 0.0 if process.pid == os.getpid() else times.user + times.system
            total += own + times.children_user + times.children_system
        return total

    def _wait_for_sessions_to_end(self) -> None:
        deadline = time.monotonic() + _PATIENCE
        while psutil.Process(self._process.pid).children():
            if time.monotonic() > deadline:
                raise RuntimeError("sshd keeps sessions whose clients have gone; sshd.log says why")
            time.sleep(0.01)

    def _sftp(self) -> list[str]:
        options = [f"Port={self._port}", f"IdentityFile={self._folder / 'client'}", "IdentitiesOnly=yes"]
        options += ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR"]
        return ["sftp", "-q", "-b", "-", *(part for option in options for part in ("-o", option)), "root@127.0.0.1"]

    def _put(self, file: Path) -> str:
        arrived = self._folder / "arrived" / file.name
        return f"put -f {file} {arrived}.part\nrename {arrived}.part {arrived}\n"

    def _check(self, lanes: Sequence[Sequence[Path]]) -> None:
        """What was measured must have arrived."""
        for file in (file for files in lanes for file in files):
            if (self._folder / "arrived" / file.name).stat().st_size != file.stat().st_size:
                raise RuntimeError(f"{file.name} did not arrive whole")


def write_files(folder: Path, offers: Sequence[Sequence[Offer]]) -> list[list[Path]]:
    """Write each parcel as one file, content and manifest in compact form together: the bytes that agents send."""
    folder.mkdir()
    lanes = []
    for lane in offers:
        files = []
        for each in lane:
            file = folder / str(each.manifest.id)
            file.write_bytes(each.compact)
            files.append(file)
        lanes.append(files)
    return lanes
