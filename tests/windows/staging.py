"""A staging bench of simulated Windows terminals: a fleet as production has it, hosts just installed, the playbook."""

import asyncio
import csv
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from renkei.exchange.certificates import make_key
from renkei.fleet.addresses import dotted
from renkei.fleet.loader import load_fleet
from renkei.fleet.model import Fleet, Host, Part
from renkei.fleet.terminal.vault import Vault
from renkei.lab.windows.engine import Behaviour
from renkei.lab.windows.host import Host as Machine
from renkei.lab.windows.host import fresh
from renkei.lab.windows.server import Listener, Server
from windows.conftest import PORT, ROOT, make_bench

PLAYBOOKS = ROOT / "ansible" / "playbooks"


@dataclass(frozen=True)
class Run:
    """What a run of a playbook left: recap by host, processor and wall seconds of the controller, text.

    `outcomes` has what became of every task on every host, as Ansible reports it: (task, done | skipped | …, why).
    """

    code: int
    recap: Mapping[str, Mapping[str, int]]
    seconds: float
    wall: float
    output: str
    outcomes: Mapping[str, list[tuple[str, str, str]]]

    def total(self, word: str) -> int:
        """Sum a figure of the recap: ok, changed, unreachable, failed, skipped, rescued, ignored."""
        return sum(each[word] for each in self.recap.values())


@dataclass
class Staging:
    """The bench: the fleet, its terminals by name in the inventory, and what is needed to reach them."""

    fleet: Fleet
    machines: Mapping[str, Machine]
    addresses: Mapping[str, str]
    folder: Path
    listener: Listener
    vault: Path
    vault_key: Any
    extra: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)

    def play(self, playbook: Path, *arguments: str, forks: int = 50, **variables: object) -> Run:
        """Run a playbook with the settings of production."""
        given = {
            "bench_certificate": str(self.folder / "client.pem"),
            "bench_key": str(self.folder / "client.key"),
            "bench_authority": str(self.folder / "root.pem"),
            "terminal_base_vault": str(self.vault),
            **self.extra,
            **variables,
        }
        (self.folder / "given.json").write_text(json.dumps(given, ensure_ascii=False))
        command = [str(Path(sys.executable).with_name("ansible-playbook")), str(playbook)]
        command += ["-i", str(self.fleet.folder / "fleet.yml"), "-i", str(self.folder / "bench.yml")]
        command += ["-e", f"@{self.folder / 'given.json'}", "--forks", str(forks), *arguments]
        environment = {
            **os.environ,
            "ANSIBLE_CONFIG": str(ROOT / "ansible" / "ansible.cfg"),
            "ANSIBLE_INVENTORY_ENABLED": "renkei,yaml",
            "ANSIBLE_HOME": str(self.folder / "ansible"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default",
            "ANSIBLE_DISPLAY_OK_HOSTS": "0",
            "ANSIBLE_DISPLAY_SKIPPED_HOSTS": "0",
            "ANSIBLE_CALLBACK_PLUGINS": str(Path(__file__).with_name("callbacks")),
            "ANSIBLE_CALLBACKS_ENABLED": "outcomes",
            "RENKEI_OUTCOMES": str(self.folder / "outcomes.jsonl"),
            "NO_PROXY": "*",
            **self.environment,
        }
        begun = time.monotonic()
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        text, wall = done.stdout + done.stderr, time.monotonic() - begun
        return Run(done.returncode, _recap(done.stdout), seconds, wall, text, _outcomes(self.folder / "outcomes.jsonl"))

    def stage(self, *arguments: str, **variables: object) -> Run:
        """Run the playbook of the staging bench."""
        return self.play(PLAYBOOKS / "stage.yml", *arguments, **variables)

    def assert_well(self, run: Run) -> Run:
        """Check that every terminal did everything, and none was skipped or out of reach."""
        assert run.code == 0, run.output[-4000:]
        assert set(self.machines) <= set(run.recap), run.output[-4000:]
        assert run.total("unreachable") == run.total("failed") == 0
        return run


def make_staging(
    folder: Path,
    count: int,
    profiles: Mapping[int, str] | None = None,
    endpoints: Mapping[int, Mapping[str, str]] | None = None,
    *,
    staged: bool = False,
    **files: str,
) -> Staging:
    """Make a bench of the first terminals of the sample fleet.

    Args:
        folder: for everything.
        count: of terminals.
        profiles: by position, where they aren't dedicated.
        endpoints: by position, columns that aren't the sample's.
        staged: whether the terminals that the sample has in service are at the bench still.
        files: more files of the fleet's folder, by name without `.yml`.
    """
    inventory = folder / "inventory"
    shutil.copytree(ROOT / "inventory" / "policy", inventory / "policy")
    shutil.copy(ROOT / "inventory" / "municipalities.csv", inventory)
    fleet_folder = inventory / "bench"
    fleet_folder.mkdir()
    for path in (ROOT / "inventory" / "sample").iterdir():
        if path.suffix in {".yml", ".ics"}:
            shutil.copy(path, fleet_folder)
    for name, text in files.items():
        (fleet_folder / f"{name}.yml").write_text(text, encoding="utf-8")
    _cut(count, fleet_folder, profiles or {}, endpoints or {}, staged=staged)
    fleet = load_fleet(fleet_folder)
    hosts = [host for host in fleet.groups["terminals"] if host.part is Part.TERMINAL]
    bench = make_bench(folder, len(hosts))
    addresses = {host.name: address for host, address in zip(hosts, bench.addresses.values(), strict=True)}
    reached = {"all": {"hosts": {name: {"ansible_host": address} for name, address in addresses.items()}}}
    (folder / "bench.yml").write_text(json.dumps(reached))
    vault, key = Vault(folder / "vault"), make_key()
    vault.add_recipient(key.public_key())
    machines = {host.name: _installed(host, addresses[host.name]) for host in hosts}
    return Staging(fleet, machines, addresses, folder, bench.listener, folder / "vault", key)


@contextmanager
def served(staging: Staging) -> Iterator[Staging]:
    """Serve the bench's hosts from a thread."""
    bench_hosts = {staging.addresses[name]: machine for name, machine in staging.machines.items()}
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    controller = dotted(staging.fleet.settings.controller)
    server = Server(
        bench_hosts, staging.listener, port=PORT, behaviour=Behaviour(reboot_seconds=1.0), controller=controller
    )
    asyncio.run_coroutine_threadsafe(server.__aenter__(), loop).result(60)
    try:
        yield staging
    finally:
        asyncio.run_coroutine_threadsafe(server.__aexit__(None, None, None), loop).result(60)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)


def _installed(host: Host, address: str) -> Machine:
    """A machine after its first boot from the kit's media: its name and region are the answer file's.

    Who set it up gave its listener a certificate, for a year (docs/runbooks/terminal-maintenance.md).
    """
    terminal = host.site.terminal
    assert terminal is not None
    machine = fresh(terminal.computer_name, terminal.machine_serial)
    machine.facts |= {"time_zone": "Tokyo Standard Time", "culture": "ja-JP", "location": "122"}
    name, now = f"renkei listener {terminal.computer_name} {address}", int(time.time())
    machine.facts["listener"] = {"name": name, "begin": now - 86400, "end": now + 397 * 86400, "sha1": ""}
    return machine


def _cut(
    count: int,
    folder: Path,
    profiles: Mapping[int, str],
    changes: Mapping[int, Mapping[str, str]],
    *,
    staged: bool,
) -> None:
    """Write the first endpoints of the sample fleet, and their machines."""
    endpoints, terminals = _rows("endpoints")[:count], _rows("terminals")
    endpoints = [row | changes.get(number, {}) for number, row in enumerate(endpoints)]
    codes = {row["code"]: profiles.get(number, "dedicated") for number, row in enumerate(endpoints)}
    chosen = [row | {"profile": codes[row["code"]]} for row in terminals if row["code"] in codes]
    if staged:
        chosen = [row | (_STAGED if row["state"] == "in_service" else {}) for row in chosen]
    for name, rows in (("endpoints", endpoints), ("terminals", chosen)):
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)


_STAGED = {"state": "staged", "in_service_on": ""}


def _rows(name: str) -> list[dict[str, str]]:
    with (ROOT / "inventory" / "sample" / f"{name}.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def _outcomes(file: Path) -> dict[str, list[tuple[str, str, str]]]:
    found: dict[str, list[tuple[str, str, str]]] = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        each = json.loads(line)
        found.setdefault(each["host"], []).append((each["task"], each["outcome"], each["why"]))
    return found


_RECAP = re.compile(r"^(\S+)\s+: (ok=.*)$", re.MULTILINE)


def _recap(text: str) -> dict[str, dict[str, int]]:
    lines = _RECAP.findall(text.rpartition("PLAY RECAP")[2])
    return {host: {word: int(number) for word, number in re.findall(r"(\w+)=(\d+)", rest)} for host, rest in lines}
