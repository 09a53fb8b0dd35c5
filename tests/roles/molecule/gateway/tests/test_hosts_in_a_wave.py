"""Waves over the hub and the linkage host: what they check at the end, and what was seen of them at the hub."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from testinfra.host import Host

from renkei.exchange.direct import Observation
from renkei.exchange.documents import peek
from renkei.exchange.packages import HostState, Package
from renkei.exchange.signed import Signed
from roles.environment import ROOT
from roles.machines import Machines
from roles.probes import CERTIFICATES_ROOT, given, play
from roles.waves import Controller

HUB, LINKAGE = "asp-hub", "moj-linkage"
ROOT_PEM = CERTIFICATES_ROOT / "root.pem"
LOOK = ROOT / "ansible" / "playbooks" / "look.yml"
CHECK = Path(__file__).parents[1] / "check.yml"

#: A gateway that runs, and shows a certificate that no root of ours vouches for.
_FORGED = """
user www-data;
events {}
http {
    server {
        listen %s:%s ssl;
        ssl_certificate /etc/nginx/forged.pem;
        ssl_certificate_key /etc/nginx/forged.key;
        ssl_protocols TLSv1.3;
        return 403;
    }
}
"""
_MAKE = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=%s -days 2"
_UNIT = """
[Service]
ExecStart=
ExecStart=/usr/sbin/nginx -c /etc/nginx/forged.conf -g 'pid /run/nginx/nginx.pid;'
"""
_DROP_IN = "/etc/systemd/system/nginx.service.d/wave.conf"


@pytest.fixture(scope="module")
def hub(machine: Machines) -> Host:
    return machine(HUB)


@pytest.fixture(scope="module")
def linkage(machine: Machines) -> Host:
    return machine(LINKAGE)


@pytest.fixture(scope="module")
def controller(tmp_path_factory: pytest.TempPathFactory) -> Controller:
    return Controller(tmp_path_factory.mktemp("waves"))


@pytest.fixture
def forged(hub: Host, declared: dict[str, Any]) -> Iterator[None]:
    """The gateway is one that nobody trusts."""
    door = declared["renkei_gateway"]
    hub.check_output(f"{_MAKE} -keyout /etc/nginx/forged.key -out /etc/nginx/forged.pem", door["name"])
    given(hub, _FORGED % (door["address"], door["port"]), "tee /etc/nginx/forged.conf >/dev/null")
    given(hub, _UNIT, "tee %s >/dev/null && systemctl daemon-reload && systemctl restart nginx", _DROP_IN)
    yield
    hub.check_output("rm /etc/nginx/forged.* %s && systemctl daemon-reload && systemctl restart nginx", _DROP_IN)


def there_already(host: Host) -> Package:
    """A package at the version that the host has: a wave of it installs nothing, so that its file plays no part."""
    shown = host.check_output("dpkg-query --show --showformat='${Version} ${Architecture}' base-files")
    version, architecture = shown.split()
    return Package.model_validate({"name": "base-files", "version": version, "architecture": architecture, "size": 1,
        "sha256": hashlib.sha256(b"").hexdigest(), "urgency": "urgent"})  # fmt: skip


def course(controller: Controller, host: str, package: Package, **variables: int) -> list[tuple[str, str | None]]:
    """Bring a wave to a host; give what came of it in its order: stage or outcome, what was wrong."""
    wave = controller.plan({host}, [package])
    controller.run(wave, **variables)
    _, acts = controller.state(wave)
    said = [act for act in acts if act.what in {"state", "end"}]
    return [(act.detail, Observation.read(peek(act.document).payload).problem) for act in said]


def checked(folder: Path, seconds: int) -> dict[str, list[str]]:
    """What a wave that has come to its end on both would find; what doesn't work has so long to work again."""
    settle = {"patch_settle_seconds": seconds, "checked_hosts": [HUB, LINKAGE], "checked_dir": str(folder)}
    done = play(CHECK, "--extra-vars", json.dumps(settle))
    assert done.returncode == 0, done.stdout
    return {name: json.loads((folder / f"{name}.json").read_text()) for name in (HUB, LINKAGE)}


@pytest.mark.usefixtures("forged")
def test_a_gateway_that_nobody_trusts_is_no_gateway_and_an_exchange_that_it_cuts_short_is_none(
    linkage: Host, controller: Controller, tmp_path: Path
) -> None:
    assert checked(tmp_path, 2) == {
        HUB: ["the gateway does not answer as it should"],
        LINKAGE: ["no exchange works"],
    }
    assert course(controller, LINKAGE, there_already(linkage), patch_settle_seconds=2) == [
        ("begun", None),
        ("checking", None),
        ("no exchange", "no exchange works"),
    ]


def test_nothing_is_found_where_the_gateway_answers_and_an_exchange_works(tmp_path: Path) -> None:
    assert checked(tmp_path, 60) == {HUB: [], LINKAGE: []}


def test_what_was_seen_of_them_is_journalled_at_the_hub_and_comes_back_from_it(
    hub: Host, linkage: Host, machine: Machines, declared: dict[str, Any], tmp_path: Path
) -> None:
    looked = play(LOOK, "--limit", f"{HUB},{LINKAGE}", "--extra-vars", f"look_result_dir={tmp_path / 'found'}")
    assert looked.returncode == 0, looked.stdout
    own = tmp_path / "authority"
    own.mkdir(mode=0o700)
    for name in ("signing.key", "entry.json", "chain.pem"):
        current = f"cat $(ls -d /var/lib/renkei-authority/keys/0* | tail -n 1)/{name}"
        (own / name).write_text(linkage.check_output(current))
    url = f"https://{declared['renkei_gateway']['name']}:{declared['renkei_gateway']['port']}"
    by_hub = [f"--hub={url}", f"--key={own / 'signing.key'}", f"--chain={own / 'chain.pem'}"]
    by_hub.append(f"--trust-anchor={ROOT_PEM}")
    sign = ["renkei", "patch", "sign", str(tmp_path / "found"), f"--out={tmp_path / 'seen'}"]
    for said in ("2 new in its journal, 0 it had", "0 new in its journal, 2 it had"):
        signed = machine.beside(LINKAGE, [*sign, f"--entry={own / 'entry.json'}", *by_hub], tmp_path)
        assert signed.splitlines()[-1] == f"{url}: {said}"

    hub.check_output("renkei-hub journal export /run/journal.json")
    journal = tmp_path / "journal.json"
    journal.write_text(hub.file("/run/journal.json").content_string)
    verified = machine.beside(
        LINKAGE, ["renkei", "journal", "verify", f"--file={journal}", f"--root={ROOT_PEM}"], tmp_path
    )
    assert "whole" in verified
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    entries = [json.loads(line["entry"]) for line in lines if "position" in line]
    digests = {entry["document_sha256"] for entry in entries if entry["act"] == "host-state"}
    seen = {name: (tmp_path / "seen" / f"{name}.json").read_bytes() for name in (HUB, LINKAGE)}
    envelopes = {name: Signed.from_json(text).envelope for name, text in seen.items()}
    assert {hashlib.sha256(envelope).hexdigest() for envelope in envelopes.values()} <= digests
    states = {name: HostState.read(peek(envelope).payload) for name, envelope in envelopes.items()}
    assert {state.device.model for state in states.values()} == {"debian-12"}
    assert any(package.startswith("nginx-light=") for package in states[HUB].packages)

    take = ["renkei", "patch", "take", f"--hosts={tmp_path / 'taken'}", f"--states={tmp_path / 'states.db'}"]
    machine.beside(LINKAGE, [*take, *by_hub], tmp_path)
    assert {name: (tmp_path / "taken" / f"{name}.json").read_bytes() for name in seen} == seen
