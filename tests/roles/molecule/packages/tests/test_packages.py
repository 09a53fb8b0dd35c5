"""A wave over a Linux host: exact versions from the mirror, nothing else, a restart, and the way back."""

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from testinfra.host import Host

from renkei.exchange.direct import Observation
from renkei.exchange.documents import peek
from renkei.exchange.packages import Package
from renkei.fleet.hosts.found import Found, read_found
from renkei.fleet.hosts.resolve import resolve
from renkei.fleet.waves.state import Phase
from roles.environment import FLEET, ROOT
from roles.machines import Machines
from roles.waves import Controller

HOST, MIRROR = "moj-immigration", "asp-mirror"
REPOSITORY = "/var/lib/renkei-releases/sample"
NAMES = {"renkei-sample", "renkei-sample-data"}

#: Two versions of a package, the second of which needs a package that the first didn't; an archive's index of them.
_BUILD = """
set -e
rm -rf "$1"; mkdir -p "$1"; cd "$1"
build() {
    d=$(mktemp -d); mkdir -p "$d/DEBIAN" "$d/usr/share/$1"; echo "$2" > "$d/usr/share/$1/version"; chmod 0755 "$d"
    printf 'Package: %s\\nVersion: %s\\nArchitecture: all\\n' "$1" "$2" > "$d/DEBIAN/control"
    printf '%sMaintainer: renkei <test@renkei.test>\\nDescription: sample\\n' "$3" >> "$d/DEBIAN/control"
    dpkg-deb --root-owner-group --build "$d" "$1_${2#*:}_all.deb" >/dev/null; rm -r "$d"
}
build renkei-sample 1:1.0-1 ""
build renkei-sample 1:1.0-2 "Depends: renkei-sample-data
"
build renkei-sample-data 1.0-2 ""
for deb in *.deb; do
    dpkg-deb --field "$deb"
    printf 'Filename: %s\\nSize: %s\\nSHA256: %s\\n\\n' "$deb" "$(stat -c %s "$deb")" \
        "$(sha256sum "$deb" | cut -d' ' -f1)"
done > Packages
printf 'Origin: renkei\\nLabel: Debian-Security\\nSuite: sample\\nDate: %s\\nSHA256:\\n %s %s Packages\\n' \
    "$(date -u '+%a, %d %b %Y %H:%M:%S UTC')" "$(sha256sum Packages | cut -d' ' -f1)" "$(stat -c %s Packages)" > Release
"""


@pytest.fixture(scope="module")
def host(machine: Machines) -> Iterator[Host]:
    """A host that has the first version, while the mirror has the second."""
    found, address = machine(HOST), machine.address(MIRROR, "mgmt0")
    machine(MIRROR).check_output("sh -c %s build %s", _BUILD, REPOSITORY)
    found.check_output("echo %s > /etc/apt/sources.list.d/sample.list",
        f"deb [trusted=yes] http://{address}:3142/releases/sample ./")  # fmt: skip
    found.check_output(f"""echo 'Acquire::http::Proxy::{address} "DIRECT";' > /etc/apt/apt.conf.d/99-sample""")
    found.check_output("apt-get update --error-on=any && apt-get install --yes renkei-sample=1:1.0-1")
    yield found
    found.check_output("apt-get purge --yes 'renkei-sample*'")
    found.check_output(
        "rm -r /etc/apt/sources.list.d/sample.list /etc/apt/apt.conf.d/99-sample /var/lib/renkei-packages"
    )
    machine(MIRROR).check_output("rm -r %s", REPOSITORY)


def play(playbook: Path, **variables: Any) -> str:
    """Run a playbook on the host; give what it said."""
    command = [str(Path(sys.executable).with_name("ansible-playbook")), f"--inventory={FLEET / 'fleet.yml'}"]
    command += [f"--limit={HOST}", f"--extra-vars={json.dumps(variables)}", str(playbook)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wave(host: Host, tmp_path_factory: pytest.TempPathFactory) -> list[Package]:
    """The packages of a wave: looked for on the host, resolved."""
    del host  # it must have its packages
    folder = tmp_path_factory.mktemp("found")
    play(ROOT / "ansible" / "playbooks" / "look.yml", look_result_dir=str(folder))
    found: Found = read_found(folder)[HOST]
    assert found.device.model == "debian-12"
    assert "renkei-sample=1:1.0-1" in found.packages
    return list(resolve([found], datetime.now(UTC), NAMES).packages)


def apply(tmp_path: Path, packages: list[Package], action: str = "install", **more: Any) -> tuple[dict[str, Any], str]:
    """Let a wave reach the host; give what its play said last, and what Ansible printed."""
    said = tmp_path / "said.json"
    order = {"action": action, "minutes": 10, "packages": [each.model_dump() for each in packages], **more}
    file = Path(__file__).parents[1] / "apply.yml"
    printed = play(file, patch_host=HOST, patch_said=str(said), patch_order=order, patch_jitter_seconds=0)
    return (json.loads(said.read_text()) if said.exists() else {}), printed


def has(host: Host) -> dict[str, str]:
    shown = host.run(
        "dpkg-query --show --showformat='${db:Status-Status} ${Package} ${Version}\\n' 'renkei-sample*'"
    ).stdout
    return {line.split()[1]: line.split()[2] for line in shown.splitlines() if line.startswith("installed ")}


def test_what_a_wave_brings_is_resolved_with_all_that_comes_along(wave: list[Package]) -> None:
    assert {each.name: each.version for each in wave} == {"renkei-sample": "1:1.0-2", "renkei-sample-data": "1.0-2"}
    assert {each.urgency for each in wave} == {"urgent"}  # the archive calls itself Debian's security archive


def test_a_host_is_not_touched_while_something_stands_against_it(
    host: Host, wave: list[Package], tmp_path: Path
) -> None:
    alone = [each for each in wave if each.name == "renkei-sample"]
    past = {"opens": "2026-01-01T00:00:00Z", "closes": "2026-01-01T04:00:00Z"}
    over = {"standstill": "the wave is halted", "windows": [past]}
    forged = [each.model_copy(update={"sha256": "0" * 64}) for each in wave]
    for packages, more, why in (
        (
            alone,
            over,
            "the wave doesn't have it: renkei-sample-data=1.0-2; it had not begun, and the wave is halted; no window",
        ),
        (forged, {}, "SHA-256"),
    ):
        said, _ = apply(tmp_path, packages, **more)
        assert said["stage"] == "blocked"
        assert why in said["problem"]
        assert has(host) == {"renkei-sample": "1:1.0-1"}


def test_a_wave_brings_exactly_its_versions_restarts_what_must_and_does_nothing_twice(
    host: Host, wave: list[Package], tmp_path: Path
) -> None:
    host.check_output("touch /run/reboot-required")
    started = host.check_output("systemctl show --property=UserspaceTimestamp --value")
    controller = Controller(tmp_path)
    identifier = controller.plan({HOST}, wave)
    controller.run(identifier)
    state, acts = controller.state(identifier)
    assert state.phase is Phase.FINISHED
    assert [act.detail for act in acts if act.what in {"state", "end"}] == ["begun", "restarting", "checking", "well"]
    seen = Observation.read(peek(acts[-1].document).payload)
    assert seen.packages == ["renkei-sample=1:1.0-2", "renkei-sample-data=1.0-2"]
    assert has(host) == {"renkei-sample": "1:1.0-2", "renkei-sample-data": "1.0-2"}
    assert host.check_output("apt-mark showauto renkei-sample-data") == "renkei-sample-data"
    assert host.check_output("systemctl show --property=UserspaceTimestamp --value") != started
    said, printed = apply(tmp_path, wave)
    assert (said["stage"], said["packages"], said["served"]) == ("done", seen.packages, True)
    assert f"changed: [{HOST}]\n" not in printed  # but for the file of what was said, which lies here


def test_a_bad_version_is_taken_back(host: Host, wave: list[Package], tmp_path: Path) -> None:
    said, _ = apply(tmp_path, wave, "uninstall")
    assert (said["stage"], said["served"], said["packages"]) == ("done", True, ["renkei-sample=1:1.0-1"])
    assert has(host) == {"renkei-sample": "1:1.0-1"}
