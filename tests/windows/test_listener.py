"""The certificate of the maintenance window: asked for on the machine, issued by a real authority, checked, renewed."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509

from images import PROGRAMS, Authority, authority_of
from renkei.lab.windows.host import differences
from unit.agent.conftest import Pki, pki
from windows.staging import PLAYBOOKS, Run, Staging, make_staging, served

__all__ = ["pki"]

ASKS, HAS = "m011011-terminal", "m011029-terminal"


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, pki: Pki) -> Iterator[Staging]:
    """A terminal whose certificate has ended two thirds of its time, one that has a good one, and the linkage host."""
    folder = tmp_path_factory.mktemp("listener")
    made = make_staging(folder / "bench", 2)
    made.machines[ASKS].facts["listener"]["begin"] -= 3 * 398 * 86400
    roots = folder / "roots.pem"  # the bench's own, and the authority's
    roots.write_text((made.folder / "root.pem").read_text() + pki.anchor_file.read_text())
    made.listener = replace(made.listener, client_authority=roots)
    inventory = json.loads((made.folder / "bench.yml").read_text())
    here = {"ansible_connection": "local", "ansible_become": False, "ansible_python_interpreter": sys.executable}
    inventory["all"]["hosts"]["moj-linkage"] = here
    (made.folder / "bench.yml").write_text(json.dumps(inventory))
    with authority_of(pki, folder, list(made.fleet.terminals)) as authority, served(made) as staging:
        command = [str(PROGRAMS / "renkei"), "ministry", "authority", "issue-listeners", "--requests", "-"]
        staging.extra = {"terminal_base_issue_command": [*command, "--config", str(authority.config)]}
        certify_controller(folder, authority)
        yield staging


def certify_controller(folder: Path, authority: Authority) -> None:
    """As docs/runbooks/terminal-maintenance.md has it: the key is made here, the request goes to the linkage host."""
    make = "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=controller@renkei"
    subprocess.run([*make.split(), "-keyout", "controller.key", "-out", "controller.csr"], cwd=folder, check=True)
    issue = [str(PROGRAMS / "renkei"), "ministry", "authority", "issue-controller", "--csr", "-"]
    with (folder / "controller.csr").open() as request, (folder / "controller.pem").open("w") as answer:
        subprocess.run([*issue, "--config", str(authority.config)], stdin=request, stdout=answer, check=True)


def open_window(bench: Staging) -> Run:
    return bench.play(PLAYBOOKS / "maintenance.yml", "--limit", ASKS, terminal_base_window="open")


def own(bench: Staging) -> x509.Certificate:
    return x509.load_pem_x509_certificates(bench.machines[ASKS].secrets["listener.pem"].encode())[0]


def test_a_terminal_without_the_issuing_ca_says_what_is_missing(bench: Staging) -> None:
    run = bench.stage("--limit", ASKS)
    assert run.code != 0
    assert "the linkage host was not part of the run; add moj-linkage to --limit" in " ".join(run.output.split())


def test_what_is_due_is_asked_for_on_the_machine_and_issued(bench: Staging, pki: Pki) -> None:
    run = bench.assert_well(bench.stage())
    machine, certificate = bench.machines[ASKS], own(bench)
    assert not bench.machines[HAS].secrets
    assert "next window opens" in str(run.outcomes[ASKS])
    assert "next window opens" not in str(run.outcomes[HAS])
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["R2024-011011-1"]
    assert [str(each) for each in names.get_values_for_type(x509.IPAddress)] == [bench.addresses[ASKS]]
    assert certificate.issuer == pki.issuing.certificate.subject
    # the key is nowhere but on the machine
    (key,) = [machine.secrets["listener.pem"].partition("-----BEGIN PRIVATE KEY-----")[2].splitlines()[1]]
    texts = [path.read_text(errors="replace") for path in bench.folder.parent.rglob("*") if path.is_file()]
    assert not [text for text in texts if key in text]
    assert key not in json.dumps(machine.state())


def test_the_controller_gets_in_with_the_certificate_that_the_authority_made_for_it(bench: Staging) -> None:
    files = {"bench_certificate": "controller.pem", "bench_key": "controller.key"}
    its = {name: str(bench.folder.parent / file) for name, file in files.items()}
    assert bench.play(PLAYBOOKS / "maintenance.yml", "--limit", HAS, terminal_base_window="open", **its).code == 0
    assert bench.machines[HAS].facts["mapped"] == {"controller@renkei": "ansible"}


def test_a_second_run_asks_for_nothing(bench: Staging) -> None:
    before = bench.machines[ASKS].state()
    assert bench.assert_well(bench.stage()).total("changed") == 0
    assert differences(before, bench.machines[ASKS].state()) == []


def test_the_controller_believes_the_roots_certificate_alone(bench: Staging, pki: Pki) -> None:
    assert bench.stage("--limit", ASKS).total("unreachable") == 0  # the window that is open has its old certificate
    assert open_window(bench).code == 0
    other = bench.stage("--limit", ASKS)
    assert other.recap[ASKS]["unreachable"] == 1
    assert "certificate verify failed" in other.output
    ours = bench.stage("--limit", ASKS, bench_authority=str(pki.anchor_file))
    assert (ours.code, ours.total("changed")) == (0, 0)


def test_it_is_renewed_when_two_thirds_of_its_time_are_over(bench: Staging, pki: Pki) -> None:
    first, there = own(bench), bench.machines[ASKS].facts["listener"]
    there["begin"] -= 2 * (there["end"] - there["begin"])
    limit = ("--limit", f"{ASKS},moj-linkage")
    run = bench.stage(*limit, bench_authority=str(pki.anchor_file))
    assert run.code == 0, run.output[-3000:]
    assert own(bench).public_key() != first.public_key()
    assert open_window(bench).total("unreachable") == 1  # the window's certificate is still the first one's root's
    again = bench.play(
        PLAYBOOKS / "maintenance.yml",
        "--limit",
        ASKS,
        terminal_base_window="open",
        bench_authority=str(pki.anchor_file),
    )
    assert again.code == 0
    assert bench.machines[ASKS].facts["listener_bound"] == bench.machines[ASKS].facts["listener"]["sha1"]


def test_a_retired_machine_gets_none_and_the_run_says_so(bench: Staging, pki: Pki) -> None:
    table = bench.folder.parent / "terminals.json"
    rows = json.loads(table.read_text())
    rows[0]["state"] = "retired"
    table.write_text(json.dumps(rows))
    there = bench.machines[ASKS].facts["listener"]
    there["begin"] -= 2 * (there["end"] - there["begin"])
    run = bench.stage("--limit", f"{ASKS},moj-linkage", bench_authority=str(pki.anchor_file))
    assert run.code != 0
    assert "the inventory has it as retired" in " ".join(run.output.split())
